//! A producer: a process that emits events until its standard input ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use clap::{Args, ValueEnum};
use domain_events::{EmitFuture, Sdk};
use domain_events_consumer::__internals::{load, sqs};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::emission::{again, entry, in_context};
use crate::events::{AccountEvent, Origin};
use crate::foreign::ForeignProducer;
use crate::journal::{Entry, Journal};

/// How a producer emits events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Style {
    /// `emit`, with many events in flight.
    Plain,
    /// `emit_all`, with packing.
    Packed,
    /// `emit`, with a spool.
    Spooled,
    /// `emit` with a short timeout and without retries: many calls fail, although some of
    /// their events are in the queue.
    Impatient,
    /// Without the SDK, like a producer in another language: timestamps in whole seconds,
    /// and sometimes an invalid event.
    Foreign,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[arg(long)]
    pub(crate) style: Style,
    /// The name of the producer, which differs after each start.
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long)]
    pub(crate) journal: PathBuf,
    #[arg(long)]
    pub(crate) spool: PathBuf,
    /// Events per second, approximately.
    #[arg(long)]
    pub(crate) rate: u64,
}

/// The maximum number of attempts for an event whose error is retryable.
const MAX_TRIES: u32 = 3;
/// How long the impatient producer waits for SQS.
const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) async fn run(options: Options) {
    let journal = Arc::new(Journal::create(&options.journal));
    let end = tokio::spawn(async {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    });
    if options.style == Style::Foreign {
        return foreign(options, journal, &end).await;
    }
    let sdk = sdk(&options).await;
    let max_tries = match options.style {
        Style::Impatient => 1,
        _ => MAX_TRIES,
    };
    let in_flight = Arc::new(Semaphore::new(256));
    let mut outcomes = JoinSet::new();
    let mut number = 0;
    let event = |number| {
        let origin = Origin {
            producer: options.name.clone(),
            number,
        };
        journal.write(&Entry::Begin {
            number,
            foreign: None,
        });
        AccountEvent::of(options.seed, origin)
    };
    while !end.is_finished() {
        if options.style == Style::Packed {
            let first = number;
            number += options.rate / 4;
            let receipts = sdk.emit_all((first..number).map(event)).await;
            for (number, receipt) in (first..).zip(receipts) {
                let outcome = again(&sdk, receipt, max_tries).await;
                journal.write(&entry(number, outcome));
            }
        } else {
            let permit = Arc::clone(&in_flight).acquire_owned().await.unwrap();
            let emission: EmitFuture = in_context(&sdk, &options.name, number).emit(event(number));
            let (sdk, journal) = (sdk.clone(), Arc::clone(&journal));
            outcomes.spawn(async move {
                let outcome = again(&sdk, emission.await, max_tries).await;
                journal.write(&entry(number, outcome));
                drop(permit);
            });
            number += 1;
        }
        while outcomes.try_join_next().is_some() {}
        let events = if options.style == Style::Packed {
            options.rate / 4
        } else {
            1
        };
        tokio::time::sleep(Duration::from_micros(1_000_000 * events / options.rate)).await;
    }
    while outcomes.join_next().await.is_some() {}
    let report = sdk.shutdown(Duration::from_secs(60)).await;
    assert!(report.is_complete() && report.in_spool == 0, "{report:?}");
}

async fn sdk(options: &Options) -> Sdk {
    let url = std::env::var("EVENT_QUEUE_URL").unwrap();
    let emitter = domain_events::Emitter::system(&options.name).unwrap();
    let builder = Sdk::builder(url, emitter);
    let builder = match options.style {
        Style::Packed => builder.packing(true),
        Style::Spooled => builder.spool(&options.spool),
        Style::Impatient => builder.sqs_client(impatient().await).max_attempts(1),
        Style::Plain | Style::Foreign => builder,
    };
    builder.build().await.unwrap()
}

async fn impatient() -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(&load().await)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(IMPATIENT_TIMEOUT)
                .build(),
        );
    aws_sdk_sqs::Client::from_conf(config.build())
}

async fn foreign(options: Options, journal: Arc<Journal>, end: &tokio::task::JoinHandle<()>) {
    let mut producer = ForeignProducer {
        seed: options.seed,
        name: &options.name,
        client: sqs(&load().await),
        queue_url: std::env::var("EVENT_QUEUE_URL").unwrap(),
        number: 0,
    };
    while !end.is_finished() {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let journal = |entry: Entry| journal.write(&entry);
        producer.send(now.as_secs(), journal).await;
        tokio::time::sleep(Duration::from_micros(10_000_000 / options.rate)).await;
    }
}
