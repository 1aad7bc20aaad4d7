//! The wire format: one event ⇄ one JSON object, with every rule and limit.
//!
//! Both ends run this code. The producer's side ([`encode`]) and the consumer's
//! side ([`decode`]) refuse the same events for the same reasons, so an event
//! that `emit` accepted is one that the store can hold.

use crate::error::{InvalidEvent, RejectionCode};
use crate::event::envelope::{Envelope, Parts};
use crate::event::timestamp::Timestamp;
use crate::event::{
    CausationId, CorrelationId, Emitter, EmitterId, EmitterType, EntityId, EventId, EventType,
};
use crate::json::document::Json;
use crate::json::escape;
use crate::json::limits::{self, Keys, Refusal};
use crate::json::number::Number;
use crate::json::reader::{NotJson, Reader, Token};

/// The most bytes that SQS takes as one message, and as one request with all
/// its messages (SQS developer guide, "Message quotas", since August 2025).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The most unknown top-level fields of an event. With names of 255 bytes they
/// fill most of the 8,192 bytes that DynamoDB allows a PartiQL statement.
const MAX_EXTRA_FIELDS: usize = 20;

/// The most values in an array of events: no more events than these fit into a
/// message, however short they are. Without a limit, half a million values that
/// are no events would each become a refusal with a reason: a message of 1 MiB
/// would be a hundred in memory, and as many in the logs.
const MAX_PACKED: usize = MAX_MESSAGE_BYTES
    / r#"{"Timestamp":0,"EventType":"A","ID":"a","EmitterId":"a","EmitterType":"a"}"#.len();

use crate::event::fields::*;

/// Writes an envelope as the body of an SQS message.
///
/// # Errors
///
/// [`InvalidEvent`] with [`RejectionCode::TooLarge`] if the body is over
/// [`MAX_MESSAGE_BYTES`]. That happens only where escapes blow up a text that
/// the table could hold.
pub fn encode(envelope: &Envelope) -> Result<String, InvalidEvent> {
    let out = written(envelope);
    if out.len() > MAX_MESSAGE_BYTES {
        let reason = format!(
            "found a message of {} bytes once its text is escaped; SQS takes at most {MAX_MESSAGE_BYTES}",
            out.len()
        );
        return Err(InvalidEvent::new(RejectionCode::TooLarge, "", reason));
    }
    Ok(out)
}

/// The body, however long it is.
pub(crate) fn written(envelope: &Envelope) -> String {
    let Parts {
        timestamp,
        event_type,
        id,
        emitter,
        data,
        event_id,
        ..
    } = envelope.parts();
    let mut out = String::with_capacity(envelope.body_size_hint());
    out.push_str("{\"Timestamp\":");
    timestamp.push_to(&mut out);
    push_text(&mut out, EVENT_TYPE, event_type.as_str());
    push_text(&mut out, ID, id.as_str());
    push_text(&mut out, EMITTER_ID, emitter.id().as_str());
    push_text(&mut out, EMITTER_TYPE, emitter.kind().as_str());
    if let Some(data) = data {
        push_json(&mut out, DATA, &data.text);
    }
    push_text(&mut out, EVENT_ID, event_id.as_str());
    let Parts {
        version,
        correlation_id,
        causation_id,
        trace_parent,
        extra,
        ..
    } = envelope.parts();
    if let Some(version) = version {
        push_name(&mut out, VERSION);
        out.push_str(itoa::Buffer::new().format(*version));
    }
    let optional = [
        (
            CORRELATION_ID,
            correlation_id.as_ref().map(CorrelationId::as_str),
        ),
        (CAUSATION_ID, causation_id.as_ref().map(CausationId::as_str)),
        (TRACE_PARENT, trace_parent.as_deref()),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            push_text(&mut out, name, text);
        }
    }
    for (name, value) in extra {
        push_json(&mut out, name, &value.text);
    }
    out.push('}');
    out
}

fn push_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

fn push_json(out: &mut String, name: &str, json: &str) {
    push_name(out, name);
    out.push_str(json);
}

fn push_text(out: &mut String, name: &str, text: &str) {
    push_name(out, name);
    escape::push_quoted(out, text);
}

/// One event of a message, and what became of it.
#[derive(Debug)]
pub struct DecodedEvent<'a> {
    /// The event's own text, as it came.
    pub text: &'a str,
    /// The envelope, or why there is none.
    pub outcome: Result<Envelope, InvalidEvent>,
}

