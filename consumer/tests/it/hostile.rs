//! Events that an attacker could send. SECURITY.md refers to these tests.

mod messages;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain_events_local::Stack;
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bootstrap::{environment, event, failures};
use crate::support::runtime_api::Function;
use crate::support::{attribute, body, dead_letters, endpoints, history, record};

/// The number of items in the table.
async fn items(stack: &Stack) -> usize {
    let scan = stack.dynamodb_client().scan().table_name(stack.table());
    scan.send().await.unwrap().items().len()
}

#[tokio::test]
async fn field_names_with_partiql_syntax_are_rejected() {
    let stack = endpoints().await;
    let others = (' '..='~').chain("\0\n\u{7f}\u{a0}é’＇\u{2028}".chars());
    let mut records = Vec::new();
    let (mut good, mut bad) = (0, 0);
    for (n, character) in others.enumerate() {
        let name = serde_json::to_string(&format!("a{character}b")).unwrap();
        let body = body("names", &n.to_string()).replace("\"Data\"", &name);
        let body = body.replace("{\"foo\":\"bar\"}", "1");
        records.push(record(&format!("m{n}"), body));
        match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '.' | '-' => good += 1,
            _ => bad += 1,
        }
    }
    let report = stack.handler().handle(&records, None).await;
    assert_eq!(report.failed, [""; 0]);
    assert_eq!(report.metrics.verdicts(), [good, 0, bad, 0]);
    for letter in dead_letters(&stack).await {
        assert_eq!(attribute(&letter, "RejectionCode"), Some("INVALID_VALUE"));
    }
    assert_eq!(items(&stack).await as u64, good);
}

#[tokio::test]
async fn values_with_partiql_syntax_stay_values() {
    let stack = endpoints().await;
    let evil = r#"'}"; DELETE FROM "events" WHERE 'a'='a' -- ? {'ID':?}"#;
    let text = serde_json::to_string(evil).unwrap();
    let body = json!({
        "Timestamp": 1, "EventType": "EVENT_TEST", "ID": evil, "EmitterId": evil, "EmitterType": evil,
        "Data": { evil: [evil] }, "EventId": evil, "CorrelationId": evil, "CausationId": evil,
        "TraceParent": evil, "Note": evil,
    });
    let records = [
        record("m1", body.to_string()),
        record("m2", crate::support::body("e", "1")),
    ];
    let report = stack.handler().handle(&records, None).await;
    assert_eq!(report.metrics.verdicts(), [2, 0, 0, 0]);
    let stored: Vec<_> = stack.store().history(evil).try_collect().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].event_id(), &evil);
    assert_eq!(stored[0].emitter().id(), &evil);
    assert_eq!(stored[0].data().unwrap(), format!("{{{text}:[{text}]}}"));
    assert_eq!(
        stored[0].extra_fields().collect::<Vec<_>>(),
        [("Note", &*text)]
    );
    assert_eq!(items(&stack).await, 2);
}

/// Sends six messages of half a million values each, the maximum that fits into the payload of
/// one invocation.
#[tokio::test]
async fn message_of_many_values_is_one_rejection() {
    let stack = endpoints().await;
    let function = Function::start(environment(&stack, None)).await;
    let flood = format!("[{}0]", "0,".repeat(499_999));
    let good = body("flooded", "1");
    let ids = ["m0", "m1", "m2", "m3", "m4", "m5"];
    let mut batch: Vec<(&str, &str)> = ids.into_iter().map(|id| (id, &*flood)).collect();
    batch.push(("good", &good));
    let result = function
        .invoke(&event(&batch), Duration::from_secs(30))
        .await;
    assert_eq!(failures(result), [""; 0]);
    assert_eq!(history(&stack, "flooded").await, ["1"]);
    #[cfg(target_os = "linux")]
    assert!(
        function.peak_memory() < 128 << 20,
        "{} bytes",
        function.peak_memory()
    );
    let letters = dead_letters(&stack).await;
    assert_eq!(letters.len(), 6);
    for letter in &letters {
        assert_eq!(attribute(letter, "RejectionCode"), Some("NOT_AN_EVENT"));
        assert!(letter.0 == flood, "the body is unchanged");
    }
    let output = function.output().await;
    assert!(output.len() < 20_000, "{} bytes of log", output.len());
}

