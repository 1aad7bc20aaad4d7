//! Which fault each request meets.
//!
//! The seed decides, by the request's number among those of its operation: the
//! same seed gives the same faults to the same requests, however many
//! connections they come on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use crate::batches;
use crate::proxy::{Fault, Request};

/// What can happen to a request, as the figures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Delayed,
    CutBefore,
    CutAfter,
    Truncated,
    SentTwice,
    Answered500,
    Answered503,
    Throttled,
    /// Some entries or statements are refused, and not carried out.
    PartlyRefused,
    /// Some are carried out, and said to have failed.
    PartlyDenied,
    DeliveredAgain,
    Reordered,
    HeldBack,
    ShownEarly,
    Stopped,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::CutBefore => "cut before it was carried out",
            Self::CutAfter => "cut after it was carried out",
            Self::Truncated => "answer truncated",
            Self::SentTwice => "carried out twice",
            Self::Answered500 => "answered with 500",
            Self::Answered503 => "answered with 503",
            Self::Throttled => "throttled",
            Self::PartlyRefused => "refused in part",
            Self::PartlyDenied => "carried out, said to have failed in part",
            Self::DeliveredAgain => "delivery repeated",
            Self::Reordered => "delivery reordered",
            Self::HeldBack => "delivery held back",
            Self::ShownEarly => "visibility timeout cut short",
            Self::Stopped => "stopped for seconds",
        }
    }
}

/// What the proxies have done and seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) faults: BTreeMap<Kind, u64>,
    pub(crate) requests: u64,
    /// Messages that were delivered, each time counted.
    pub(crate) deliveries: u64,
    delivered: HashSet<String>,
}

impl Tally {
    /// Deliveries of messages that had been delivered before.
    pub(crate) fn duplicates(&self) -> u64 {
        self.deliveries - self.delivered.len() as u64
    }
}

/// The faults of one endpoint.
pub(crate) struct Plan {
    seed: u64,
    fifo: bool,
    numbers: HashMap<String, u64>,
    started: Instant,
    stops: Vec<Stop>,
    shared: Arc<Shared>,
    kept: Arc<Mutex<Vec<Value>>>,
}

/// What the plans of a run share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) tally: Mutex<Tally>,
    /// No faults any more.
    pub(crate) calm: AtomicBool,
}

/// The endpoint does nothing from here to there.
#[derive(Debug, Clone, Copy)]
struct Stop {
    from: Duration,
    to: Duration,
    /// It cuts connections, instead of keeping them waiting.
    cuts: bool,
}

/// Random numbers that depend on all of this, and on nothing else.
pub(crate) fn random(of: impl Hash) -> Rng {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

impl Plan {
    pub(crate) fn new(seed: u64, endpoint: &str, fifo: bool, shared: &Arc<Shared>) -> Self {
        let mut random = random((seed, endpoint, "stops"));
        let mut stops = Vec::new();
        let mut from = Duration::ZERO;
        // Enough for an hour.
        while from < Duration::from_secs(3600) {
            from += Duration::from_millis(random.u64(3_000..12_000));
            let to = from + Duration::from_millis(random.u64(300..3_000));
            let cuts = random.bool();
            stops.push(Stop { from, to, cuts });
            from = to;
        }
        Self {
            seed,
            fifo,
            numbers: HashMap::new(),
            started: Instant::now(),
            stops,
            shared: Arc::clone(shared),
            kept: Arc::default(),
        }
    }

    /// Decides, and counts what was decided.
    pub(crate) fn fault(&mut self, request: &mut Request) -> Fault {
        self.shared.tally.lock().unwrap().requests += 1;
        let number = self.numbers.entry(request.operation.clone()).or_default();
        let mut random = random((self.seed, &request.operation, *number));
        *number += 1;
        let calm = self.shared.calm.load(Ordering::Relaxed);
        if batches::show_early(request, random.u64(1..4)) && !calm {
            self.count(Kind::ShownEarly);
        }
        if calm {
            return self.watched(request, Fault::None);
        }
        let now = self.started.elapsed();
        let stop = self.stops.iter().find(|s| (s.from..s.to).contains(&now));
        if let Some(stop) = stop.copied() {
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
            (1, Kind::Answered500),
            (1, Kind::Answered503),
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
            None => self.watched(request, Fault::None),
            Some((_, kind)) => self.carry_out(kind, request, &mut random),
        }
    }

    fn carry_out(&self, kind: Kind, request: &mut Request, random: &mut Rng) -> Fault {
        let dynamodb = ["BatchExecuteStatement", "GetItem"].contains(&&*request.operation);
        let fault = match kind {
            Kind::Delayed => Fault::Delay(Duration::from_millis(random.u64(1..400))),
            Kind::CutBefore => Fault::CutBefore,
            Kind::CutAfter => Fault::CutAfter,
            Kind::Truncated => Fault::Truncate,
            Kind::SentTwice => Fault::Twice,
            Kind::Answered500 if dynamodb => Fault::Respond(
                500,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"by plan"}"#,
            ),
            Kind::Answered500 => {
                Fault::Respond(500, r#"{"__type":"InternalFailure","message":"by plan"}"#)
            }
            Kind::Answered503 => Fault::Respond(
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
                    None => return self.watched(request, Fault::None),
                }
            }
            _ => Fault::None,
        };
        self.count(kind);
        fault
    }

    /// A delivery that a standard queue may make: repeated, in another order,
    /// or late.
    fn delivery(&self, random: &mut Rng) -> Fault {
        let (mut random, kept) = (random.fork(), Arc::clone(&self.kept));
        let shared = Arc::clone(&self.shared);
        Fault::Change(Box::new(move |body| {
            let mut done = Vec::new();
            let body = batches::change_messages(&body, |messages| {
                let mut kept = kept.lock().unwrap();
                if messages.len() > 1 && random.u8(0..100) < 20 {
                    random.shuffle(messages);
                    done.push(Kind::Reordered);
                }
                if messages.len() > 1 && random.u8(0..100) < 10 {
                    kept.extend(messages.drain(messages.len() / 2..));
                    done.push(Kind::HeldBack);
                }
                if random.u8(0..100) < 40 {
                    let room = 10_usize.saturating_sub(messages.len()).min(kept.len());
                    messages.extend(kept.drain(..room));
                }
                if !messages.is_empty() && random.u8(0..100) < 15 {
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

    /// Counts deliveries that are let through.
    fn watched(&self, request: &Request, fault: Fault) -> Fault {
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
    fn count(&self, kind: Kind) {
        *self.tally.lock().unwrap().faults.entry(kind).or_default() += 1;
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
