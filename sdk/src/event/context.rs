//! The fields that a handle adds to its events: emitter, conversation, cause and trace.

use super::emitter::Emitter;
use super::ids::{CausationId, CorrelationId};

/// The fields of an event that come from its surroundings, and not from the event's type.
///
/// # Examples
///
/// ```
/// use domain_events::{Context, Emitter, EventId};
///
/// let cause = EventId::random();
/// let context = Context::new(Emitter::system("billing")?)
///     .with_emitter(Emitter::user("u-42")?)
///     .with_correlation_id("request-9f2c".parse()?)
///     .with_causation_id(cause.into())
///     .with_trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
/// assert_eq!(context.emitter().id(), &"u-42");
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) emitter: Emitter,
    pub(super) correlation_id: Option<CorrelationId>,
    pub(super) causation_id: Option<CausationId>,
    pub(super) trace_parent: Option<String>,
}

impl Context {
    /// Creates a context with the emitter of every event that does not have its own.
    pub fn new(emitter: Emitter) -> Self {
        Self {
            emitter,
            correlation_id: None,
            causation_id: None,
            trace_parent: None,
        }
    }

    /// Replaces the emitter.
    #[must_use]
    pub fn with_emitter(self, emitter: Emitter) -> Self {
        Self { emitter, ..self }
    }

    /// Sets the conversation that the events belong to.
    #[must_use]
    pub fn with_correlation_id(self, id: CorrelationId) -> Self {
        Self {
            correlation_id: Some(id),
            ..self
        }
    }

    /// Sets the event that caused the events.
    #[must_use]
    pub fn with_causation_id(self, id: CausationId) -> Self {
        Self {
            causation_id: Some(id),
            ..self
        }
    }

    /// Sets the W3C trace context, `00-…-…-01`. It is not checked.
    #[must_use]
    pub fn with_trace_parent(self, trace_parent: impl Into<String>) -> Self {
        Self {
            trace_parent: Some(trace_parent.into()),
            ..self
        }
    }

    /// Returns the emitter of every event that does not have its own.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }
}
