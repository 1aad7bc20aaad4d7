//! An event that is ready to be sent.

use std::fmt;

use crate::event::EventId;
use crate::event::envelope::Envelope;
use crate::publisher::buffer::pending::{Pending, deduplication_id};

/// The result of [`Sdk::prepare`](crate::Sdk::prepare): an event that is checked, encoded, and
/// has its timestamp and identity, but is not sent.
///
/// It contains all parts of the SQS message. Store [`body`](Self::body) together with your own
/// state in one transaction, and send it afterwards, either with
/// [`Sdk::emit_prepared`](crate::Sdk::emit_prepared), or with a relay that reads the
/// stored bodies. A message that is sent twice is stored once, because the identity and
/// the timestamp are part of the body.
///
/// # Examples
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/setup.rs"));
/// # example!(fn main(sdk, recorder) {
/// let prepared = sdk.prepare(&OrderPlaced { order_id: 7, cents: 4990 })?;
/// assert_eq!(prepared.envelope().entity_id(), &"7");
/// assert!(prepared.body().starts_with('{'));
/// // Only on a FIFO queue:
/// assert_eq!((prepared.group_id(), prepared.deduplication_id()), (None, None));
///
/// sdk.emit_prepared(prepared).await?;
/// # });
/// ```
#[must_use = "a prepared event is not sent"]
pub struct Prepared {
    pending: Box<Pending>,
    fifo: bool,
}

impl Prepared {
    pub(crate) fn new(pending: Pending, fifo: bool) -> Self {
        Self {
            pending: Box::new(pending),
            fifo,
        }
    }

    pub(crate) fn into_pending(self) -> Pending {
        *self.pending
    }

    /// Returns the event.
    pub fn envelope(&self) -> &Envelope {
        self.pending.envelope()
    }

    /// Returns the identity of the event.
    pub fn event_id(&self) -> &EventId {
        self.envelope().event_id()
    }

    /// Returns the message body, as it is sent: one JSON object.
    pub fn body(&self) -> &str {
        self.pending.body()
    }

    /// Returns the message group. On a standard queue, it is present only if there is a tenant.
    pub fn group_id(&self) -> Option<&str> {
        self.pending.group().map(|group| &**group)
    }

    /// Returns the deduplication id, on FIFO queues only.
    pub fn deduplication_id(&self) -> Option<String> {
        self.fifo
            .then(|| deduplication_id(std::slice::from_ref(&*self.pending)))
    }

    /// Returns the event without the encoded message.
    pub fn into_envelope(self) -> Envelope {
        self.pending.envelope().clone()
    }
}

/// Omits the data of the event.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("envelope", self.envelope())
            .field("group_id", &self.group_id())
            .finish_non_exhaustive()
    }
}
