//! Reads the payload of an invocation: a batch of a stream, or a scheduled event.

use domain_events_outbox::Row;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why an invocation failed as a whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPayload {
    #[error(
        "the payload of the invocation is neither a batch of a DynamoDB stream (an object with an array `Records`) nor a scheduled event of EventBridge (`detail-type` is `Scheduled Event`): invoke the function only through an event source mapping of the table's stream and through a schedule"
    )]
    Unknown,
    #[error(
        "a record of the stream has no SequenceNumber, so the whole batch must be delivered again"
    )]
    NoSequenceNumber,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Stream(Vec<Record>),
    Sweep,
}

/// A record of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sequence_number: String,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A new row of the outbox table.
    Row(Row),
    /// A new message in the attribute `OutboxMessage` of an item of another table.
    State(Row),
    /// Nothing to send: a deletion, or an item without a message.
    Nothing,
    /// A record that cannot be read.
    Unreadable,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
}

#[derive(Deserialize)]
struct StreamRecord {
    #[serde(rename = "eventID", default)]
    event_id: String,
    #[serde(rename = "eventSourceARN", default)]
    stream_arn: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    new_image: Option<Image>,
    old_image: Option<Image>,
}

/// The attributes that are used. An attribute of another type counts as missing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Image {
    event_id: Text,
    message: Text,
    outbox_message: Text,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct Text {
    #[serde(rename = "S")]
    text: Option<String>,
}

/// Reads the payload. `outbox` is the name of the outbox table.
pub(crate) fn read(payload: &str, outbox: Option<&str>) -> Result<Payload, InvalidPayload> {
    let event: Event<'_> = serde_json::from_str(payload).map_err(|_| InvalidPayload::Unknown)?;
    let Some(records) = event.records else {
        return match event.detail_type.as_deref() {
            Some("Scheduled Event") => Ok(Payload::Sweep),
            _ => Err(InvalidPayload::Unknown),
        };
    };
    let records = records
        .into_iter()
        .map(|record| read_record(record, outbox));
    records.collect::<Result<_, _>>().map(Payload::Stream)
}

fn read_record(record: &RawValue, outbox: Option<&str>) -> Result<Record, InvalidPayload> {
    let Ok(record) = serde_json::from_str::<StreamRecord>(record.get()) else {
        return Ok(Record {
            sequence_number: sequence_number(record).ok_or(InvalidPayload::NoSequenceNumber)?,
            content: Content::Unreadable,
        });
    };
    let is_outbox = outbox.is_some() && table_of(&record.stream_arn) == outbox;
    let change = record.dynamodb;
    if change.sequence_number.is_empty() {
        return Err(InvalidPayload::NoSequenceNumber);
    }
    let content = match change.new_image {
        None => Content::Nothing,
        Some(row) if is_outbox => match row.event_id.text {
            // A row without a message becomes a row with an empty message, which the relay
            // reports as a row that cannot be sent.
            Some(event_id) => Content::Row(Row {
                event_id,
                message: row.message.text.unwrap_or_default(),
            }),
            None => Content::Unreadable,
        },
        Some(state) => match state.outbox_message.text {
            // If only other attributes of the item were changed, there is no new message.
            Some(message)
                if change
                    .old_image
                    .is_some_and(|old| old.outbox_message.text.as_ref() == Some(&message)) =>
            {
                Content::Nothing
            }
            Some(message) => Content::State(Row {
                event_id: record.event_id,
                message,
            }),
            None => Content::Nothing,
        },
    };
    Ok(Record {
        sequence_number: change.sequence_number,
        content,
    })
}

/// Reads the sequence number of a record whose other fields are not readable.
fn sequence_number(record: &RawValue) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(record.get()).ok()?;
    let number = record.get("dynamodb")?.get("SequenceNumber")?.as_str()?;
    (!number.is_empty()).then(|| number.to_owned())
}

