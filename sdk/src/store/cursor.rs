//! A position in a stream of events.

use std::fmt;
use std::str::FromStr;

use super::sort_key::SortKey;
use crate::event::timestamp::Timestamp;
use crate::event::{CorrelationId, EntityId, EventType};

/// A position in a stream of events: directly after one event.
///
/// A cursor comes from [`StoredEvent::cursor`](super::StoredEvent::cursor) and is passed
/// to [`Events::after`](super::Events::after). As text ([`Display`](fmt::Display) and
/// [`FromStr`]) it can be stored, and another process can continue with it.
///
/// A cursor names the event that it was taken from. A stream accepts the cursors of the
/// events that it can contain, and refuses all others: the history of one entity refuses
/// the cursor of another entity, and the events of one type refuse the cursor of another
/// type.
///
/// # Late events
///
/// A cursor is a position in the order of the events' *timestamps*, not in the order in
/// which they were stored. A stream that continues after a cursor skips an event that was
/// stored later with an earlier timestamp. Such late events are normal with a standard
/// queue, which may deliver events in any order. An event whose timestamp is far in the
/// future causes the same problem: a stream that continues after its cursor skips all
/// events that have an earlier timestamp, even if they are stored later.
///
/// Use a cursor to page through events that are already stored. To look for new events
/// repeatedly, use [`Events::stored_since`](super::Events::stored_since), which does not
/// skip late events.
///
/// # Examples
///
/// ```
/// use domain_events::store::Cursor;
///
/// // The text that `StoredEvent::cursor` has written.
/// let cursor: Cursor = "1596719980.5:ORDER_PLACED::order-7".parse()?;
/// assert_eq!(cursor.entity_id(), "order-7");
/// assert_eq!(cursor.timestamp().to_string(), "1596719980.5");
/// assert_eq!(cursor.correlation_id(), None);
/// assert_eq!(cursor.to_string(), "1596719980.5:ORDER_PLACED::order-7");
/// # Ok::<(), domain_events::store::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    sort_key: SortKey,
    entity_id: String,
    event_type: String,
    correlation_id: String,
}

impl Cursor {
    pub(crate) fn new(
        sort_key: SortKey,
        entity_id: &EntityId,
        event_type: &EventType,
        correlation_id: Option<&CorrelationId>,
    ) -> Self {
        Self {
            sort_key,
            entity_id: entity_id.to_string(),
            event_type: event_type.to_string(),
            correlation_id: correlation_id.map_or_else(String::new, ToString::to_string),
        }
    }

    /// The id of the event's entity.
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// The type of the event.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The conversation that the event belongs to.
    pub fn correlation_id(&self) -> Option<&str> {
        Some(&*self.correlation_id).filter(|id| !id.is_empty())
    }

    /// The timestamp of the event.
    pub fn timestamp(&self) -> Timestamp {
        // A parsed cursor may contain a number that is greater than every valid timestamp.
        let timestamp = self.sort_key.cut_to_nanoseconds().parse();
        timestamp.unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn sort_key(&self) -> &SortKey {
        &self.sort_key
    }
}

/// Sort key, event type, correlation id and entity id, separated by colons.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sort_key,
            entity_id,
            event_type,
            correlation_id,
        } = self;
        // The entity's id is last and may contain colons.
        let correlation_id = correlation_id.replace('%', "%25").replace(':', "%3A");
        write!(
            f,
            "{}:{event_type}:{correlation_id}:{entity_id}",
            sort_key.as_str()
        )
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text is not a cursor; pass the text of a cursor of the event store, `TIMESTAMP:EVENT_TYPE:CORRELATION_ID:ID`, unchanged"
)]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut parts = text.splitn(4, ':');
        let mut next = || parts.next().ok_or(InvalidCursor);
        let (sort_key, event_type, correlation_id, entity_id) =
            (next()?, next()?, next()?, next()?);
        let correlation_id = correlation_id.replace("%3A", ":").replace("%25", "%");
        if !correlation_id.is_empty() {
            CorrelationId::new(correlation_id.clone()).map_err(|_| InvalidCursor)?;
        }
        let entity_id: EntityId = entity_id.parse().map_err(|_| InvalidCursor)?;
        let event_type: EventType = event_type.parse().map_err(|_| InvalidCursor)?;
        Ok(Self {
            sort_key: SortKey::parse(sort_key).ok_or(InvalidCursor)?,
            entity_id: entity_id.into_string(),
            event_type: event_type.into_string(),
            correlation_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::DecodeError;
    use crate::store::error::ReadError;

    #[test]
    fn malformed_cursor_is_refused() {
        for text in [
            "",
            "1",
            "1:A",
            "1:A:",
            "1:A::",
            ":A::e",
            "-1:A::e",
            "x:A::e",
            "1:a::e",
            "1:::e",
            &format!("1:A:{}:e", "c".repeat(129)),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn ids_in_errors_are_safe_to_print() {
        let cursor = || Box::new("1:A:\u{9b}:\u{202e}e".parse::<Cursor>().unwrap());
        let error = ReadError::ForeignCursor {
            cursor: cursor(),
            stream: "a history".to_owned(),
        };
        assert!(
            error
                .to_string()
                .contains("cursor 1:A:\\u{9b}:\\u{202e}e is"),
            "{error}"
        );
        let source = DecodeError::NewerVersion {
            event_type: EventType::from_static("A"),
            stored: 2,
            known: 1,
        };
        let error = ReadError::Decode {
            cursor: cursor(),
            source: Box::new(source),
        };
        assert!(
            error
                .to_string()
                .contains("at 1:A:\\u{9b}:\\u{202e}e could"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn cursor_text_is_read_back_unchanged(
            nanos in 0..10_000_000_000_000_000_000_u64,
            entity in "\\PC{1,20}|[:%]{1,5}",
            correlation in "(\\PC{1,20}|[:%A325]{1,9})?",
        ) {
            let correlation = Some(correlation).filter(|id| !id.is_empty());
            let cursor = Cursor::new(
                SortKey::first_of(Timestamp::from_nanos(nanos).unwrap()),
                &EntityId::new(entity.clone()).unwrap(),
                &EventType::from_static("A"),
                correlation.clone().map(|id| CorrelationId::new(id).unwrap()).as_ref(),
            );
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor.clone());
            prop_assert_eq!(cursor.entity_id(), entity);
            prop_assert_eq!(cursor.correlation_id(), correlation.as_deref());
            prop_assert_eq!(cursor.timestamp().as_nanos(), nanos);
        }
    }
}
