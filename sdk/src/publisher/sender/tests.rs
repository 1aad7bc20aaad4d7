//! The sender with a scripted queue in memory, in paused time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::publisher::transport::{
    EntryResult, Message, RequestError, RequestErrorKind, SendFuture, Transport,
};
use crate::publisher::{Sdk, SdkBuilder};
use crate::{Emitter, EmitterId, EmitterType, EntityId, Envelope, EventType};

mod batching;
mod capacity;
#[cfg(feature = "spool")]
mod disk_faults;
mod executors;
mod failures;
#[cfg(feature = "metrics")]
mod observability;
mod order;
mod packing;
mod payload;
mod prepared;
mod shutdown;
#[cfg(feature = "spool")]
mod spooling;

const ROUND_TRIP: Duration = Duration::from_millis(5);

type Respond =
    dyn Fn(usize, &[Message]) -> (Duration, Result<Vec<EntryResult>, RequestError>) + Send + Sync;

/// A queue in memory, which records its requests and the messages that it accepted.
struct Fake {
    /// Returns the delay and the result of a request, from its number and its messages.
    respond: Box<Respond>,
    requests: Mutex<Vec<(Instant, Vec<Message>)>>,
    accepted: Mutex<Vec<Message>>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
    groups_in_flight: Mutex<HashMap<Arc<str>, usize>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn new(
        respond: impl Fn(usize, &[Message]) -> (Duration, Result<Vec<EntryResult>, RequestError>)
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            respond: Box::new(respond),
            requests: Mutex::default(),
            accepted: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            groups_in_flight: Mutex::default(),
        })
    }

    /// Accepts every message after one round trip.
    fn healthy() -> Arc<Self> {
        Self::new(|_, messages| (ROUND_TRIP, Ok(accept_all(messages))))
    }

    fn sizes(&self) -> Vec<usize> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(_, m)| m.len())
            .collect()
    }

    fn accepted(&self) -> Vec<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().flat_map(|m| entity_ids(&m.body)).collect()
    }
}

impl Transport for Fake {
    fn send(&self, messages: Vec<Message>) -> SendFuture<'_> {
        Box::pin(async move {
            let number = {
                let mut requests = self.requests.lock().unwrap();
                requests.push((Instant::now(), messages.clone()));
                requests.len() - 1
            };
            for group in messages.iter().filter_map(|m| m.group.clone()) {
                *self
                    .groups_in_flight
                    .lock()
                    .unwrap()
                    .entry(group)
                    .or_default() += 1;
            }
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_in_flight.fetch_max(now, Ordering::SeqCst);
            let (wait, result) = (self.respond)(number, &messages);
            sleep(wait).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            for group in messages.iter().filter_map(|m| m.group.clone()) {
                let mut groups = self.groups_in_flight.lock().unwrap();
                let count = groups.get_mut(&group).unwrap();
                let fifo = messages.iter().all(|m| m.deduplication.is_some());
                assert!(*count == 1 || !fifo, "two messages of a group in flight");
                *count -= 1;
            }
            if let Ok(results) = &result {
                let pairs = messages.into_iter().zip(results);
                let accepted = pairs.filter(|(_, r)| matches!(r, EntryResult::Accepted { .. }));
                self.accepted
                    .lock()
                    .unwrap()
                    .extend(accepted.map(|(m, _)| m));
            }
            result
        })
    }
}

fn entity_ids(body: &str) -> Vec<String> {
    let id = crate::EventId::from_static("m");
    let events = crate::wire::decode(body, &id).unwrap();
    events
        .into_iter()
        .map(|e| e.outcome.unwrap().entity_id().to_string())
        .collect()
}

fn accept_all(messages: &[Message]) -> Vec<EntryResult> {
    messages.iter().map(|_| accepted()).collect()
}

fn accepted() -> EntryResult {
    EntryResult::Accepted {
        message_id: "message".to_owned(),
        sequence_number: None,
    }
}

fn refused(sender_fault: bool) -> EntryResult {
    EntryResult::Refused {
        code: "InternalError".to_owned(),
        reason: "scripted".to_owned(),
        sender_fault,
    }
}

fn unavailable() -> RequestError {
    RequestError::new(RequestErrorKind::Unavailable, "orders", "scripted")
}

fn builder(fifo: bool) -> SdkBuilder {
    let url = if fifo {
        "http://localhost/1/q.fifo"
    } else {
        "http://localhost/1/q"
    };
    Sdk::builder(url, Emitter::system("test").unwrap())
}

fn event(id: &str) -> Envelope {
    let emitter = Emitter::new(
        EmitterType::from_static("SYSTEM"),
        EmitterId::from_static("test"),
    );
    let id = EntityId::new(id.to_owned()).unwrap();
    Envelope::builder(EventType::from_static("TESTED"), id, emitter)
        .build()
        .unwrap()
}

fn spawn(
    sdk: &Sdk,
    ids: impl IntoIterator<Item = String>,
) -> Vec<tokio::task::JoinHandle<crate::publisher::buffer::pending::Outcome>> {
    ids.into_iter()
        .map(|id| tokio::spawn(sdk.emit_envelope(event(&id))))
        .collect()
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}