/// Reads the body of an SQS message: one event, or an array of events.
///
/// Every event is judged by itself. One without an `EventId` is identified by
/// the message's id, in an array followed by `-` and the event's index.
///
/// Time and memory are linear in the body, whatever stands in it.
///
/// # Errors
///
/// [`RejectionCode::NotJson`] if the body is not exactly one JSON value, and
/// [`RejectionCode::NotAnEvent`] if it is neither an object nor an array with
/// something in it, or an array of more values than events fit into a message.
/// Then nothing of it is stored.
pub fn decode<'a>(
    body: &'a str,
    message_id: &EventId,
) -> Result<Vec<DecodedEvent<'a>>, InvalidEvent> {
    decode_body(body, message_id).map_err(|refusal| match refusal {
        Refusal::Invalid(error) => error,
        Refusal::Syntax(NotJson { at, what }) => {
            let size = body.len();
            let reason = format!(
                "{what}, at byte {at} of {size}; the body must be exactly one JSON value (RFC 8259)"
            );
            InvalidEvent::new(RejectionCode::NotJson, "", reason)
        }
    })
}

fn decode_body<'a>(body: &'a str, message_id: &EventId) -> Result<Vec<DecodedEvent<'a>>, Refusal> {
    let mut reader = Reader::new(body);
    let mut events = Vec::new();
    let first = reader.next()?;
    let found = kind(&first);
    match first {
        Token::BeginObject => {
            let outcome = decode_one(&mut reader, first, || message_id.clone())?;
            events.push(DecodedEvent {
                text: body,
                outcome,
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
                return Err(too_many_values().into());
            }
            // At most 128 bytes: an SQS message id has 36, `new` checks the rest.
            let identity = || {
                EventId::new(format!("{message_id}-{index}")).unwrap_or_else(|_| message_id.clone())
            };
            let outcome = decode_one(&mut reader, token, identity)?;
            events.push(DecodedEvent {
                text: &body[start..reader.offset()],
                outcome,
            });
        },
        _ => {}
    }
    reader.next()?;
    if events.is_empty() {
        let found = if found == "an array" {
            "an empty array"
        } else {
            found
        };
        return Err(not_an_event(found).into());
    }
    Ok(events)
}

/// Reads one event to its end, whatever is wrong with it. The error is that of
/// the syntax, which ends the whole message.
fn decode_one(
    reader: &mut Reader<'_>,
    first: Token<'_>,
    identity: impl FnOnce() -> EventId,
) -> Result<Result<Envelope, InvalidEvent>, Refusal> {
    let outcome = match first {
        Token::BeginObject => {
            let outside = reader.depth() - 1;
            match event(reader, identity) {
                Err(Refusal::Invalid(error)) => {
                    reader.skip_to_depth(outside)?;
                    Err(error)
                }
                other => Ok(other?),
            }
        }
        other => {
            let outside = reader.depth() - usize::from(matches!(other, Token::BeginArray));
            let error = not_an_event(kind(&other));
            reader.skip_to_depth(outside)?;
            Err(error)
        }
    };
    Ok(outcome)
}

fn not_an_event(found: &str) -> InvalidEvent {
    let reason = format!("found {found}; an event is a JSON object, or several in an array");
    InvalidEvent::new(RejectionCode::NotAnEvent, "", reason)
}

fn too_many_values() -> InvalidEvent {
    let reason = format!(
        "found an array of more than {MAX_PACKED} values; no message has room for so many events"
    );
    InvalidEvent::new(RejectionCode::NotAnEvent, "", reason)
}

