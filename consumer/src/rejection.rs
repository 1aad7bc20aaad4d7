//! The reason why an event can never be stored, and the fields that identify the event.

use std::fmt;

use domain_events::{EmitterId, EntityId, EventType, InvalidEvent, RejectionCode};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The maximum length of a pointer; the rest is cut off. A pointer contains keys that the
/// producer chose, so it can be as long as a message.
const MAX_POINTER_BYTES: usize = 1024;

/// The fields of the wire format. A reason may contain their names.
const FIELDS: [&str; 11] = [
    "Timestamp",
    "EventType",
    "ID",
    "EmitterId",
    "EmitterType",
    "Data",
    "EventId",
    "Version",
    "CorrelationId",
    "CausationId",
    "TraceParent",
];

/// Why an event can never be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The rule that the event violates.
    pub code: RejectionCode,
    /// JSON Pointer into the rejected event; only its beginning if it is long. It is empty
    /// if the rejection is about the whole event.
    pub pointer: String,
    /// A sentence that explains the rejection. It does not quote the payload.
    pub reason: String,
}

impl From<InvalidEvent> for Rejection {
    fn from(error: InvalidEvent) -> Self {
        // The reason lists all faults of the event, so that a producer can correct them in
        // one step. It names only the field of each fault and not the whole pointer, because
        // the producer chose the other keys of a pointer.
        let mut reason = error.reason().to_owned();
        for other in error.others() {
            let field = other.pointer().split('/').nth(1).unwrap_or_default();
            let at = match FIELDS.contains(&field) {
                true => format!(" in {field}"),
                false => String::new(),
            };
            reason.push_str(&format!("; also {}{at}: {}", other.code(), other.reason()));
        }
        let pointer = error.pointer();
        Self {
            code: error.code(),
            pointer: pointer[..pointer.floor_char_boundary(MAX_POINTER_BYTES)].to_owned(),
            reason,
        }
    }
}

/// The fields that identify a rejected event for an operator, if they are readable.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Identification {
    pub(crate) event_type: Option<EventType>,
    pub(crate) entity_id: Option<EntityId>,
    pub(crate) emitter_id: Option<EmitterId>,
}

impl Identification {
    /// Reads the fields of an invalid event, up to its first syntax error. A field that
    /// violates its own rule is omitted, because its content may be anything.
    pub(crate) fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        // The event is already known to be invalid, so an error adds no information.
        let _ = Fields(&mut found).deserialize(&mut json);
        found
    }
}

struct Fields<'a>(&'a mut Identification);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match &*name {
                "EventType" => self.0.event_type = text(&mut members, EventType::new)?,
                "ID" => self.0.entity_id = text(&mut members, EntityId::new)?,
                "EmitterId" => self.0.emitter_id = text(&mut members, EmitterId::new)?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

fn text<'de, A: MapAccess<'de>, T>(
    members: &mut A,
    parse: fn(String) -> Result<T, InvalidEvent>,
) -> Result<Option<T>, A::Error> {
    let json = members.next_value::<&RawValue>()?.get();
    let text = serde_json::from_str::<String>(json).ok();
    Ok(text.and_then(|text| parse(text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> [Option<String>; 3] {
        let found = Identification::read(text);
        [
            found.event_type.map(|id| id.as_str().to_owned()),
            found.entity_id.map(|id| id.as_str().to_owned()),
            found.emitter_id.map(|id| id.as_str().to_owned()),
        ]
    }

    #[test]
    fn reason_contains_every_fault_of_the_event() {
        let body = r#"{"Timestamp":"now","EventType":"a b","EmitterId":"u","EmitterType":"USER"}"#;
        let id = domain_events::EventId::from_static("m");
        let mut decoded = domain_events::wire::decode(body, &id).unwrap();
        let rejection = Rejection::from(decoded.remove(0).outcome.unwrap_err());
        assert_eq!(
            (rejection.code, &*rejection.pointer),
            (RejectionCode::WrongType, "/Timestamp")
        );
        for other in [
            "; also INVALID_VALUE in EventType: ",
            "; also MISSING_FIELD in ID: ",
        ] {
            assert!(rejection.reason.contains(other), "{}", rejection.reason);
        }
    }

    #[test]
    fn readable_fields_identify_an_invalid_event() {
        let [a, e, u] = ["A", "e", "u"].map(|text| Some(text.to_owned()));
        assert_eq!(
            read(r#"{"EventType":"A","ID":"e","EmitterId":"u","Data":[],"Data":1}"#),
            [a.clone(), e.clone(), u]
        );
        assert_eq!(read(r#"{"EventType":"A","ID":"e","Emi"#), [a, e, None]);
        assert_eq!(read(r#"{"EventType":"a b","ID":7}"#), [None, None, None]);
        assert_eq!(read("[1]"), [None, None, None]);
    }
}
