//! The report of a batch: the messages to deliver again, the log lines and the metrics.

use std::fmt::Display;

use domain_events::{EmitterId, EntityId, Envelope, EventType};

use crate::metrics::{Metrics, age_millis};
use crate::outcome::{AppendedMessage, Outcome};
use crate::record::Record;
use crate::rejection::Identification;

/// The maximum number of log lines for the rejected events of one message. A message can
/// contain thousands of invalid events, and each log line costs money.
const MAX_REJECTED_LINES: usize = 20;

/// The result of a batch.
#[derive(Debug, Default)]
#[must_use]
pub struct Report {
    /// The ids of the messages that SQS has to deliver again. All other messages are done.
    pub failed: Vec<String>,
    /// The metrics to publish.
    pub metrics: Metrics,
}

impl Report {
    pub(crate) fn fail(&mut self, record: &Record) {
        self.failed.push(record.message_id.clone());
    }

    /// Reports a message as failed for a reason that applies to the whole message.
    pub(crate) fn fail_with(&mut self, record: &Record, reason: &dyn Display) {
        self.fail(record);
        self.metrics.failed();
        tracing::error!(
            verdict = "failed",
            message_id = record.message_id,
            reason = %reason,
        );
    }

    pub(crate) fn hold_back(&mut self, record: &Record) {
        self.fail_with(record, &"an earlier message of its message group failed");
    }

    /// Counts and logs all events of a message except its rejected events, whose verdict
    /// is only final after the message was moved.
    pub(crate) fn count_events(&mut self, message: &AppendedMessage<'_>) {
        let record = message.record;
        let events = match &message.events {
            Ok(events) => events,
            Err(failure) => {
                self.metrics.failed();
                tracing::error!(
                    verdict = "failed",
                    message_id = record.message_id,
                    reason = %failure,
                );
                return;
            }
        };
        for (_, outcome) in events {
            match outcome {
                Outcome::Rejected(_) => {}
                Outcome::Stored { envelope, tie } => {
                    let age = age_millis(envelope);
                    self.metrics.stored(age, *tie);
                    log_done("stored", record, envelope, age);
                }
                Outcome::Duplicate { envelope } => {
                    self.metrics.duplicate();
                    log_done("duplicate", record, envelope, age_millis(envelope));
                }
                Outcome::Failed { envelope, error } => {
                    self.metrics.failed();
                    tracing::error!(
                        verdict = "failed",
                        message_id = record.message_id,
                        event_id = envelope.event_id().as_str(),
                        event_type = envelope.event_type().as_str(),
                        entity_id = envelope.entity_id().as_str(),
                        reason = %error,
                    );
                }
            }
        }
    }

    /// Counts and logs the rejected events of a message that was moved to the dead-letter
    /// queue.
    pub(crate) fn count_rejected(&mut self, message: &AppendedMessage<'_>) {
        let record = message.record;
        for (index, (text, rejection)) in message.rejections().enumerate() {
            self.metrics.rejected(rejection.code);
            if index < MAX_REJECTED_LINES {
                let Identification {
                    event_type,
                    entity_id,
                    emitter_id,
                } = Identification::read(text);
                tracing::warn!(
                    verdict = "rejected",
                    message_id = record.message_id,
                    event_type = event_type.as_ref().map(EventType::as_str),
                    entity_id = entity_id.as_ref().map(EntityId::as_str),
                    emitter_id = emitter_id.as_ref().map(EmitterId::as_str),
                    code = rejection.code.as_str(),
                    pointer = rejection.pointer,
                    reason = rejection.reason,
                );
            }
        }
        let more = message
            .rejections()
            .count()
            .saturating_sub(MAX_REJECTED_LINES);
        if more > 0 {
            tracing::warn!(verdict = "rejected", message_id = record.message_id, more);
        }
    }
}

fn log_done(verdict: &str, record: &Record, envelope: &Envelope, age_ms: u64) {
    tracing::info!(
        verdict,
        message_id = record.message_id,
        event_id = envelope.event_id().as_str(),
        event_type = envelope.event_type().as_str(),
        entity_id = envelope.entity_id().as_str(),
        age_ms,
    );
}