#[tokio::test]
async fn events_cannot_forge_log_lines_or_metrics() {
    let stack = endpoints().await;
    let mut environment = environment(&stack, None);
    environment.push(("EVENT_LOG", "trace".to_owned()));
    let function = Function::start(environment).await;
    let forged = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"DomainEvents","Dimensions":[["Function"]],"Metrics":[{"Name":"Stored"}]}]},"Function":"consumer","Stored":99999}"#;
    let evil = format!(
        "x\r\n{forged}\n\u{2028}\u{2029}\u{85}\u{7f}\u{1b}[2J\u{9b}2J\u{202e}\u{2066}\u{200f}"
    );
    let text = serde_json::to_string(&evil).unwrap();
    let long = format!("{{\"{}\":1e999}}", "k".repeat(300_000));
    let bodies = [
        body("e", "1").replace("\"e\"", &text),
        body("e", "2")
            .replace('}', &format!("}},\"EventId\":{text}"))
            .replacen("}}", "}", 1),
        body("e", "3").replace("EVENT_TEST", &text[1..text.len() - 1]),
        body("e", "4").replace("{\"foo\":\"bar\"}", &format!("{{{text}:1e999}}")),
        body("e", "5").replace("{\"foo\":\"bar\"}", &long),
        evil.clone(),
    ];
    let ids: Vec<String> = (0..bodies.len()).map(|n| format!("m{n}")).collect();
    let mut batch: Vec<(&str, &str)> = ids
        .iter()
        .map(String::as_str)
        .zip(bodies.iter().map(String::as_str))
        .collect();
    // A caller that may invoke the function also chooses the ids of the messages.
    batch.push((&evil, &bodies[0]));
    function
        .invoke(&event(&batch), Duration::from_secs(10))
        .await;
    let output = function.output().await;
    let mut metrics = 0;
    for line in output.lines() {
        assert!(line.len() < 8_000, "{} bytes in one line", line.len());
        let unsafe_in_terminals = [
            '\u{1b}', '\r', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}', '\u{202e}',
            '\u{2066}', '\u{200f}',
        ];
        assert!(!line.contains(unsafe_in_terminals), "{line}");
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        if line.get("_aws").is_some() {
            metrics += 1;
            assert_ne!(line.get("Stored"), Some(&json!(99_999)));
        } else {
            assert!(line["level"].is_string(), "{line}");
            assert!(
                line.get("Stored").is_none() && line.get("Function").is_none(),
                "{line}"
            );
        }
    }
    assert!(
        metrics > 0 && output.contains("NUMBER_NOT_STORABLE"),
        "{output}"
    );
}

/// Sends messages of 1 MiB that would take hours, or gigabytes of memory, if any part of the
/// decoder were not linear.
#[tokio::test]
async fn mebibyte_of_any_shape_takes_linear_time() {
    let stack = endpoints().await;
    let around = |data: &str| body("shape", "1").replace("{\"foo\":\"bar\"}", data);
    let times = |text: &str| text.repeat(1_000_000 / text.len());
    let keys: String = (0..90_000).map(|n| format!("\"k{n:05}\":1,")).collect();
    let shapes = [
        times("["),
        times("{\"a\":"),
        times(" "),
        around(&format!("{{\"n\":{}}}", times("7"))),
        around(&format!("{{\"n\":0.{}1}}", times("0"))),
        around(&format!("{{\"n\":1e{}}}", times("9"))),
        around(&format!("{{\"n\":-1e-{}}}", times("9"))),
        around(&format!("{{{keys}\"k00000\":1}}")),
        around(&format!("{{\"s\":\"{}\"}}", times("\\u0000"))),
        around(&format!("{{\"s\":\"{}\"}}", times("\\\""))),
        around(&format!("{{\"{}\":1e999}}", times("~/"))),
        around(&format!("{{\"a\":{}}}", times("["))),
        around(&format!("{{\"a\":{}}}", times("{\"a\":["))),
        around("{}").replace("\"Timestamp\":1", &format!("\"Timestamp\":1{}", times("0"))),
        format!("[{}]", times("{},").trim_end_matches(',')),
        format!("[{}]", times("[],").trim_end_matches(',')),
        around("{}").replace("\"Data\"", &format!("\"{}\"", times("x"))),
    ];
    let count = shapes.len() as u64;
    let records: Vec<_> = shapes
        .into_iter()
        .enumerate()
        .map(|(n, shape)| record(&format!("m{n}"), shape))
        .collect();
    let handler = stack.handler();
    let handling = handler.handle(&records, None);
    let report = tokio::time::timeout(Duration::from_secs(60), handling)
        .await
        .unwrap();
    assert_eq!(report.failed, [""; 0]);
    // The text of NULs is short once it is unescaped, so this event is valid.
    assert_eq!(report.metrics.verdicts(), [1, 0, count - 1, 0]);
}

