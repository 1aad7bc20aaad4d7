//! The attributes of a dead letter.

use aws_sdk_sqs::types::MessageAttributeValue;
use domain_events::wire::MAX_MESSAGE_BYTES;

use super::DeadLetter;
use crate::rejection::Rejection;

/// The maximum number of attributes of a message (SQS developer guide, "Message quotas").
const MAX_ATTRIBUTES: usize = 10;
/// The maximum length of a reason or a pointer in an attribute.
const MAX_TEXT_BYTES: usize = 1024;
/// The maximum length after the dead-letter queue has refused the message with all its
/// attributes.
const MAX_SHORT_TEXT_BYTES: usize = 128;

const REJECTION_CODE: &str = "RejectionCode";
const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";
const REJECTION_REASON: &str = "RejectionReason";
const REJECTION_POINTER: &str = "RejectionPointer";

/// How many attributes explain a dead letter. A queue can have a lower size limit than
/// SQS, and attributes count towards the limit. Each level is therefore smaller than the
/// level before it: a letter with fewer attributes is better than no letter. The log
/// always has the complete reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The reason, and the original attributes of the message.
    Full,
    /// A shortened reason.
    Short,
    /// The rejection code.
    Code,
    /// The body only.
    None,
}

/// Returns the attributes of a letter, the most important first. Attributes that exceed
/// the limits of SQS are omitted.
pub(super) fn attributes<'a>(
    letter: &'a DeadLetter<'_>,
    detail: Detail,
) -> Vec<(&'a str, MessageAttributeValue)> {
    let Rejection {
        code,
        pointer,
        reason,
    } = &letter.rejection;
    let max = match detail {
        Detail::Full => MAX_TEXT_BYTES,
        _ => MAX_SHORT_TEXT_BYTES,
    };
    let mut own = vec![
        (REJECTION_CODE, code.as_str().to_owned()),
        (ORIGINAL_MESSAGE_ID, letter.record.message_id.clone()),
        (REJECTION_REASON, sanitize_attribute(reason, max)),
    ];
    if !pointer.is_empty() {
        own.push((REJECTION_POINTER, sanitize_attribute(pointer, max)));
    }
    own.truncate(match detail {
        Detail::Full | Detail::Short => own.len(),
        Detail::Code => 1,
        Detail::None => 0,
    });
    let own = own.into_iter().filter_map(|(name, value)| {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value);
        Some((name, value.build().ok()?))
    });
    let mut original: Vec<_> = match detail {
        Detail::Full => letter.record.attributes.iter().collect(),
        _ => Vec::new(),
    };
    // A message that was rejected earlier and then sent again already has these
    // attributes, from the earlier rejection.
    let ours = [
        REJECTION_CODE,
        ORIGINAL_MESSAGE_ID,
        REJECTION_REASON,
        REJECTION_POINTER,
    ];
    original.retain(|(name, _)| !ours.contains(&name.as_str()));
    original.sort_by_key(|(name, _)| *name);
    let original = original
        .into_iter()
        .map(|(name, value)| (name.as_str(), value.clone()));

    let mut bytes = letter.body.len();
    own.chain(original)
        .take(MAX_ATTRIBUTES)
        .take_while(|(name, value)| {
            bytes += attribute_bytes(name, value);
            bytes <= MAX_MESSAGE_BYTES
        })
        .collect()
}

/// Returns the bytes that an attribute adds to the size of its message: its name, its type and
/// its value count.
pub(super) fn attribute_bytes(name: &str, value: &MessageAttributeValue) -> usize {
    let text = value.string_value().map_or(0, str::len);
    let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
    name.len() + value.data_type().len() + text + binary
}

/// Returns at most the first `max` bytes of `text`, and replaces the characters that SQS
/// refuses.
fn sanitize_attribute(text: &str, max: usize) -> String {
    let end = text.floor_char_boundary(max);
    let refused = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    text[..end].replace(refused, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters;
    use super::*;
    use crate::record::Record;

    fn names(letter: &DeadLetter<'_>, detail: Detail) -> Vec<String> {
        let attributes = attributes(letter, detail);
        attributes.iter().map(|(n, _)| (*n).to_owned()).collect()
    }

    #[test]
    fn characters_that_sqs_refuses_are_replaced() {
        assert_eq!(
            sanitize_attribute("/a\0b\u{ffff}\n", 1024),
            "/a\u{fffd}b\u{fffd}\n"
        );
        assert_eq!(sanitize_attribute(&"é".repeat(600), 1023).len(), 1022);
    }

    #[test]
    fn attributes_beyond_the_size_limit_are_omitted() {
        let record = Record::new("m", "");
        let names = |room: usize| {
            let letters = letters(&record, 1, MAX_MESSAGE_BYTES - room);
            names(&letters[0], Detail::Full)
        };
        let all = ["RejectionCode", "OriginalMessageId", "RejectionReason"];
        assert_eq!(names(0), all[..0]);
        assert_eq!(names(26), all[..0]);
        assert_eq!(names(27), all[..1]);
        assert_eq!(names(27 + 24), all[..2]);
        assert_eq!(names(27 + 24 + 22), all);
    }

    #[test]
    fn original_attributes_follow_ours_up_to_ten() {
        let value = |text: &str| {
            let value = MessageAttributeValue::builder().data_type("String");
            value.string_value(text).build().unwrap()
        };
        let mut record = Record::new("m", "").with_attribute("RejectionPointer", value("/old"));
        for n in 0..9 {
            record = record.with_attribute(&format!("a{n}"), value("v"));
        }
        let letter = &letters(&record, 1, 1)[0];
        assert_eq!(
            names(letter, Detail::Full),
            [
                "RejectionCode",
                "OriginalMessageId",
                "RejectionReason",
                "a0",
                "a1",
                "a2",
                "a3",
                "a4",
                "a5",
                "a6"
            ]
        );
        assert_eq!(names(letter, Detail::Code), ["RejectionCode"]);
        assert_eq!(names(letter, Detail::None), [""; 0]);
    }
}
