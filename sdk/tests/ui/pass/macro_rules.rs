//! Events that another macro declares.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code)]

use domain_events::DomainEvent;
use serde::Serialize;

macro_rules! event {
    ($name:ident, $text:literal, $version:literal, $id:ident: $ty:ty, $krate:path) => {
        #[derive(Serialize, DomainEvent)]
        #[event(type = $text, version = $version, oldest, emitter_type = $text, crate = $krate)]
        struct $name {
            #[event(id)]
            $id: $ty,
            #[event(emitter_id)]
            by: u8,
        }

        mod wrapped {
            use super::{DomainEvent, Serialize, $name};

            #[derive(Serialize, DomainEvent)]
            enum Event {
                Wrapped($name),
                Plain {
                    #[event(id)]
                    $id: $ty,
                },
            }
        }
    };
}

event!(Happened, "IT_HAPPENED", 2, id: u64, domain_events);

pub fn main() {
    let event = Happened { id: 7, by: 8 };
    assert_eq!(event.entity_id().to_string(), "7");
}
