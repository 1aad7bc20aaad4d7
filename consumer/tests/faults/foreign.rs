//! A producer in another language: without the SDK, with timestamps in whole seconds, and
//! sometimes with an invalid event.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::events::{AccountEvent, Origin, defect, text, with_defect};
use crate::journal::{Entry, Foreign};
use crate::plan::random;

/// The messages of a request.
const MESSAGES: usize = 10;
const MAX_TRIES: u32 = 8;

/// A message and the numbers of its events.
type Message = (SendMessageBatchRequestEntry, Range<u64>);

/// A foreign producer.
pub(crate) struct ForeignProducer<'a> {
    pub(crate) seed: u64,
    pub(crate) name: &'a str,
    pub(crate) client: Client,
    pub(crate) queue_url: String,
    /// The number of its next event.
    pub(crate) number: u64,
}

impl ForeignProducer<'_> {
    /// Sends ten messages at `now`, in seconds since 1970, and writes the journal with
    /// `journal`.
    pub(crate) async fn send(&mut self, now: u64, mut journal: impl FnMut(Entry)) {
        let mut messages: Vec<Message> = Vec::new();
        while messages.len() < MESSAGES {
            messages.push(self.message(now, messages.len(), &mut journal));
        }
        for tries in 1..=MAX_TRIES {
            let entries = messages.iter().map(|(entry, _)| entry.clone()).collect();
            let request = self
                .client
                .send_message_batch()
                .queue_url(&self.queue_url)
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
                    journal(Entry::Accepted {
                        number,
                        receipt: None,
                        spooled: false,
                    });
                }
                for number in numbers.clone().filter(|_| !sent && tries == MAX_TRIES) {
                    journal(Entry::Failed { number, tries });
                }
                !sent
            });
            if messages.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50 << tries)).await;
        }
    }

    /// Returns the next message: one event, or, every tenth time, an array of three events.
    fn message(&mut self, now: u64, index: usize, journal: &mut impl FnMut(Entry)) -> Message {
        let packed = self.number.is_multiple_of(10);
        let numbers = self.number..self.number + if packed { 3 } else { 1 };
        self.number = numbers.end;
        let mut account = String::new();
        let texts: Vec<String> = numbers
            .clone()
            .map(|number| {
                let origin = Origin {
                    producer: self.name.to_owned(),
                    number,
                };
                let event = AccountEvent::of(self.seed, origin);
                account = event.account().to_owned();
                let unique = random((self.seed, number)).u32(..);
                let event_id = format!("{}-{number}-{unique}", self.name);
                let event = event.foreign(now, Some(&event_id));
                let broken = defect(number, packed)
                    .map(|(defect, code)| (with_defect(event.clone(), defect), code.to_owned()));
                let text = broken
                    .as_ref()
                    .map_or_else(|| text(&event), |(text, _)| text.clone());
                let foreign = Foreign {
                    timestamp: now,
                    event_id,
                    broken,
                };
                journal(Entry::Begin {
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
        let fifo = self.queue_url.ends_with(".fifo");
        let deduplication = format!("{}-{}", self.name, numbers.start);
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(body)
            .set_message_group_id(fifo.then_some(account))
            .set_message_deduplication_id(fifo.then_some(deduplication))
            .build();
        (entry.unwrap(), numbers)
    }
}
