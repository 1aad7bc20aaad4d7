//! A batch of messages → a verdict for each, and what SQS is to be told.
//!
//! The same handler runs in every host. Nothing is acknowledged before DynamoDB
//! or the dead-letter queue has it.

use std::borrow::Cow;
use std::collections::HashSet;

use domain_events::{AppendOutcome, Envelope, EventStore, StoreError, Timestamp};
use tokio::time::Instant;

use crate::clients::RequestCounter;
use crate::dead_letters::{DeadLetter, DeadLetterQueue};
use crate::metrics::Metrics;
use crate::record::{DecodeFailure, DecodedRecord, Record, Rejection, Verdict, decode_record};

/// Judges messages, stores their events, and moves what can never be stored.
#[derive(Debug, Clone)]
pub struct Handler {
    store: EventStore,
    dead_letters: DeadLetterQueue,
    requests: RequestCounter,
}

/// What became of a batch.
#[derive(Debug)]
#[must_use]
pub struct Report {
    /// Ids of the messages that SQS has to deliver again. All others are done.
    pub failed: Vec<String>,
    /// What is to be measured.
    pub metrics: Metrics,
}

/// A message by its place in the batch, and its rejected events as they came.
type RejectedMessage<'a> = (usize, Vec<(Cow<'a, str>, Rejection)>);

/// One event on its way to a verdict.
enum Progress<'a> {
    /// Handed to the store, as the n-th.
    Appending(usize),
    Rejected(Cow<'a, str>, Rejection),
}

impl Handler {
    /// A handler that stores here and rejects there.
    pub fn new(store: EventStore, dead_letters: DeadLetterQueue) -> Self {
        Self {
            store,
            dead_letters,
            requests: RequestCounter::default(),
        }
    }

    /// Measures the requests of the client that `counter` counts.
    #[must_use]
    pub fn with_request_counter(self, counter: RequestCounter) -> Self {
        Self {
            requests: counter,
            ..self
        }
    }

    /// Handles a batch. What is not done at `deadline` is reported as failed.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any point: nothing has been acknowledged, and every
    /// step may be repeated.
    pub async fn handle(&self, records: &[Record], deadline: Option<Instant>) -> Report {
        let mut metrics = Metrics::default();
        let mut envelopes: Vec<Envelope> = Vec::with_capacity(records.len());
        let mut messages: Vec<Result<Vec<Progress<'_>>, DecodeFailure>> =
            Vec::with_capacity(records.len());
        for record in records {
            let events = decode_record(record).map(|events| {
                let event = |event| match event {
                    DecodedRecord::Valid(envelope) => {
                        envelopes.push(envelope);
                        Progress::Appending(envelopes.len() - 1)
                    }
                    DecodedRecord::Rejected(text, rejection) => {
                        Progress::Rejected(text.into(), rejection)
                    }
                };
                events.into_iter().map(event).collect()
            });
            messages.push(events);
        }

        let appended = self
            .store
            .append_all(&envelopes, deadline.map(time_to_append))
            .await;

        // The first failure of a group ends it: what follows has to stay behind
        // it, stored or not.
        let mut failed_groups: HashSet<&str> = HashSet::new();
        let mut failed: Vec<bool> = Vec::with_capacity(records.len());
        let mut rejected: Vec<RejectedMessage<'_>> = Vec::new();
        for (index, (record, events)) in records.iter().zip(messages).enumerate() {
            let mut rejections = Vec::new();
            let mut has_failed = record
                .group
                .as_deref()
                .is_some_and(|group| failed_groups.contains(group));
            match events {
                Err(error) => {
                    has_failed = true;
                    metrics.count(Verdict::Failed);
                    log_failed(record, None, &error);
                }
                Ok(events) => {
                    for event in events {
                        match event {
                            Progress::Rejected(text, rejection) => {
                                rejections.push((text, rejection))
                            }
                            Progress::Appending(n) => match outcome(&envelopes[n], &appended[n]) {
                                Outcome::Done(verdict) => {
                                    metrics.appended(
                                        &envelopes[n],
                                        verdict,
                                        appended[n] == Ok(AppendOutcome::StoredWithTieBreak),
                                    );
                                    log_done(record, &envelopes[n], verdict);
                                }
                                Outcome::Rejected(rejection) => {
                                    rejections.push((text_of(record, &envelopes[n]), rejection));
                                }
                                Outcome::Failed(error) => {
                                    has_failed = true;
                                    metrics.count(Verdict::Failed);
                                    log_failed(record, Some(&envelopes[n]), error);
                                }
                            },
                        }
                    }
                }
            }
            if has_failed {
                failed_groups.extend(record.group.as_deref());
            } else if !rejections.is_empty() {
                rejected.push((index, rejections));
            }
            failed.push(has_failed);
        }

        self.reject(records, &rejected, deadline, &mut failed, &mut metrics)
            .await;
        fail_followers(records, &mut failed);
        metrics.requests(self.requests.take());
        let failed = records.iter().zip(&failed).filter(|(_, failed)| **failed);
        Report {
            failed: failed
                .map(|(record, _)| record.message_id.clone())
                .collect(),
            metrics,
        }
    }

