//! Encodes an envelope as the body of an SQS message.

use super::MAX_MESSAGE_BYTES;
use crate::error::{InvalidEvent, RejectionCode};
use crate::event::envelope::{Envelope, Parts};
use crate::event::fields::*;
use crate::event::{CausationId, CorrelationId};
use crate::json::escape;

/// Writes an envelope as the body of an SQS message.
///
/// # Errors
///
/// [`InvalidEvent`] with [`RejectionCode::TooLarge`] if the body is longer than
/// [`MAX_MESSAGE_BYTES`]. This can only happen if escapes make a text longer in the message
/// than in the table.
///
/// # Examples
///
/// ```
/// use domain_events::{Emitter, Envelope, wire};
///
/// let envelope = Envelope::builder("SHOP_OPENED".parse()?, "berlin".parse()?, Emitter::system("shop")?)
///     .timestamp("1596719980".parse()?)
///     .event_id("event-1".parse()?)
///     .build()?;
/// assert_eq!(
///     wire::encode(&envelope)?,
///     r#"{"Timestamp":1596719980,"EventType":"SHOP_OPENED","ID":"berlin","EmitterId":"shop","EmitterType":"SYSTEM","EventId":"event-1"}"#
/// );
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
pub fn encode(envelope: &Envelope) -> Result<String, InvalidEvent> {
    let out = encode_unbounded(envelope);
    if out.len() > MAX_MESSAGE_BYTES {
        let reason = format!(
            "found a message of {} bytes after its text is escaped; SQS accepts at most {MAX_MESSAGE_BYTES}",
            out.len()
        );
        return Err(InvalidEvent::new(RejectionCode::TooLarge, "", reason));
    }
    Ok(out)
}

/// Writes the body without checking its length.
pub(crate) fn encode_unbounded(envelope: &Envelope) -> String {
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
        out.push_str(itoa::Buffer::new().format(version.get()));
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
