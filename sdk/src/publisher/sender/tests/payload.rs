//! No error and no log line contains the data of an event, whatever fails. These tests use
//! real AWS clients and real HTTP.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{Region, timeout::TimeoutConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::shutdown::Log;
use super::*;
use crate::publisher::sqs::SqsQueue;
use crate::queue_url::QueueUrl;
use crate::{DomainEvent, EmitError, EventDefinition};

const CANARY: &str = "canary-5c1f";

#[derive(serde::Serialize)]
struct Secret {
    note: String,
}

impl DomainEvent for Secret {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("SECRET")];
    fn entity_id(&self) -> &dyn std::fmt::Display {
        &"entity-1"
    }
}

fn secret() -> Secret {
    Secret {
        note: CANARY.to_owned(),
    }
}

/// An endpoint that returns the same response to each request. If `response` is empty, it
/// closes the connection without a response.
async fn endpoint(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                // The canary is in the body, so the whole head has arrived before it.
                while !String::from_utf8_lossy(&request).contains(CANARY) {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = stream.write_all(response.as_bytes()).await;
            });
        }
    });
    url
}

/// Fails like the provider chain of the AWS SDK when no provider has credentials.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = CredentialsError::not_loaded("no provider has credentials");
        future::ProvideCredentials::ready(Err(error))
    }
}

fn client(endpoint: &str, credentials: bool) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(crate::aws::behavior_version())
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(2))
                .build(),
        )
        .endpoint_url(endpoint);
    let config = match credentials {
        true => config.credentials_provider(Credentials::new("key", "secret", None, None, "test")),
        false => config.credentials_provider(NoCredentials),
    };
    Client::from_conf(config.build())
}

/// Every text that a caller can print for an error.
fn printed(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = write!(text, "\n{error}\n{error:#?}");
        next = error.source();
    }
    text
}

async fn failure(client: Client, log: &Log) -> EmitError {
    let url = QueueUrl::parse("http://localhost/1/orders").unwrap();
    let sdk = Sdk::builder(url.as_str(), Emitter::system("test").unwrap())
        .max_attempts(1)
        .build_on(Arc::new(SqsQueue::new(client, url)))
        .unwrap();
    let error = sdk.emit(secret()).await.unwrap_err();
    let text = printed(&error);
    assert!(!text.contains(CANARY), "{text}");
    let lines = log.0.lock().unwrap().join("\n");
    assert!(!lines.contains(CANARY), "{lines}");
    // The error is one line with the whole cause, and it has no sources.
    assert!(
        !error.to_string().contains('\n') && error.source().is_none(),
        "{error}"
    );
    error
}

const REFUSED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 111\r\n\r\n\
    {\"Successful\":[],\"Failed\":[{\"Id\":\"0\",\"SenderFault\":true,\"Code\":\"InvalidMessageContents\",\
    \"Message\":\"bad text\"}]}";
const TRUNCATED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 500\r\n\r\n{\"Successful\":[{\"Id\":\"0\",";
const NOT_JSON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
const PROXY: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\n<html></html>";
const DENIED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 62\r\n\r\n{\"__type\":\"com.amazonaws.sqs#AccessDenied\",\"message\":\"no way\"}";
const EXPIRED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 51\r\n\r\n{\"__type\":\"ExpiredTokenException\",\"message\":\"old!\"}";
/// Services quote the request when they refuse it.
const QUOTED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 164\r\n\r\n\
    {\"__type\":\"ValidationException\",\"message\":\"1 validation error detected: Value \
    '[Entry(body={\\\"note\\\":\\\"canary-5c1f\\\"})]' at 'entries' failed to satisfy constraint\"}";
const ENTRY_QUOTED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
    content-length: 157\r\n\r\n\
    {\"Successful\":[],\"Failed\":[{\"Id\":\"0\",\"SenderFault\":true,\"Code\":\"InvalidParameterValue\",\
    \"Message\":\"Value canary-5c1f for parameter MessageBody is invalid.\"}]}";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn no_failure_prints_the_data_of_an_event() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let check = async |what: &str, client: Client, retryable: bool, expected: &str| {
        let error = failure(client, &log).await;
        let text = error.to_string();
        assert_eq!(error.is_retryable(), retryable, "{what}: {text}");
        assert!(text.contains("orders"), "{what}: {text}");
        assert!(text.contains(expected), "{what}: {text}");
        let credentials =
            matches!(&error, EmitError::Request { error, .. } if error.is_credentials());
        assert_eq!(credentials, what.contains("credentials"), "{what}: {text}");
    };
    let at = async |response| client(&endpoint(response).await, true);
    check(
        "refused",
        at(REFUSED).await,
        false,
        "InvalidMessageContents: bad text",
    )
    .await;
    check("truncated", at(TRUNCATED).await, true, "SendMessageBatch").await;
    check("not JSON", at(NOT_JSON).await, true, "HTTP 200").await;
    check("a proxy", at(PROXY).await, false, "HTTP 403").await;
    check("denied", at(DENIED).await, false, "AccessDenied: no way").await;
    check(
        "expired credentials",
        at(EXPIRED).await,
        false,
        "ExpiredToken",
    )
    .await;
    let quoted = "ValidationException: 1 validation error detected: Value …";
    check("quoted", at(QUOTED).await, false, quoted).await;
    let entry = "InvalidParameterValue: Value …";
    check("quoted entry", at(ENTRY_QUOTED).await, false, entry).await;
    check("broken", at(BROKEN).await, true, "HTTP 500").await;
    check("closed", at("").await, true, "no connection").await;
    let refused = client("http://127.0.0.1:1", true);
    check("connection refused", refused, true, "connection refused").await;
    // In this case, the error of the AWS SDK quotes the request. `build` refuses such an
    // endpoint if it is configured in the environment, but it cannot see the endpoint of a
    // client that the user passes.
    let unparsable = client("127.0.0.1:9324", true);
    check(
        "no scheme",
        unparsable,
        false,
        "could not build the request",
    )
    .await;
    let anonymous = client("http://127.0.0.1:1", false);
    check("no credentials", anonymous, false, "no AWS credentials").await;
}

#[tokio::test(start_paused = true)]
async fn try_emit_error_does_not_print_the_event() {
    // The type of the event implements neither `Debug` nor `Clone`.
    let sdk = builder(false)
        .max_buffered_events(1)
        .build_on(Fake::healthy())
        .unwrap();
    let _first = sdk.try_emit(secret()).unwrap();
    let error = sdk.try_emit(secret()).unwrap_err();
    assert!(!printed(&error).contains(CANARY));
    assert_eq!(format!("{error:?}"), "Full(..)");
    assert_eq!(error.into_event().note, CANARY);
    let prepared = sdk.prepare(&secret()).unwrap();
    assert!(prepared.body().contains(CANARY));
    assert!(!format!("{prepared:?}").contains(CANARY));
}
