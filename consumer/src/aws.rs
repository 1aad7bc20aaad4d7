//! The AWS clients of the hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_sqs::config::Region;
use domain_events::__internals::{behavior_version, configured_sqs_endpoint, timeouts};

use crate::config::QueueUrl;

/// Reads the region, the credentials and the endpoints from the environment and the
/// AWS profile.
///
/// # Cancel safety
///
/// Dropping the future has no effect.
pub async fn load() -> SdkConfig {
    aws_config::defaults(behavior_version())
        .timeout_config(timeouts())
        .load()
        .await
}

/// Creates a DynamoDB client and a counter of its requests.
pub fn dynamodb(config: &SdkConfig) -> (aws_sdk_dynamodb::Client, RequestCounter) {
    let counter = RequestCounter::default();
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .interceptor(counter.clone())
        .build();
    (aws_sdk_dynamodb::Client::from_conf(config), counter)
}

/// Creates an SQS client for one queue. The URL of the queue determines the region and, unless
/// an endpoint is configured, the host.
pub fn sqs(config: &SdkConfig, url: &QueueUrl) -> aws_sdk_sqs::Client {
    let mut builder = aws_sdk_sqs::config::Builder::from(config);
    if let Some(region) = url.region() {
        builder.set_region(Some(Region::new(region.to_owned())));
    }
    if configured_sqs_endpoint(config).is_none()
        && let Some(endpoint) = url.endpoint()
    {
        builder.set_endpoint_url(Some(endpoint.to_owned()));
        // The host is chosen. The AWS SDK refuses these settings next to it.
        builder.set_use_fips(None);
        builder.set_use_dual_stack(None);
    }
    aws_sdk_sqs::Client::from_conf(builder.build())
}

/// Counts the operations of a client and the HTTP requests that it sent for them.
#[derive(Debug, Clone, Default)]
pub struct RequestCounter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicU64,
    requests: AtomicU64,
}

impl RequestCounter {
    /// Returns the number of requests since the last call, and the number of retries
    /// among these requests.
    pub fn take(&self) -> (u64, u64) {
        // Relaxed: the two counters only feed a graph, so they need not agree.
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
