//! Reads items from the JSON of a response, each in one pass.

use std::borrow::Cow;
use std::num::NonZeroU16;

use super::attribute_json::{Scalar, read_json, scalar};
use super::error::CorruptItem;
use super::item::identity_of_key;
use super::sort_key::SortKey;
use super::stored_event::StoredEvent;
use crate::error::InvalidEvent;
use crate::event::envelope::{Envelope, Parts};
use crate::event::fields::*;
use crate::event::timestamp::Timestamp;
use crate::event::{CausationId, CorrelationId, Emitter, EventId};
use crate::json::document::Json;
use crate::json::number::Number;
use crate::json::reader::{Reader, SyntaxError, Token};

/// Reads the item whose `{` has been read. A syntax error makes the whole response
/// unreadable.
pub(crate) fn read(
    reader: &mut Reader<'_>,
) -> Result<Result<StoredEvent, CorruptItem>, SyntaxError> {
    let fields = Fields::read(reader)?;
    let sort_key = SortKey::from_item(match &fields.timestamp {
        Some(Scalar::Number(number)) => number.clone().into_owned(),
        _ => String::new(),
    });
    let id = fields.id.as_ref().and_then(string);
    let event_id = fields
        .event_id
        .as_ref()
        .filter(|id| !is_null(id))
        .map(string);
    Ok(match fields.into_event(&sort_key) {
        Ok((envelope, stored_at, expires_at)) => {
            Ok(StoredEvent::new(envelope, sort_key, stored_at, expires_at))
        }
        Err(reason) => {
            let id = id.unwrap_or_default().into_owned();
            let event_id = match event_id {
                Some(text) => text.and_then(|text| EventId::new(text.into_owned()).ok()),
                None => identity_of_key(sort_key.as_str(), &id).ok(),
            };
            let timestamp = sort_key.as_str().to_owned();
            Err(CorruptItem {
                id,
                timestamp,
                event_id,
                reason,
            })
        }
    })
}

fn string<'a>(scalar: &Scalar<'a>) -> Option<Cow<'a, str>> {
    match scalar {
        Scalar::Text(text) => Some(text.clone()),
        Scalar::Null | Scalar::Number(_) | Scalar::Other => None,
    }
}

fn is_null(scalar: &Scalar<'_>) -> bool {
    matches!(scalar, Scalar::Null)
}

/// The attributes of one item.
#[derive(Default)]
struct Fields<'a> {
    timestamp: Option<Scalar<'a>>,
    id: Option<Scalar<'a>>,
    event_type: Option<Scalar<'a>>,
    emitter_id: Option<Scalar<'a>>,
    emitter_type: Option<Scalar<'a>>,
    data: Option<Result<Json, String>>,
    event_id: Option<Scalar<'a>>,
    version: Option<Scalar<'a>>,
    correlation_id: Option<Scalar<'a>>,
    causation_id: Option<Scalar<'a>>,
    trace_parent: Option<Scalar<'a>>,
    stored_at: Option<Scalar<'a>>,
    expires_at: Option<Scalar<'a>>,
    extra: Vec<(Box<str>, Result<Json, String>)>,
}

type Event = (Envelope, Option<Timestamp>, Option<Timestamp>);

