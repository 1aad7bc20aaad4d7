//! Local types, deprecated types, and private types in public ones.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![deny(missing_docs, unused_qualifications)]
#![allow(unreachable_pub, dead_code)]

use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
#[deprecated]
struct Old {
    #[event(id)]
    #[deprecated]
    id: u8,
}

#[derive(Serialize, DomainEvent)]
enum Changing {
    #[deprecated]
    Old {
        #[event(id)]
        #[deprecated]
        id: u8,
    },
    New {
        #[event(id)]
        id: u8,
    },
}

#[derive(Serialize)]
struct Secret;

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("secret")
    }
}

/// A public event with an id of a private type.
#[derive(Serialize, DomainEvent)]
pub struct Public<T> {
    #[event(id)]
    id: Secret,
    value: T,
}

/// Declares events inside a function.
pub fn main() {
    #[derive(Serialize, DomainEvent)]
    struct Local {
        #[event(id)]
        id: u8,
    }
    #[derive(Serialize, DomainEvent)]
    enum LocalEvent {
        Local(Local),
    }

    let event = LocalEvent::Local(Local { id: 7 });
    assert_eq!(event.entity_id().to_string(), "7");
}
