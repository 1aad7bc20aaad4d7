//! Generates values that match a schema.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::alternatives::alternatives;
use super::candidates::{self, Texts};
use super::nearest::kind;
use super::reference::member;

/// The maximum number of optional values in a generated value. The limit is needed because
/// the size of a type that contains itself several times grows exponentially.
const MAX_NODES: usize = 400;

/// The maximum nesting of a value that the schema requires. DynamoDB stores 32 levels.
const MAX_DEPTH: usize = 32;

/// The alternatives that were used so far, so that the next value uses others.
///
/// A schema path is a position in the schema. All items of a list have the same schema path.
#[derive(Debug, Clone, Default)]
pub(super) struct Choices {
    taken: BTreeMap<String, usize>,
    /// Whether an alternative was used for the first time.
    pub(super) is_new: bool,
}

impl Choices {
    fn take(&mut self, schema_path: &str, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        let taken = self.taken.entry(schema_path.to_owned()).or_default();
        if *taken == count {
            return 0;
        }
        self.is_new = true;
        *taken += 1;
        *taken - 1
    }
}

/// The schema paths at which the generator does not use its first choice.
#[derive(Debug, Clone, Default)]
pub(super) struct GeneratorSettings {
    /// The index of the candidate to use for a text, a number or a key.
    pub(super) candidate: BTreeMap<String, usize>,
    /// Additional keys of a map.
    pub(super) keys: BTreeMap<String, Vec<String>>,
    /// The schema paths that get an empty list, an empty map, an empty text, 0 or false.
    pub(super) empty: BTreeSet<String>,
}

/// A text, a number or a key that was chosen among candidates.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The pointer into the value. For a key, the pointer of the map.
    pub(super) pointer: String,
    pub(super) schema_path: String,
    pub(super) count: usize,
}

pub(super) struct Generator<'a> {
    definitions: &'a Map<String, Value>,
    settings: &'a GeneratorSettings,
    texts: &'a Texts,
    choices: &'a mut Choices,
    pub(super) leaves: Vec<Leaf>,
    /// The schema paths that can be empty.
    pub(super) emptiable: BTreeSet<String>,
    /// The schema paths of maps with integer keys.
    pub(super) numbered: BTreeSet<String>,
    nodes: usize,
    /// Whether to generate only what the schema requires.
    is_small: bool,
    /// The schemas of the objects that are being generated. They are needed to detect a
    /// type that contains itself.
    open: Vec<Value>,
    heights: HashMap<(Value, usize), bool>,
}

impl<'a> Generator<'a> {
    pub(super) fn new(
        definitions: &'a Map<String, Value>,
        settings: &'a GeneratorSettings,
        texts: &'a Texts,
        choices: &'a mut Choices,
    ) -> Self {
        Self {
            definitions,
            settings,
            texts,
            choices,
            leaves: Vec::new(),
            emptiable: BTreeSet::new(),
            numbered: BTreeSet::new(),
            nodes: 0,
            is_small: false,
            open: Vec::new(),
            heights: HashMap::new(),
        }
    }

    /// Generates a value. `None` if every value that matches the schema is infinite.
    pub(super) fn make(
        &mut self,
        schema: &Value,
        pointer: &str,
        schema_path: &str,
    ) -> Option<Value> {
        self.nodes += 1;
        let was_small = self.is_small;
        self.is_small |= self.nodes > MAX_NODES;
        let made = self.of_schema(schema, pointer, schema_path);
        self.is_small = was_small;
        made
    }

    fn of_schema(&mut self, schema: &Value, pointer: &str, schema_path: &str) -> Option<Value> {
        if let Some(given) = candidates::given(schema) {
            let index = self.choices.take(schema_path, given.len());
            return given.into_iter().nth(index);
        }
        let mut all: Vec<_> = alternatives(schema, self.definitions);
        all.sort_by_key(|one| kind(one) == "null");
        let is_known = |one: &Value| self.open.contains(one);
        if self.is_small || all.iter().any(is_known) {
            self.is_small = true;
            let heights = all
                .into_iter()
                .filter_map(|one| Some((self.height(&one)?, one)));
            let heights: Vec<_> = heights.collect();
            let (_, least) = heights.into_iter().min_by_key(|(height, _)| *height)?;
            return self.flat(&least, pointer, schema_path);
        }
        all.retain(|one| self.height(one).is_some());
        let index = self.choices.take(schema_path, all.len());
        let schema_path = match all.len() {
            1 => schema_path.to_owned(),
            _ => format!("{schema_path}|{index}"),
        };
        let one = all.into_iter().nth(index)?;
        self.flat(&one, pointer, &schema_path)
    }

    fn flat(&mut self, schema: &Value, pointer: &str, schema_path: &str) -> Option<Value> {
        if let Some(value) = schema.get("const") {
            return Some(value.clone());
        }
        if let Some(given) = candidates::given(schema) {
            let index = self.choices.take(schema_path, given.len());
            return given.into_iter().nth(index);
        }
        match kind(schema) {
            "null" => Some(Value::Null),
            "array" => self.array(schema, pointer, schema_path),
            "object" => {
                self.open.push(schema.clone());
                let object = self.object(schema, pointer, schema_path);
                self.open.pop();
                object
            }
            _ => {
                let (candidates, empty) = candidates::of(schema, self.texts);
                self.leaf(candidates, empty, pointer, schema_path)
            }
        }
    }

