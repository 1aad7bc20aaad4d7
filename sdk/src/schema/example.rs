//! Generates examples of events from their schemas. Each example is read and written by
//! the type of the event.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::Described;
use super::candidates::{Texts, outermost_keys};
use super::generator::{Choices, Generator, GeneratorSettings, Leaf};
use super::incompatibility::{contradictions, definitions};
use super::problem::{Mismatch, SchemaProblem};
use crate::event::Envelope;
use crate::event::fields::DATA;
use crate::wire;

/// The maximum number of values that are generated to find a value that the type reads.
const MAX_ATTEMPTS: usize = 1_000;

/// The maximum number of examples that are generated to use every alternative of a schema
/// once.
const MAX_EXAMPLES: usize = 600;

/// Returns one example of the event, as the SDK sends it.
pub(super) fn first(described: &Described) -> Result<Value, SchemaProblem> {
    let schemas = Schemas::of(described)?;
    if schemas.read.is_none() {
        return write_only(described, &schemas.written);
    }
    let (mut search, envelope) = Search::start(described, &schemas)?;
    search.checked(&envelope)
}

/// Examples that together use every alternative of the schema: each variant, present and
/// absent values, full and empty lists and maps. Checks that the type reads each example.
pub(super) fn all(described: &Described) -> Result<Vec<Value>, SchemaProblem> {
    let schemas = Schemas::of(described)?;
    if schemas.read.is_none() {
        return Ok(vec![write_only(described, &schemas.written)?]);
    }
    let (mut search, envelope) = Search::start(described, &schemas)?;
    search.checked(&envelope)?;
    search.widen_keys();
    let mut examples = Vec::new();
    let mut choices = Choices::default();
    while examples.is_empty() || choices.is_new && examples.len() < MAX_EXAMPLES {
        choices.is_new = false;
        let before = choices.clone();
        let (envelope, after) = search.find(&before).map_err(|mismatch| {
            // According to the schema, the type writes this value. An earlier example has
            // shown that the type reads values of this schema.
            match search.is_of_written() && !examples.is_empty() {
                true => SchemaProblem::unreadable_output(&described.definition, mismatch),
                false => SchemaProblem::no_example(&described.definition, mismatch),
            }
        })?;
        let is_new = after.is_new;
        choices = after;
        if examples.is_empty() || is_new {
            examples.push(search.checked(&envelope)?);
        }
    }
    // A type may reject empty values, because many schemas cannot express that a value is
    // not empty. If the type accepts an empty value, it must also read it back.
    let each = search
        .emptiable
        .iter()
        .map(|schema_path| BTreeSet::from([schema_path.clone()]));
    let all_at_once = [search.emptiable.clone()];
    for empty in all_at_once.into_iter().chain(each.collect::<Vec<_>>()) {
        search.settings.empty = empty;
        if let Ok(envelope) = search.attempt(&mut Choices::default()).outcome {
            examples.push(search.checked(&envelope)?);
        }
    }
    Ok(examples)
}

/// The schemas of the data that is written and read.
struct Schemas {
    written: Value,
    read: Option<Value>,
}

impl Schemas {
    fn of(described: &Described) -> Result<Self, SchemaProblem> {
        Ok(Self {
            written: described.written()?.unwrap_or(Value::Bool(false)),
            read: described.read_schema()?,
        })
    }
}

/// Returns an example of an event that its type never reads. It is generated from the schema
/// alone.
fn write_only(described: &Described, written: &Value) -> Result<Value, SchemaProblem> {
    let definition = &described.definition;
    let failed = |reason: &str| {
        let pointer = "/Data".to_owned();
        let reason = reason.to_owned();
        SchemaProblem::no_example(definition, Mismatch { pointer, reason })
    };
    let (definitions, settings, mut choices) = (
        definitions(written),
        GeneratorSettings::default(),
        Choices::default(),
    );
    let texts = Texts::default();
    let mut generator = Generator::new(&definitions, &settings, &texts, &mut choices);
    let data = generator.make(written, "/Data", "");
    let data = data.ok_or_else(|| failed("every value is infinite"))?;
    let mut example = json!({
        "Timestamp": 1_767_225_600,
        "EventType": definition.event_type().as_str(),
        "ID": "example",
        "EmitterId": "user-1",
        "EmitterType": "USER",
        "EventId": "019b76da-a800-7000-8000-000000000000",
        DATA: data,
    });
    if definition.version() > 1 {
        example["Version"] = definition.version().into();
    }
    Ok(example)
}

struct Search<'a> {
    described: &'a Described,
    /// The schema that values are generated from.
    source: &'a Value,
    written: &'a Value,
    definitions: Map<String, Value>,
    texts: Texts,
    settings: GeneratorSettings,
    emptiable: BTreeSet<String>,
    numbered: BTreeSet<String>,
    attempts: usize,
}

/// One generated value, and whether the type reads it.
struct Attempt {
    outcome: Result<Envelope, Mismatch>,
    leaves: Vec<Leaf>,
}

