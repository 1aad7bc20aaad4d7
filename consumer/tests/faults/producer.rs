//! A producer: a process that emits events until its standard input ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use clap::{Args, ValueEnum};
use domain_events::{CausationId, CorrelationId, Durability, EmitError, EmitFuture, Receipt, Sdk};
use domain_events_consumer::__internals::{load, sqs};
use domain_events_consumer::config::QueueUrl;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::events::{AccountEvent, Origin, defect, text, with_defect};
use crate::journal::{Entry, Foreign, Journal};
use crate::plan::random;

/// How a producer emits events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Style {
    /// `emit`, with many events in flight.
    Plain,
    /// `emit_all`, with packing.
    Packed,
    /// `emit`, with a spool.
    Spooled,
    /// `emit` with a short timeout and without retries: many events fail, and may be in
    /// the queue nevertheless.
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

/// How often a producer emits an event whose error is retryable.
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
                record(&journal, number, outcome);
            }
        } else {
            let permit = Arc::clone(&in_flight).acquire_owned().await.unwrap();
            let emission: EmitFuture = in_context(&sdk, &options.name, number).emit(event(number));
            let (sdk, journal) = (sdk.clone(), Arc::clone(&journal));
            outcomes.spawn(async move {
                let outcome = again(&sdk, emission.await, max_tries).await;
                record(&journal, number, outcome);
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

/// The handle for an event. Every third event has a correlation and a causation.
fn in_context(sdk: &Sdk, producer: &str, number: u64) -> Sdk {
    match conversation(producer, number) {
        None => sdk.clone(),
        Some((correlation, causation)) => sdk
            .with_correlation_id(CorrelationId::new(correlation).unwrap())
            .caused_by(CausationId::new(causation).unwrap()),
    }
}

/// The correlation and the causation of an event, if it has them.
pub(crate) fn conversation(producer: &str, number: u64) -> Option<(String, String)> {
    // `emit_all` uses one context for all events.
    let has = number.is_multiple_of(3) && !producer.starts_with("packed");
    has.then(|| {
        (
            format!("{producer}-talk-{}", number / 9),
            format!("cause-{number}"),
        )
    })
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

/// Retries like a careful service: emits the envelope that the error contains.
async fn again(
    sdk: &Sdk,
    mut outcome: Result<Receipt, EmitError>,
    max_tries: u32,
) -> Result<Receipt, u32> {
    for tries in 1.. {
        match outcome {
            Ok(receipt) => return Ok(receipt),
            Err(error) if tries < max_tries && error.is_retryable() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                outcome = sdk.emit_envelope(error.into_envelope().unwrap()).await;
            }
            Err(_) => return Err(tries),
        }
    }
    unreachable!("the last try returns")
}

fn record(journal: &Journal, number: u64, outcome: Result<Receipt, u32>) {
    journal.write(&match outcome {
        Ok(receipt) => Entry::Accepted {
            number,
            receipt: Some((receipt.event_id.to_string(), receipt.timestamp.to_string())),
            spooled: receipt.durability == Durability::Spool,
        },
        Err(tries) => Entry::Failed { number, tries },
    });
}

/// A message and the numbers of its events.
type Message = (SendMessageBatchRequestEntry, std::ops::Range<u64>);

async fn foreign(options: Options, journal: Arc<Journal>, end: &tokio::task::JoinHandle<()>) {
    let url = std::env::var("EVENT_QUEUE_URL").unwrap();
    let client = sqs(&load().await, &QueueUrl::parse(&url).unwrap());
    let mut number = 0;
    while !end.is_finished() {
        let mut messages: Vec<Message> = Vec::new();
        while messages.len() < 10 {
            messages.push(message(&options, &journal, &mut number, messages.len()));
        }
        for tries in 1..=8 {
            let entries = messages.iter().map(|(entry, _)| entry.clone()).collect();
            let request = client
                .send_message_batch()
                .queue_url(&url)
                .set_entries(Some(entries));
            let sent: Vec<String> = match request.send().await {
                Ok(output) => output
                    .successful()
                    .iter()
                    .map(|entry| entry.id().to_owned())
                    .collect(),
                Err(_) => Vec::new(),
            };
            messages.retain(|(entry, numbers)| {
                let sent = sent.iter().any(|id| id == entry.id());
                for number in numbers.clone().filter(|_| sent) {
                    journal.write(&Entry::Accepted {
                        number,
                        receipt: None,
                        spooled: false,
                    });
                }
                for number in numbers.clone().filter(|_| !sent && tries == 8) {
                    journal.write(&Entry::Failed { number, tries });
                }
                !sent
            });
            if messages.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50 << tries)).await;
        }
        tokio::time::sleep(Duration::from_micros(10_000_000 / options.rate)).await;
    }
}

/// The next message: one event, or every tenth time an array of three events.
fn message(options: &Options, journal: &Journal, number: &mut u64, index: usize) -> Message {
    let packed = number.is_multiple_of(10);
    let numbers = *number..*number + if packed { 3 } else { 1 };
    *number = numbers.end;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let mut account = String::new();
    let texts: Vec<String> = numbers
        .clone()
        .map(|number| {
            let event = AccountEvent::of(
                options.seed,
                Origin {
                    producer: options.name.clone(),
                    number,
                },
            );
            account = event.account().to_owned();
            let event_id = format!(
                "{}-{number}-{}",
                options.name,
                random((options.seed, number)).u32(..)
            );
            let event = event.foreign(now.as_secs(), Some(&event_id));
            let broken = defect(number, packed)
                .map(|(defect, code)| (with_defect(event.clone(), defect), code.to_owned()));
            let text = broken
                .as_ref()
                .map_or_else(|| text(&event), |(text, _)| text.clone());
            let foreign = Foreign {
                timestamp: now.as_secs(),
                event_id,
                broken,
            };
            journal.write(&Entry::Begin {
                number,
                foreign: Some(foreign),
            });
            text
        })
        .collect();
    let body = match &texts[..] {
        [one] => one.clone(),
        many => format!("[{}]", many.join(",")),
    };
    let fifo = std::env::var("EVENT_QUEUE_URL").unwrap().ends_with(".fifo");
    let deduplication = format!("{}-{}", options.name, numbers.start);
    let entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .set_message_group_id(fifo.then_some(account))
        .set_message_deduplication_id(fifo.then_some(deduplication))
        .build();
    (entry.unwrap(), numbers)
}
