//! Chooses the fault of each request.
//!
//! The requests of each operation are numbered. The seed and the number determine the fault,
//! so the same seed causes the same faults on any number of connections.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tokio::time::Instant;

use crate::batches;
use crate::proxy::{Fault, Request};

/// The kinds of faults. [`Kind::name`] is the name in the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Delayed,
    CutBefore,
    CutAfter,
    Truncated,
    SentTwice,
    Status500,
    Status503,
    Throttled,
    /// Some entries or statements are refused.
    PartlyRefused,
    /// Some entries or statements are executed and reported as failed.
    PartlyDenied,
    DeliveredAgain,
    Reordered,
    HeldBack,
    VisibleEarly,
    Stopped,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::CutBefore => "cut before execution",
            Self::CutAfter => "cut after execution",
            Self::Truncated => "response truncated",
            Self::SentTwice => "executed twice",
            Self::Status500 => "status 500",
            Self::Status503 => "status 503",
            Self::Throttled => "throttled",
            Self::PartlyRefused => "some entries refused",
            Self::PartlyDenied => "some entries executed and reported as failed",
            Self::DeliveredAgain => "delivery repeated",
            Self::Reordered => "delivery reordered",
            Self::HeldBack => "delivery delayed",
            Self::VisibleEarly => "visibility timeout shortened",
            Self::Stopped => "endpoint stopped",
        }
    }
}

/// The counters of the proxies.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) faults: BTreeMap<Kind, u64>,
    pub(crate) requests: u64,
    /// Requests that move two or more messages to the dead-letter queue.
    pub(crate) letter_batches: u64,
    /// Deliveries of messages.
    pub(crate) deliveries: u64,
    delivered: HashSet<String>,
}

impl Tally {
    /// Deliveries of messages that were delivered before.
    pub(crate) fn duplicates(&self) -> u64 {
        self.deliveries - self.delivered.len() as u64
    }
}

/// How long faults take, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// The time between two stops of an endpoint.
    pub(crate) between_stops: Range<u64>,
    pub(crate) stop: Range<u64>,
    pub(crate) delay: Range<u64>,
}

/// Which faults of a plan are injected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Faults that are not injected.
    pub(crate) without: BTreeSet<Kind>,
    /// The maximum number of faults; later faults are not injected.
    pub(crate) first: Option<u64>,
}

/// The faults of one endpoint.
pub(crate) struct Plan {
    seed: u64,
    fifo: bool,
    delay: Range<u64>,
    numbers: HashMap<String, u64>,
    started: Instant,
    stops: Vec<Stop>,
    shared: Arc<Shared>,
    kept: Arc<Mutex<Vec<Value>>>,
}

/// The state that all plans of a run share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) tally: Mutex<Tally>,
    /// Whether the faults have ended.
    pub(crate) calm: AtomicBool,
    pub(crate) allowed: Allowed,
    /// Faults that were injected.
    pub(crate) injected: AtomicU64,
}

/// The time in which an endpoint does not respond.
#[derive(Debug, Clone, Copy)]
struct Stop {
    from: Duration,
    to: Duration,
    /// Whether connections are cut; otherwise requests wait.
    cuts: bool,
}

