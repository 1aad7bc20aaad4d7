//! The rules of SQS for a message and for a batch.
//!
//! The limits come from the SQS Developer Guide ("Amazon SQS message quotas") and the
//! API reference (`SendMessage`).

use std::collections::HashSet;

use super::error::{ErrorCode, SqsError, invalid_value, missing};
use super::message::{AttributeValue, Attributes};
use super::protocol::SendEntry;
use super::settings::{MAX_DELAY, MAX_MESSAGE_BYTES, QueueSettings};

const MAX_BATCH_ENTRIES: usize = 10;
const MAX_ENTRY_ID_BYTES: usize = 80;
const MAX_ATTRIBUTES: usize = 10;
const MAX_ATTRIBUTE_NAME_BYTES: usize = 256;
const MAX_TOKEN_BYTES: usize = 128;

/// Checks whether a message may be sent to a queue with these settings.
///
/// # Errors
///
/// The first rule that the message violates, with the text that SQS uses.
pub(super) fn check_message(entry: &SendEntry, settings: &QueueSettings) -> Result<(), SqsError> {
    let body = entry.message_body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    check_characters(body, "body")?;
    let attributes = entry.message_attributes.as_ref();
    attributes.map_or(Ok(()), check_attributes)?;
    check_system_attributes(entry)?;
    if size(entry) > settings.max_message_bytes {
        return Err(ErrorCode::InvalidParameterValue.error(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {} bytes.",
            settings.max_message_bytes
        )));
    }
    check_delay(entry.delay_seconds, settings)?;
    check_tokens(entry, settings)
}

/// Returns the size of a message in bytes: its body, and the name, type and value of each
/// attribute.
pub(super) fn size(entry: &SendEntry) -> usize {
    let body = entry.message_body.as_ref().map_or(0, String::len);
    let attributes = entry.message_attributes.iter().flatten();
    attributes.fold(body, |size, (name, value)| {
        size + name.len() + value.data_type.len() + value.bytes().len()
    })
}

