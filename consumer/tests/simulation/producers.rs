//! The processes that emit events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use domain_events::{Emitter, EventId, Sdk, Timestamp};
use tokio::task::JoinSet;

use crate::emission::{again, entry, in_context};
use crate::events::{AccountEvent, Origin};
use crate::foreign::ForeignProducer;
use crate::journal::Entry;
use crate::plan::random;
use crate::process::Process;
use crate::virtual_time;
use crate::world::World;

/// How a producer emits events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Packed,
    Spooled,
    Impatient,
    Foreign,
}

impl Style {
    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::Packed,
        Self::Spooled,
        Self::Impatient,
        Self::Foreign,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Packed => "packed",
            Self::Spooled => "spooled",
            Self::Impatient => "impatient",
            Self::Foreign => "foreign",
        }
    }
}

/// The maximum number of attempts for an event whose error is retryable.
const MAX_TRIES: u32 = 3;
/// The time between two bursts of events, in milliseconds.
const PAUSE: std::ops::Range<u64> = 0..10_000;
/// How long the impatient producer waits for SQS.
const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a producer may take to send its last events after the faults have ended.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(600);

/// Emits events until all events of the run are emitted, and then shuts down.
pub(crate) async fn run(world: Arc<World>, process: Process, index: usize, style: Style) {
    let name = process.name().to_owned();
    let mut pace = random((world.seed, &name, "pace"));
    if style == Style::Foreign {
        return foreign(&world, &name, &mut pace).await;
    }
    let sdk = sdk(&world, &process, index, style).await;
    let max_tries = if style == Style::Impatient {
        1
    } else {
        MAX_TRIES
    };
    let mut outcomes = JoinSet::new();
    let mut number = 0;
    let event = |number| {
        let entry = Entry::Begin {
            number,
            foreign: None,
        };
        world.journal(&name, entry);
        let origin = Origin {
            producer: name.clone(),
            number,
        };
        AccountEvent::of(world.seed, origin)
    };
    loop {
        let burst = world.take(pace.u64(1..=16));
        if burst == 0 {
            break;
        }
        if style == Style::Packed {
            let receipts = sdk.emit_all((number..number + burst).map(event)).await;
            for (number, receipt) in (number..).zip(receipts) {
                let outcome = again(&sdk, receipt, max_tries).await;
                world.journal(&name, entry(number, outcome));
            }
        } else {
            for number in number..number + burst {
                let emission = in_context(&sdk, &name, number).emit(event(number));
                let (sdk, world, name) = (sdk.clone(), Arc::clone(&world), name.clone());
                outcomes.spawn(async move {
                    let outcome = again(&sdk, emission.await, max_tries).await;
                    world.journal(&name, entry(number, outcome));
                });
            }
        }
        number += burst;
        tokio::time::sleep(Duration::from_millis(pace.u64(PAUSE))).await;
        while outcomes.try_join_next().is_some() {}
    }
    while outcomes.join_next().await.is_some() {}
    let report = sdk.shutdown(SHUTDOWN_TIMEOUT).await;
    if !report.is_complete() || report.in_spool > 0 {
        world.report_broken(format!("{name} did not send its events: {report:?}"));
    }
}

async fn sdk(world: &World, process: &Process, index: usize, style: Style) -> Sdk {
    let name = process.name();
    let builder = Sdk::builder(world.queue_url("events"), Emitter::system(name).unwrap());
    let client = match style {
        Style::Impatient => {
            let timeouts = TimeoutConfig::builder().operation_timeout(IMPATIENT_TIMEOUT);
            world.sqs_with(Some(name), RetryConfig::disabled(), timeouts.build())
        }
        _ => world.sqs(Some(name)),
    };
    let builder = match style {
        Style::Packed => builder.packing(true),
        Style::Spooled => builder.spool(world.folder.join(format!("spool-{index}"))),
        Style::Impatient => builder.max_attempts(1),
        Style::Plain | Style::Foreign => builder,
    };
    let tasks = process.clone();
    let mut skew = random((world.seed, name, "skew"));
    let mut ids = random((world.seed, name, "ids"));
    let ids_key = (ids.u64(..), AtomicU64::new(0));
    builder
        .sqs_client(client)
        .executor(move |task| tasks.spawn(task))
        .clock(clock(skew.u64(0..4_000)))
        .ids(move || {
            let number = ids_key.1.fetch_add(1, Ordering::Relaxed);
            EventId::new(format!("{:016x}-{number}", ids_key.0)).unwrap()
        })
        .build()
        .await
        .unwrap()
}

/// Returns the clock of a process, which is up to four seconds behind. Each reading returns a
/// greater time.
fn clock(behind: u64) -> impl Fn() -> Timestamp + Send + Sync {
    let last = AtomicU64::new(0);
    // The lag is a whole number of seconds, so that the clocks of several processes sometimes
    // agree.
    let behind = Duration::from_millis(behind / 1_000 * 1_000);
    move || {
        let now = u64::try_from((virtual_time::since_epoch() - behind).as_micros()).unwrap();
        let micros = now.max(last.load(Ordering::Relaxed) + 1);
        last.store(micros, Ordering::Relaxed);
        Timestamp::from_nanos(micros * 1_000).unwrap()
    }
}

async fn foreign(world: &World, name: &str, pace: &mut fastrand::Rng) {
    let mut producer = ForeignProducer {
        seed: world.seed,
        name,
        client: world.sqs(Some(name)),
        queue_url: world.queue_url("events"),
        number: 0,
    };
    // Ten messages contain about twelve events.
    while world.take(12) > 0 {
        let now = virtual_time::since_epoch().as_secs();
        let journal = |entry| world.journal(name, entry);
        producer.send(now, journal).await;
        tokio::time::sleep(Duration::from_millis(pace.u64(PAUSE))).await;
    }
}
