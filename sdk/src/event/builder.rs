//! Builds an envelope field by field.

use std::fmt;

use serde::Serialize;

use super::emitter::Emitter;
use super::envelope::{Envelope, Parts};
use super::ids::{CausationId, CorrelationId, EntityId, EventId, EventType};
use super::timestamp::Timestamp;
use crate::error::InvalidEvent;
use crate::json::document::{self, VariantName};

impl Envelope {
    /// Builds an envelope from its fields. Use it for events that have no Rust type, for
    /// example in imports, tests and relays.
    pub fn builder(event_type: EventType, id: EntityId, emitter: Emitter) -> EnvelopeBuilder {
        EnvelopeBuilder(Parts {
            timestamp: Timestamp::now(),
            event_type,
            id,
            emitter,
            data: None,
            event_id: EventId::random(),
            version: None,
            correlation_id: None,
            causation_id: None,
            trace_parent: None,
            extra: Vec::new(),
        })
    }
}

/// Builds an [`Envelope`] field by field.
///
/// # Examples
///
/// ```
/// use domain_events::{Emitter, Envelope};
/// use std::num::NonZeroU16;
///
/// const VERSION: NonZeroU16 = NonZeroU16::new(2).unwrap();
/// let envelope = Envelope::builder("ORDER_PLACED".parse()?, "order-7".parse()?, Emitter::user("u-42")?)
///     .timestamp("1596719980.5".parse()?)
///     .event_id("legacy-4711".parse()?)
///     .version(VERSION)
///     .correlation_id("import-1".parse()?)
///     .causation_id("legacy-4710".parse()?)
///     .trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
///     .build_with(&serde_json::json!({ "cents": 4990 }))?;
/// assert_eq!(envelope.data(), Some(r#"{"cents":4990}"#));
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Clone)]
pub struct EnvelopeBuilder(Parts);

impl fmt::Debug for EnvelopeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnvelopeBuilder")
            .field(&self.0.event_type)
            .finish()
    }
}

impl EnvelopeBuilder {
    /// The time at which the event was created. The default is the present time.
    #[must_use]
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.0.timestamp = timestamp;
        self
    }

    /// The event's identity. The default is a new identity.
    #[must_use]
    pub fn event_id(mut self, id: EventId) -> Self {
        self.0.event_id = id;
        self
    }

    /// The version of the data. The default is no version, which means 1.
    #[must_use]
    pub fn version(mut self, version: std::num::NonZeroU16) -> Self {
        self.0.version = Some(version);
        self
    }

    /// The conversation that the event belongs to.
    #[must_use]
    pub fn correlation_id(mut self, id: CorrelationId) -> Self {
        self.0.correlation_id = Some(id);
        self
    }

    /// The event that caused this event.
    #[must_use]
    pub fn causation_id(mut self, id: CausationId) -> Self {
        self.0.causation_id = Some(id);
        self
    }

    /// The W3C trace context. It is not checked.
    #[must_use]
    pub fn trace_parent(mut self, trace_parent: impl Into<String>) -> Self {
        self.0.trace_parent = Some(trace_parent.into());
        self
    }

    /// Builds the envelope, without `Data`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if DynamoDB could never store the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::{Emitter, Envelope};
    ///
    /// let opened = Envelope::builder("SHOP_OPENED".parse()?, "berlin".parse()?, Emitter::system("shop")?);
    /// assert_eq!(opened.build()?.data(), None);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn build(self) -> Result<Envelope, InvalidEvent> {
        Ok(Envelope::checked(self.0)?)
    }

    /// Builds the envelope with `data` as its `Data`. The `Serialize` of `data` must write
    /// a JSON object or `null`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if `data` is another JSON value, or if DynamoDB could never store
    /// the event.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::{Emitter, Envelope, RejectionCode};
    ///
    /// let builder = Envelope::builder("ORDER_PLACED".parse()?, "7".parse()?, Emitter::system("shop")?);
    /// let error = builder.build_with("text").unwrap_err(); // the data must be an object, or null
    /// assert_eq!(error.code(), RejectionCode::WrongType);
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    pub fn build_with<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Envelope, InvalidEvent> {
        self.0.data = Some(document::encode(data, VariantName::Implied(None))?);
        self.build()
    }
}
