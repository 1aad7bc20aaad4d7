//! Type names that need an escape in a `$ref`, and references without a target.

use domain_events::schema::{LockError, Mode, SchemaProblem, check_lock};

use super::*;

macro_rules! named {
    ($($event:ident, $name:ident $(= $renamed:literal)?;)*) => {$(
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        $(#[schemars(rename = $renamed)])?
        struct $name {
            amount: u8,
            inner: Option<Box<Self>>,
        }

        #[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
        #[event(id = "one")]
        struct $event {
            direct: $name,
            optional: Option<$name>,
            list: Vec<$name>,
        }
    )*};
}

named! {
    NamedInGerman, Größe;
    NamedWithSlash, Slash = "shop/Item";
    NamedWithTilde, Tilde = "a~b";
    NamedWithPercent, Percent = "50%";
    NamedWithBoth, Both = "~1/~0 %41";
    NamedWithSpace, Space = "shop item";
    NamedWithUnderscore, Underscore = "shop_item";
}

fn named() -> Events {
    events![
        NamedInGerman,
        NamedWithSlash,
        NamedWithTilde,
        NamedWithPercent,
        NamedWithBoth,
        NamedWithSpace,
        NamedWithUnderscore
    ]
}

#[test]
fn name_that_a_reference_escapes_is_resolved() {
    for schema in named().json_schemas().unwrap() {
        let name = schema.event_type.to_string();
        let example = &schema.schema["examples"][0];
        assert_eq!(example["Data"]["direct"]["amount"], 1, "{name}");
        assert_eq!(example["Data"]["optional"]["amount"], 1, "{name}");
        let validator = jsonschema::validator_for(&schema.schema).unwrap();
        assert!(validator.is_valid(example), "{name}");
        // The reference leads to the definition, so the schema rejects another type.
        let mut wrong = example.clone();
        wrong["Data"]["optional"]["amount"] = "text".into();
        assert!(!validator.is_valid(&wrong), "{name}");
    }
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("names.lock");
    let _ = std::fs::remove_file(&path);
    check_lock(&path, &named(), Mode::Update).unwrap();
    check_lock(&path, &named(), Mode::Locked).unwrap();
}

#[test]
fn asyncapi_names_have_only_allowed_characters() {
    let document = named().asyncapi("Shop", "1").unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas.len(), 7);
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    for name in schemas.keys() {
        assert!(name.chars().all(is_allowed), "{name}");
    }
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

/// A type whose handwritten schema contains a reference without a target.
#[derive(Debug, Serialize, Deserialize)]
struct Dangling(u8);

impl JsonSchema for Dangling {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dangling".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"$ref": "#/$defs/Missing"})
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "one")]
struct Dangled {
    field: Option<Dangling>,
}

#[test]
fn reference_to_nothing_is_an_error() {
    let expected = SchemaProblem::UnresolvedReference {
        event_type: "DANGLED".parse().unwrap(),
        version: 1,
        reference: "#/$defs/Missing".to_owned(),
    };
    let error = events![Dangled].json_schemas().unwrap_err();
    assert_eq!(error.problems.first(), Some(&expected));
    let error = events![Dangled].asyncapi("Shop", "1").unwrap_err();
    assert_eq!(error.problems.first(), Some(&expected));
    match check_lock("no.lock", &events![Dangled], Mode::Check) {
        Err(LockError::Schema(error)) => assert_eq!(error.problems, [expected]),
        other => panic!("{other:?}"),
    }
}

/// A recursive type without a finite value.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Endless {
    Again(Box<Endless>),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
    more: Vec<Node>,
    by_name: BTreeMap<String, Node>,
    other: Option<Box<Other>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Other {
    Node(Node),
    Others { all: Vec<Other>, first: Box<Other> },
    End,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Infinite {
    next: Box<Infinite>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "one")]
struct Recursive {
    node: Node,
    other: Other,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(id = "one")]
struct WithoutEnd<T> {
    field: T,
}

#[test]
fn recursive_type_has_finite_examples() {
    let schemas = events![Recursive].json_schemas().unwrap();
    let text = schemas[0].schema["examples"][0].to_string();
    assert!(text.len() < 20_000, "{}", text.len());
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("recursive.lock");
    let _ = std::fs::remove_file(&path);
    check_lock(&path, &events![Recursive], Mode::Update).unwrap();
    check_lock(&path, &events![Recursive], Mode::Locked).unwrap();
}

#[test]
fn type_without_finite_values_is_an_error() {
    for events in [events![WithoutEnd<Infinite>], events![WithoutEnd<Endless>]] {
        let error = events.json_schemas().unwrap_err();
        let reason = "no finite value matches the schema";
        assert!(error.to_string().contains(reason), "{error}");
    }
}