/// Checks the number and the ids of the entries of a batch.
///
/// # Errors
///
/// The first rule that the batch violates. SQS then refuses the whole batch.
pub(super) fn check_batch<'a>(
    operation: &str,
    ids: impl ExactSizeIterator<Item = Option<&'a str>>,
) -> Result<(), SqsError> {
    match ids.len() {
        0 => {
            return Err(ErrorCode::EmptyBatchRequest.error(format!(
                "There should be at least one {operation}RequestEntry in the request."
            )));
        }
        1..=MAX_BATCH_ENTRIES => {}
        sent => {
            return Err(ErrorCode::TooManyEntriesInBatchRequest.error(format!(
                "Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {sent}."
            )));
        }
    }
    let mut seen = HashSet::new();
    for id in ids {
        let id = id.ok_or_else(|| missing(&format!("{operation}RequestEntry.Id")))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > MAX_ENTRY_ID_BYTES || !id.bytes().all(allowed) {
            return Err(ErrorCode::InvalidBatchEntryId.error(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                 It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(ErrorCode::BatchEntryIdsNotDistinct.error(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// Checks the size of a batch. The limit applies to the whole request, so ten messages can
/// exceed it although each single message is small enough.
///
/// # Errors
///
/// `BatchRequestTooLong`.
pub(super) fn check_batch_size(entries: &[SendEntry]) -> Result<(), SqsError> {
    let sent: usize = entries.iter().map(size).sum();
    if sent > MAX_MESSAGE_BYTES {
        return Err(ErrorCode::BatchRequestTooLong.error(format!(
            "Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. You have sent {sent} bytes."
        )));
    }
    Ok(())
}

/// Checks a message group id, deduplication id or receive request attempt id: 1 to 128
/// ASCII letters, digits and punctuation marks.
///
/// # Errors
///
/// `InvalidParameterValue`.
pub(super) fn check_token(parameter: &str, token: &str) -> Result<(), SqsError> {
    let graphic = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !graphic {
        return Err(invalid_value(
            token,
            parameter,
            &format!(
                "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            ),
        ));
    }
    Ok(())
}

/// Checks an optional number in a request.
///
/// # Errors
///
/// `InvalidParameterValue` if the number is out of range.
pub(super) fn check_range(
    parameter: &str,
    value: Option<i64>,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, SqsError> {
    let Some(value) = value else { return Ok(None) };
    match u64::try_from(value) {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(invalid_value(
            value,
            parameter,
            &format!(
                "Must be between {} and {}, if provided.",
                range.start(),
                range.end()
            ),
        )),
    }
}

fn check_characters(text: &str, part: &str) -> Result<(), SqsError> {
    let allowed = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        c => c >= ' ',
    };
    match text.chars().find(|c| !allowed(*c)) {
        None => Ok(()),
        Some(c) => Err(ErrorCode::InvalidMessageContents.error(format!(
            "Invalid binary character '#x{:X}' was found in the message {part}, the set of allowed \
             characters is #x9 | #xA | #xD | [#x20 - #xD7FF] | [#xE000 - #xFFFD] | [#x10000 - #x10FFFF]",
            u32::from(c)
        ))),
    }
}

fn check_attributes(attributes: &Attributes) -> Result<(), SqsError> {
    let count = attributes.len();
    if count > MAX_ATTRIBUTES {
        return Err(ErrorCode::InvalidParameterValue.error(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )));
    }
    for (name, value) in attributes {
        check_attribute_name(name)?;
        check_attribute_value(name, value)?;
    }
    Ok(())
}

fn check_attribute_name(name: &str) -> Result<(), SqsError> {
    let refused = |reason: &str| {
        Err(ErrorCode::InvalidParameterValue
            .error(format!("Message attribute name '{name}' {reason}")))
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME_BYTES {
        return refused("must be 1 to 256 characters long.");
    }
    if !name.bytes().all(allowed) {
        return refused(
            "must only contain alphanumeric characters, underscores, hyphens and periods.",
        );
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return refused("must not start or end with a period, nor have periods in succession.");
    }
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return refused("must not start with a prefix that is reserved for AWS.");
    }
    Ok(())
}

fn check_attribute_value(name: &str, value: &AttributeValue) -> Result<(), SqsError> {
    let refused = |reason: String| Err(ErrorCode::InvalidParameterValue.error(reason));
    let data_type = &value.data_type;
    if data_type.is_empty() {
        return refused(format!(
            "The message attribute '{name}' must contain a non-empty message attribute type."
        ));
    }
    if data_type.len() > MAX_ATTRIBUTE_NAME_BYTES {
        return refused(format!(
            "The type of message attribute '{name}' must be at most 256 bytes long."
        ));
    }
    if !value.string_list_values.is_empty() || !value.binary_list_values.is_empty() {
        return Err(ErrorCode::UnsupportedOperation
            .error("Message attribute list values in SendMessage operation are not supported."));
    }
    let (kind, _label) = data_type.split_once('.').unwrap_or((data_type, ""));
    let wrong = match kind {
        "String" | "Number" => value.binary_value.is_some(),
        "Binary" => value.string_value.is_some(),
        _ => {
            return refused(format!(
                "The type of message (user) attribute '{name}' is invalid. \
                 You must use only the following supported type prefixes: Binary, Number, String."
            ));
        }
    };
    if wrong || value.bytes().is_empty() {
        return refused(format!(
            "The message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ));
    }
    let text = value.string_value.as_deref().unwrap_or_default();
    if kind == "Number" && !is_number(text) {
        return refused(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        ));
    }
    check_characters(text, "attribute")
}

fn is_number(text: &str) -> bool {
    // `parse` alone would also accept "inf" and "NaN".
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    plain && text.parse::<f64>().is_ok()
}

fn check_system_attributes(entry: &SendEntry) -> Result<(), SqsError> {
    for (name, value) in entry.message_system_attributes.iter().flatten() {
        if name != "AWSTraceHeader" {
            return Err(ErrorCode::InvalidParameterValue.error(format!(
                "Message system attribute name '{name}' is invalid. The only one supported is AWSTraceHeader."
            )));
        }
        let text = value.string_value.as_deref().unwrap_or_default();
        if value.data_type != "String" || text.is_empty() {
            return Err(ErrorCode::InvalidParameterValue.error(
                "The message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.",
            ));
        }
        check_characters(text, "system attribute")?;
    }
    Ok(())
}

fn check_delay(delay: Option<i64>, settings: &QueueSettings) -> Result<(), SqsError> {
    let delay = delay.filter(|delay| !(settings.fifo && *delay == 0));
    match delay {
        None => Ok(()),
        Some(delay) if settings.fifo => Err(invalid_value(
            delay,
            "DelaySeconds",
            "The request include parameter that is not valid for this queue type.",
        )),
        Some(delay) if u64::try_from(delay).is_ok_and(|delay| delay <= MAX_DELAY) => Ok(()),
        Some(delay) => Err(invalid_value(
            delay,
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        )),
    }
}

fn check_tokens(entry: &SendEntry, settings: &QueueSettings) -> Result<(), SqsError> {
    let group = entry.message_group_id.as_deref();
    let deduplication = entry.message_deduplication_id.as_deref();
    if settings.fifo && group.is_none() {
        return Err(missing("MessageGroupId"));
    }
    // On a standard queue, the group id names a tenant of a fair queue.
    group.map_or(Ok(()), |group| check_token("MessageGroupId", group))?;
    match deduplication {
        Some(id) if !settings.fifo => Err(invalid_value(
            id,
            "MessageDeduplicationId",
            "The request include parameter that is not valid for this queue type.",
        )),
        Some(id) => check_token("MessageDeduplicationId", id),
        None if settings.fifo && !settings.content_based_deduplication => {
            Err(ErrorCode::InvalidParameterValue.error(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            ))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