/// A producer that knows the identity of an event can send another event with it. The
/// stored event does not change.
#[tokio::test]
async fn reused_identity_changes_no_stored_event() {
    let stack = endpoints().await;
    let with_id = |body: String| body.replacen('{', "{\"EventId\":\"own\",", 1);
    let genuine = record("m1", with_id(body("claimed", "5")));
    let forged = record("m2", with_id(body("claimed", "5")).replace("bar", "forged"));
    let handler = stack.handler();
    assert_eq!(
        handler.handle(&[genuine], None).await.metrics.verdicts(),
        [1, 0, 0, 0]
    );
    assert_eq!(
        handler.handle(&[forged], None).await.metrics.verdicts(),
        [0, 0, 1, 0]
    );
    let letters = dead_letters(&stack).await;
    assert_eq!(
        ["RejectionCode", "RejectionPointer"].map(|name| attribute(&letters[0], name).unwrap()),
        ["IDENTITY_REUSED", "/Data"]
    );
    let id = "claimed";
    let stored: Vec<_> = stack.store().history(id).try_collect().await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].data(), Some(r#"{"foo":"bar"}"#));
    // With another timestamp, the event is another item, and `StoredAt` is the time of arrival.
    let moved = record("m3", with_id(body("claimed", "4")).replace("bar", "forged"));
    assert_eq!(
        handler.handle(&[moved], None).await.metrics.verdicts(),
        [1, 0, 0, 0]
    );
    let stored: Vec<_> = stack.store().history(id).try_collect().await.unwrap();
    let at: Vec<_> = stored
        .iter()
        .map(|event| event.stored_at().unwrap())
        .collect();
    assert!(at[0] > at[1], "the back-dated event was stored later");
}

/// A producer can set no attribute of the store, so it cannot decide when an event
/// expires or claim when it was stored.
#[tokio::test]
async fn producer_cannot_set_store_attributes() {
    let stack = endpoints().await;
    let records: Vec<_> = ["StoredAt", "ExpiresAt", "IndexKey", r"\u0045xpiresAt"]
        .into_iter()
        .map(|name| {
            let body = body("own", "1").replacen('{', &format!("{{\"{name}\":1,"), 1);
            record(name.trim_start_matches('\\'), body)
        })
        .collect();
    let report = stack.handler().handle(&records, None).await;
    assert_eq!(report.metrics.verdicts(), [0, 0, 4, 0]);
    for letter in dead_letters(&stack).await {
        assert_eq!(attribute(&letter, "RejectionCode"), Some("RESERVED_FIELD"));
    }
    // Inside `Data` the names have no meaning.
    let data = r#"{"ExpiresAt":1,"IndexKey":"x","ID":"other","Timestamp":2}"#;
    let body = body("own", "1").replace("{\"foo\":\"bar\"}", data);
    let report = stack.handler().handle(&[record("m", body)], None).await;
    assert_eq!(report.metrics.verdicts(), [1, 0, 0, 0]);
    let get = stack.dynamodb_client().get_item().table_name(stack.table());
    let get = get.key("ID", AttributeValue::S("own".to_owned()));
    let get = get.key("Timestamp", AttributeValue::N("1".to_owned()));
    let item = get.send().await.unwrap().item.unwrap();
    assert!(!item.contains_key("ExpiresAt"));
    let index_key = item["IndexKey"].as_s().unwrap();
    assert!(index_key.starts_with("EVENT_TEST#"), "{index_key}");
}

fn addresses(stack: &Stack) -> [SocketAddr; 2] {
    let address = |url: String| url.trim_start_matches("http://").parse().unwrap();
    [
        address(stack.sqs_endpoint()),
        address(stack.dynamodb_endpoint()),
    ]
}

#[tokio::test]
async fn stack_listens_on_loopback_only() {
    let stack = endpoints().await;
    for address in addresses(&stack) {
        assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
        TcpStream::connect(address).await.unwrap();
        // A listener on all addresses would accept these connections too.
        let mut others = vec![SocketAddr::from(([127, 0, 0, 2], address.port()))];
        // Connecting a UDP socket sends nothing. It only selects the route.
        let outward = UdpSocket::bind("0.0.0.0:0").unwrap();
        if outward.connect("192.0.2.1:9").is_ok() {
            others.push(SocketAddr::new(
                outward.local_addr().unwrap().ip(),
                address.port(),
            ));
        }
        for other in others
            .into_iter()
            .filter(|other| other.ip() != Ipv4Addr::LOCALHOST)
        {
            assert!(
                TcpStream::connect(other).await.is_err(),
                "{other} accepts connections"
            );
        }
    }
}

/// A browser sends a preflight request before it sends a request for a page of another site.
/// Without permission, it neither sends the actual request nor shows its response.
#[tokio::test]
async fn web_page_cannot_use_the_local_queue() {
    let stack = endpoints().await;
    for request in [
        "OPTIONS / HTTP/1.1\r\naccess-control-request-method: POST\r\naccess-control-request-headers: x-amz-target\r\n",
        "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ListQueues\r\ncontent-length: 2\r\n",
    ] {
        let mut connection = TcpStream::connect(addresses(&stack)[0]).await.unwrap();
        let request = format!(
            "{request}host: local\r\norigin: https://example.com\r\nconnection: close\r\n\r\n{{}}"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut result = String::new();
        connection.read_to_string(&mut result).await.unwrap();
        assert!(
            !result.to_lowercase().contains("access-control-allow"),
            "{result}"
        );
    }
}
