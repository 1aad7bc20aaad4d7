//! The messages that the consumer sends to the dead-letter queue.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};

use crate::support::lines::Lines;
use crate::support::{
    attribute, body, dead_letters, endpoints, history, record, set_dead_letter_queue,
};

const KIB: usize = 1024;

fn text_attribute(data_type: &str, text: &str) -> MessageAttributeValue {
    let value = MessageAttributeValue::builder().data_type(data_type);
    value.string_value(text).build().unwrap()
}

#[tokio::test]
async fn small_dlq_receives_the_attributes_that_fit() {
    let stack = endpoints().await;
    let max = QueueAttributeName::MaximumMessageSize;
    set_dead_letter_queue(&stack, max, &(256 * KIB).to_string()).await;
    let trace = text_attribute("String", "00-1-2-01");
    for (size, names) in [
        (256 * KIB, vec![]),
        (256 * KIB - 44, vec!["RejectionCode"]),
        (
            256 * KIB - 300,
            vec!["OriginalMessageId", "RejectionCode", "RejectionReason"],
        ),
        (
            100 * KIB,
            vec![
                "OriginalMessageId",
                "RejectionCode",
                "RejectionReason",
                "traceparent",
            ],
        ),
    ] {
        let text = "x".repeat(size);
        // In the third case, the trace header does not fit into the remaining bytes.
        let trace = match size == 100 * KIB {
            true => trace.clone(),
            false => text_attribute("String", &"0".repeat(400)),
        };
        let message = record("m", text.clone()).with_attribute("traceparent", trace);
        let good = record("good", body("small", &size.to_string()));
        let report = stack.handler().handle(&[message, good], None).await;
        assert_eq!(report.failed, [""; 0], "{size}");
        let letters = dead_letters(&stack).await;
        assert_eq!(letters.len(), 1);
        assert!(letters[0].0 == text, "the body is unchanged");
        let found: Vec<&str> = letters[0].1.iter().map(|(name, _)| &**name).collect();
        assert_eq!(found, names, "{size}");
    }
    assert_eq!(history(&stack, "small").await.len(), 4);
}

#[tokio::test]
async fn body_too_large_for_the_dlq_is_failed() {
    let stack = endpoints().await;
    let max = QueueAttributeName::MaximumMessageSize;
    set_dead_letter_queue(&stack, max, &(256 * KIB).to_string()).await;
    let (lines, _logging) = Lines::collect();
    let batch = [
        record("large", "x".repeat(256 * KIB + 1)),
        record("small", "hello"),
    ];
    let report = stack.handler().handle(&batch, None).await;
    assert_eq!(report.failed, ["large"]);
    assert_eq!(dead_letters(&stack).await.len(), 1);
    let lines = lines.take();
    assert!(lines.contains("set MaximumMessageSize"), "{lines}");
}

#[tokio::test]
async fn original_attributes_are_carried_over() {
    let stack = endpoints().await;
    let binary = MessageAttributeValue::builder()
        .data_type("Binary.gzip")
        .binary_value(Blob::new([1, 255]));
    let payload = serde_json::json!({"Records": [{
        "messageId": "m", "body": "hello",
        "attributes": {"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"},
        "messageAttributes": {
            "tenant": {"dataType": "String", "stringValue": "t-1"},
            "ExtendedPayloadSize": {"dataType": "Number", "stringValue": "262145"},
            "RejectionReason": {"dataType": "String", "stringValue": "from an earlier rejection"},
        },
    }]});
    let records = domain_events_consumer::__internals::read_payload(&payload.to_string()).unwrap();
    let [message] = &records[..] else {
        panic!("{records:?}")
    };
    let message = message
        .clone()
        .with_attribute("packed", binary.build().unwrap());
    let report = stack.handler().handle(&[message], None).await;
    assert_eq!(report.failed, [""; 0]);
    let letters = dead_letters(&stack).await;
    let value = |name| attribute(&letters[0], name);
    assert_eq!(value("tenant"), Some("t-1"));
    assert_eq!(value("ExtendedPayloadSize"), Some("262145"));
    assert_eq!(value("packed"), Some("[1, 255]"));
    assert_eq!(
        value("AWSTraceHeader"),
        Some("Root=1-5759e988-bd862e3fe1be46a994272793")
    );
    assert_eq!(value("RejectionCode"), Some("NOT_JSON"));
    assert_ne!(value("RejectionReason"), Some("from an earlier rejection"));
    assert_eq!(letters[0].1.len(), 7);
}

#[tokio::test]
async fn packed_body_of_invalid_events_is_unchanged() {
    let stack = endpoints().await;
    let (lines, _logging) = Lines::collect();
    for (text, pointer) in [
        ("[ 7 ,\n {} ]", "/0"),
        (" [\t{\"Timestamp\":true} ] ", "/0/Timestamp"),
        (" {\"Timestamp\":true}", "/Timestamp"),
    ] {
        let report = stack.handler().handle(&[record("m", text)], None).await;
        assert_eq!(report.failed, [""; 0]);
        let letters = dead_letters(&stack).await;
        assert_eq!(letters[0].0, text);
        assert_eq!(attribute(&letters[0], "RejectionPointer"), Some(pointer));
        let reason = attribute(&letters[0], "RejectionReason").unwrap();
        assert_eq!(reason.starts_with("the first of 2 "), text.contains("{}"));
    }
    // If some events of a message are stored, only the others are moved, unchanged.
    let text = format!("[ 7 , {}, {{\"a\": 1}} ]", body("mixed", "1"));
    let report = stack.handler().handle(&[record("m", text)], None).await;
    assert_eq!(report.metrics.verdicts(), [1, 0, 2, 0]);
    assert_eq!(dead_letters(&stack).await[0].0, "[7,{\"a\": 1}]");
    assert!(!lines.take().contains("ERROR"));
}

#[tokio::test]
async fn rejection_is_logged_with_its_event() {
    let stack = endpoints().await;
    let (lines, _logging) = Lines::collect();
    let text = body("identified", "1").replace("\"bar\"", "1e999");
    let report = stack.handler().handle(&[record("m", text)], None).await;
    assert_eq!(report.failed, [""; 0]);
    let lines = lines.take();
    let line: serde_json::Value = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &serde_json::Value| line["verdict"] == "rejected")
        .unwrap();
    assert_eq!(line["event_type"], "EVENT_TEST");
    assert_eq!(line["entity_id"], "identified");
    assert_eq!(line["emitter_id"], "u-1");
    assert_eq!(line["pointer"], "/Data/foo");
}
