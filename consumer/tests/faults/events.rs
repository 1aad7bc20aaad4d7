//! The events of the producers. The seed, the producer and the number determine an event,
//! so the check can compute it again.

use std::collections::BTreeMap;

use domain_events::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::random;

/// An event of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ACCOUNT")]
pub(crate) enum AccountEvent {
    Opened {
        #[event(id)]
        account: String,
        origin: Origin,
        owner: String,
    },
    Moved {
        #[event(id)]
        account: String,
        origin: Origin,
        cents: i64,
        rate: f64,
        tags: Vec<String>,
    },
    #[event(version = 2, oldest)]
    Closed {
        #[event(id)]
        account: String,
        origin: Origin,
        note: Option<String>,
        balances: BTreeMap<String, u64>,
    },
}

/// Identifies an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) producer: String,
    pub(crate) number: u64,
}

impl AccountEvent {
    /// Returns the event with this origin.
    pub(crate) fn of(seed: u64, origin: Origin) -> Self {
        let mut random = random((seed, &origin.producer, origin.number));
        // There are few accounts, so that each account has events of many producers.
        let account = format!("account-{}", random.u8(0..40));
        let text = |random: &mut fastrand::Rng| -> String {
            let alphabet = [
                'a', 'Z', '"', '\\', '\n', 'é', '漢', '🦀', '\u{fffe}', '\u{1}',
            ];
            (0..random.usize(0..40))
                .filter_map(|_| random.choice(alphabet))
                .collect()
        };
        match random.u8(0..3) {
            0 => Self::Opened {
                account,
                origin,
                owner: text(&mut random),
            },
            1 => Self::Moved {
                account,
                origin,
                cents: random.i64(..),
                rate: random.f64(),
                tags: (0..random.u8(0..5)).map(|_| text(&mut random)).collect(),
            },
            _ => Self::Closed {
                account,
                origin,
                note: random.bool().then(|| text(&mut random)),
                balances: (0..random.u8(0..5))
                    .map(|n| (n.to_string(), random.u64(..)))
                    .collect(),
            },
        }
    }

    pub(crate) fn origin(&self) -> &Origin {
        let (Self::Opened { origin, .. }
        | Self::Moved { origin, .. }
        | Self::Closed { origin, .. }) = self;
        origin
    }

    pub(crate) fn account(&self) -> &str {
        let (Self::Opened { account, .. }
        | Self::Moved { account, .. }
        | Self::Closed { account, .. }) = self;
        account
    }

    /// Returns the event as a producer in another language sends it: a timestamp in whole seconds,
    /// and an additional field.
    pub(crate) fn foreign(&self, timestamp: u64, event_id: Option<&str>) -> Value {
        let Ok(Value::Object(variant)) = serde_json::to_value(self) else {
            unreachable!("an enum's struct variant is an object");
        };
        let (name, data) = variant.into_iter().next().unwrap();
        let mut event = serde_json::json!({
            "Timestamp": timestamp,
            "EventType": format!("ACCOUNT_{}", name.to_uppercase()),
            "ID": self.account(),
            "EmitterId": self.origin().producer,
            "EmitterType": "SYSTEM",
            "Data": data,
            "Region": "eu",
        });
        if name == "Closed" {
            event["Version"] = 2.into();
        }
        if let Some((correlation, causation)) =
            conversation(&self.origin().producer, self.origin().number)
        {
            event["CorrelationId"] = correlation.into();
            event["CausationId"] = causation.into();
        }
        if let Some(event_id) = event_id {
            event["EventId"] = event_id.into();
        }
        event
    }
}

/// Returns the correlation and the causation of an event, if it has them.
pub(crate) fn conversation(producer: &str, number: u64) -> Option<(String, String)> {
    // `emit_all` uses one context for all events.
    let has = number.is_multiple_of(3) && !producer.starts_with("packed");
    has.then(|| {
        (
            format!("{producer}-talk-{}", number / 9),
            format!("cause-{number}"),
        )
    })
}

/// Returns the defect of a foreign producer's event, if it has one, and the expected
/// rejection code.
///
/// Invalid messages come in pairs, so that a batch often contains several of them. A packed
/// message has at most one invalid event.
pub(crate) fn defect(number: u64, packed: bool) -> Option<(&'static str, &'static str)> {
    let defects = [
        ("no id", "MISSING_FIELD"),
        ("milliseconds", "INVALID_VALUE"),
        ("reserved", "RESERVED_FIELD"),
        ("digits", "NUMBER_NOT_STORABLE"),
        ("twice", "DUPLICATE_KEY"),
        ("cut", "NOT_JSON"),
    ];
    // A truncated event would also invalidate the other events of its message.
    let kinds = defects.len() - usize::from(packed);
    let invalid = number % 24 == 5 || number % 24 == 6 && !packed;
    invalid.then(|| defects[(number / 12 + number) as usize % kinds])
}

/// Returns the text of an event. SQS refuses some characters unless they are escaped, so
/// producers in other languages have to escape them as the SDK does.
pub(crate) fn text(event: &Value) -> String {
    event.to_string().replace('\u{fffe}', r"\ufffe")
}

/// Returns the text of an event with a defect.
pub(crate) fn with_defect(mut event: Value, defect: &str) -> String {
    match defect {
        "no id" => {
            event.as_object_mut().unwrap().remove("ID");
        }
        "milliseconds" => event["Timestamp"] = 1_596_719_980_000_u64.into(),
        "reserved" => event["StoredAt"] = 1.into(),
        _ => {}
    }
    let text = text(&event);
    match defect {
        "digits" => text.replacen('{', &format!(r#"{{"Sum":1{},"#, "2".repeat(38)), 1),
        "twice" => text.replacen('{', r#"{"Region":"us","#, 1),
        "cut" => text[..text.len() - 1].to_owned(),
        _ => text,
    }
}
