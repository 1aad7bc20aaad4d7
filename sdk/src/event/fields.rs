//! The names of the fields on the wire. The item's attributes have the same names.

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
