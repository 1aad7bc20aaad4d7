//! Checks that an event can be written and read again.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Mismatch;
use crate::error::InvalidEvent;
use crate::event::definition::EventDefinition;
use crate::event::timestamp::Timestamp;
use crate::event::{
    Context, DecodeError, DomainEvent, Emitter, EmitterId, EmitterType, Envelope, EventId,
};
use crate::json::document;

/// Writes `event`, reads it again, and panics if the result is not equal.
///
/// Call it in a test, with values that the examples of [`assert_lock`](super::assert_lock)
/// may not contain.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use domain_events::DomainEvent;
/// use domain_events::schema::assert_reads_back;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(PartialEq, Serialize, Deserialize, DomainEvent)]
/// struct OrderPlaced {
///     #[event(id)]
///     order_id: String,
///     #[serde(default, skip_serializing_if = "Vec::is_empty")]
///     tags: Vec<String>,
/// }
///
/// assert_reads_back(&OrderPlaced { order_id: "7".to_owned(), tags: Vec::new() });
/// # }
/// ```
///
/// # Panics
///
/// If the event is invalid, if its type cannot read its own output, or if the value that
/// is read differs from `event`. The function compares the values with `PartialEq`, and
/// also compares the entity ids, the event types and the output.
#[track_caller]
pub fn assert_reads_back<E: DomainEvent + DeserializeOwned + PartialEq>(event: &E) {
    let name = event.definition().event_type();
    let envelope = match Envelope::new(event, &context()) {
        Ok(envelope) => envelope,
        Err(error) => panic!("{name}: {error}"),
    };
    let read = match envelope.decode::<E>() {
        Ok(Some(read)) => read,
        Ok(None) => panic!("{name} is not one of the events that its type reads"),
        Err(error) => panic!("{name} cannot read its own output: {error}"),
    };
    if let Err(mismatch) = same(&envelope, Envelope::new(&read, &context())) {
        panic!(
            "{name} does not read back as it was, at {}: {}",
            mismatch.pointer, mismatch.reason
        );
    }
    assert!(
        *event == read,
        "{name} does not read back as it was: the message is the same, and a field that is not in it differs"
    );
}

fn context() -> Context {
    Context::new(Emitter::new(
        EmitterType::from_static("USER"),
        EmitterId::from_static("user-1"),
    ))
}

/// Reads the data as an event with this definition, and writes the event with its type.
pub(super) fn envelope<E: DomainEvent + DeserializeOwned>(
    data: &str,
    definition: &EventDefinition,
) -> Result<Envelope, Mismatch> {
    let event: E = document::decode(data, definition.variant()).map_err(|mismatch| Mismatch {
        pointer: mismatch.pointer,
        reason: mismatch.reason,
    })?;
    let found = event.definition();
    if found.event_type() != definition.event_type() {
        return Err(Mismatch {
            pointer: "/Data".to_owned(),
            reason: format!("serde reads the data as {}", found.event_type()),
        });
    }
    // These values are constant, so that the documents do not change between runs.
    let timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000).unwrap_or(Timestamp::MIN);
    let event_id = EventId::from_static("019b76da-a800-7000-8000-000000000000");
    match Envelope::new(&event, &context()) {
        Ok(envelope) => Ok(envelope.stamped(timestamp, event_id)),
        Err(error) => Err(invalid(&error)),
    }
}

fn invalid(error: &InvalidEvent) -> Mismatch {
    Mismatch {
        pointer: error.pointer().to_owned(),
        reason: error.to_string(),
    }
}

/// Reads the event, writes it again, and checks that both are equal.
pub(super) fn check<E: DomainEvent + DeserializeOwned>(
    envelope: &Envelope,
) -> Result<(), Mismatch> {
    match envelope.decode::<E>() {
        Ok(Some(event)) => same(envelope, Envelope::new(&event, &context())),
        Ok(None) => Err(Mismatch {
            pointer: "/EventType".to_owned(),
            reason: "the type does not read its own event type".to_owned(),
        }),
        Err(DecodeError::Data {
            pointer, reason, ..
        }) => Err(Mismatch { pointer, reason }),
        Err(error) => Err(Mismatch {
            pointer: "/Data".to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn same(written: &Envelope, again: Result<Envelope, InvalidEvent>) -> Result<(), Mismatch> {
    let again = again.map_err(|error| invalid(&error))?;
    let differs = |pointer: &str, reason: &str| {
        Err(Mismatch {
            pointer: pointer.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if written.entity_id() != again.entity_id() {
        return differs("/ID", "the entity id is not part of the data that is read");
    }
    if written.event_type() != again.event_type() {
        return differs("/EventType", "it is read as another event");
    }
    let data = |envelope: &Envelope| {
        let value = serde_json::from_str(envelope.data().unwrap_or("null"));
        unordered(value.unwrap_or(Value::Null))
    };
    match difference(&data(written), &data(&again)) {
        Some(pointer) => differs(
            &format!("/Data{pointer}"),
            "it is another value after it was read",
        ),
        None => Ok(()),
    }
}

/// Returns the value with all arrays sorted, because a set has no order.
fn unordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(unordered).collect();
            items.sort_by_key(ToString::to_string);
            items.into()
        }
        Value::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, value)| (name, unordered(value)));
            members.collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    }
}

/// Returns the pointer of the first difference.
fn difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys());
            let mut inner = names.filter_map(|name| {
                let null = Value::Null;
                let (here, there) = (one.get(name), other.get(name));
                let found = difference(here.unwrap_or(&null), there.unwrap_or(&null));
                let absent = here.is_some() != there.is_some();
                found
                    .or(absent.then(String::new))
                    .map(|rest| super::reference::member("", name) + &rest)
            });
            inner.next()
        }
        _ => (one != other).then(String::new),
    }
}
