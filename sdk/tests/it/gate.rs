//! The gate: each change that breaks somebody, beside one that does not.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use domain_events::schema::{
    Break, Events, LockError, Mode, Reader, Report, check_document, check_lock,
};
use domain_events::{DomainEvent, events};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NEW_AND_OLD: &[Reader] = &[
    Reader::OldReaders,
    Reader::NewReaders,
    Reader::StoredHistory,
];
const NEW: &[Reader] = &[Reader::NewReaders, Reader::StoredHistory];

/// Declares the events of one point in time.
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

/// A lock in a folder of its own.
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

fn gate(before: &Events, after: &Events) -> Result<Report, LockError> {
    check_lock(locked(before), after, Mode::Check)
}

#[track_caller]
fn breaks(before: &Events, after: &Events) -> Vec<Break> {
    match gate(before, after) {
        Err(LockError::Broken { report, .. }) => report.breaks,
        other => panic!("this breaks nothing: {other:?}"),
    }
}

/// The one thing that breaks.
#[track_caller]
fn breaks_once(before: &Events, after: &Events, pointer: &str, what: &str, readers: &[Reader]) {
    let found = breaks(before, after);
    let told: Vec<_> = found
        .iter()
        .map(|one| (&*one.pointer, &*one.what, &*one.readers))
        .collect();
    assert_eq!(told, [(pointer, what, readers)]);
    assert!(!found[0].remedies.is_empty());
}

/// What passes, also as what a command sees, and can be locked.
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

mod a_container;
mod a_field;
mod a_lock;
mod a_number;
mod a_type;
mod a_version;
mod an_enum;
mod an_example;
