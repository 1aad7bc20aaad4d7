//! A simplified event source mapping of Lambda: it polls the queue, invokes the function, and
//! deletes the messages that the function does not report as failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName::MessageGroupId,
};
use serde_json::{Value, json};

use crate::runtime_api::{InvocationResult, RuntimeApi};

/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Polls forever, through a client that is subject to the faults, too. `responses` counts the valid
/// responses of the function.
pub(crate) async fn poll(
    api: &RuntimeApi,
    client: &Client,
    queue_url: &str,
    responses: &AtomicU64,
) {
    loop {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .wait_time_seconds(2)
            .visibility_timeout(30)
            .message_system_attribute_names(MessageGroupId)
            .send()
            .await;
        let messages = match received {
            Ok(output) => output.messages.unwrap_or_default(),
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        if messages.is_empty() {
            continue;
        }
        // Without a response, or after an error, all messages are delivered again.
        let event = event(&messages, queue_url);
        let result = api.invoke(&event, TIMEOUT, Duration::ZERO).await;
        if let Some(InvocationResult::Response(response)) = result {
            responses.fetch_add(1, Ordering::Relaxed);
            delete(client, queue_url, &messages, &response).await;
        }
    }
}

fn event(messages: &[Message], queue_url: &str) -> Value {
    let queue = queue_url.rsplit('/').next().unwrap();
    let record = |message: &Message| {
        let group = message.attributes().and_then(|a| a.get(&MessageGroupId));
        json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body(),
            "attributes": group.map_or(json!({}), |group| json!({"MessageGroupId": group})),
            "messageAttributes": {},
            "md5OfBody": message.md5_of_body(),
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

async fn delete(client: &Client, queue_url: &str, messages: &[Message], response: &Value) {
    let failures = response["batchItemFailures"].as_array().unwrap();
    let failed = |message: &Message| {
        failures
            .iter()
            .any(|failure| failure["itemIdentifier"].as_str() == message.message_id())
    };
    let done = messages.iter().filter(|message| !failed(message));
    let entries: Vec<_> = done
        .enumerate()
        .map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(message.receipt_handle().unwrap());
            entry.build().unwrap()
        })
        .collect();
    if !entries.is_empty() {
        let request = client.delete_message_batch().queue_url(queue_url);
        // A message that is not deleted is delivered again.
        let _ = request.set_entries(Some(entries)).send().await;
    }
}
