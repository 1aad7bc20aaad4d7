//! The errors of the endpoint, with the codes that SQS uses for them.

/// Why a request, or one entry of a batch, failed.
///
/// Every error has two codes, both defined by AWS: the code of the JSON protocol
/// (`__type`), and the older code of the query protocol. In the JSON protocol, the
/// header `x-amzn-query-error` carries the older code, and the SDKs prefer it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct SqsError {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

/// The error codes, named as in the API reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InternalFailure,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MessageNotInflight,
    MissingParameter,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestEntityTooLarge,
    ResourceNotFound,
    Serialization,
    TooManyEntriesInBatchRequest,
    UnknownOperation,
    UnsupportedOperation,
}

impl ErrorCode {
    /// Creates an error with this code and `message`.
    pub(super) fn error(self, message: impl Into<String>) -> SqsError {
        SqsError {
            code: self,
            message: message.into(),
        }
    }

    /// Returns the full name of the error's shape, for `__type`.
    pub(super) fn json_type(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::InternalFailure => "com.amazon.coral.service#InternalFailure",
            Self::InvalidAttributeName => "com.amazonaws.sqs#InvalidAttributeName",
            Self::InvalidAttributeValue => "com.amazonaws.sqs#InvalidAttributeValue",
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::InvalidParameterValue => {
                "com.amazon.coral.service#InvalidParameterValueException"
            }
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::MissingParameter => "com.amazon.coral.service#MissingRequiredParameterException",
            Self::OverLimit => "com.amazonaws.sqs#OverLimit",
            Self::PurgeQueueInProgress => "com.amazonaws.sqs#PurgeQueueInProgress",
            Self::QueueDeletedRecently => "com.amazonaws.sqs#QueueDeletedRecently",
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::QueueNameExists => "com.amazonaws.sqs#QueueNameExists",
            Self::ReceiptHandleIsInvalid => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::RequestEntityTooLarge => {
                "com.amazon.coral.service#RequestEntityTooLargeException"
            }
            Self::ResourceNotFound => "com.amazonaws.sqs#ResourceNotFoundException",
            Self::Serialization => "com.amazon.coral.service#SerializationException",
            Self::TooManyEntriesInBatchRequest => "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::UnsupportedOperation => "com.amazonaws.sqs#UnsupportedOperation",
        }
    }

    /// Returns the code of the query protocol, for XML errors, for `x-amzn-query-error` and
    /// for the failed entries of a batch.
    pub(super) fn query_code(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InternalFailure => "InternalFailure",
            Self::InvalidAttributeName => "InvalidAttributeName",
            Self::InvalidAttributeValue => "InvalidAttributeValue",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::MissingParameter => "MissingParameter",
            Self::OverLimit => "OverLimit",
            Self::PurgeQueueInProgress => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::QueueDeletedRecently => "AWS.SimpleQueueService.QueueDeletedRecently",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists => "QueueAlreadyExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "SerializationException",
            Self::TooManyEntriesInBatchRequest => {
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
            }
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
        }
    }

    /// Returns the HTTP status.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::InternalFailure => 500,
            Self::RequestEntityTooLarge => 413,
            Self::UnknownOperation => 404,
            _ => 400,
        }
    }

    /// Returns who caused the error, `Sender` or `Receiver`, for the query protocol.
    pub(super) fn fault(self) -> &'static str {
        if self.is_sender_fault() {
            "Sender"
        } else {
            "Receiver"
        }
    }

    /// Returns true if the sender caused the error, so that a retry would fail again.
    pub(super) fn is_sender_fault(self) -> bool {
        self != Self::InternalFailure
    }
}

/// Returns the error for an invalid value of a parameter, with the text that SQS uses.
pub(super) fn invalid_value(
    value: impl std::fmt::Display,
    parameter: &str,
    reason: &str,
) -> SqsError {
    ErrorCode::InvalidParameterValue.error(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

/// Returns the error for a missing parameter, with the text that SQS uses.
pub(super) fn missing(parameter: &str) -> SqsError {
    ErrorCode::MissingParameter.error(format!(
        "The request must contain the parameter {parameter}."
    ))
}
