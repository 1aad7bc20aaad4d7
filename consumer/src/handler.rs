//! The handler: it receives a batch of messages and returns a verdict for each message.
//!
//! The same handler runs in every host. It reports a message as done only after the
//! events of the message are in DynamoDB or in the dead-letter queue.

use std::collections::HashSet;

use domain_events::{Envelope, EventStore};
use tokio::time::Instant;

use crate::aws::RequestCounter;
use crate::dead_letters::DeadLetterQueue;
use crate::outcome::{AppendedMessage, Outcome};
use crate::record::{DecodeFailure, Record, RecordEvent, decode_record};
use crate::rejection::Rejection;
use crate::report::Report;

/// Decodes messages, stores their events, and moves rejected messages to the dead-letter
/// queue.
#[derive(Debug, Clone)]
pub struct Handler {
    store: EventStore,
    dead_letters: DeadLetterQueue,
    requests: RequestCounter,
}

/// A message whose events are decoded. An event without a rejection has been given to the
/// store.
struct DecodedMessage<'a> {
    record: &'a Record,
    events: Result<Vec<(&'a str, Option<Rejection>)>, DecodeFailure>,
}

impl Handler {
    /// Creates a handler that writes to `store` and moves rejected messages to
    /// `dead_letters`.
    pub fn new(store: EventStore, dead_letters: DeadLetterQueue) -> Self {
        Self {
            store,
            dead_letters,
            requests: RequestCounter::default(),
        }
    }

    /// Adds the requests that `counter` counts to the metrics of this handler.
    #[must_use]
    pub(crate) fn with_request_counter(self, counter: RequestCounter) -> Self {
        Self {
            requests: counter,
            ..self
        }
    }

    /// Handles a batch. A message that is not done at `deadline` is reported as failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is safe at any point: no message has been acknowledged yet, and
    /// every step can be repeated.
    pub async fn handle(&self, records: &[Record], deadline: Option<Instant>) -> Report {
        let (envelopes, decoded) = decode(records);
        let appended = self.append(envelopes, decoded, deadline).await;
        self.conclude(&appended, deadline).await
    }

    /// Stores the events of all messages in one call, so that they share requests.
    async fn append<'a>(
        &self,
        envelopes: Vec<Envelope>,
        messages: Vec<DecodedMessage<'a>>,
        deadline: Option<Instant>,
    ) -> Vec<AppendedMessage<'a>> {
        let appended = self
            .store
            .append_all(&envelopes, deadline.map(append_deadline))
            .await;
        // One outcome per envelope, in the order in which `decode` found them.
        let mut outcomes = envelopes.into_iter().zip(appended);
        #[expect(clippy::expect_used, reason = "the text states the invariant")]
        let mut outcome = |rejection: Option<Rejection>| match rejection {
            Some(rejection) => Outcome::Rejected(rejection),
            None => {
                let next = outcomes.next();
                let (envelope, result) = next.expect("append_all returns one outcome per event");
                Outcome::new(envelope, result)
            }
        };
        let mut finish = |message: DecodedMessage<'a>| AppendedMessage {
            record: message.record,
            events: message.events.map(|events| {
                let events = events.into_iter();
                let events = events.map(|(text, rejection)| (text, outcome(rejection)));
                events.collect()
            }),
        };
        messages.into_iter().map(&mut finish).collect()
    }

    /// Determines the verdict of each message, and moves the rejected messages.
    async fn conclude(
        &self,
        messages: &[AppendedMessage<'_>],
        deadline: Option<Instant>,
    ) -> Report {
        let mut report = Report::default();
        let mut failed_groups = HashSet::new();
        let mut letters = Vec::new();
        for message in messages {
            report.count_events(message);
            let behind_failure = is_in(&failed_groups, message.record);
            match message.dead_letter() {
                _ if message.has_failed() => report.fail(message.record),
                None => continue,
                // An earlier message of the same group failed and will be delivered again.
                // This message must not be moved before it.
                Some(_) if behind_failure => report.hold_back(message.record),
                Some(letter) => {
                    letters.push((message, letter));
                    continue;
                }
            }
            failed_groups.extend(message.record.group.as_deref());
        }

        let (rejected, letters): (Vec<_>, Vec<_>) = letters.into_iter().unzip();
        let moved = self.dead_letters.send(&letters, deadline).await;
        let mut failed_groups = HashSet::new();
        for (message, moved) in rejected.into_iter().zip(moved) {
            match moved {
                Ok(()) if is_in(&failed_groups, message.record) => {
                    report.hold_back(message.record);
                }
                Ok(()) => report.count_rejected(message),
                Err(error) => {
                    report.fail_with(message.record, &error);
                    failed_groups.extend(message.record.group.as_deref());
                }
            }
        }
        report.metrics.requests(self.requests.take());
        report
    }
}

/// Decodes all messages. The events are returned separately from their messages, because
/// the store takes all events in one call. [`Handler::append`] assigns the outcomes to the
/// messages.
fn decode(records: &[Record]) -> (Vec<Envelope>, Vec<DecodedMessage<'_>>) {
    let mut envelopes = Vec::with_capacity(records.len());
    let mut messages = Vec::with_capacity(records.len());
    for record in records {
        let mut take = |event: RecordEvent<'_>| match event.outcome {
            Ok(envelope) => {
                envelopes.push(envelope);
                None
            }
            Err(rejection) => Some(rejection),
        };
        let events = decode_record(record).map(|events| {
            let events = events.into_iter();
            events.map(|event| (event.text, take(event))).collect()
        });
        messages.push(DecodedMessage { record, events });
    }
    (envelopes, messages)
}

/// Returns the deadline for appending: nine tenths of the remaining time. The last tenth
/// is for moving rejected messages.
fn append_deadline(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) * 9 / 10
}

/// Returns true if the record belongs to one of these message groups.
fn is_in(groups: &HashSet<&str>, record: &Record) -> bool {
    record
        .group
        .as_deref()
        .is_some_and(|group| groups.contains(group))
}
