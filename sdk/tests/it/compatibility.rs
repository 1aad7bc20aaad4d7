//! The compatibility check. Most tests check a breaking change together with a similar
//! change that is compatible.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use domain_events::schema::{
    Audience, BreakingChange, Events, LockError, Mode, Report, check_document, check_lock,
};
use domain_events::{DomainEvent, events};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NEW_AND_OLD: &[Audience] = &[
    Audience::OldReaders,
    Audience::NewReaders,
    Audience::StoredHistory,
];
const NEW: &[Audience] = &[Audience::NewReaders, Audience::StoredHistory];

/// Declares the events of a program at one point in time.
macro_rules! point_in_time {
    ($name:ident: [$($listed:ty),*] $($item:item)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[derive(Serialize, Deserialize, JsonSchema)]
                $item
            )*
            pub(super) fn events() -> Events {
                events![$($listed),*]
            }
        }
    };
}

/// The path of a lock in a new folder.
fn lock_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder.join("events.lock")
}

fn locked(events: &Events) -> PathBuf {
    let path = lock_path();
    check_lock(&path, events, Mode::Update).unwrap();
    path
}

fn check(before: &Events, after: &Events) -> Result<Report, LockError> {
    check_lock(locked(before), after, Mode::Check)
}

#[track_caller]
fn breaks(before: &Events, after: &Events) -> Vec<BreakingChange> {
    match check(before, after) {
        Err(LockError::Incompatible { report, .. }) => report.breaking_changes,
        other => panic!("expected breaking changes, got {other:?}"),
    }
}

/// Checks that there is exactly one breaking change.
#[track_caller]
fn breaks_once(before: &Events, after: &Events, pointer: &str, what: &str, audiences: &[Audience]) {
    let found = breaks(before, after);
    let described: Vec<_> = found
        .iter()
        .map(|one| (&*one.pointer, &*one.what, &*one.audiences))
        .collect();
    assert_eq!(described, [(pointer, what, audiences)]);
    assert!(!found[0].remedies.is_empty());
}

/// Checks that the change is compatible and that the lock can be updated. Returns the notes.
#[track_caller]
fn passes(before: &Events, after: &Events) -> Vec<String> {
    let path = locked(before);
    let report = check_lock(&path, after, Mode::Check).unwrap();
    check_lock(&path, after, Mode::Update).unwrap();
    let again = check_lock(&path, after, Mode::Check).unwrap();
    assert_eq!(again.notes, Vec::<String>::new());
    report.notes
}

point_in_time! { first: [OrderPlaced, ShopEvent]
    #[derive(DomainEvent)]
    #[event(alias = "ORDER_MADE")]
    pub(crate) struct OrderPlaced {
        #[event(id)]
        order_id: String,
        total: u32,
        payment: Payment,
        lines: Vec<Line>,
        note: Option<String>,
    }
    pub(crate) struct Line {
        article: String,
        amount: u32,
    }
    pub(crate) enum Payment { Card, Invoice, Voucher { code: String } }
    #[derive(DomainEvent)]
    #[event(id = "shop", prefix = "SHOP")]
    pub(crate) enum ShopEvent {
        Opened,
        Closed { by: String },
    }
}

/// The first order with one thing changed.
macro_rules! order {
    ($name:ident: $(#[$event:meta])* { $($fields:tt)* } $($item:item)*) => {
        point_in_time! { $name: [OrderPlaced, first::ShopEvent]
            #[derive(DomainEvent)]
            $(#[$event])*
            pub(crate) struct OrderPlaced {
                #[event(id)]
                order_id: String,
                $($fields)*
            }
            $($item)*
        }
    };
}

mod chain;
mod container;
mod enumeration;
mod event_type;
mod example;
mod field;
mod lock;
mod number;
mod own_output;
mod random;
mod strict;
mod version;
