//! What an AWS client's error says, for a log line.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// The code and the message of the service, or the error and its causes. Not
/// `DisplayErrorContext` of the AWS SDK: that adds the raw answer, with the bodies
/// of messages in it.
pub(crate) fn text<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let service = error.as_service_error();
    if let Some((code, message)) = service.and_then(|e| e.code().zip(e.message())) {
        return format!("{code}: {message}");
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
