//! Raw identifiers as names of types, variants and fields.
#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![allow(unreachable_pub, dead_code, non_camel_case_types)]

use domain_events::DomainEvent;
use serde::Serialize;

#[derive(Serialize, DomainEvent)]
struct r#struct {
    #[event(id)]
    r#type: String,
}

#[derive(Serialize, DomainEvent)]
#[event(prefix = "THE")]
enum r#enum {
    r#match {
        #[event(id, emitter_id, emitter_type)]
        r#fn: String,
    },
    #[event(r#type = "OTHER")]
    r#Other {
        #[event(id)]
        __field: String,
    },
}

pub fn main() {
    let event = r#struct {
        r#type: "7".to_owned(),
    };
    assert_eq!(event.entity_id().to_string(), "7");
    assert_eq!(event.definition().event_type(), "STRUCT");
}
