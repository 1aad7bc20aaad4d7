//! The AWS clients of the commands, from the same environment as every AWS SDK.

use aws_config::SdkConfig;
use domain_events_consumer::__internals;

use crate::Failure;

/// Region, credentials and endpoints of the environment.
///
/// # Errors
///
/// No region is set.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn load() -> Result<SdkConfig, Failure> {
    let config = __internals::load().await;
    if config.region().is_none() {
        return Err(Failure::Usage(
            "no AWS region is set; set AWS_REGION, choose a profile with one (AWS_PROFILE), or give --env-file"
                .to_owned(),
        ));
    }
    Ok(config)
}

/// The last part of a queue URL, for messages.
pub fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
