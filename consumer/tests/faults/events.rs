//! What the producers emit: always the same for the same seed, producer and
//! number, so that whoever checks needs no copy of it.

use std::collections::BTreeMap;

use domain_events::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::random;
use crate::producer::conversation;

/// What happens to an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ACCOUNT")]
pub(crate) enum Happened {
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

/// Which event it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) producer: String,
    pub(crate) number: u64,
}

impl Happened {
    /// The event of this number.
    pub(crate) fn of(seed: u64, origin: Origin) -> Self {
        let mut random = random((seed, &origin.producer, origin.number));
        // Few accounts, so that many producers meet at one.
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

    /// What another language would send: whole seconds, and a field of its own.
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

/// How a foreign producer's event of this number breaks the contract, if it
/// does, and what it is rejected for.
pub(crate) fn breach(number: u64, packed: bool) -> Option<(&'static str, &'static str)> {
    let breaches = [
        ("no id", "MISSING_FIELD"),
        ("milliseconds", "INVALID_VALUE"),
        ("reserved", "RESERVED_FIELD"),
        ("digits", "NUMBER_NOT_STORABLE"),
        ("twice", "DUPLICATE_KEY"),
        ("cut", "NOT_JSON"),
    ];
    // One that is cut would be the end of its neighbours.
    let kinds = breaches.len() - usize::from(packed);
    (number % 12 == 5).then(|| breaches[(number / 12) as usize % kinds])
}

/// The text of an event. SQS refuses a few characters where they are not
/// escaped, so that other languages have to do what our SDK does.
pub(crate) fn text(event: &Value) -> String {
    event.to_string().replace('\u{fffe}', r"\ufffe")
}

/// Breaks an event's text so.
pub(crate) fn broken(mut event: Value, breach: &str) -> String {
    match breach {
        "no id" => {
            event.as_object_mut().unwrap().remove("ID");
        }
        "milliseconds" => event["Timestamp"] = 1_596_719_980_000_u64.into(),
        "reserved" => event["StoredAt"] = 1.into(),
        _ => {}
    }
    let text = text(&event);
    match breach {
        "digits" => text.replacen('{', &format!(r#"{{"Sum":1{},"#, "2".repeat(38)), 1),
        "twice" => text.replacen('{', r#"{"Region":"us","#, 1),
        "cut" => text[..text.len() - 1].to_owned(),
        _ => text,
    }
}
