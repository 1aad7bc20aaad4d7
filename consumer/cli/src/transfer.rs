//! `export`, `import` and `replay`: copy events from a table, into a table, and from a table
//! to a queue.

use std::io::{BufRead, Write};
use std::time::Duration;

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use domain_events::__internals::{AwsFailure, Backoff, group_name};
use domain_events::store::Scan;
use domain_events::wire::{self, MAX_MESSAGE_BYTES};
use domain_events::{AppendOutcome, Envelope, EventStore};
use domain_events_consumer::__internals::escaped;
use futures::StreamExt as _;

use crate::connection::Queue;
use crate::output::line_of;
use crate::{Failure, Outcome};

/// Events that `import` appends in one call.
const IMPORT_BATCH: usize = 500;
/// Entries of one request (SQS developer guide, "Message quotas").
const MAX_ENTRIES: usize = 10;
/// The size of the attribute `Replayed`, with its type and value, in bytes.
const ATTRIBUTE_BYTES: usize = "Replayed".len() + "String".len() + "true".len();
/// The maximum number of attempts to send an entry that SQS did not accept.
const MAX_ATTEMPTS: u32 = 8;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));

/// Writes every event of the scan as a line of wire JSON, which `check`, `import` and
/// `emit` read. Characters that are unsafe to print are written as JSON escapes, which do
/// not change the event.
///
/// # Errors
///
/// DynamoDB fails, or `out` cannot be written.
///
/// # Cancel safety
///
/// Dropping the future leaves a part of the events written.
pub async fn export<W: Write>(
    mut events: Scan,
    out: &mut W,
    mut progress: impl FnMut(u64),
) -> Result<(Outcome, u64), Failure> {
    let (mut outcome, mut count) = (Outcome::Done, 0);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let line = wire::encode(event.envelope())
                    .map_err(|e| Failure::environment("encoding an event", &e))?;
                line_of(out, &escaped(&line))?;
                count += 1;
                progress(count);
            }
            Err(error) if error.is_about_one_event() => {
                outcome = Outcome::Found;
                crate::output::warn(&error);
            }
            Err(error) => return Err(Failure::read("reading the table", &error)),
        }
    }
    out.flush().map_err(|error| crate::output::closed(&error))?;
    Ok((outcome, count))
}

/// The result of an import.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Events that are new in the table.
    pub stored: u64,
    /// Events that the table already contained.
    pub duplicates: u64,
    /// Events that DynamoDB did not store.
    pub failed: u64,
}

/// Appends every line of `input` to the table, without the queue. An event that the table
/// already contains is a duplicate and changes nothing, so an import can be repeated.
///
/// # Errors
///
/// [`Failure::Usage`] if a line is not a valid event with an `EventId`; lines before it may
/// have been stored.
///
/// # Cancel safety
///
/// Dropping the future leaves a part of the events stored.
pub async fn import<R: BufRead>(
    store: &EventStore,
    input: R,
    mut progress: impl FnMut(u64),
) -> Result<(Outcome, Imported), Failure> {
    let mut imported = Imported::default();
    let mut batch: Vec<Envelope> = Vec::with_capacity(IMPORT_BATCH);
    let mut lines = (1_u64..).zip(input.lines());
    loop {
        let line = lines.next();
        let ended = line.is_none();
        if let Some((number, line)) = line {
            let line =
                line.map_err(|e| Failure::environment(format!("reading line {number}"), &e))?;
            if !line.trim().is_empty() {
                batch.push(event_of(&line, number)?);
            }
        }
        if batch.len() == IMPORT_BATCH || (ended && !batch.is_empty()) {
            for outcome in store.append_all(&batch, None).await {
                match outcome {
                    Ok(AppendOutcome::Duplicate) => imported.duplicates += 1,
                    Ok(_) => imported.stored += 1,
                    Err(error) => {
                        imported.failed += 1;
                        crate::output::warn(&error);
                    }
                }
            }
            batch.clear();
            progress(imported.stored + imported.duplicates);
        }
        if ended {
            break;
        }
    }
    let outcome = if imported.failed == 0 {
        Outcome::Done
    } else {
        Outcome::Found
    };
    Ok((outcome, imported))
}

fn event_of(line: &str, number: u64) -> Result<Envelope, Failure> {
    // An event without an identity would be stored again by the next import.
    let no_identity = domain_events::EventId::from_static("domain-events-import");
    let invalid = |error: &dyn std::fmt::Display| {
        Failure::Usage(format!(
            "the import ends at line {number}: {error}; correct the line (`domain-events check` prints every fault of a file), and import the file again: no event is stored twice"
        ))
    };
    let mut events = wire::decode(line, &no_identity).map_err(|e| invalid(&e))?;
    match (events.pop(), events.is_empty()) {
        (Some(event), true) => {
            let envelope = event.outcome.map_err(|e| invalid(&e))?;
            if *envelope.event_id() == no_identity {
                return Err(invalid(
                    &"the event has no EventId; add one, so that the import can be repeated",
                ));
            }
            Ok(envelope)
        }
        _ => Err(invalid(&"an import takes one event per line, not an array")),
    }
}

