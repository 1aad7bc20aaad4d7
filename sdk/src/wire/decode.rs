//! Decodes the body of an SQS message into envelopes.

use std::fmt;
use std::num::NonZeroU16;

use super::MAX_MESSAGE_BYTES;
use super::transport_envelope::SeenKeys;
use crate::error::{InvalidEvent, RejectionCode};
use crate::event::envelope::{Envelope, Parts};
use crate::event::fields::*;
use crate::event::{
    CausationId, CorrelationId, Emitter, EmitterId, EmitterType, EntityId, EventId, EventType,
    Timestamp,
};
use crate::json::document::Json;
use crate::json::limits::{self, Faults, Keys};
use crate::json::number::Number;
use crate::json::pointer::{self, Position};
use crate::json::reader::{Reader, SyntaxError, Token};

/// The maximum number of values in an array of events. A message cannot contain more valid
/// events, even if they are as short as possible. Without this limit, a message of 1 MiB
/// could contain half a million invalid values. The error for each of them would take
/// 100 MiB of memory in total, and as much in the logs.
const MAX_PACKED: usize = MAX_MESSAGE_BYTES
    / r#"{"Timestamp":0,"EventType":"A","ID":"a","EmitterId":"a","EmitterType":"a"}"#.len();

/// One event of a message. `Debug` does not print its text.
pub struct DecodedEvent<'a> {
    /// The part of the body that contains the event, unchanged.
    pub text: &'a str,
    /// The envelope, or the reason why the event is invalid.
    pub outcome: Result<Envelope, InvalidEvent>,
    /// The ids of an invalid event, for logs. `None` if no id could be read, and for a valid
    /// event, because its envelope contains the ids.
    pub identification: Option<Box<Identification>>,
}

impl fmt::Debug for DecodedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedEvent")
            .field("text_bytes", &self.text.len())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// The ids of an invalid event that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identification {
    /// The event type, if it is valid.
    pub event_type: Option<EventType>,
    /// The id of the entity, if it is valid.
    pub entity_id: Option<EntityId>,
    /// The id of the emitter, if it is valid.
    pub emitter_id: Option<EmitterId>,
}

/// Reads the body of an SQS message, which is one event or an array of events.
///
/// Each event has its own outcome. An event without an `EventId` is identified by the id of
/// the message; in an array, the id is followed by `-` and the index of the event.
///
/// The error of an invalid event lists its first eight faults. Time and memory are linear
/// in the length of the body.
///
/// # Errors
///
/// [`RejectionCode::NotJson`] if the body is not exactly one JSON value.
/// [`RejectionCode::NotAnEvent`] if it is neither an object nor an array with members, or
/// if the array has more values than a message can contain events. In these cases no event
/// of the body is returned.
///
/// # Examples
///
/// ```
/// use domain_events::{EventId, wire};
///
/// let body = r#"[{"Timestamp":1596719980,"EventType":"EVENT_TEST","ID":"7","EmitterId":"u-42",
///     "EmitterType":"USER","Data":{"foo":"bar"}}, {"ID":"8"}]"#;
/// let events = wire::decode(body, &EventId::from_static("message-1"))?;
///
/// let first = events[0].outcome.as_ref().expect("the first event is valid");
/// assert_eq!(first.event_id(), &"message-1-0");
/// let error = events[1].outcome.as_ref().unwrap_err();
/// assert_eq!(error.code().as_str(), "MISSING_FIELD");
/// assert_eq!(events[1].text, r#"{"ID":"8"}"#);
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
pub fn decode<'a>(
    body: &'a str,
    message_id: &EventId,
) -> Result<Vec<DecodedEvent<'a>>, InvalidEvent> {
    decode_body(body, message_id).unwrap_or_else(|SyntaxError { at, what }| {
        let size = body.len();
        let reason = format!(
            "{what}, at byte {at} of {size}; the body must be exactly one JSON value (RFC 8259)"
        );
        Err(InvalidEvent::new(RejectionCode::NotJson, "", reason))
    })
}

type DecodedEvents<'a> = Result<Vec<DecodedEvent<'a>>, InvalidEvent>;

