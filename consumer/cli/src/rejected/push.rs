//! From a folder back to the queue.

use std::io::Write;
use std::path::Path;

use domain_events::__internals::{AwsFailure, group_name};
use domain_events::{Envelope, EventId, wire};

use super::folder::{Folder, Letter};
use crate::connection::Queue;
use crate::output::{line_of, printable};
use crate::{Failure, Outcome};

/// Sends the letters back to the queue, each event as a message of its own, and moves a
/// letter into the subfolder `pushed` once SQS has accepted all of its events. A letter
/// that is still invalid stays, and its problems are printed.
///
/// # Errors
///
/// SQS or the disk fails. Letters that were sent before are in `pushed`; pushing again
/// sends the others.
///
/// # Cancel safety
///
/// Dropping the future loses nothing: a letter is moved after it was sent. A letter that is
/// sent twice is stored once, because its events keep their identities.
pub async fn push<W: Write>(
    queue: &Queue,
    from: &Path,
    wanted: &[String],
    out: &mut W,
) -> Result<Outcome, Failure> {
    let folder = Folder::open(from)?;
    let (mut pushed, mut invalid) = (0_u64, 0_u64);
    for id in folder.select(wanted)? {
        let (letter, body) = folder.read(&id)?;
        match envelopes(&letter, &body)? {
            Err(problems) => {
                invalid += 1;
                for problem in problems {
                    line_of(out, &format!("{id}: {}", printable(&problem)))?;
                }
            }
            Ok(envelopes) => {
                for (index, envelope) in envelopes.iter().enumerate() {
                    send(queue, &letter, index, envelope).await?;
                }
                folder.retire(&id)?;
                pushed += 1;
            }
        }
    }
    line_of(out, &format!("{pushed} sent, {invalid} still invalid"))?;
    Ok(if invalid == 0 {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

/// The events of a letter, or what is wrong with them.
fn envelopes(letter: &Letter, body: &str) -> Result<Result<Vec<Envelope>, Vec<String>>, Failure> {
    let identity = EventId::new(letter.identity.clone()).map_err(|_| {
        Failure::Environment(format!(
            "the identity of letter {} must be 1 to 128 bytes; correct it in its .json file",
            letter.message_id
        ))
    })?;
    let events = match wire::decode(body, &identity) {
        Ok(events) => events,
        Err(error) => return Ok(Err(vec![error.to_string()])),
    };
    let mut valid = Vec::with_capacity(events.len());
    let mut problems = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        match event.outcome {
            Ok(envelope) => valid.push(envelope),
            Err(error) => problems.push(format!("event {index}: {error}")),
        }
    }
    Ok(if problems.is_empty() {
        Ok(valid)
    } else {
        Err(problems)
    })
}

async fn send(
    queue: &Queue,
    letter: &Letter,
    index: usize,
    envelope: &Envelope,
) -> Result<(), Failure> {
    let body = wire::encode(envelope).map_err(|e| Failure::Environment(e.to_string()))?;
    let mut request = queue
        .client()
        .send_message()
        .queue_url(queue.url())
        .message_body(body);
    if queue.is_fifo() {
        // Not the id of the event: within five minutes of the first attempt, SQS would
        // accept the message and drop it.
        request = request
            .message_group_id(&*group_name(envelope.entity_id().as_str()))
            .message_deduplication_id(format!("pushed-{}-{index}", letter.message_id));
    }
    request
        .send()
        .await
        .map(drop)
        .map_err(|e| queue.failed("sending to", "sqs:SendMessage", &AwsFailure::new(&e)))
}