    /// Moves rejected messages. One whose move fails is failed.
    async fn reject(
        &self,
        records: &[Record],
        rejected: &[RejectedMessage<'_>],
        deadline: Option<Instant>,
        failed: &mut [bool],
        metrics: &mut Metrics,
    ) {
        if rejected.is_empty() {
            return;
        }
        let letters: Vec<DeadLetter<'_>> = rejected
            .iter()
            .filter_map(|(index, rejections)| {
                let record = &records[*index];
                let (text, rejection) = rejections.first()?;
                let (body, rejection) = match &rejections[..] {
                    [_] => (Cow::Borrowed(&**text), Cow::Borrowed(rejection)),
                    many => packed(many),
                };
                Some(DeadLetter {
                    body,
                    rejection,
                    message_id: &record.message_id,
                    group: record.group.as_deref(),
                })
            })
            .collect();
        let send = self.dead_letters.send(&letters);
        let outcomes = match deadline {
            None => send.await,
            Some(deadline) => tokio::time::timeout_at(deadline, send)
                .await
                .unwrap_or_else(|_| vec![Err("the time was up".to_owned()); letters.len()]),
        };
        for ((index, rejections), outcome) in rejected.iter().zip(outcomes) {
            let record = &records[*index];
            match outcome {
                Ok(()) => {
                    for (_, rejection) in rejections {
                        metrics.rejected(rejection.code);
                    }
                    log_rejected(record, rejections);
                }
                Err(error) => {
                    failed[*index] = true;
                    metrics.count(Verdict::Failed);
                    log_failed(record, None, &error);
                }
            }
        }
    }
}

/// Several events of one packed message travel as they came, packed; what was
/// stored of it is not sent again. The letter tells of the first of them.
fn packed<'a>(many: &[(Cow<'_, str>, Rejection)]) -> (Cow<'a, str>, Cow<'a, Rejection>) {
    let texts: Vec<&str> = many.iter().map(|(text, _)| &**text).collect();
    let first = &many[0].1;
    let rejection = Rejection {
        code: first.code,
        pointer: format!("/0{}", first.pointer),
        reason: format!(
            "the first of {} events rejected here: {}",
            many.len(),
            first.reason
        ),
    };
    (
        Cow::Owned(format!("[{}]", texts.join(","))),
        Cow::Owned(rejection),
    )
}

enum Outcome<'a> {
    Done(Verdict),
    Rejected(Rejection),
    Failed(&'a StoreError),
}

fn outcome<'a>(
    envelope: &Envelope,
    appended: &'a Result<AppendOutcome, StoreError>,
) -> Outcome<'a> {
    match appended {
        Ok(AppendOutcome::Duplicate) => Outcome::Done(Verdict::Duplicate),
        Ok(_) => Outcome::Done(Verdict::Stored),
        Err(error) => match error.rejection_code() {
            Some(code) => Outcome::Rejected(Rejection {
                code,
                pointer: error.pointer().to_owned(),
                reason: format!("event {}: {error}", envelope.event_id()),
            }),
            None => Outcome::Failed(error),
        },
    }
}

/// Nine tenths of the time; the rest is for moving rejected messages.
fn time_to_append(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) * 9 / 10
}

/// The text of an event that only DynamoDB refused: the message's own, or what
/// the same event is as a message.
fn text_of<'a>(record: &'a Record, envelope: &Envelope) -> Cow<'a, str> {
    if record.body.trim_start().starts_with('{') {
        return Cow::Borrowed(&record.body);
    }
    domain_events::wire::encode(envelope).map_or(Cow::Borrowed(&*record.body), Cow::Owned)
}

/// On a FIFO queue the messages behind a failed one of their group have to be
/// delivered again with it, or they would overtake it.
fn fail_followers(records: &[Record], failed: &mut [bool]) {
    let mut failed_groups = HashSet::new();
    for (record, failed) in records.iter().zip(failed) {
        if let Some(group) = record.group.as_deref() {
            *failed |= failed_groups.contains(group);
            if *failed {
                failed_groups.insert(group);
            }
        }
    }
}

fn log_done(record: &Record, envelope: &Envelope, verdict: Verdict) {
    tracing::info!(
        verdict = verdict.as_str(),
        message_id = record.message_id,
        event_id = envelope.event_id().as_str(),
        event_type = envelope.event_type().as_str(),
        entity_id = envelope.entity_id().as_str(),
        age_ms = age_millis(envelope),
    );
}

/// Lines for the rejected events of one message. Half a million bad ones fit into
/// a message, and who pays for the log is not who sent it.
const MAX_REJECTED_LINES: usize = 20;

fn log_rejected(record: &Record, rejections: &[(Cow<'_, str>, Rejection)]) {
    for (_, rejection) in rejections.iter().take(MAX_REJECTED_LINES) {
        tracing::warn!(
            verdict = Verdict::Rejected.as_str(),
            message_id = record.message_id,
            code = rejection.code.as_str(),
            pointer = rejection.pointer,
            reason = rejection.reason,
        );
    }
    if rejections.len() > MAX_REJECTED_LINES {
        tracing::warn!(
            verdict = Verdict::Rejected.as_str(),
            message_id = record.message_id,
            more = rejections.len() - MAX_REJECTED_LINES,
        );
    }
}

fn log_failed(record: &Record, envelope: Option<&Envelope>, error: &dyn std::fmt::Display) {
    tracing::error!(
        verdict = Verdict::Failed.as_str(),
        message_id = record.message_id,
        event_id = envelope.map(|e| e.event_id().as_str()),
        reason = %error,
    );
}

/// Milliseconds since the event was created; 0 if its producer's clock is ahead.
pub(crate) fn age_millis(envelope: &Envelope) -> u64 {
    Timestamp::now()
        .as_nanos()
        .saturating_sub(envelope.timestamp().as_nanos())
        / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_followers_of_a_failed_message_fail_with_it_in_their_group_only() {
        let record = |group: Option<&str>| Record {
            message_id: "m".to_owned(),
            body: String::new(),
            group: group.map(str::to_owned),
        };
        let records: Vec<Record> = [Some("a"), Some("a"), Some("b"), Some("a"), None]
            .into_iter()
            .map(record)
            .collect();
        let mut failed = [false, true, false, false, false];
        fail_followers(&records, &mut failed);
        assert_eq!(failed, [false, true, false, true, false]);
    }
}