fn decode_body<'a>(body: &'a str, message_id: &EventId) -> Result<DecodedEvents<'a>, SyntaxError> {
    let mut reader = Reader::new(body);
    let mut events = Vec::new();
    let first = reader.next()?;
    let found = kind(&first);
    match first {
        Token::BeginObject => {
            let (outcome, identification) = decode_one(&mut reader, first, || message_id.clone())?;
            events.push(DecodedEvent {
                text: body,
                outcome,
                identification,
            });
        }
        Token::BeginArray => loop {
            let start = reader.offset_of_next();
            let token = reader.next()?;
            if token == Token::EndArray {
                break;
            }
            let index = events.len();
            if index == MAX_PACKED {
                drop(events);
                reader.skip_to_depth(0)?;
                reader.next()?;
                return Ok(Err(too_many_values()));
            }
            // The id of an SQS message has 36 bytes, so the limit of 128 is not reached.
            let identity = || {
                EventId::new(format!("{message_id}-{index}")).unwrap_or_else(|_| message_id.clone())
            };
            let (outcome, identification) = decode_one(&mut reader, token, identity)?;
            events.push(DecodedEvent {
                text: &body[start..reader.offset()],
                outcome,
                identification,
            });
        },
        _ => {}
    }
    reader.next()?;
    if events.is_empty() {
        let found = match found {
            "an array" => "an empty array",
            other => other,
        };
        return Ok(Err(not_an_event(found)));
    }
    Ok(Ok(events))
}

type Outcome = (Result<Envelope, InvalidEvent>, Option<Box<Identification>>);

/// Reads one event to its end, even if the event is invalid. An error is returned only for
/// invalid syntax, which makes the whole message invalid.
fn decode_one(
    reader: &mut Reader<'_>,
    first: Token<'_>,
    identity: impl FnOnce() -> EventId,
) -> Result<Outcome, SyntaxError> {
    if first == Token::BeginObject {
        return Draft::read(reader).map(|draft| draft.finish(identity));
    }
    let outside = reader.depth() - usize::from(first == Token::BeginArray);
    let error = not_an_event(kind(&first));
    reader.skip_to_depth(outside)?;
    Ok((Err(error), None))
}

/// The fields of an event as far as they have been read.
#[derive(Default)]
struct Draft {
    timestamp: Option<Timestamp>,
    ids: Identification,
    emitter_type: Option<EmitterType>,
    data: Option<Json>,
    event_id: Option<EventId>,
    version: Option<NonZeroU16>,
    correlation_id: Option<CorrelationId>,
    causation_id: Option<CausationId>,
    trace_parent: Option<String>,
    extra: Vec<(Box<str>, Json)>,
    has_too_many_fields: bool,
    /// The required fields that are present, valid or not.
    present: [bool; REQUIRED.len()],
    transport: SeenKeys,
    faults: Faults<'static>,
}

/// The required fields, in the order in which missing fields are reported.
const REQUIRED: [&str; 5] = [TIMESTAMP, EVENT_TYPE, ID, EMITTER_ID, EMITTER_TYPE];

impl Draft {
    /// Reads the members of the event object. The start of the object has been read.
    fn read(reader: &mut Reader<'_>) -> Result<Self, SyntaxError> {
        let mut draft = Self::default();
        let mut keys = Keys::default();
        let depth = reader.depth();
        while let Token::Key(key) = reader.next()? {
            let start = reader.offset_of_next();
            let token = reader.next()?;
            if !keys.add(key.clone()) {
                draft.faults.push(duplicate_field(&key));
            } else if let Err(fault) = draft.field(reader, &key, start, token)? {
                draft.faults.push(fault);
            }
            // Skip the rest of a value that has the wrong type.
            reader.skip_to_depth(depth)?;
        }
        Ok(draft)
    }

