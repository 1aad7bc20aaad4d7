//! How long events are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::event::EventType;
use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;

/// How long events of each type are kept. The default is forever.
///
/// As text: `SESSION_PINGED=30d,*=never`, which is a list of event types, or `*` for all
/// other types, each with `never` or with a number and the unit `m`, `h`, `d` or `y`
/// (minutes, hours, days, or years of 365 days).
///
/// The time counts from the event's `Timestamp`. An event that has already expired when it
/// is stored, during an import for example, expires at the time at which it is stored:
/// DynamoDB never deletes an item whose expiry is more than five years in the past
/// (developer guide, "Using time to live"). An event that would expire after the year 2286
/// is kept forever.
///
/// A duplicate is recognised by the item that already has its key. Assume that two events
/// of one entity have the same timestamp, so that the first event has the first key and
/// the second event has a tie-break. If the first event expires and the second is then
/// delivered again, the second event is stored a second time under the first key.
///
/// # Examples
///
/// ```
/// use domain_events::store::Retention;
///
/// let retention: Retention = "SESSION_PINGED=30d,*=never".parse()?;
/// assert_eq!(retention.to_string(), "SESSION_PINGED=43200m,*=never");
///
/// let error = "SESSION_PINGED=30".parse::<Retention>().unwrap_err();
/// assert!(error.to_string().contains("a unit (m, h, d, y)"));
/// # Ok::<(), domain_events::store::InvalidRetention>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    by_type: BTreeMap<String, Option<u64>>,
    others: Option<u64>,
}

impl Retention {
    /// Returns the time from which DynamoDB may delete an event that is stored `now`, in
    /// seconds since 1970.
    pub(crate) fn expires_at(&self, envelope: &Envelope, now: Timestamp) -> Option<u64> {
        let kept = match self.by_type.get(envelope.event_type().as_str()) {
            Some(kept) => *kept,
            None => self.others,
        };
        let at = (envelope.timestamp().as_secs() + kept?).max(now.as_secs());
        (at <= Timestamp::MAX.as_secs()).then_some(at)
    }
}

/// The text is not a valid retention setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("retention rule {rule:?}: {problem}")]
pub struct InvalidRetention {
    rule: String,
    problem: &'static str,
}

impl FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        let mut retention = Self::default();
        let mut others = None;
        for rule in text
            .split(',')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
        {
            let error = |problem| InvalidRetention {
                rule: rule.to_owned(),
                problem,
            };
            let (name, kept) = rule
                .split_once('=')
                .ok_or_else(|| error("expected EVENT_TYPE=30d, or *=never for all other types"))?;
            let kept = seconds(kept.trim()).map_err(|()| {
                error("expected a whole number from 1 and a unit (m, h, d, y), for example 30d, or `never`")
            })?;
            let twice = match name.trim() {
                "*" => others.replace(kept).is_some(),
                name => {
                    let name = EventType::new(name.to_owned()).map_err(|_| {
                        error("expected an event type such as ORDER_PLACED, or *, before the =")
                    })?;
                    retention.by_type.insert(name.into_string(), kept).is_some()
                }
            };
            if twice {
                return Err(error(
                    "found two rules for one event type; remove one of them",
                ));
            }
        }
        retention.others = others.flatten();
        Ok(retention)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |kept: &Option<u64>| kept.map_or("never".to_owned(), |s| format!("{}m", s / 60));
        for (name, seconds) in &self.by_type {
            write!(f, "{name}={},", kept(seconds))?;
        }
        write!(f, "*={}", kept(&self.others))
    }
}

fn seconds(text: &str) -> Result<Option<u64>, ()> {
    if text == "never" {
        return Ok(None);
    }
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('y') => 365 * 86_400,
        _ => return Err(()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| ())?;
    if count == 0 {
        return Err(());
    }
    Ok(Some(u64::from(count) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emitter, EntityId};

    fn expires_at(retention: &str, event_type: &'static str) -> Option<u64> {
        expires_at_if_stored_at("1001", retention, event_type)
    }

    fn expires_at_if_stored_at(
        now: &str,
        retention: &str,
        event_type: &'static str,
    ) -> Option<u64> {
        let envelope = Envelope::builder(
            EventType::from_static(event_type),
            EntityId::from_static("e"),
            Emitter::system("test").unwrap(),
        )
        .timestamp("1000.9".parse().unwrap())
        .build()
        .unwrap();
        retention
            .parse::<Retention>()
            .unwrap()
            .expires_at(&envelope, now.parse().unwrap())
    }

    #[test]
    fn expiry_counts_from_the_event_timestamp() {
        assert_eq!(expires_at("", "A"), None);
        assert_eq!(expires_at("A=30d,*=never", "A"), Some(1000 + 30 * 86_400));
        assert_eq!(expires_at("A=30d,*=never", "B"), None);
        assert_eq!(expires_at(" A=never , *=2h ", "A"), None);
        assert_eq!(expires_at("A=never,*=2h", "B"), Some(1000 + 7200));
        assert_eq!(expires_at("*=1y", "B"), Some(1000 + 365 * 86_400));
    }

    #[test]
    fn late_event_expires_when_it_is_stored() {
        let late = |retention| expires_at_if_stored_at("1596719980.5", retention, "A");
        assert_eq!(late("A=30d"), Some(1_596_719_980));
        assert_eq!(late("A=100y"), Some(1000 + 100 * 365 * 86_400));
    }

    #[test]
    fn expiry_after_the_last_timestamp_is_never() {
        assert_eq!(expires_at("A=317y", "A"), Some(1000 + 317 * 365 * 86_400));
        assert_eq!(expires_at("A=999y", "A"), None);
        assert_eq!(expires_at("A=4294967295y", "A"), None);
    }

    #[test]
    fn malformed_rule_is_an_error_with_the_format() {
        for rule in [
            "A",
            "A=",
            "A=30",
            "A=-1d",
            "A=0d",
            "A=é",
            "a=1d",
            "A=1d,A=2d",
            "*=1d,*=2d",
            "=1d",
            "A=99999999999y",
        ] {
            let error = rule.parse::<Retention>().unwrap_err();
            assert!(error.to_string().contains("retention rule"), "{error}");
        }
    }

    #[test]
    fn retention_text_is_read_back_unchanged() {
        let retention: Retention = "A=30d,B=never,*=2h".parse().unwrap();
        assert_eq!(retention.to_string().parse(), Ok(retention));
    }
}