/// Sends events to a queue, marked with the message attribute `Replayed`.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The target queue.
    pub queue: &'a Queue,
    /// The maximum number of events per second.
    pub rate: Option<u32>,
}

impl Replay<'_> {
    /// Sends every event of the scan. Events keep their identity and timestamp, so a
    /// consumer with another table stores each of them once.
    ///
    /// # Errors
    ///
    /// DynamoDB or SQS fails. Events that were sent before stay sent; a second replay sends
    /// them again, and the consumer finds duplicates.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a part of the events sent.
    pub async fn run(
        &self,
        mut events: Scan,
        mut progress: impl FnMut(u64),
    ) -> Result<(Outcome, u64), Failure> {
        let (mut outcome, mut sent) = (Outcome::Done, 0);
        let mut batch: Vec<(String, Envelope)> = Vec::with_capacity(MAX_ENTRIES);
        let mut bytes = 0;
        let started = tokio::time::Instant::now();
        loop {
            let next = match events.next().await {
                None => None,
                Some(Ok(event)) => {
                    let envelope = event.into_envelope();
                    let body = wire::encode(&envelope)
                        .map_err(|e| Failure::environment("encoding an event", &e))?;
                    Some((body, envelope))
                }
                Some(Err(error)) if error.is_about_one_event() => {
                    outcome = Outcome::Found;
                    crate::output::warn(&error);
                    continue;
                }
                Some(Err(error)) => return Err(Failure::read("reading the table", &error)),
            };
            let size = next
                .as_ref()
                .map_or(0, |(body, _)| body.len() + ATTRIBUTE_BYTES);
            let full = batch.len() == MAX_ENTRIES || bytes + size > MAX_MESSAGE_BYTES;
            if !batch.is_empty() && (full || next.is_none()) {
                self.send(&batch).await?;
                sent += batch.len() as u64;
                progress(sent);
                batch.clear();
                bytes = 0;
                if let Some(rate) = self.rate {
                    tokio::time::sleep_until(
                        started + Duration::from_secs_f64(sent as f64 / f64::from(rate)),
                    )
                    .await;
                }
            }
            match next {
                Some(message) => {
                    batch.push(message);
                    bytes += size;
                }
                None => return Ok((outcome, sent)),
            }
        }
    }

    async fn send(&self, batch: &[(String, Envelope)]) -> Result<(), Failure> {
        let failed = |what: &dyn std::fmt::Display| {
            Failure::Environment(format!(
                "sending to the queue {} failed: {what}; correct the cause, and replay again: no event is stored twice",
                self.queue.label()
            ))
        };
        let mut left: Vec<usize> = (0..batch.len()).collect();
        for attempt in 1.. {
            let entries: Result<Vec<_>, _> = left
                .iter()
                .map(|index| self.entry(*index, &batch[*index]))
                .collect();
            let entries = entries.map_err(|e| failed(&e))?;
            let request = self
                .queue
                .client()
                .send_message_batch()
                .queue_url(self.queue.url());
            let output = request
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|e| {
                    self.queue
                        .failed("sending to", "sqs:SendMessage", &AwsFailure::new(&e))
                })?;
            let accepted: Vec<usize> = output
                .successful()
                .iter()
                .filter_map(|entry| entry.id().parse().ok())
                .collect();
            left.retain(|index| !accepted.contains(index));
            if left.is_empty() {
                return Ok(());
            }
            if let Some(entry) = output.failed().iter().find(|entry| entry.sender_fault()) {
                return Err(failed(&format!(
                    "SQS refused an event with {}",
                    entry.code()
                )));
            }
            if attempt == MAX_ATTEMPTS {
                return Err(failed(&format!(
                    "SQS did not accept {} events after {attempt} attempts",
                    left.len()
                )));
            }
            tokio::time::sleep(BACKOFF.delay(attempt)).await;
        }
        Ok(())
    }

    fn entry(
        &self,
        index: usize,
        (body, envelope): &(String, Envelope),
    ) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
        let replayed = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("true")
            .build()?;
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(body)
            .message_attributes("Replayed", replayed);
        if self.queue.is_fifo() {
            entry = entry
                .message_group_id(&*group_name(envelope.entity_id().as_str()))
                .message_deduplication_id(&*group_name(envelope.event_id().as_str()));
        }
        entry.build()
    }
}
