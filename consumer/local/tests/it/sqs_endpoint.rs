//! Tests of the local SQS endpoint with the client of the AWS SDK.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName as System,
    QueueAttributeName as Queue, SendMessageBatchRequestEntry,
};
use domain_events_local::sqs::{Queues, queue_arn, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod fifo;
mod queues;
mod receiving;
mod redrive;
mod sending;
mod server;

/// The endpoint of one test, and a client that does not retry.
struct Endpoint {
    client: Client,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Endpoint {
    async fn start(queues: Queues) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, queues, async {
            let _ = stopped.await;
        }));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("any", "any", None, None, "test"))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .endpoint_url(format!("http://{address}"))
            .build();
        Self {
            client: Client::from_conf(config),
            address,
            stop: Some(stop),
            server,
        }
    }

    async fn memory() -> Self {
        Self::start(Queues::memory()).await
    }

    /// Creates a queue and returns its URL.
    async fn queue(&self, name: &str, attributes: &[(Queue, &str)]) -> String {
        let mut request = self.client.create_queue().queue_name(name);
        if name.ends_with(".fifo") {
            request = request.attributes(Queue::FifoQueue, "true");
        }
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    async fn send(&self, url: &str, body: &str) {
        let request = self.client.send_message().queue_url(url).message_body(body);
        request.send().await.unwrap();
    }

    async fn send_to(&self, url: &str, group: &str, body: &str) -> (String, String) {
        let request = self.client.send_message().queue_url(url).message_body(body);
        let request = request
            .message_group_id(group)
            .message_deduplication_id(body);
        let sent = request.send().await.unwrap();
        (sent.message_id.unwrap(), sent.sequence_number.unwrap())
    }

    /// Receives up to ten messages with all their attributes.
    async fn receive(&self, url: &str, visibility: i32, wait: i32) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(url);
        let request = request
            .max_number_of_messages(10)
            .visibility_timeout(visibility)
            .wait_time_seconds(wait)
            .message_attribute_names("All")
            .message_system_attribute_names(System::All);
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn delete(&self, url: &str, message: &Message) {
        let request = self.client.delete_message().queue_url(url);
        let handle = message.receipt_handle().unwrap();
        request.receipt_handle(handle).send().await.unwrap();
    }

    async fn attribute(&self, url: &str, name: Queue) -> String {
        let request = self.client.get_queue_attributes().queue_url(url);
        let found = request.attribute_names(Queue::All).send().await.unwrap();
        found
            .attributes
            .unwrap_or_default()
            .remove(&name)
            .unwrap_or_default()
    }
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

fn system(message: &Message, name: &System) -> String {
    let attributes = message.attributes().unwrap();
    attributes.get(name).cloned().unwrap_or_default()
}

fn entry(id: &str, body: impl Into<String>) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id);
    entry.message_body(body).build().unwrap()
}

fn text(data_type: &str, value: &str) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder()
        .data_type(data_type)
        .string_value(value);
    value.build().unwrap()
}

/// Returns the error code that the AWS SDK reports.
fn code<T: std::fmt::Debug, E, R>(outcome: Result<T, SdkError<E, R>>) -> String
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    let error = outcome.unwrap_err();
    let error = error.as_service_error().unwrap();
    error.code().unwrap().to_owned()
}

fn redrive_to(name: &str, count: u32) -> String {
    let arn = queue_arn(name);
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{count}"}}"#)
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
