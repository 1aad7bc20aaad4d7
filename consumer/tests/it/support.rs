//! What the tests share.

use domain_events::{EmitterId, EmitterType, EntityId, Envelope, EventId, EventType, Timestamp};
use domain_events_consumer::record::Record;
use domain_events_local::{Options, Stack};
use futures::TryStreamExt;

pub(crate) mod proxy;
pub(crate) mod runtime_api;

/// Endpoints without a worker, for tests that call the handler themselves.
pub(crate) async fn endpoints() -> Stack {
    Stack::start(Options {
        pollers: 0,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// A valid event as another language may send it.
pub(crate) fn body(id: &str, timestamp: &str) -> String {
    format!(
        r#"{{"Timestamp":{timestamp},"EventType":"EVENT_TEST","ID":"{id}","EmitterId":"u-1","EmitterType":"USER","Data":{{"foo":"bar"}}}}"#
    )
}

pub(crate) fn record(message_id: &str, body: impl Into<String>) -> Record {
    Record {
        message_id: message_id.to_owned(),
        body: body.into(),
        group: None,
    }
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

/// Timestamps of an entity's history, exactly.
pub(crate) async fn history(stack: &Stack, id: &str) -> Vec<String> {
    let id: EntityId = id.parse().unwrap();
    let events: Vec<_> = stack.store().history(&id).try_collect().await.unwrap();
    events
        .iter()
        .map(|event| event.envelope().timestamp().to_string())
        .collect()
}

/// A dead letter: its body, and its attributes by name.
pub(crate) type DeadLetter = (String, Vec<(String, String)>);

/// Takes what is in the dead-letter queue, in the order of the bodies.
pub(crate) async fn dead_letters(stack: &Stack) -> Vec<DeadLetter> {
    let client = stack.sqs_client();
    let mut letters = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(stack.dead_letter_queue_url())
            .max_number_of_messages(10)
            .message_attribute_names("All")
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
                .map(|(name, value)| (name.clone(), value.string_value().unwrap().to_owned()))
                .collect();
            attributes.sort();
            letters.push((message.body().unwrap().to_owned(), attributes));
            let delete = client
                .delete_message()
                .queue_url(stack.dead_letter_queue_url());
            let taken = delete.receipt_handle(message.receipt_handle().unwrap());
            taken.send().await.unwrap();
        }
    }
}

/// The value of a dead letter's attribute.
pub(crate) fn attribute<'a>(letter: &'a DeadLetter, name: &str) -> Option<&'a str> {
    letter
        .1
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| &**value)
}
