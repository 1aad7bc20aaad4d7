//! The decoder's verdict on a body as JSON, which the oracle compares with its own.

use aws_sdk_dynamodb::types::AttributeValue;
use domain_events::__internals::{item_of, read_item};
use domain_events::{Envelope, InvalidEvent, wire};
use serde_json::{Value, json};

use crate::targets::decode::MESSAGE_ID;

/// The verdict on a body: `{"code", "at"}` if the whole body is rejected, otherwise a list
/// with one verdict per event.
///
/// The verdict on an accepted event contains the encoded message, the item, and the
/// message encoded from the item. All three must have the same value.
pub fn of(body: &[u8]) -> Value {
    // `decode` takes text, so reject invalid UTF-8 here.
    let Ok(body) = std::str::from_utf8(body) else {
        return json!({ "code": "NOT_JSON", "at": "" });
    };
    match wire::decode(body, &MESSAGE_ID) {
        Err(error) => fault(&error),
        Ok(events) => events
            .into_iter()
            .map(|event| match event.outcome {
                Ok(envelope) => accepted(&envelope),
                Err(error) => fault(&error),
            })
            .collect(),
    }
}

fn fault(error: &InvalidEvent) -> Value {
    json!({ "code": error.code().as_str(), "at": error.pointer() })
}

fn accepted(envelope: &Envelope) -> Value {
    // Encoding fails if the escapes make the message larger than the SQS limit.
    let message = wire::encode(envelope).ok();
    let item = item_of(envelope, 1);
    let typed: Value = item
        .iter()
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect();
    let read = read_item(item)
        .ok()
        .and_then(|stored| wire::encode(stored.envelope()).ok());
    json!({ "message": message, "item": typed, "read": read })
}

/// An attribute value in DynamoDB JSON.
fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::L(members) => {
            json!({ "L": members.iter().map(attribute).collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => {
            let members = members.iter().map(|(k, v)| (k.clone(), attribute(v)));
            json!({ "M": members.collect::<serde_json::Map<_, _>>() })
        }
        _ => Value::Null,
    }
}