    fn leaf(
        &mut self,
        candidates: Vec<Value>,
        empty: Option<Value>,
        pointer: &str,
        schema_path: &str,
    ) -> Option<Value> {
        if let Some(empty) = empty
            && self.is_empty(schema_path)
        {
            return Some(empty);
        }
        let index = self.settings.candidate.get(schema_path).copied();
        self.leaves.push(Leaf {
            pointer: pointer.to_owned(),
            schema_path: schema_path.to_owned(),
            count: candidates.len(),
        });
        candidates.into_iter().nth(index.unwrap_or(0))
    }

    fn is_empty(&mut self, schema_path: &str) -> bool {
        self.emptiable.insert(schema_path.to_owned());
        self.settings.empty.contains(schema_path)
    }

    fn object(&mut self, schema: &Value, pointer: &str, schema_path: &str) -> Option<Value> {
        let mut object = Map::new();
        let names = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = names.iter().any(|other| other == name);
            let (pointer, schema_path) = (member(pointer, name), member(schema_path, name));
            let is_absent = !is_required
                && (self.is_small || self.choices.take(&format!("{schema_path}?"), 2) == 1);
            if is_absent {
                continue;
            }
            match self.make(schema, &pointer, &schema_path) {
                Some(value) => drop(object.insert(name.clone(), value)),
                None if is_required => return None,
                None => {}
            }
        }
        let maps = schema["patternProperties"].as_object();
        let maps = maps.into_iter().flatten();
        let others = ["additionalProperties", "unevaluatedProperties"];
        let others = others.iter().filter_map(|key| schema.get(key));
        let others = others
            .filter(|schema| **schema != Value::Bool(false))
            .take(1);
        let no_pattern = String::new();
        let maps = maps.chain(others.map(|schema| (&no_pattern, schema)));
        for (pattern, values) in maps {
            let schema_path = format!("{schema_path}/*{pattern}");
            if self.is_small || self.is_empty(&schema_path) {
                continue;
            }
            if candidates::is_of_numbers(pattern) {
                self.numbered.insert(schema_path.clone());
            }
            let names = schema.get("propertyNames");
            let keys = candidates::keys(pattern, names, self.texts);
            let key = self.leaf(keys, None, pointer, &format!("{schema_path}{{key}}"));
            let key = key.and_then(|key| key.as_str().map(str::to_owned));
            let more = self
                .settings
                .keys
                .get(&schema_path)
                .cloned()
                .unwrap_or_default();
            for key in key.into_iter().chain(more) {
                if object.contains_key(&key) {
                    continue;
                }
                if let Some(value) = self.make(values, &member(pointer, &key), &schema_path) {
                    object.insert(key, value);
                }
            }
        }
        Some(object.into())
    }

    fn array(&mut self, schema: &Value, pointer: &str, schema_path: &str) -> Option<Value> {
        let mut array = Vec::new();
        for (index, item) in schema["prefixItems"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let step = format!("/{index}");
            array.push(self.make(
                item,
                &format!("{pointer}{step}"),
                &format!("{schema_path}{step}"),
            )?);
        }
        let count = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let least = count("minItems").unwrap_or(0);
        let schema_path = format!("{schema_path}/*");
        let wanted = match schema["uniqueItems"] == true {
            _ if self.is_small => least,
            _ if least == 0 && array.is_empty() && self.is_empty(&schema_path) => 0,
            true => 1,
            false => 2,
        };
        let most = count("maxItems").unwrap_or(usize::MAX);
        let items = schema.get("items").cloned().unwrap_or(json!(true));
        for index in array.len()..wanted.max(least).min(most).min(MAX_NODES) {
            match self.make(&items, &format!("{pointer}/{index}"), &schema_path) {
                Some(item) => array.push(item),
                None if array.len() >= least => break,
                None => return None,
            }
        }
        Some(array.into())
    }

    /// Returns the nesting of the smallest value, if there is a finite one.
    fn height(&mut self, schema: &Value) -> Option<usize> {
        (1..=MAX_DEPTH).find(|depth| self.ends_within(schema, *depth))
    }

    fn ends_within(&mut self, schema: &Value, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        let key = (schema.clone(), depth);
        if let Some(known) = self.heights.get(&key) {
            return *known;
        }
        let ends = alternatives(schema, self.definitions).iter().any(|one| {
            self.parts(one)
                .iter()
                .all(|part| self.ends_within(part, depth - 1))
        });
        self.heights.insert(key, ends);
        ends
    }

    /// Returns the schemas of the parts that every value must contain.
    fn parts(&self, schema: &Value) -> Vec<Value> {
        if schema.get("const").is_some() || candidates::given(schema).is_some() {
            return Vec::new();
        }
        let names = schema["required"].as_array().into_iter().flatten();
        let fields = names.filter_map(|name| schema["properties"].get(name.as_str()?));
        let prefix = schema["prefixItems"].as_array().into_iter().flatten();
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let item = schema
            .get("items")
            .filter(|_| least > prefix.clone().count() as u64);
        fields.chain(prefix).chain(item).cloned().collect()
    }
}
