//! Access to the item format for fuzz targets and benches.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::error::CorruptItem;
use super::events::index_key;
use super::item::{self, StoreAttributes};
use super::sort_key::SortKey;
use super::stored_event::StoredEvent;
use crate::event::envelope::Envelope;
use crate::event::timestamp::Timestamp;

/// The largest item that an append may write at its `attempt`th insert. An item that is
/// written in any other way than by an append may overwrite another.
pub fn item_of(envelope: &Envelope, attempt: u32) -> HashMap<String, AttributeValue> {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: Some(Timestamp::MAX.as_secs()),
        index_key: Some(index_key(envelope.event_type(), u16::MAX)),
    };
    let key = SortKey::new(envelope.timestamp(), envelope.event_id(), attempt);
    let all = item::attributes(envelope, &key, own);
    all.into_iter()
        .map(|(name, value)| (name.into_owned(), value))
        .collect()
}

/// The attributes of a new item, in the form in which an append sends them.
pub fn attributes_of(envelope: &Envelope) -> impl Sized + use<> {
    let own = StoreAttributes {
        stored_at: envelope.timestamp(),
        expires_at: None,
        index_key: None,
    };
    item::attributes(envelope, &SortKey::first_of(envelope.timestamp()), own)
}

/// Reads an item as a reader does.
///
/// # Errors
///
/// [`CorruptItem`] if the item is not an event.
pub fn read_item(item: HashMap<String, AttributeValue>) -> Result<StoredEvent, CorruptItem> {
    item::read(item)
}
