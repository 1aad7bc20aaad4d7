//! The bodies of `SendMessageBatch` (API reference, "SendMessageBatch", JSON protocol).

use serde::Deserialize;

use super::ENTRY_IDS;
use crate::json::escape::push_quoted;
use crate::publisher::transport::Message;
use crate::queue_url::QueueUrl;

/// Writes the body of a request. An entry is named by its position.
pub(super) fn of_request(queue: &QueueUrl, messages: &[Message]) -> String {
    // A usual event has about 70 quotes, each of which takes one byte more.
    let size = |message: &Message| message.body.len() + message.body.len() / 4 + 128;
    let size = messages.iter().map(size).sum::<usize>() + 128;
    let mut out = String::with_capacity(size);
    out.push_str("{\"QueueUrl\":");
    push_quoted(&mut out, queue.as_str());
    out.push_str(",\"Entries\":[");
    for (index, (message, id)) in messages.iter().zip(ENTRY_IDS).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"Id\":");
        push_quoted(&mut out, id);
        out.push_str(",\"MessageBody\":");
        push_quoted(&mut out, &message.body);
        if let Some(group) = &message.group {
            out.push_str(",\"MessageGroupId\":");
            push_quoted(&mut out, group);
        }
        if let Some(deduplication) = &message.deduplication {
            out.push_str(",\"MessageDeduplicationId\":");
            push_quoted(&mut out, deduplication);
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// The results of the entries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Results {
    #[serde(default)]
    pub(super) successful: Vec<Successful>,
    #[serde(default)]
    pub(super) failed: Vec<Failed>,
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
        let body: serde_json::Value = serde_json::from_str(&of_request(&queue, &messages)).unwrap();
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
        let results = results(all).unwrap();
        assert_eq!(results.successful[0].sequence_number.as_deref(), Some("5"));
        assert!(results.failed[0].sender_fault && results.failed[0].message.is_none());
    }
}