    fn field<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        start: usize,
        token: Token<'a>,
    ) -> Result<Result<(), InvalidEvent>, SyntaxError> {
        if let Some(required) = REQUIRED.iter().position(|name| *name == key) {
            self.present[required] = true;
        }
        self.transport.add(key);
        Ok(match key {
            DATA if !matches!(token, Token::BeginObject | Token::Null) => {
                Err(wrong_data(kind(&token)))
            }
            DATA => {
                self.data = self.capture_value(reader, start, token, DATA)?;
                Ok(())
            }
            STORED_AT | EXPIRES_AT | INDEX_KEY => Err(reserved(key)),
            _ if is_field_of_contract(key) => self.contract_field(key, token),
            _ if self.extra.len() == MAX_EXTRA_FIELDS => {
                match std::mem::replace(&mut self.has_too_many_fields, true) {
                    true => Ok(()),
                    false => Err(too_many_fields()),
                }
            }
            name if !is_field_name(name) => Err(bad_field_name(name)),
            name => {
                let value = self.capture_value(reader, start, token, name)?;
                let value = value.unwrap_or(Json {
                    text: String::new(),
                    size: 0,
                });
                self.extra.push((name.into(), value));
                Ok(())
            }
        })
    }

    /// Reads a field that the wire format defines, other than `Data`.
    fn contract_field(&mut self, key: &str, token: Token<'_>) -> Result<(), InvalidEvent> {
        match key {
            TIMESTAMP => match token {
                Token::Number(lexeme) => {
                    self.timestamp = Some(Timestamp::from_number(Number::parse(lexeme))?);
                }
                other => {
                    return Err(wrong_type(
                        TIMESTAMP,
                        &other,
                        "a number of seconds since 1970",
                    ));
                }
            },
            EVENT_TYPE => {
                self.ids.event_type = Some(EventType::new(take_text(EVENT_TYPE, token)?)?);
            }
            ID => self.ids.entity_id = Some(EntityId::new(take_text(ID, token)?)?),
            EMITTER_ID => {
                self.ids.emitter_id = Some(EmitterId::new(take_text(EMITTER_ID, token)?)?);
            }
            EMITTER_TYPE => {
                self.emitter_type = Some(EmitterType::new(take_text(EMITTER_TYPE, token)?)?);
            }
            EVENT_ID => {
                let text = optional_text(EVENT_ID, token)?;
                self.event_id = text.map(EventId::new).transpose()?;
            }
            CORRELATION_ID => {
                let text = optional_text(CORRELATION_ID, token)?;
                self.correlation_id = text.map(CorrelationId::new).transpose()?;
            }
            CAUSATION_ID => {
                let text = optional_text(CAUSATION_ID, token)?;
                self.causation_id = text.map(CausationId::new).transpose()?;
            }
            TRACE_PARENT => self.trace_parent = optional_text(TRACE_PARENT, token)?,
            _ => self.version = parse_version(token)?,
        }
        Ok(())
    }

    /// Checks the value that starts with `first`, and copies its text. Returns `None` if the
    /// event is already invalid, because the text is then not needed.
    fn capture_value<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        start: usize,
        first: Token<'a>,
        name: &str,
    ) -> Result<Option<Json>, SyntaxError> {
        let position = Position::key(None, name, usize::MAX);
        let size = limits::value(reader, first, Some(&position), 1, &mut self.faults)?;
        Ok(self.faults.is_empty().then(|| Json {
            text: escape_noncharacters(reader.text_from(start)),
            size,
        }))
    }

    fn finish(mut self, identity: impl FnOnce() -> EventId) -> Outcome {
        for (name, is_present) in REQUIRED.iter().zip(self.present) {
            if !is_present {
                self.faults.push(missing(name));
            }
        }
        let Self { ids, transport, .. } = self;
        if let Some(fault) = self.faults.into_error() {
            let error = match transport.envelope() {
                // Report the envelope of the other service. The faults of its fields would
                // wrongly suggest that the producer wrote an invalid event.
                Some(reason) => InvalidEvent::new(RejectionCode::NotAnEvent, "", reason),
                None => fault,
            };
            let ids = Some(ids).filter(|ids| *ids != Identification::default());
            return (Err(error), ids.map(Box::new));
        }
        // There is no fault, so every required field is present.
        let (Some(timestamp), Some(event_type), Some(id), Some(emitter_id), Some(emitter_type)) = (
            self.timestamp,
            ids.event_type,
            ids.entity_id,
            ids.emitter_id,
            self.emitter_type,
        ) else {
            let error = not_an_event("an object without the required fields");
            return (Err(error), None);
        };
        let envelope = Envelope::checked(Parts {
            timestamp,
            event_type,
            id,
            emitter: Emitter::new(emitter_type, emitter_id),
            data: self.data,
            event_id: self.event_id.unwrap_or_else(identity),
            version: self.version,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            trace_parent: self.trace_parent,
            extra: self.extra,
        });
        match envelope {
            Ok(envelope) => (Ok(envelope), None),
            Err(refused) => {
                let parts = refused.parts;
                let ids = Identification {
                    emitter_id: Some(parts.emitter.id().clone()),
                    event_type: Some(parts.event_type),
                    entity_id: Some(parts.id),
                };
                (Err(refused.error), Some(Box::new(ids)))
            }
        }
    }
}

