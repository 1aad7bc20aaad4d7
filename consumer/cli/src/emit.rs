//! `emit`: sends events from a file of wire JSON, or one event from the arguments.

use std::io::BufRead;

use domain_events::{EmitError, Envelope, EventId, Sdk, wire};
use futures::stream::{FuturesUnordered, StreamExt as _};

use crate::output::counted;
use crate::{Failure, Outcome};

/// Events that are in flight at the same time.
const IN_FLIGHT: usize = 256;

/// The result for a file.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Events that SQS has accepted.
    pub accepted: u64,
    /// The events that SQS has not accepted, with the reason.
    pub failed: Vec<String>,
    /// Whether the queue does not exist, does not respond, or does not permit the request. In
    /// this case, the events are not the cause.
    pub unavailable: bool,
}

/// Reads each line of `input` as one message and checks it, so that all messages are checked
/// before the first one is sent. An event without an `EventId` gets a new one.
///
/// # Errors
///
/// [`Failure::Usage`] with the invalid lines. In this case, nothing was sent.
pub fn read<R: BufRead>(input: R) -> Result<Vec<Envelope>, Failure> {
    let mut envelopes = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|e| Failure::environment(format!("reading line {number}"), &e))?;
        if line.trim().is_empty() {
            continue;
        }
        match wire::decode(&line, &EventId::random()) {
            Err(error) => problems.push(format!("line {number}: {error}")),
            Ok(events) => {
                for event in events {
                    match event.outcome {
                        Ok(envelope) => envelopes.push(envelope),
                        Err(error) => problems.push(format!("line {number}: {error}")),
                    }
                }
            }
        }
    }
    if problems.is_empty() {
        return Ok(envelopes);
    }
    let count = problems.len();
    problems.truncate(20);
    Err(Failure::Usage(format!(
        "nothing was sent, because the input has {} (`domain-events check` prints every fault); correct them, and emit again:\n  {}",
        counted(count as u64, "invalid event"),
        problems.join("\n  ")
    )))
}

/// Emits all of `envelopes`.
///
/// # Cancel safety
///
/// Events that were submitted may still be sent after the future is dropped.
pub async fn emit(
    sdk: &Sdk,
    envelopes: Vec<Envelope>,
    mut progress: impl FnMut(u64),
) -> (Outcome, Emitted) {
    let mut emitted = Emitted::default();
    let mut waiting = envelopes.into_iter();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < IN_FLIGHT
            && let Some(envelope) = waiting.next()
        {
            in_flight.push(sdk.emit_envelope(envelope));
        }
        let Some(result) = in_flight.next().await else {
            break;
        };
        match result {
            Ok(_) => emitted.accepted += 1,
            Err(error) => {
                emitted.unavailable |= matches!(
                    error,
                    EmitError::Request { .. } | EmitError::RetriesExhausted { .. }
                );
                emitted.failed.push(described(&error));
            }
        }
        progress(emitted.accepted);
    }
    let outcome = if emitted.failed.is_empty() {
        Outcome::Done
    } else {
        Outcome::Found
    };
    (outcome, emitted)
}

fn described(error: &EmitError) -> String {
    let text = domain_events::__internals::with_causes(error);
    match error.envelope() {
        Some(envelope) => format!("event {}: {text}", envelope.event_id()),
        None => text,
    }
}
