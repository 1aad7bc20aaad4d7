//! A message: what was sent, with its checksums.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::clock::Millis;

/// The message attributes, in the order in which SQS digests them.
pub(super) type Attributes = BTreeMap<String, AttributeValue>;

/// A message as it was sent. It never changes; what happens to it is in its
/// [`Delivery`](super::queue::Delivery).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) md5_of_body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: Attributes,
    /// The X-Ray trace header, the one system attribute a sender can set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication_id: Option<String>,
    pub(super) sent_at: Millis,
    /// The ARN of the queue that gave the message up, in a dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead_letter_source: Option<String>,
}

/// The value of a message attribute, as it stands in requests and responses.
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
    /// Reserved by SQS for later; refused by the checks.
    #[serde(default, skip_serializing)]
    pub(super) string_list_values: Vec<String>,
    /// Reserved by SQS for later; refused by the checks.
    #[serde(default, skip_serializing)]
    pub(super) binary_list_values: Vec<String>,
}

impl AttributeValue {
    /// The value's bytes: binary values count and digest as they are, not in
    /// base64.
    pub(super) fn bytes(&self) -> &[u8] {
        match (&self.string_value, &self.binary_value) {
            (Some(text), _) => text.as_bytes(),
            (None, Some(bytes)) => bytes,
            (None, None) => &[],
        }
    }

    /// How the value is transported, as the digest counts it.
    fn transport(&self) -> u8 {
        if self.string_value.is_some() { 1 } else { 2 }
    }
}

/// The MD5 of a body, in lower-case hexadecimal.
pub(super) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body))
}

/// The MD5 of message attributes, or nothing if there are none ("Calculating
/// the MD5 message digest for message attributes" in the developer guide).
pub(super) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    let chunk = |digest: &mut Md5, bytes: &[u8]| {
        // No request is larger than 32 bits can count.
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

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Binary values stand in base64 in JSON.
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
    fn the_md5_of_a_body_is_in_lower_case_hexadecimal() {
        assert_eq!(md5_of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn no_attributes_have_no_digest() {
        assert_eq!(md5_of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn attributes_are_digested_with_lengths_and_transport_type() {
        let attributes = Attributes::from([("k".to_owned(), text("String", "v"))]);
        let mut bytes = vec![0, 0, 0, 1, b'k', 0, 0, 0, 6];
        bytes.extend(b"String\x01\0\0\0\x01v");
        assert_eq!(
            md5_of_attributes(&attributes),
            Some(hex(&Md5::digest(&bytes)))
        );
    }

    #[test]
    fn a_binary_value_survives_json() {
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