impl<'a> Fields<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, SyntaxError> {
        let mut fields = Self::default();
        while let Token::Key(name) = reader.next()? {
            let field = match &*name {
                TIMESTAMP => &mut fields.timestamp,
                ID => &mut fields.id,
                EVENT_TYPE => &mut fields.event_type,
                EMITTER_ID => &mut fields.emitter_id,
                EMITTER_TYPE => &mut fields.emitter_type,
                EVENT_ID => &mut fields.event_id,
                VERSION => &mut fields.version,
                CORRELATION_ID => &mut fields.correlation_id,
                CAUSATION_ID => &mut fields.causation_id,
                TRACE_PARENT => &mut fields.trace_parent,
                STORED_AT => &mut fields.stored_at,
                EXPIRES_AT => &mut fields.expires_at,
                INDEX_KEY => {
                    scalar(reader)?;
                    continue;
                }
                DATA => {
                    fields.data = Some(read_json(DATA, reader)?);
                    continue;
                }
                _ => {
                    // Another name is untrusted text, and may be data.
                    let shown = if is_field_name(&name) {
                        &*name
                    } else {
                        "an attribute"
                    };
                    let value = read_json(shown, reader)?;
                    fields.extra.push((name.as_ref().into(), value));
                    continue;
                }
            };
            *field = Some(scalar(reader)?);
        }
        Ok(fields)
    }

    fn into_event(self, sort_key: &SortKey) -> Result<Event, String> {
        let stored_at = optional_number(self.stored_at, STORED_AT)?
            .map(|n| exact(STORED_AT, &n))
            .transpose()?;
        // An expiry outside the range of `Timestamp` is so far in the future or in the past
        // that DynamoDB does not act on it. It never takes effect, so the event remains valid.
        let expires_at =
            optional_number(self.expires_at, EXPIRES_AT)?.and_then(|n| exact(EXPIRES_AT, &n).ok());
        let id = text(self.id, ID)?;
        let event_id = match optional_text(self.event_id, EVENT_ID)? {
            Some(id) => EventId::new(id).map_err(reason)?,
            None => identity_of_key(sort_key.as_str(), &id).map_err(reason)?,
        };
        let version = |number: Cow<'_, str>| {
            let version = Number::parse(&number).as_u16().and_then(NonZeroU16::new);
            version.ok_or_else(|| format!("{VERSION} is not a whole number from 1 to 65,535"))
        };
        let mut extra = self
            .extra
            .into_iter()
            .map(|(name, json)| Ok((name, json?)))
            .collect::<Result<Vec<(Box<str>, Json)>, String>>();
        if let Ok(extra) = &mut extra {
            extra.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let envelope = Envelope::checked(Parts {
            timestamp: exact(TIMESTAMP, sort_key.cut_to_nanoseconds())?,
            event_type: text(self.event_type, EVENT_TYPE)?
                .try_into()
                .map_err(reason)?,
            id: id.try_into().map_err(reason)?,
            emitter: Emitter::new(
                text(self.emitter_type, EMITTER_TYPE)?
                    .try_into()
                    .map_err(reason)?,
                text(self.emitter_id, EMITTER_ID)?
                    .try_into()
                    .map_err(reason)?,
            ),
            data: self.data.transpose()?,
            event_id,
            version: optional_number(self.version, VERSION)?
                .map(version)
                .transpose()?,
            correlation_id: optional_text(self.correlation_id, CORRELATION_ID)?
                .map(CorrelationId::new)
                .transpose()
                .map_err(reason)?,
            causation_id: optional_text(self.causation_id, CAUSATION_ID)?
                .map(CausationId::new)
                .transpose()
                .map_err(reason)?,
            trace_parent: optional_text(self.trace_parent, TRACE_PARENT)?,
            extra: extra?,
        });
        let envelope = envelope.map_err(|refused| reason(refused.error))?;
        Ok((envelope, stored_at, expires_at))
    }
}

// `map_err` passes the error by value.
#[allow(clippy::needless_pass_by_value)]
fn reason(error: InvalidEvent) -> String {
    error.to_string()
}

fn exact(name: &str, number: &str) -> Result<Timestamp, String> {
    number
        .parse()
        .map_err(|_| format!("{name} is not a timestamp"))
}

fn text(scalar: Option<Scalar<'_>>, name: &str) -> Result<String, String> {
    optional_text(scalar, name)?.ok_or_else(|| format!("{name} is missing"))
}

/// As in a message, null means that an optional field is absent.
fn optional_text(scalar: Option<Scalar<'_>>, name: &str) -> Result<Option<String>, String> {
    match scalar {
        None | Some(Scalar::Null) => Ok(None),
        Some(Scalar::Text(text)) => Ok(Some(text.into_owned())),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn optional_number<'a>(
    scalar: Option<Scalar<'a>>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, String> {
    match scalar {
        None | Some(Scalar::Null) => Ok(None),
        Some(Scalar::Number(number)) => Ok(Some(number)),
        Some(_) => Err(format!("{name} is not a number")),
    }
}
