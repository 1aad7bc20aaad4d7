//! Finds the faults in the body of a letter.

use domain_events::{Envelope, EventId, InvalidEvent, wire};

use super::folder::Letter;
use crate::Failure;

/// A fault of a body.
#[derive(Debug)]
pub(super) struct Fault {
    /// JSON pointer into the body.
    pub(super) pointer: String,
    /// The code, the pointer and the reason.
    pub(super) text: String,
}

impl Fault {
    /// `prefix` is the pointer to the event in the body.
    fn of<'a>(prefix: &str, error: &'a InvalidEvent) -> impl Iterator<Item = Self> + use<'a> {
        let prefix = prefix.to_owned();
        std::iter::once(error)
            .chain(error.others())
            .map(move |error| {
                let pointer = format!("{prefix}{}", error.pointer());
                let at = match pointer.is_empty() {
                    true => String::new(),
                    false => format!(" at {pointer}"),
                };
                let text = format!("{}{at}: {}", error.code(), error.reason());
                Self { pointer, text }
            })
    }
}

/// Returns the events of a letter, or all of their faults.
///
/// # Errors
///
/// The identity of the letter is invalid.
pub(super) fn decode(
    letter: &Letter,
    body: &str,
) -> Result<Result<Vec<Envelope>, Vec<Fault>>, Failure> {
    let identity = EventId::new(letter.identity.clone()).map_err(|_| {
        Failure::Environment(format!(
            "the field identity in {}.json must have 1 to 128 bytes; correct it",
            letter.message_id
        ))
    })?;
    let events = match wire::decode(body, &identity) {
        Ok(events) => events,
        Err(error) => return Ok(Err(Fault::of("", &error).collect())),
    };
    let is_array = body.trim_start().starts_with('[');
    let mut valid = Vec::with_capacity(events.len());
    let mut faults = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        let prefix = match is_array {
            true => format!("/{index}"),
            false => String::new(),
        };
        match event.outcome {
            Ok(envelope) => valid.push(envelope),
            Err(error) => faults.extend(Fault::of(&prefix, &error)),
        }
    }
    Ok(match faults.is_empty() {
        true => Ok(valid),
        false => Err(faults),
    })
}

/// JSON pointers to the faults in a letter. If this program finds none, the pointer that the
/// consumer reported is returned, because the consumer also compares events with the table.
pub(super) fn pointers(letter: &Letter, body: &str) -> Result<Vec<String>, Failure> {
    let mut pointers: Vec<String> = match decode(letter, body)? {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
    };
    if pointers.is_empty() {
        pointers.extend(letter.attribute("RejectionPointer").map(str::to_owned));
    }
    Ok(pointers)
}
