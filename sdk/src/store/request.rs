//! Requests that return items page by page, and their expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;
use super::sort_key::SortKey;
use super::table;
use crate::event::fields::{CORRELATION_ID, ID, INDEX_KEY, STORED_AT, TIMESTAMP};
use crate::event::timestamp::Timestamp;

/// A request that returns items page by page.
#[derive(Debug, Clone)]
pub(crate) enum PageRequest {
    Query(Query),
    Scan(ScanSegment),
}

/// Which items a query returns.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) partition: Partition,
    /// First and last sort key, both included. A query without a bound also returns items
    /// whose sort key is not valid for an event, so that they are reported and not skipped.
    pub(crate) from: Option<SortKey>,
    pub(crate) to: Option<SortKey>,
    pub(crate) stored_since: Option<Timestamp>,
    pub(crate) latest_first: bool,
    pub(crate) page_size: Option<i32>,
}

/// One hash key, of the table or of one of its indexes.
#[derive(Debug, Clone)]
pub(crate) enum Partition {
    Entity(String),
    TypeShard(String),
    Conversation(String),
}

impl Partition {
    pub(crate) fn index(&self) -> Option<&'static str> {
        match self {
            Self::Entity(_) => None,
            Self::TypeShard(_) => Some(table::INDEX_NAME),
            Self::Conversation(_) => Some(table::CORRELATION_INDEX_NAME),
        }
    }

    pub(crate) fn hash_key(&self) -> (&'static str, &str) {
        match self {
            Self::Entity(id) => (ID, id),
            Self::TypeShard(key) => (INDEX_KEY, key),
            Self::Conversation(id) => (CORRELATION_ID, id),
        }
    }
}

impl Query {
    /// Returns the query for all events of an entity that have one timestamp.
    pub(crate) fn at_timestamp(id: &str, timestamp: Timestamp) -> Self {
        Self {
            partition: Partition::Entity(id.to_owned()),
            from: Some(SortKey::first_of(timestamp)),
            to: Some(SortKey::last_of(timestamp)),
            stored_since: None,
            latest_first: false,
            page_size: None,
        }
    }
}

/// One of the segments into which a scan divides the table.
#[derive(Debug, Clone)]
pub(crate) struct ScanSegment {
    pub(crate) segment: u16,
    pub(crate) total_segments: u16,
    pub(crate) from: Option<SortKey>,
    pub(crate) to: Option<SortKey>,
    pub(crate) stored_since: Option<Timestamp>,
}

/// Returns the key of an item in the table.
pub(crate) fn key(id: &str, sort_key: &str) -> Item {
    HashMap::from([
        (ID.to_owned(), AttributeValue::S(id.to_owned())),
        (TIMESTAMP.to_owned(), AttributeValue::N(sort_key.to_owned())),
    ])
}

/// Names and values for the placeholders of an expression. DynamoDB refuses an empty map,
/// so a map without entries is omitted from the request.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    pub(crate) names: Option<HashMap<String, String>>,
    pub(crate) values: Option<HashMap<String, AttributeValue>>,
}

impl Placeholders {
    pub(crate) fn name(&mut self, placeholder: &str, name: &str) {
        self.names
            .get_or_insert_default()
            .insert(placeholder.to_owned(), name.to_owned());
    }

    pub(crate) fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values
            .get_or_insert_default()
            .insert(placeholder.to_owned(), value);
    }

    fn number(&mut self, placeholder: &str, number: impl ToString) {
        self.value(placeholder, AttributeValue::N(number.to_string()));
    }

    /// Returns a condition on the sort key.
    pub(crate) fn sort_key(
        &mut self,
        from: Option<&SortKey>,
        to: Option<&SortKey>,
    ) -> Option<&'static str> {
        if let Some(from) = from {
            self.number(":from", from.as_str());
        }
        if let Some(to) = to {
            self.number(":to", to.as_str());
        }
        let condition = match (from, to) {
            (None, None) => return None,
            (Some(_), None) => "#sort >= :from",
            (None, Some(_)) => "#sort <= :to",
            (Some(_), Some(_)) => "#sort BETWEEN :from AND :to",
        };
        self.name("#sort", TIMESTAMP);
        Some(condition)
    }

    /// Returns a condition that excludes items that were stored before `since`. An item whose
    /// `StoredAt` is absent, or is not a number, is not excluded, because its age is unknown.
    pub(crate) fn stored_since(&mut self, since: Option<Timestamp>) -> Option<&'static str> {
        self.number(":since", since?);
        self.name("#stored", STORED_AT);
        self.value(":n", AttributeValue::S("N".to_owned()));
        Some("NOT (attribute_type(#stored, :n) AND #stored < :since)")
    }
}
