//! The names of the fields on the wire. The item's attributes have the same names.

use crate::error::{InvalidEvent, RejectionCode};

pub(crate) const TIMESTAMP: &str = "Timestamp";
pub(crate) const EVENT_TYPE: &str = "EventType";
pub(crate) const ID: &str = "ID";
pub(crate) const EMITTER_ID: &str = "EmitterId";
pub(crate) const EMITTER_TYPE: &str = "EmitterType";
pub(crate) const DATA: &str = "Data";
pub(crate) const EVENT_ID: &str = "EventId";
pub(crate) const VERSION: &str = "Version";
pub(crate) const CORRELATION_ID: &str = "CorrelationId";
pub(crate) const CAUSATION_ID: &str = "CausationId";
pub(crate) const TRACE_PARENT: &str = "TraceParent";

/// Attributes that the store writes. A producer must not send them.
pub(crate) const STORED_AT: &str = "StoredAt";
pub(crate) const EXPIRES_AT: &str = "ExpiresAt";
pub(crate) const INDEX_KEY: &str = "IndexKey";

/// The maximum number of top-level fields that the wire format does not define. With names
/// of 255 bytes, this many fields fill most of the 8,192 bytes of a PartiQL statement.
pub(crate) const MAX_EXTRA_FIELDS: usize = 20;

/// `[A-Za-z_][A-Za-z0-9_.-]{0,254}`. The names become part of a PartiQL statement, so they
/// must not contain any of its syntax.
pub(crate) fn is_field_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.len() <= 255
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The error for an invalid name of a field. It does not show the name, which may be data.
pub(crate) fn bad_field_name(name: &str) -> InvalidEvent {
    let reason = format!(
        "found a top-level field whose name ({} bytes) is not of the form [A-Za-z_][A-Za-z0-9_.-]{{0,254}}; \
         put it into Data, where any name is allowed",
        name.len()
    );
    InvalidEvent::new(RejectionCode::InvalidValue, "", reason)
}

/// The error for an event with more than [`MAX_EXTRA_FIELDS`].
pub(crate) fn too_many_fields() -> InvalidEvent {
    let reason = format!(
        "found more than {MAX_EXTRA_FIELDS} top-level fields that the contract does not define; put them into Data"
    );
    InvalidEvent::new(RejectionCode::InvalidValue, "", reason)
}

/// The error for `Data` that is neither an object nor `null`. `found` is its kind.
pub(crate) fn wrong_data(found: &str) -> InvalidEvent {
    let reason = format!("found {found}; {DATA} must be an object or null");
    InvalidEvent::new(RejectionCode::WrongType, &format!("/{DATA}"), reason)
}
