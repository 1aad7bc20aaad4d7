//! The bodies of `SendMessageBatch` (API reference, "SendMessageBatch", JSON protocol).

use serde::Deserialize;

use super::ENTRY_IDS;
use crate::json::escape::push_escaped_json;
use crate::publisher::transport::Message;
use crate::queue_url::QueueUrl;

/// Writes the body of a request. The id of an entry is its position.
pub(super) fn of_request(queue: &QueueUrl, messages: &[Message]) -> Vec<u8> {
    // While a message is escaped, there is room for a backslash in front of every byte.
    let size = |message: &Message| message.body.len() + message.body.len() / 4 + 128;
    let longest = messages.iter().map(|message| message.body.len()).max();
    let size = messages.iter().map(size).sum::<usize>() + longest.unwrap_or(0) + 128;
    let mut out = Vec::with_capacity(size);
    push(&mut out, "{\"QueueUrl\":", queue.as_str());
    out.extend_from_slice(b",\"Entries\":[");
    for (index, (message, id)) in messages.iter().zip(ENTRY_IDS).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(&mut out, "{\"Id\":", id);
        push(&mut out, ",\"MessageBody\":", &message.body);
        if let Some(group) = &message.group {
            push(&mut out, ",\"MessageGroupId\":", group);
        }
        if let Some(deduplication) = &message.deduplication {
            push(&mut out, ",\"MessageDeduplicationId\":", deduplication);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Appends `name` unchanged, and then `value` as a JSON string.
fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    push_escaped_json(out, value);
    out.push(b'"');
}

/// The results of the entries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Results {
    pub(super) successful: Option<Vec<Successful>>,
    pub(super) failed: Option<Vec<Failed>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Successful {
    pub(super) id: String,
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) sequence_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed {
    pub(super) id: String,
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) sender_fault: bool,
}

/// Reads the body of a response. `None` if it does not have the form of one.
///
/// As in the AWS SDK for Rust, `MD5OfMessageBody` is not compared. The signature of the
/// request covers a hash of its body, so SQS refuses a body that was changed in transit.
pub(super) fn results(body: &str) -> Option<Results> {
    serde_json::from_str(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_json_with_every_message_unchanged() {
        let message = |body: &str, fifo: bool| Message {
            body: body.to_owned(),
            group: fifo.then(|| "g\"\\".into()),
            deduplication: fifo.then(|| "d".to_owned()),
        };
        let bodies = [
            "{\"a\":\"\\\"\\u0000é😀\"}",
            "[1,\n2]",
            "",
            "\u{1}\"\\\u{FFFE}ﾟ",
        ];
        let messages: Vec<Message> = bodies.iter().map(|b| message(b, b.is_empty())).collect();
        let queue = QueueUrl::parse("http://localhost/1/orders").unwrap();
        let body: serde_json::Value =
            serde_json::from_slice(&of_request(&queue, &messages)).unwrap();
        assert_eq!(body["QueueUrl"], "http://localhost/1/orders");
        for (index, text) in bodies.iter().enumerate() {
            let entry = &body["Entries"][index];
            assert_eq!(entry["Id"], index.to_string());
            assert_eq!(entry["MessageBody"], *text);
            let (group, deduplication) = match text.is_empty() {
                true => (serde_json::json!("g\"\\"), serde_json::json!("d")),
                false => Default::default(),
            };
            assert_eq!(entry["MessageGroupId"], group);
            assert_eq!(entry["MessageDeduplicationId"], deduplication);
        }
        assert_eq!(body["Entries"].as_array().unwrap().len(), bodies.len());
    }

    #[test]
    fn response_without_results_is_not_read() {
        for body in ["", "5", "<html>", r#"{"Successful":[{"Id":"0"}]}"#] {
            assert!(results(body).is_none(), "{body}");
        }
        let all = r#"{"New":[1],"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"","SequenceNumber":"5"}],"Failed":[{"Id":"1","Code":"c","SenderFault":true}]}"#;
        let read = results(all).unwrap();
        let (successful, failed) = (read.successful.unwrap(), read.failed.unwrap());
        assert_eq!(successful[0].sequence_number.as_deref(), Some("5"));
        assert!(failed[0].sender_fault && failed[0].message.is_none());
        // As the AWS SDK reads it.
        let null = results(r#"{"Successful":[{"Id":"0","MessageId":"m"}],"Failed":null}"#).unwrap();
        assert_eq!(null.successful.unwrap().len(), 1);
        assert!(null.failed.is_none());
    }
}