impl<'a> Search<'a> {
    /// Finds the first example. Tries the schema for writing first, and then the schema
    /// for reading, because a type may read another form than it writes.
    fn start(
        described: &'a Described,
        schemas: &'a Schemas,
    ) -> Result<(Self, Envelope), SchemaProblem> {
        let sources = [Some(&schemas.written), schemas.read.as_ref()];
        let mut first = None;
        for source in sources.into_iter().flatten() {
            let mut search = Self {
                described,
                source,
                written: &schemas.written,
                definitions: definitions(source),
                texts: Texts::default(),
                settings: GeneratorSettings::default(),
                emptiable: BTreeSet::new(),
                numbered: BTreeSet::new(),
                attempts: 0,
            };
            match search.find(&Choices::default()) {
                Ok((envelope, _)) => return Ok((search, envelope)),
                Err(mismatch) => first = first.or(Some(mismatch)),
            }
        }
        let mismatch = first.unwrap_or_else(|| Mismatch {
            pointer: "/Data".to_owned(),
            reason: "there is no schema".to_owned(),
        });
        Err(SchemaProblem::no_example(&described.definition, mismatch))
    }

    fn is_of_written(&self) -> bool {
        std::ptr::eq(self.source, self.written)
    }

    fn attempt(&mut self, choices: &mut Choices) -> Attempt {
        self.attempts += 1;
        let mut generator = Generator::new(&self.definitions, &self.settings, &self.texts, choices);
        let data = generator.make(self.source, "/Data", "");
        let leaves = std::mem::take(&mut generator.leaves);
        let (emptiable, numbered) = (generator.emptiable, generator.numbered);
        self.emptiable.extend(emptiable);
        self.numbered.extend(numbered);
        let outcome = match data {
            Some(data) => (self.described.envelope)(&data.to_string(), &self.described.definition),
            None => Err(Mismatch {
                pointer: "/Data".to_owned(),
                reason: "no finite value matches the schema".to_owned(),
            }),
        };
        Attempt { outcome, leaves }
    }

    /// Generates a value that the type reads. If the type rejects a text, a number or a
    /// key, tries the next candidate, and also uses it for all later values.
    fn find(&mut self, start: &Choices) -> Result<(Envelope, Choices), Mismatch> {
        let mut seen = HashSet::new();
        loop {
            let mut choices = start.clone();
            let attempt = self.attempt(&mut choices);
            let mismatch = match attempt.outcome {
                Ok(envelope) => return Ok((envelope, choices)),
                Err(mismatch) => mismatch,
            };
            seen.insert(mismatch.clone());
            if !self.improve(start, &attempt.leaves, &mismatch, &seen) {
                return Err(mismatch);
            }
        }
    }

    /// Looks for a candidate with which the type no longer rejects the value at the same
    /// position.
    fn improve(
        &mut self,
        start: &Choices,
        leaves: &[Leaf],
        mismatch: &Mismatch,
        seen: &HashSet<Mismatch>,
    ) -> bool {
        let is_at = |leaf: &&Leaf| leaf.pointer == mismatch.pointer;
        let exact = leaves.iter().filter(is_at);
        // If serde buffers the input, the mismatch points at the whole buffered value, not
        // at the leaf.
        let is_near = |leaf: &&Leaf| {
            let (leaf, fault) = (&leaf.pointer, &mismatch.pointer);
            leaf.starts_with(fault.as_str()) || fault.starts_with(leaf.as_str())
        };
        let suspects: Vec<_> = match exact.clone().next() {
            Some(_) => exact.collect(),
            None => leaves.iter().filter(is_near).collect(),
        };
        let mut schema_paths = BTreeSet::new();
        for leaf in suspects {
            if !schema_paths.insert(&leaf.schema_path) {
                continue;
            }
            let before = self.settings.candidate.get(&leaf.schema_path).copied();
            for candidate in 0..leaf.count {
                if before.unwrap_or(0) == candidate {
                    continue;
                }
                if self.attempts > MAX_ATTEMPTS {
                    return false;
                }
                self.settings
                    .candidate
                    .insert(leaf.schema_path.clone(), candidate);
                match self.attempt(&mut start.clone()).outcome {
                    Ok(_) => return true,
                    Err(other) if !seen.contains(&other) && other.pointer != mismatch.pointer => {
                        return true;
                    }
                    Err(_) => {}
                }
            }
            self.settings
                .candidate
                .insert(leaf.schema_path.clone(), before.unwrap_or(0));
        }
        false
    }

    /// Gives each map with integer keys the greatest and least key that its type reads.
    /// They show the type of the keys, because the schema is the same for all integer types.
    fn widen_keys(&mut self) {
        for schema_path in self.numbered.clone() {
            for keys in outermost_keys() {
                for key in keys {
                    let more = self.settings.keys.entry(schema_path.clone()).or_default();
                    more.push(key);
                    if self.attempt(&mut Choices::default()).outcome.is_ok() {
                        break;
                    }
                    if let Some(more) = self.settings.keys.get_mut(&schema_path) {
                        more.pop();
                    }
                }
            }
        }
    }

    /// Returns the message, if it matches the schema and the type reads it back.
    fn checked(&mut self, envelope: &Envelope) -> Result<Value, SchemaProblem> {
        let definition = &self.described.definition;
        let broken = |reason: String| {
            let pointer = String::new();
            SchemaProblem::no_example(definition, Mismatch { pointer, reason })
        };
        let body = wire::encode(envelope).map_err(|error| broken(error.to_string()))?;
        let body: Value = serde_json::from_str(&body).map_err(|error| broken(error.to_string()))?;
        if let Some(found) = contradictions(&body[DATA], self.written).into_iter().next() {
            let mismatch = Mismatch {
                pointer: format!("/{DATA}{}", found.pointer),
                reason: found.fault.of_value(),
            };
            return Err(SchemaProblem::contradicts_schema(definition, mismatch));
        }
        (self.described.reads_back)(envelope)
            .map_err(|mismatch| SchemaProblem::unreadable_output(definition, mismatch))?;
        Ok(body)
    }
}