/// Returns a generator of random numbers that `key` determines.
pub(crate) fn random(key: impl Hash) -> Rng {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

impl Plan {
    pub(crate) fn new(
        seed: u64,
        endpoint: &str,
        fifo: bool,
        profile: &Profile,
        shared: &Arc<Shared>,
    ) -> Self {
        let mut random = random((seed, endpoint, "stops"));
        let mut stops = Vec::new();
        let mut from = Duration::ZERO;
        // Enough for an hour.
        while from < Duration::from_secs(3600) {
            from += Duration::from_millis(random.u64(profile.between_stops.clone()));
            let to = from + Duration::from_millis(random.u64(profile.stop.clone()));
            let cuts = random.bool();
            stops.push(Stop { from, to, cuts });
            from = to;
        }
        Self {
            seed,
            fifo,
            delay: profile.delay.clone(),
            numbers: HashMap::new(),
            started: Instant::now(),
            stops,
            shared: Arc::clone(shared),
            kept: Arc::default(),
        }
    }

    /// Chooses the fault of a request, and counts it.
    pub(crate) fn fault(&mut self, request: &mut Request) -> Fault {
        self.shared.count_request(request);
        let number = self.numbers.entry(request.operation.clone()).or_default();
        let mut random = random((self.seed, &request.operation, *number));
        *number += 1;
        let calm = self.shared.calm.load(Ordering::Relaxed);
        let seconds = random.u64(1..4);
        if !self.shared.allowed.without.contains(&Kind::VisibleEarly)
            && batches::shorten_visibility(request, seconds)
            && !calm
        {
            self.count(Kind::VisibleEarly);
        }
        if calm {
            return self.observed(request, Fault::None);
        }
        let now = self.started.elapsed();
        let stop = self.stops.iter().find(|s| (s.from..s.to).contains(&now));
        if let Some(stop) = stop.copied().filter(|_| self.shared.allows(Kind::Stopped)) {
            self.count(Kind::Stopped);
            return match stop.cuts {
                true => Fault::CutBefore,
                false => Fault::Delay(stop.to - now),
            };
        }
        let kinds = [
            (4, Kind::Delayed),
            (2, Kind::CutBefore),
            (4, Kind::CutAfter),
            (2, Kind::Truncated),
            (3, Kind::SentTwice),
            (1, Kind::Status500),
            (1, Kind::Status503),
            (2, Kind::Throttled),
            (4, Kind::PartlyRefused),
            (4, Kind::PartlyDenied),
        ];
        let mut dice = random.u32(0..100);
        let kind = kinds.into_iter().find(|(weight, _)| {
            let hit = dice < *weight;
            dice = dice.saturating_sub(*weight);
            hit
        });
        match kind {
            None if request.operation == "ReceiveMessage" && !self.fifo => {
                self.delivery(&mut random)
            }
            None => self.observed(request, Fault::None),
            Some((_, kind)) if self.shared.allows(kind) => {
                self.carry_out(kind, request, &mut random)
            }
            Some(_) => self.observed(request, Fault::None),
        }
    }

    fn carry_out(&self, kind: Kind, request: &mut Request, random: &mut Rng) -> Fault {
        let dynamodb = ["BatchExecuteStatement", "GetItem"].contains(&&*request.operation);
        let fault = match kind {
            Kind::Delayed => Fault::Delay(Duration::from_millis(random.u64(self.delay.clone()))),
            Kind::CutBefore => Fault::CutBefore,
            Kind::CutAfter => Fault::CutAfter,
            Kind::Truncated => Fault::Truncate,
            Kind::SentTwice => Fault::Twice,
            Kind::Status500 if dynamodb => Fault::Respond(
                500,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"by plan"}"#,
            ),
            Kind::Status500 => {
                Fault::Respond(500, r#"{"__type":"InternalFailure","message":"by plan"}"#)
            }
            Kind::Status503 => Fault::Respond(
                503,
                r#"{"__type":"ServiceUnavailable","message":"by plan"}"#,
            ),
            Kind::Throttled if dynamodb => crate::proxy::THROTTLED,
            Kind::Throttled => Fault::Respond(
                400,
                r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"by plan"}"#,
            ),
            Kind::PartlyRefused | Kind::PartlyDenied => {
                let denied = kind == Kind::PartlyDenied;
                match batches::fail_some(request, denied, random) {
                    Some(change) => Fault::Change(change),
                    None => return self.observed(request, Fault::None),
                }
            }
            _ => Fault::None,
        };
        self.count(kind);
        fault
    }

    /// Chooses a fault that a standard queue permits: a delivery that is repeated, in another
    /// order, or late.
    fn delivery(&self, random: &mut Rng) -> Fault {
        let (mut random, kept) = (random.fork(), Arc::clone(&self.kept));
        let shared = Arc::clone(&self.shared);
        Fault::Change(Box::new(move |body| {
            let mut done = Vec::new();
            let body = batches::change_messages(&body, |messages| {
                let mut kept = kept.lock().unwrap();
                if messages.len() > 1 && random.u8(0..100) < 20 && shared.allows(Kind::Reordered) {
                    random.shuffle(messages);
                    done.push(Kind::Reordered);
                }
                if messages.len() > 1 && random.u8(0..100) < 10 && shared.allows(Kind::HeldBack) {
                    kept.extend(messages.drain(messages.len() / 2..));
                    done.push(Kind::HeldBack);
                }
                if random.u8(0..100) < 40 {
                    let room = 10_usize.saturating_sub(messages.len()).min(kept.len());
                    messages.extend(kept.drain(..room));
                }
                if !messages.is_empty()
                    && random.u8(0..100) < 15
                    && shared.allows(Kind::DeliveredAgain)
                {
                    kept.extend(messages.iter().take(3).cloned());
                    done.push(Kind::DeliveredAgain);
                }
                shared.see(messages);
            });
            for kind in done {
                shared.count(kind);
            }
            body
        }))
    }

    /// Counts the deliveries of a request to which no delivery fault applies.
    fn observed(&self, request: &Request, fault: Fault) -> Fault {
        if request.operation != "ReceiveMessage" {
            return fault;
        }
        let shared = Arc::clone(&self.shared);
        Fault::Change(Box::new(move |body| {
            batches::change_messages(&body, |messages| shared.see(messages))
        }))
    }

    fn count(&self, kind: Kind) {
        self.shared.count(kind);
    }
}

impl Shared {
    /// Returns true if a fault of this kind may be injected now, and counts it as injected.
    fn allows(&self, kind: Kind) -> bool {
        let Allowed { without, first } = &self.allowed;
        let allowed = !without.contains(&kind)
            && first.is_none_or(|first| self.injected.load(Ordering::Relaxed) < first);
        self.injected
            .fetch_add(u64::from(allowed), Ordering::Relaxed);
        allowed
    }

    fn count(&self, kind: Kind) {
        *self.tally.lock().unwrap().faults.entry(kind).or_default() += 1;
    }

    fn count_request(&self, request: &Request) {
        let mut tally = self.tally.lock().unwrap();
        tally.requests += 1;
        if request.operation == "SendMessageBatch" {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let url = body["QueueUrl"].as_str().unwrap_or_default();
            let letters = body["Entries"].as_array().map_or(0, Vec::len);
            tally.letter_batches += u64::from(url.contains("dead-letter") && letters >= 2);
        }
    }

    fn see(&self, messages: &[Value]) {
        let mut tally = self.tally.lock().unwrap();
        tally.deliveries += messages.len() as u64;
        for message in messages {
            let id = message["MessageId"].as_str().unwrap_or_default();
            if !tally.delivered.contains(id) {
                tally.delivered.insert(id.to_owned());
            }
        }
    }
}
