//! The AsyncAPI document, with one channel for the queue and one message for each event.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::keywords::with_references;
use super::{Described, Events, SchemaError, SchemaProblem, data, message, reference};

/// AsyncAPI uses JSON Schema draft-07, and resolves references against the whole document.
fn settings() -> SchemaSettings {
    SchemaSettings::draft07()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
}

pub(super) fn document(events: &Events, title: &str, version: &str) -> Result<Value, SchemaError> {
    let mut generator = settings().into_generator();
    let (mut messages, mut names) = (Map::new(), Map::new());
    let (mut schemas, mut problems) = (Vec::new(), Vec::new());
    for described in events.written() {
        let data = data::schema(described, &mut generator).unwrap_or(Value::Bool(false));
        match described.example() {
            Ok(example) => schemas.push((described, data, example)),
            Err(problem) => problems.push(problem),
        }
    }
    let definitions = generator.take_definitions(true);
    let names_of_definitions = component_names(&definitions);
    let renamed = |schema: &Value| {
        with_references(schema, &|old| {
            let name = reference::name(old).and_then(|name| names_of_definitions.get(&name));
            name.map_or_else(
                || old.clone(),
                |name| format!("#/components/schemas/{name}").into(),
            )
        })
    };
    let mut needed = Map::new();
    for (described, data, example) in schemas {
        if let Err(reference) = reference::collect(&data, &definitions, &mut needed) {
            problems.push(SchemaProblem::unresolved(&described.definition, reference));
        }
        let name = name(described);
        messages.insert(name.clone(), message(described, renamed(&data), &example));
        let reference = format!("#/components/messages/{name}");
        names.insert(name, json!({"$ref": reference}));
    }
    if !problems.is_empty() {
        return Err(SchemaError { problems });
    }
    let schemas = needed.iter().filter_map(|(name, schema)| {
        let name = names_of_definitions.get(name)?;
        Some((name.clone(), renamed(schema)))
    });
    let schemas: Map<_, _> = schemas.collect();
    let references: Vec<_> = names
        .keys()
        .map(|name| json!({"$ref": format!("#/channels/events/messages/{name}")}))
        .collect();
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "description": "The SQS queue of all events. A message holds one event, or several in an array.",
                "messages": names,
            },
        },
        "operations": {
            "emit": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "messages": references,
            },
        },
        "components": {"messages": messages, "schemas": schemas},
    }))
}

/// Returns the name of the message: the event type, with the version from version 2 on.
fn name(described: &Described) -> String {
    let definition = &described.definition;
    match definition.version() {
        1 => definition.event_type().into_string(),
        version => format!("{}_v{version}", definition.event_type()),
    }
}

/// Returns the name of the component for each definition. AsyncAPI allows only letters, digits,
/// `.`, `-` and `_` in the names of components.
fn component_names(definitions: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for name in definitions.keys() {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let mut allowed = name.replace(|c| !is_allowed(c), "_");
        while names.values().any(|other| *other == allowed)
            || allowed != *name && definitions.contains_key(&allowed)
        {
            allowed.push('_');
        }
        names.insert(name.clone(), allowed);
    }
    names
}

fn message(described: &Described, data: Value, example: &Value) -> Value {
    let definition = &described.definition;
    let mut message = Map::new();
    let event_type = definition.event_type();
    message.insert("name".to_owned(), event_type.as_str().into());
    let title = format!("{event_type}, version {}", definition.version());
    message.insert("title".to_owned(), title.into());
    if let Some(description) = data.get("description") {
        message.insert("description".to_owned(), description.clone());
    }
    message.insert("payload".to_owned(), message::message(definition, data));
    message.insert("examples".to_owned(), json!([{"payload": example}]));
    message.into()
}
