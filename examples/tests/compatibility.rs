//! Checks that the events of the example `versions` stay readable. If a change would make
//! stored events unreadable, the test fails with a message that names the remedy.
//!
//! `EVENTS_LOCK=update cargo test -p domain-events-examples --test compatibility` writes the
//! lock file after an intended change. Commit it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

#[path = "../versions/events.rs"]
mod events;

use domain_events::{Emitter, schema};
use events::{OrderPlaced, OrderPlacedV1};

#[test]
fn events_stay_readable() {
    let events = domain_events::events![OrderPlaced, OrderPlacedV1];
    schema::assert_lock("versions/events.lock", &events);
}

#[test]
fn first_version_is_upcast() {
    let recorder = domain_events::testing::Recorder::new();
    let sdk = recorder.sdk(Emitter::system("shop").unwrap());
    let old = OrderPlacedV1 {
        order: "order-7".to_owned(),
        total: 49.90,
    };
    // An event of the first version, which the current version of the program reads.
    let envelope = sdk.envelope(&old).unwrap();
    let new: OrderPlaced = envelope.decode().unwrap().unwrap();
    assert_eq!((new.total_cents, &*new.currency), (4990, "EUR"));
}