/// The JSON text with U+FFFE and U+FFFF escaped. The text may be sent again, and a body
/// from a file or another queue may contain these characters, which SQS rejects.
fn escape_noncharacters(json: &str) -> String {
    if memchr::memmem::find(json.as_bytes(), b"\xEF\xBF").is_none() {
        return json.into();
    }
    // The characters can only be in strings, where an escape has the same meaning.
    json.replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
}

fn not_an_event(found: &str) -> InvalidEvent {
    let hint = match found {
        "a string" => "; if the string contains an event, encode the event only once",
        _ => "",
    };
    let reason = format!("found {found}; an event is a JSON object, or several in an array{hint}");
    InvalidEvent::new(RejectionCode::NotAnEvent, "", reason)
}

fn too_many_values() -> InvalidEvent {
    let reason = format!(
        "found an array of more than {MAX_PACKED} values; a message cannot contain so many events"
    );
    InvalidEvent::new(RejectionCode::NotAnEvent, "", reason)
}

fn take_text(name: &str, token: Token<'_>) -> Result<String, InvalidEvent> {
    match token {
        Token::String(text) => Ok(text.into_owned()),
        other => Err(wrong_type(name, &other, "a string")),
    }
}

fn optional_text(name: &str, token: Token<'_>) -> Result<Option<String>, InvalidEvent> {
    match token {
        Token::Null => Ok(None),
        other => take_text(name, other).map(Some),
    }
}

fn parse_version(token: Token<'_>) -> Result<Option<NonZeroU16>, InvalidEvent> {
    match token {
        Token::Null => Ok(None),
        Token::Number(lexeme) => match Number::parse(lexeme).as_u16().and_then(NonZeroU16::new) {
            Some(version) => Ok(Some(version)),
            None => Err(InvalidEvent::new(
                RejectionCode::InvalidValue,
                "/Version",
                "found a number that is not whole or out of range; Version must be a whole number from 1 to 65,535",
            )),
        },
        other => Err(wrong_type(VERSION, &other, "a number")),
    }
}

fn kind(token: &Token<'_>) -> &'static str {
    match token {
        Token::BeginObject => "an object",
        Token::BeginArray => "an array",
        Token::String(_) => "a string",
        Token::Number(_) => "a number",
        Token::Bool(_) => "a boolean",
        _ => "null",
    }
}

fn at(name: &str) -> String {
    let mut pointer = String::new();
    pointer::push_step(&mut pointer, name);
    pointer
}

fn duplicate_field(name: &str) -> InvalidEvent {
    // An invalid name may be data, so the pointer does not show it.
    let pointer = match is_field_name(name) {
        true => at(name),
        false => String::new(),
    };
    InvalidEvent::new(RejectionCode::DuplicateKey, &pointer, limits::DUPLICATE_KEY)
}

fn is_field_of_contract(name: &str) -> bool {
    const OPTIONAL: [&str; 5] = [
        EVENT_ID,
        VERSION,
        CORRELATION_ID,
        CAUSATION_ID,
        TRACE_PARENT,
    ];
    REQUIRED.contains(&name) || OPTIONAL.contains(&name)
}

fn wrong_type(name: &str, token: &Token<'_>, expected: &str) -> InvalidEvent {
    let found = kind(token);
    let reason = format!("found {found}; {name} must be {expected}");
    InvalidEvent::new(RejectionCode::WrongType, &at(name), reason)
}

fn missing(name: &str) -> InvalidEvent {
    let reason = format!("{name} is missing; every event must have it (names are case-sensitive)");
    InvalidEvent::new(RejectionCode::MissingField, &at(name), reason)
}

fn reserved(name: &str) -> InvalidEvent {
    let reason = format!("{name} is reserved for the store; leave it out, or put it into Data");
    InvalidEvent::new(RejectionCode::ReservedField, &at(name), reason)
}
