//! `rejected push`: sends the letters of a folder back to the queue.

use std::io::Write;
use std::path::Path;

use domain_events::__internals::{AwsFailure, group_name};
use domain_events::{Envelope, wire};

use super::faults::decode;
use super::folder::{Folder, Letter};
use crate::connection::Queue;
use crate::output::{line_of, printable};
use crate::{Failure, Outcome};

/// Sends the letters back to the queue, each event as a separate message, and moves a letter
/// into the subfolder `pushed` once SQS has accepted all of its events. A letter that is
/// still invalid stays in the folder, and its problems are printed.
///
/// # Errors
///
/// SQS or the disk fails. The letters that were sent before the failure are in `pushed`, and
/// another push sends the others.
///
/// # Cancel safety
///
/// Dropping the future loses nothing, because a letter is moved only after it was sent. A
/// letter that is sent twice is stored once, because its events keep their identities.
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
        match decode(&letter, &body)? {
            Err(faults) => {
                invalid += 1;
                for fault in faults {
                    line_of(out, &format!("{id}: {}", printable(&fault.text)))?;
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
        // The deduplication id is not the id of the event. Otherwise, within five minutes of
        // the first attempt, SQS would accept the message but not deliver it.
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
