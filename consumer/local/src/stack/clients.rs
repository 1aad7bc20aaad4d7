//! AWS clients for the endpoints of the stack.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector};

/// The region of the clients. The endpoints accept any region.
pub(super) const REGION: &str = "us-east-1";
pub(super) const ACCESS_KEY: &str = "local";

/// Returns the configuration of all clients. It ignores the environment and AWS profiles, and
/// uses no proxy, because the endpoints are on this machine.
pub(super) fn config() -> SdkConfig {
    let http_client = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector
            .set_connector_settings(settings.cloned())
            .set_sleep_impl(components.and_then(|components| components.sleep_impl()))
            .set_proxy_config(Some(ProxyConfig::disabled()))
            .set_enable_tcp_nodelay(true);
        connector.build_http()
    });
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            ACCESS_KEY, ACCESS_KEY, None, None, "embedded",
        )))
        .http_client(http_client)
        .build()
}

pub(super) fn sqs(config: &SdkConfig, endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(config).endpoint_url(endpoint);
    aws_sdk_sqs::Client::from_conf(config.build())
}

pub(super) fn dynamodb(config: &SdkConfig, endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config).endpoint_url(endpoint);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}
