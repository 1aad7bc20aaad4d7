//! The AWS clients of the commands, from the same environment as every AWS SDK.

use aws_config::SdkConfig;
use domain_events::__internals::quoted;
use domain_events_consumer::__internals;
use domain_events_consumer::config::QueueUrl;

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

/// Parses the URL of a queue. `setting` is the option and the variable that hold it.
///
/// # Errors
///
/// [`Failure::Usage`] if it is not the URL of a queue.
pub fn queue_url(setting: &str, text: &str) -> Result<QueueUrl, Failure> {
    QueueUrl::parse(text).map_err(|error| {
        let value = quoted(text);
        Failure::Usage(format!("{setting} is {value}: {error}"))
    })
}

/// A client for one queue, in the region that its URL names.
///
/// # Errors
///
/// Neither the URL nor the environment names a region.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind.
pub async fn sqs(url: &QueueUrl) -> Result<aws_sdk_sqs::Client, Failure> {
    let config = match url.region() {
        Some(_) => __internals::load().await,
        None => load().await?,
    };
    Ok(__internals::sqs(&config, url))
}

/// The last part of a queue URL, for messages.
pub fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
