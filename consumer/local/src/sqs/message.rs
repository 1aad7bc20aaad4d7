//! Messages, their attributes and checksums, and their state in a queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::clock::Millis;

/// Message attributes, in the order in which SQS computes their MD5.
pub(super) type Attributes = BTreeMap<String, AttributeValue>;

/// A message as it was sent. It never changes; its state is in its [`Delivery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) md5_of_body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: Attributes,
    /// The X-Ray trace header, the only system attribute that a sender can set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication_id: Option<String>,
    pub(super) sent_at: Millis,
    /// The ARN of the source queue, if the message is in a dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead_letter_source: Option<String>,
}

/// The sequence number of a message or a queue. A number is never used twice.
pub(super) type Seq = u64;

/// A message in a queue, and what has happened to it there.
#[derive(Debug, Clone)]
pub(super) struct QueuedMessage {
    pub(super) seq: Seq,
    pub(super) message: Arc<Message>,
    pub(super) delivery: Delivery,
}

/// What has happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) receives: u32,
    pub(super) first_received_at: Option<Millis>,
    /// When the retention period began.
    pub(super) retained_from: Millis,
    pub(super) state: DeliveryState,
}

/// Whether a message can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryState {
    Ready { since: Millis },
    Delayed { until: Millis },
    InFlight { received_at: Millis, until: Millis },
}

/// The value of a message attribute, as in requests and responses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributeValue {
    /// `String`, `Number` or `Binary`, with an optional `.label`.
    #[serde(default)]
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) string_value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_text")]
    pub(super) binary_value: Option<Vec<u8>>,
    /// Not supported by SQS; refused by the checks.
    #[serde(default, skip_serializing)]
    pub(super) string_list_values: Vec<String>,
    /// Not supported by SQS; refused by the checks.
    #[serde(default, skip_serializing)]
    pub(super) binary_list_values: Vec<String>,
}

impl AttributeValue {
    /// Returns the bytes of the value. The size and the MD5 of a binary value are computed
    /// from its bytes, not from the base64 text.
    pub(super) fn bytes(&self) -> &[u8] {
        match (&self.string_value, &self.binary_value) {
            (Some(text), _) => text.as_bytes(),
            (None, Some(bytes)) => bytes,
            (None, None) => &[],
        }
    }

    /// Returns the transport type of the value, which is part of the MD5.
    fn transport(&self) -> u8 {
        if self.string_value.is_some() { 1 } else { 2 }
    }
}

/// Returns the MD5 of a body, in lower-case hexadecimal.
pub(super) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// Returns the MD5 of message attributes, or `None` if there are no attributes (SQS Developer
/// Guide, "Calculating the MD5 message digest for message attributes").
pub(super) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    let chunk = |digest: &mut Md5, bytes: &[u8]| {
        // Requests are far smaller than 4 GiB.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        digest.update(length.to_be_bytes());
        digest.update(bytes);
    };
    for (name, value) in attributes {
        any = true;
        chunk(&mut digest, name.as_bytes());
        chunk(&mut digest, value.data_type.as_bytes());
        digest.update([value.transport()]);
        chunk(&mut digest, value.bytes());
    }
    any.then(|| hex(&digest.finalize()))
}

/// Returns the bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Serializes binary values as base64 text in JSON.
mod base64_text {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&BASE64_STANDARD.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| BASE64_STANDARD.decode(text.as_bytes()))
            .transpose()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> AttributeValue {
        AttributeValue {
            data_type: data_type.into(),
            string_value: Some(value.into()),
            ..AttributeValue::default()
        }
    }

    #[test]
    fn md5_of_body_is_lower_case_hexadecimal() {
        assert_eq!(md5_of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn no_attributes_have_no_md5() {
        assert_eq!(md5_of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn md5_of_attributes_includes_lengths_and_type() {
        let attributes = Attributes::from([("k".to_owned(), text("String", "v"))]);
        let mut bytes = vec![0, 0, 0, 1, b'k', 0, 0, 0, 6];
        bytes.extend(b"String\x01\0\0\0\x01v");
        assert_eq!(
            md5_of_attributes(&attributes),
            Some(hex(&Md5::digest(&bytes)))
        );
    }

    #[test]
    fn binary_value_survives_json() {
        let value = AttributeValue {
            data_type: "Binary".into(),
            binary_value: Some(vec![0, 255, 7]),
            ..AttributeValue::default()
        };
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, r#"{"DataType":"Binary","BinaryValue":"AP8H"}"#);
        assert_eq!(
            serde_json::from_str::<AttributeValue>(&json).unwrap(),
            value
        );
    }
}