/// Reads the members of an event's object, the first problem being the answer.
fn event(reader: &mut Reader<'_>, identity: impl FnOnce() -> EventId) -> Result<Envelope, Refusal> {
    let (mut timestamp, mut event_type, mut id, mut emitter_id, mut emitter_type) =
        (None, None, None, None, None);
    let (mut data, mut event_id, mut version) = (None, None, None);
    let (mut correlation_id, mut causation_id, mut trace_parent) = (None, None, None);
    let mut extra: Vec<(Box<str>, Json)> = Vec::new();
    let mut keys = Keys::default();
    while let Token::Key(key) = reader.next()? {
        keys.add(key.clone())?;
        let start = reader.offset_of_next();
        let token = reader.next()?;
        match &*key {
            TIMESTAMP => match token {
                Token::Number(lexeme) => {
                    timestamp = Some(Timestamp::from_number(Number::parse(lexeme))?)
                }
                other => {
                    return Err(
                        wrong_type(TIMESTAMP, &other, "a number of seconds since 1970").into(),
                    );
                }
            },
            EVENT_TYPE => event_type = Some(EventType::new(take_text(EVENT_TYPE, token)?)?),
            ID => id = Some(EntityId::new(take_text(ID, token)?)?),
            EMITTER_ID => emitter_id = Some(EmitterId::new(take_text(EMITTER_ID, token)?)?),
            EMITTER_TYPE => emitter_type = Some(EmitterType::new(take_text(EMITTER_TYPE, token)?)?),
            EVENT_ID => {
                event_id = optional_text(EVENT_ID, token)?
                    .map(EventId::new)
                    .transpose()?
            }
            CORRELATION_ID => {
                correlation_id = optional_text(CORRELATION_ID, token)?
                    .map(CorrelationId::new)
                    .transpose()?;
            }
            CAUSATION_ID => {
                causation_id = optional_text(CAUSATION_ID, token)?
                    .map(CausationId::new)
                    .transpose()?
            }
            TRACE_PARENT => trace_parent = optional_text(TRACE_PARENT, token)?,
            VERSION => version = parse_version(token)?,
            DATA => {
                if !matches!(token, Token::BeginObject | Token::Null) {
                    return Err(wrong_type(DATA, &token, "an object or null").into());
                }
                data = Some(keep(reader, start, token, DATA)?);
            }
            STORED_AT | EXPIRES_AT | INDEX_KEY => return Err(reserved(&key).into()),
            name => {
                if extra.len() == MAX_EXTRA_FIELDS {
                    return Err(too_many_fields().into());
                }
                if !is_field_name(name) {
                    return Err(bad_field_name(name).into());
                }
                extra.push((name.into(), keep(reader, start, token, name)?));
            }
        }
    }
    let envelope = Envelope::checked(Parts {
        timestamp: timestamp.ok_or_else(|| missing(TIMESTAMP))?,
        event_type: event_type.ok_or_else(|| missing(EVENT_TYPE))?,
        id: id.ok_or_else(|| missing(ID))?,
        emitter: Emitter::new(
            // In the order of the contract's table: the id's absence is told first.
            match (emitter_id.is_some(), emitter_type) {
                (true, Some(kind)) => kind,
                (true, None) => return Err(missing(EMITTER_TYPE).into()),
                (false, _) => return Err(missing(EMITTER_ID).into()),
            },
            emitter_id.ok_or_else(|| missing(EMITTER_ID))?,
        ),
        data,
        event_id: event_id.unwrap_or_else(identity),
        version,
        correlation_id,
        causation_id,
        trace_parent,
        extra,
    })?;
    Ok(envelope)
}

/// Checks the value that starts with `first` and keeps its text.
fn keep<'a>(
    reader: &mut Reader<'a>,
    start: usize,
    first: Token<'a>,
    name: &str,
) -> Result<Json, Refusal> {
    let size = limits::value(reader, first, 1).map_err(|e| e.inside(name))?;
    Ok(Json {
        text: for_sqs(reader.text_from(start)),
        size,
    })
}

/// JSON text that is sent again as it is: a body from a file, or from another
/// queue, may have characters that SQS refuses.
fn for_sqs(json: &str) -> String {
    if memchr::memmem::find(json.as_bytes(), b"\xEF\xBF").is_none() {
        return json.into();
    }
    // They stand in strings, where an escape means the same.
    json.replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
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

fn parse_version(token: Token<'_>) -> Result<Option<u16>, InvalidEvent> {
    match token {
        Token::Null => Ok(None),
        Token::Number(lexeme) => match Number::parse(lexeme).as_u16() {
            Some(version) if version > 0 => Ok(Some(version)),
            _ => Err(InvalidEvent::new(
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

fn wrong_type(name: &str, token: &Token<'_>, expected: &str) -> InvalidEvent {
    let found = kind(token);
    InvalidEvent::new(
        RejectionCode::WrongType,
        "",
        format!("found {found}; {name} must be {expected}"),
    )
    .inside(name)
}

fn missing(name: &str) -> InvalidEvent {
    let reason = format!("{name} is missing; every event must have it (names are case-sensitive)");
    InvalidEvent::new(RejectionCode::MissingField, "", reason).inside(name)
}

fn reserved(name: &str) -> InvalidEvent {
    let reason = format!("{name} is set by the store; leave it out, or put it into Data");
    InvalidEvent::new(RejectionCode::ReservedField, "", reason).inside(name)
}

fn too_many_fields() -> InvalidEvent {
    let reason = format!(
        "found more than {MAX_EXTRA_FIELDS} top-level fields beyond the contract's own; put them into Data"
    );
    InvalidEvent::new(RejectionCode::InvalidValue, "", reason)
}

// The name is not told, nor used as the place: nothing is known of what is in it.
fn bad_field_name(name: &str) -> InvalidEvent {
    let reason = format!(
        "found a top-level field whose name ({} bytes) is not of the form [A-Za-z_][A-Za-z0-9_.-]{{0,254}}; \
         put it into Data, where any name is allowed",
        name.len()
    );
    InvalidEvent::new(RejectionCode::InvalidValue, "", reason)
}

/// `[A-Za-z_][A-Za-z0-9_.-]{0,254}`: the names enter a PartiQL statement, so
/// nothing that could be read as its syntax may pass.
fn is_field_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.len() <= 255
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