/// Returns `TABLE` of `arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/TIME`.
fn table_of(stream_arn: &str) -> Option<&str> {
    stream_arn.split("table/").nth(1)?.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(table: &str, change: Value) -> Value {
        json!({
            "eventID": "e1",
            "eventName": "INSERT",
            "eventSourceARN": format!("arn:aws:dynamodb:eu-central-1:1:table/{table}/stream/2026"),
            "dynamodb": change,
        })
    }

    fn content(record: Value) -> Content {
        let payload = json!({ "Records": [record] }).to_string();
        match read(&payload, Some("outbox")) {
            Ok(Payload::Stream(mut records)) => records.remove(0).content,
            other => panic!("{other:?}"),
        }
    }

    fn row(event_id: &str, message: &str) -> Row {
        let (event_id, message) = (event_id.to_owned(), message.to_owned());
        Row { event_id, message }
    }

    #[test]
    fn new_row_of_the_outbox_is_read() {
        let image =
            json!({ "EventId": { "S": "id" }, "Message": { "S": "{}" }, "At": { "N": "1" } });
        let change = json!({ "SequenceNumber": "7", "NewImage": image });
        assert_eq!(
            content(record("outbox", change)),
            Content::Row(row("id", "{}"))
        );
    }

    #[test]
    fn message_of_another_type_becomes_empty() {
        let image = json!({ "EventId": { "S": "id" }, "Message": { "M": {} } });
        let change = json!({ "SequenceNumber": "7", "NewImage": image });
        assert_eq!(
            content(record("outbox", change)),
            Content::Row(row("id", ""))
        );
    }

    #[test]
    fn deletion_has_nothing_to_send() {
        let change = json!({ "SequenceNumber": "7", "Keys": { "EventId": { "S": "id" } } });
        assert_eq!(content(record("outbox", change)), Content::Nothing);
    }

    #[test]
    fn message_of_a_state_item_is_sent_once() {
        let image = |message: &str, state: &str| json!({ "OutboxMessage": { "S": message }, "State": { "S": state } });
        let change = json!({ "SequenceNumber": "7", "OldImage": image("a", "x"), "NewImage": image("b", "y") });
        assert_eq!(
            content(record("orders", change)),
            Content::State(row("e1", "b"))
        );
        let change = json!({ "SequenceNumber": "7", "OldImage": image("a", "x"), "NewImage": image("a", "y") });
        assert_eq!(content(record("orders", change)), Content::Nothing);
        let change = json!({ "SequenceNumber": "7", "NewImage": { "State": { "S": "x" } } });
        assert_eq!(content(record("orders", change)), Content::Nothing);
    }

    #[test]
    fn unreadable_record_keeps_its_number() {
        let payload =
            json!({ "Records": [{ "eventID": 1, "dynamodb": { "SequenceNumber": "7" } }] });
        let expected = Record {
            sequence_number: "7".to_owned(),
            content: Content::Unreadable,
        };
        assert_eq!(
            read(&payload.to_string(), None),
            Ok(Payload::Stream(vec![expected]))
        );
    }

    #[test]
    fn record_without_a_number_fails_the_batch() {
        for record in [
            json!({}),
            json!({ "dynamodb": { "SequenceNumber": "" } }),
            json!(7),
        ] {
            let payload = json!({ "Records": [record] }).to_string();
            assert_eq!(read(&payload, None), Err(InvalidPayload::NoSequenceNumber));
        }
    }

    #[test]
    fn schedule_is_a_sweep_and_others_are_refused() {
        let schedule = r#"{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#;
        assert_eq!(read(schedule, None), Ok(Payload::Sweep));
        for payload in [
            "{}",
            "7",
            r#"{"detail-type":"Order placed"}"#,
            r#"{"Records":{}}"#,
        ] {
            assert_eq!(
                read(payload, None),
                Err(InvalidPayload::Unknown),
                "{payload}"
            );
        }
    }
}
