//! Helpers that the tests share.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use domain_events::{
    EmitterId, EmitterType, EntityId, Envelope, EventId, EventStore, EventType, Timestamp,
};
use domain_events_consumer::{DeadLetterQueue, Handler, Record, Report};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;
use tokio::time::Instant;

use self::proxy::Proxy;

pub(crate) mod lines;
pub(crate) mod proxy;
pub(crate) mod runtime_api;

/// Starts endpoints without a worker, for tests that call the handler directly.
pub(crate) async fn endpoints() -> Stack {
    Stack::start(Options {
        pollers: 0,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Starts endpoints like [`endpoints`], but with FIFO queues.
pub(crate) async fn fifo_endpoints() -> Stack {
    let options = Options {
        fifo: true,
        pollers: 0,
        ..Options::default()
    };
    Stack::start(options).await.unwrap()
}

/// Creates an SQS client that reaches a stack through a proxy.
pub(crate) fn sqs_behind(proxy: &Proxy, stack: &Stack) -> aws_sdk_sqs::Client {
    let client = stack.sqs_client();
    let config = client.config().to_builder().endpoint_url(proxy.url());
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Creates a store that reaches a stack through a proxy.
pub(crate) fn store_behind(proxy: &Proxy, stack: &Stack) -> EventStore {
    let client = stack.dynamodb_client();
    let config = client.config().to_builder().endpoint_url(proxy.url());
    EventStore::new(
        aws_sdk_dynamodb::Client::from_conf(config.build()),
        stack.table(),
    )
}

/// Creates a handler that writes to `store` and to the dead-letter queue of the stack.
pub(crate) fn handler_with(store: EventStore, stack: &Stack) -> Handler {
    let dead_letters = DeadLetterQueue::new(stack.sqs_client(), stack.dead_letter_queue_url());
    Handler::new(store, dead_letters)
}

/// Handles a batch with a deadline. Panics if the handler ignores the deadline.
pub(crate) async fn handle_within(
    handler: &Handler,
    records: &[Record],
    remaining: Duration,
) -> Report {
    let handling = handler.handle(records, Some(Instant::now() + remaining));
    let handled = tokio::time::timeout(remaining + Duration::from_secs(20), handling).await;
    handled.unwrap_or_else(|_| panic!("the handler ignored its deadline"))
}

/// Sets an attribute of the dead-letter queue.
pub(crate) async fn set_dead_letter_queue(stack: &Stack, name: QueueAttributeName, value: &str) {
    let request = stack.sqs_client().set_queue_attributes();
    let request = request.queue_url(stack.dead_letter_queue_url());
    request.attributes(name, value).send().await.unwrap();
}

/// Returns a valid event, as a producer in another language may send it.
pub(crate) fn body(id: &str, timestamp: &str) -> String {
    format!(
        r#"{{"Timestamp":{timestamp},"EventType":"EVENT_TEST","ID":"{id}","EmitterId":"u-1","EmitterType":"USER","Data":{{"foo":"bar"}}}}"#
    )
}

pub(crate) fn record(message_id: &str, body: impl Into<String>) -> Record {
    Record::new(message_id, body)
}

pub(crate) fn envelope(id: &str, timestamp: &str) -> Envelope {
    let emitter = domain_events::Emitter::new(
        EmitterType::from_static("SYSTEM"),
        EmitterId::from_static("tests"),
    );
    Envelope::builder(
        EventType::from_static("EVENT_TEST"),
        id.parse().unwrap(),
        emitter,
    )
    .timestamp(timestamp.parse::<Timestamp>().unwrap())
    .event_id(EventId::random())
    .build()
    .unwrap()
}

/// Returns the exact timestamps of the history of an entity.
pub(crate) async fn history(stack: &Stack, id: &str) -> Vec<String> {
    let id: EntityId = id.parse().unwrap();
    let events: Vec<_> = stack.store().history(&id).try_collect().await.unwrap();
    events
        .iter()
        .map(|event| event.envelope().timestamp().to_string())
        .collect()
}

/// A dead letter: its body, and its attributes by name. A binary value is printed as its
/// bytes, and the trace header has the name `AWSTraceHeader`.
pub(crate) type DeadLetter = (String, Vec<(String, String)>);

/// Receives and deletes all messages of the dead-letter queue, ordered by their bodies.
pub(crate) async fn dead_letters(stack: &Stack) -> Vec<DeadLetter> {
    let client = stack.sqs_client();
    let mut letters = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(stack.dead_letter_queue_url())
            .max_number_of_messages(10)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .send()
            .await
            .unwrap();
        if received.messages().is_empty() {
            letters.sort();
            return letters;
        }
        for message in received.messages() {
            let mut attributes: Vec<(String, String)> = message
                .message_attributes()
                .into_iter()
                .flatten()
                .map(|(name, value)| {
                    let text = value.string_value().map(str::to_owned);
                    let binary = || format!("{:?}", value.binary_value().unwrap().as_ref());
                    (name.clone(), text.unwrap_or_else(binary))
                })
                .collect();
            let trace_header = message
                .attributes()
                .and_then(|a| a.get(&MessageSystemAttributeName::AwsTraceHeader));
            attributes.extend(trace_header.map(|h| ("AWSTraceHeader".to_owned(), h.clone())));
            attributes.sort();
            letters.push((message.body().unwrap().to_owned(), attributes));
            let delete = client
                .delete_message()
                .queue_url(stack.dead_letter_queue_url());
            let delete = delete.receipt_handle(message.receipt_handle().unwrap());
            delete.send().await.unwrap();
        }
    }
}

/// Returns the value of an attribute of a dead letter.
pub(crate) fn attribute<'a>(letter: &'a DeadLetter, name: &str) -> Option<&'a str> {
    letter
        .1
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| &**value)
}
