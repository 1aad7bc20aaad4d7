//! A message after its events have been given to the store.

use std::borrow::Cow;

use domain_events::{AppendOutcome, Envelope, StoreError};

use crate::dead_letters::DeadLetter;
use crate::record::{DecodeFailure, Record};
use crate::rejection::Rejection;

/// The final state of an event. The variants have the names of the log field `verdict`.
pub(crate) enum Outcome {
    Stored {
        envelope: Envelope,
        tie: bool,
    },
    Duplicate {
        envelope: Envelope,
    },
    /// It can never be stored.
    Rejected(Rejection),
    /// It may be stored later.
    Failed {
        envelope: Envelope,
        error: StoreError,
    },
}

impl Outcome {
    /// Returns the outcome of an event that was given to the store.
    pub(crate) fn new(envelope: Envelope, result: Result<AppendOutcome, StoreError>) -> Self {
        match result {
            Ok(AppendOutcome::Duplicate) => Self::Duplicate { envelope },
            Ok(outcome) => Self::Stored {
                envelope,
                tie: outcome == AppendOutcome::StoredWithTieBreak,
            },
            Err(error) => match error.rejection_code() {
                Some(code) => Self::Rejected(Rejection {
                    code,
                    pointer: error.pointer().to_owned(),
                    reason: format!("event {}: {error}", envelope.event_id()),
                }),
                None => Self::Failed { envelope, error },
            },
        }
    }
}

/// A message after each of its valid events has been given to the store.
pub(crate) struct AppendedMessage<'a> {
    pub(crate) record: &'a Record,
    pub(crate) events: Result<Vec<(&'a str, Outcome)>, DecodeFailure>,
}

impl AppendedMessage<'_> {
    pub(crate) fn has_failed(&self) -> bool {
        match &self.events {
            Err(_) => true,
            Ok(events) => events
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Failed { .. })),
        }
    }

    pub(crate) fn rejections(&self) -> impl Iterator<Item = (&str, &Rejection)> {
        let events = self.events.iter().flatten();
        events.filter_map(|(text, outcome)| match outcome {
            Outcome::Rejected(rejection) => Some((*text, rejection)),
            _ => None,
        })
    }

    /// Returns the dead letter of this message, or `None` if no event was rejected.
    ///
    /// If all events were rejected, the letter has the unchanged body of the message.
    /// Otherwise, it has only the rejected events, each of them unchanged.
    pub(crate) fn dead_letter(&self) -> Option<DeadLetter<'_>> {
        let rejected: Vec<(&str, &Rejection)> = self.rejections().collect();
        let (text, first) = *rejected.first()?;
        let body = &self.record.body;
        let all = self.events.as_ref().map_or(0, Vec::len) == rejected.len();
        let (body, packed) = match &rejected[..] {
            _ if all => (Cow::Borrowed(&**body), text.len() < body.len()),
            [_] => (Cow::Borrowed(text), false),
            many => {
                let texts: Vec<&str> = many.iter().map(|(text, _)| *text).collect();
                (Cow::Owned(format!("[{}]", texts.join(","))), true)
            }
        };
        let mut rejection = first.clone();
        if packed {
            rejection.pointer = format!("/0{}", first.pointer);
        }
        if rejected.len() > 1 {
            rejection.reason = format!(
                "the first of {} rejected events: {}",
                rejected.len(),
                first.reason
            );
        }
        Some(DeadLetter {
            record: self.record,
            body,
            rejection,
        })
    }
}
