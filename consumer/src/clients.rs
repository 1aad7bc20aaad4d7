//! The AWS clients of the hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// The longest that a connection, one attempt, and a request with all its attempts
/// may take. Without a limit, a connection that a firewall forgets holds up whoever
/// waits for its answer for ever. What DynamoDB takes for 25 statements is far
/// less, and a batch that takes longer comes again.
const CONNECT: Duration = Duration::from_secs(3);
const ATTEMPT: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_secs(30);

/// What the environment says of region, credentials and endpoints, with limits on
/// how long a request takes.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn load() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(REQUEST);
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts.build())
        .load()
        .await
}

/// A DynamoDB client and the counter of its requests.
pub fn dynamodb(config: &SdkConfig) -> (aws_sdk_dynamodb::Client, RequestCounter) {
    let counter = RequestCounter::default();
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .interceptor(counter.clone())
        .build();
    (aws_sdk_dynamodb::Client::from_conf(config), counter)
}

/// An SQS client.
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(config)
}

/// Counts operations, and the requests that they took.
#[derive(Debug, Clone, Default)]
pub struct RequestCounter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicU64,
    requests: AtomicU64,
}

impl RequestCounter {
    /// Requests and retries since the last call.
    pub fn take(&self) -> (u64, u64) {
        // Relaxed: two counters for a graph, which nothing is decided by.
        let operations = self.0.operations.swap(0, Ordering::Relaxed);
        let requests = self.0.requests.swap(0, Ordering::Relaxed);
        (requests, requests.saturating_sub(operations))
    }
}

impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "RequestCounter"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.operations.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
