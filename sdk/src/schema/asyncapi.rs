//! The AsyncAPI document: one queue, and a message for each event.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Described, Events, SchemaError, data, wire};

/// AsyncAPI's own schemas are those of draft 7, and its references are looked up
/// in the whole document.
fn settings() -> SchemaSettings {
    SchemaSettings::draft07()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
}

pub(super) fn document(events: &Events, title: &str, version: &str) -> Result<Value, SchemaError> {
    let mut generator = settings().into_generator();
    let (mut messages, mut names) = (Map::new(), Map::new());
    for described in events.distinct() {
        let data = data::schema(described, &mut generator);
        let name = name(described);
        messages.insert(name.clone(), message(described, data)?);
        let reference = format!("#/components/messages/{name}");
        names.insert(name, json!({"$ref": reference}));
    }
    let definitions = generator.take_definitions(true);
    let mut schemas = Map::new();
    messages
        .values()
        .for_each(|message| data::reachable(message, &definitions, &mut schemas));
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

/// The event's type; of an earlier version that is listed too, with its number.
fn name(described: &Described) -> String {
    let definition = &described.definition;
    match definition.version() {
        1 => definition.event_type().into_string(),
        version => format!("{}_v{version}", definition.event_type()),
    }
}

fn message(described: &Described, data: Value) -> Result<Value, SchemaError> {
    let definition = &described.definition;
    let mut message = Map::new();
    let event_type = definition.event_type();
    message.insert("name".to_owned(), event_type.as_str().into());
    let title = format!("{event_type}, version {}", definition.version());
    message.insert("title".to_owned(), title.into());
    if let Some(description) = data.get("description") {
        message.insert("description".to_owned(), description.clone());
    }
    message.insert("payload".to_owned(), wire::message(definition, data));
    let example = described.example()?;
    message.insert("examples".to_owned(), json!([{"payload": example}]));
    Ok(message.into())
}
