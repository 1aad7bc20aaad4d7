//! The names of the table's keys and indexes, for programs that create or check a table.
//!
//! ```
//! use domain_events::store::table;
//!
//! assert_eq!((table::HASH_KEY, table::SORT_KEY), ("ID", "Timestamp"));
//! assert_eq!((table::INDEX_NAME, table::INDEX_KEY), ("by-type", "IndexKey"));
//! ```

use crate::event::fields;

/// The table's hash key, a string.
pub const HASH_KEY: &str = fields::ID;
/// The table's sort key, a number. It is also the sort key of both indexes.
pub const SORT_KEY: &str = fields::TIMESTAMP;
/// The name of the optional index by event type, which
/// [`EventStore::by_type`](super::EventStore::by_type) reads.
pub const INDEX_NAME: &str = "by-type";
/// The hash key of the index by event type, a string.
pub const INDEX_KEY: &str = fields::INDEX_KEY;
/// The name of the optional index by conversation, which
/// [`EventStore::conversation`](super::EventStore::conversation) reads. The index is
/// sparse: it contains only the events that have a `CorrelationId`.
pub const CORRELATION_INDEX_NAME: &str = "by-correlation";
/// The hash key of the index by conversation, a string.
pub const CORRELATION_INDEX_KEY: &str = fields::CORRELATION_ID;
/// The attribute for DynamoDB's time to live.
pub const EXPIRES_AT: &str = fields::EXPIRES_AT;
