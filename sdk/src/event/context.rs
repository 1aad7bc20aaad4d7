//! What a handle adds to its events: emitter, conversation, cause, trace.

use super::ids::{CausationId, CorrelationId, Emitter};

/// What an event's surroundings say of it.
#[derive(Debug, Clone)]
pub struct Context {
    pub(super) emitter: Emitter,
    pub(super) correlation_id: Option<CorrelationId>,
    pub(super) causation_id: Option<CausationId>,
    pub(super) trace_parent: Option<String>,
}

impl Context {
    /// A context with the emitter of all events that do not name their own.
    pub fn new(emitter: Emitter) -> Self {
        Self {
            emitter,
            correlation_id: None,
            causation_id: None,
            trace_parent: None,
        }
    }

    /// Another emitter in the same context.
    #[must_use]
    pub fn with_emitter(self, emitter: Emitter) -> Self {
        Self { emitter, ..self }
    }

    /// The conversation that the events are part of.
    #[must_use]
    pub fn with_correlation_id(self, id: CorrelationId) -> Self {
        Self {
            correlation_id: Some(id),
            ..self
        }
    }

    /// The event that causes the events.
    #[must_use]
    pub fn with_causation_id(self, id: CausationId) -> Self {
        Self {
            causation_id: Some(id),
            ..self
        }
    }

    /// The W3C trace context, `00-…-…-01`; kept as it is.
    #[must_use]
    pub fn with_trace_parent(self, trace_parent: impl Into<String>) -> Self {
        Self {
            trace_parent: Some(trace_parent.into()),
            ..self
        }
    }

    /// The emitter of events that do not name their own.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }
}
