//! The commands that run the consumer, as separate processes.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use domain_events::{Emitter, EntityId, Envelope, EventId, wire};
use domain_events_local::{Options, Stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Starts the SQS and DynamoDB endpoints without a worker.
async fn endpoints() -> Stack {
    let options = Options {
        pollers: 0,
        ..Options::default()
    };
    Stack::start(options).await.unwrap()
}

fn command(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn send(stack: &Stack, body: &str) {
    let request = stack.sqs_client().send_message();
    let request = request.queue_url(stack.queue_url()).message_body(body);
    request.send().await.unwrap();
}

fn terminate(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn worker_drains_on_sigterm() {
    let stack = endpoints().await;
    let mut child = command(&["worker"], stack.environment());
    let body = r#"{"Timestamp":1,"EventType":"EVENT_TEST","ID":"command","EmitterId":"u-1","EmitterType":"USER"}"#;
    send(&stack, body).await;
    // A worker in another process receives the message.
    tokio::time::timeout(Duration::from_secs(20), stack.wait_until_drained())
        .await
        .unwrap();
    terminate(&child);
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .await
        .unwrap();
    assert!(
        output.contains("\"verdict\":\"stored\"") && output.contains("\"Stored\":1"),
        "{output}"
    );
}

/// On the machines of developers, a profile is often the only source of credentials.
#[tokio::test]
async fn worker_reads_a_credential_process() {
    let stack = endpoints().await;
    let config = std::env::temp_dir().join(format!("aws-config-worker-{}", std::process::id()));
    let process = r#"echo '{"Version":1,"AccessKeyId":"test","SecretAccessKey":"test"}'"#;
    let profile = format!("[profile dev]\nregion = us-east-1\ncredential_process = {process}\n");
    std::fs::write(&config, profile).unwrap();
    let mut environment = stack.environment();
    environment.retain(|(name, _)| !matches!(*name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY"));
    environment.push(("AWS_PROFILE", "dev".to_owned()));
    environment.push(("AWS_CONFIG_FILE", config.to_str().unwrap().to_owned()));
    environment.push(("PATH", std::env::var("PATH").unwrap()));
    let worker = command(&["worker"], environment);
    let body = r#"{"Timestamp":1,"EventType":"EVENT_TEST","ID":"profile","EmitterId":"u-1","EmitterType":"USER"}"#;
    send(&stack, body).await;
    let drained = tokio::time::timeout(Duration::from_secs(20), stack.wait_until_drained()).await;
    std::fs::remove_file(&config).unwrap();
    drop(worker);
    drained.unwrap();
    assert_eq!(stack.events().await.unwrap().len(), 1);
}

#[tokio::test]
async fn worker_reports_every_missing_variable() {
    let child = command(&["worker"], vec![("EVENT_QUEUE_URL", "here".to_owned())]);
    let output = child.wait_with_output().await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for problem in [
        "EVENT_TABLE is not set",
        "DEAD_LETTER_QUEUE_URL is not set",
        "EVENT_QUEUE_URL is \"here\"",
    ] {
        assert!(errors.contains(problem), "{errors}");
    }
}

#[tokio::test]
async fn worker_without_queue_or_table_ends_at_start() {
    let stack = endpoints().await;
    let mut environment = stack.environment();
    for (name, value) in &mut environment {
        match *name {
            "EVENT_QUEUE_URL" => value.push_str("-missing"),
            "EVENT_TABLE" => *value = "missing".to_owned(),
            _ => {}
        }
    }
    let child = command(&["worker"], environment);
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in [
        "events-missing (EVENT_QUEUE_URL) cannot be used in region us-east-1",
        "the table missing (EVENT_TABLE) cannot be used in region us-east-1",
        "create it, or correct EVENT_TABLE or AWS_REGION",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("DEAD_LETTER_QUEUE_URL"), "{text}");
}

#[tokio::test]
async fn worker_starts_during_an_outage() {
    let stack = endpoints().await;
    let (sqs, dynamodb) = (stack.outage(), stack.dynamodb_outage());
    let mut worker = command(&["worker"], stack.environment());
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    // One line for each queue, and one for the table.
    for _ in 0..3 {
        let line = async {
            loop {
                let line = lines.next_line().await.unwrap();
                let line = line.expect("the worker has ended");
                if line.contains("could not check the ") {
                    return;
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), line);
        found.await.expect("the checks have not ended");
    }
    sqs.end();
    dynamodb.end();
    let body = r#"{"Timestamp":1,"EventType":"EVENT_TEST","ID":"outage","EmitterId":"u-1","EmitterType":"USER"}"#;
    send(&stack, body).await;
    tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained())
        .await
        .expect("the worker receives no messages");
}

#[tokio::test]
async fn worker_with_another_key_schema_ends_at_start() {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    let stack = endpoints().await;
    let attribute = AttributeDefinition::builder()
        .attribute_name("Key")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder()
        .attribute_name("Key")
        .key_type(KeyType::Hash);
    let create = stack.dynamodb_client().create_table().table_name("other");
    create
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let mut environment = stack.environment();
    for (name, value) in &mut environment {
        if *name == "EVENT_TABLE" {
            *value = "other".to_owned();
        }
    }
    let child = command(&["worker"], environment);
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("the table other (EVENT_TABLE)"), "{text}");
    assert!(text.contains("hash key is ID"), "{text}");
}

/// A running `domain-events local`, with the variables that it printed.
struct Local {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    variables: HashMap<String, String>,
}

impl Local {
    async fn start(arguments: &[&str], environment: Vec<(&'static str, String)>) -> Self {
        let ports = ["local", "--sqs-port", "0", "--dynamodb-port", "0"];
        let mut child = command(&[&ports[..], arguments].concat(), environment);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut variables = HashMap::new();
        while !variables.contains_key("AWS_SECRET_ACCESS_KEY") {
            let line = output.next_line().await.unwrap().expect("it ended early");
            let export = line.strip_prefix("export ").expect("exports come first");
            let (name, value) = export.split_once('=').unwrap();
            variables.insert(name.to_owned(), value.to_owned());
        }
        Self {
            child,
            output,
            variables,
        }
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        let credentials = aws_sdk_sqs::config::Credentials::new("a", "a", None, None, "test");
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_sqs::config::Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(&self.variables["AWS_ENDPOINT_URL_SQS"])
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    async fn send(&self, id: &str) {
        let body = format!(
            r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"{id}","EmitterId":"u","EmitterType":"USER"}}"#
        );
        let send = self.sqs().send_message().message_body(body);
        let queue = &self.variables["EVENT_QUEUE_URL"];
        send.queue_url(queue).send().await.unwrap();
    }

    async fn stop(mut self) {
        terminate(&self.child);
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait());
        let status = ended.await.expect("it does not stop").unwrap();
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn local_prints_its_variables_first() {
    let mut local = Local::start(&[], Vec::new()).await;
    for name in [
        "EVENT_QUEUE_URL",
        "DEAD_LETTER_QUEUE_URL",
        "EVENT_TABLE",
        "EVENT_INDEX_SHARDS",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
    ] {
        assert!(local.variables.contains_key(name), "{name}");
    }
    // The web page and the events follow, as JSON lines.
    let page = local.output.next_line().await.unwrap().unwrap();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert!(
        page["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    local.send("7").await;
    let event = local.output.next_line().await.unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["verdict"], "stored");
    assert_eq!(event["entity_id"], "7");
    local.stop().await;
}

#[tokio::test]
async fn local_continues_if_its_log_is_not_read() {
    let local = Local::start(&["--no-page"], Vec::new()).await;
    // The log lines of 1,000 events do not fit into the buffer of a pipe.
    let (sqs, queue) = (local.sqs(), local.variables["EVENT_QUEUE_URL"].clone());
    for batch in 0..100 {
        let mut request = sqs.send_message_batch().queue_url(&queue);
        for entry in 0..10 {
            let body = format!(
                r#"{{"Timestamp":1,"EventType":"EVENT_TEST","ID":"{batch}-{entry}","EmitterId":"u","EmitterType":"USER"}}"#
            );
            let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder()
                .id(entry.to_string())
                .message_body(body);
            request = request.entries(entry.build().unwrap());
        }
        request.send().await.unwrap();
    }
    let drained = async {
        loop {
            let attributes = sqs.get_queue_attributes().queue_url(&queue);
            let attributes = attributes.attribute_names(QueueAttributeName::All);
            let attributes = attributes.send().await.unwrap().attributes.unwrap();
            let count = |name| attributes[&name].parse::<usize>().unwrap();
            let messages = count(QueueAttributeName::ApproximateNumberOfMessages)
                + count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
            if messages == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), drained)
        .await
        .expect("the stack has stopped");
    local.stop().await;
}

#[tokio::test]
async fn worker_continues_if_its_log_is_not_read() {
    let stack = endpoints().await;
    let mut environment = stack.environment();
    environment.push(("EVENT_LOG", "debug".to_owned()));
    let mut child = command(&["worker"], environment);
    // The log lines of 1,000 rejected messages do not fit into the buffer of a pipe.
    for batch in 0..100 {
        let mut request = stack.sqs_client().send_message_batch();
        for entry in 0..10 {
            let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder()
                .id(entry.to_string())
                .message_body(format!("not JSON {batch}"));
            request = request.entries(entry.build().unwrap());
        }
        let request = request.queue_url(stack.queue_url());
        request.send().await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(60), stack.wait_until_drained())
        .await
        .expect("the worker has stopped");
    terminate(&child);
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait());
    let status = ended.await.expect("it does not stop").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn local_uses_no_proxy_and_no_aws_settings() {
    let proxies = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ];
    let mut environment: Vec<_> = proxies
        .iter()
        .map(|name| (*name, "http://127.0.0.1:9".to_owned()))
        .collect();
    for (name, value) in [
        ("AWS_PROFILE", "missing"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_CONFIG_FILE", "/missing"),
    ] {
        environment.push((name, value.to_owned()));
    }
    let mut local = Local::start(&["--no-page"], environment).await;
    local.send("7").await;
    let event = local.output.next_line().await.unwrap().unwrap();
    assert!(event.contains(r#""verdict":"stored""#), "{event}");
    local.stop().await;
}

#[tokio::test]
async fn local_reads_index_shards_and_retention() {
    let environment = vec![
        ("EVENT_INDEX_SHARDS", "3".to_owned()),
        ("EVENT_RETENTION", "EVENT_TEST=30d".to_owned()),
    ];
    let local = Local::start(&["--no-page"], environment).await;
    assert_eq!(local.variables["EVENT_INDEX_SHARDS"], "3");
    local.stop().await;
    for (name, value, problem) in [
        ("EVENT_INDEX_SHARDS", "many", "EVENT_INDEX_SHARDS"),
        ("EVENT_RETENTION", "forever", "EVENT_RETENTION"),
    ] {
        let child = command(
            &["local", "--sqs-port", "0"],
            vec![(name, value.to_owned())],
        );
        let output = child.wait_with_output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn local_writes_the_env_file_for_others() {
    let file = std::env::temp_dir().join(format!("local-{}.env", std::process::id()));
    let path = file.to_str().unwrap();
    for _ in 0..2 {
        let local = Local::start(&["--no-page", "--env-file", path], Vec::new()).await;
        let text = std::fs::read_to_string(&file).unwrap();
        for (name, value) in &local.variables {
            assert!(text.contains(&format!("\n{name}={value}\n")), "{text}");
        }
        local.stop().await;
    }
    // A file that `local` did not write is not overwritten.
    std::fs::write(&file, "DATABASE_URL=postgres://\n").unwrap();
    let child = command(&["local", "--env-file", path], Vec::new());
    let output = child.wait_with_output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains(path) && error.contains("--env-file"),
        "{error}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "DATABASE_URL=postgres://\n");
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn port_in_use_is_an_error_with_a_remedy() {
    let stack = endpoints().await;
    let port = stack.sqs_endpoint().rsplit_once(':').unwrap().1.to_owned();
    for arguments in [
        ["local", "--dynamodb-port", "0", "--sqs-port", &port],
        ["local", "--sqs-port", "0", "--dynamodb-port", &port],
        ["local", "--sqs-port", "0", "--page-port", &port],
    ] {
        let mut child = command(&[&arguments[..], &["--json"]].concat(), Vec::new());
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait());
        let status = ended.await.expect("it runs on a port in use").unwrap();
        let mut error = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut error).await.unwrap();
        assert_eq!(status.code(), Some(3), "{error}");
        let expected = format!("cannot listen on 127.0.0.1:{port}");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("choose another port"), "{error}");
    }
}

#[tokio::test]
async fn other_hosts_bring_a_warning() {
    let mut local = Local::start(
        &["--no-page", "--host", "0.0.0.0", "--advertise", "sqs"],
        vec![],
    )
    .await;
    assert!(local.variables["EVENT_QUEUE_URL"].starts_with("http://sqs:"));
    let warning = local.output.next_line().await.unwrap().unwrap();
    assert!(warning.contains("do not authenticate clients"), "{warning}");
    local.stop().await;
}

#[tokio::test]
async fn output_contains_no_terminal_commands() {
    const UNSAFE: &str =
        "\u{1b}[2J\u{9b}\u{85}\u{2028}\u{7f}\u{202e}\u{2066}\u{200e}\u{61c}\u{feff}\n\r";
    let stack = endpoints().await;
    let id: EntityId = UNSAFE.parse().unwrap();
    let event = Envelope::builder(
        "EVENT_TEST".parse().unwrap(),
        id.clone(),
        Emitter::user(UNSAFE).unwrap(),
    )
    .build_with(&HashMap::from([(UNSAFE, UNSAFE)]))
    .unwrap();
    let _ = stack.store().append(&event).await.unwrap();
    // An item that is not an event is reported with its key.
    let put = stack.dynamodb_client().put_item();
    put.table_name(stack.table())
        .item("ID", AttributeValue::S(UNSAFE.to_owned()))
        .item("Timestamp", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
    let mut exported = String::new();
    for arguments in [
        &["by-type", "EVENT_TEST"][..],
        &["history", UNSAFE],
        &["history", UNSAFE, "--json"],
        &["export"],
    ] {
        let child = command(arguments, stack.environment());
        let output = child.wait_with_output().await.unwrap();
        exported = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        for text in [&exported, &error] {
            let is_safe = |c: char| c.is_ascii_graphic() || c == '\n';
            let found = UNSAFE.chars().find(|c| !is_safe(*c) && text.contains(*c));
            assert_eq!(found, None, "{arguments:?}: {text:?}");
        }
        assert_eq!(exported.lines().count(), 1, "{arguments:?}: {exported}");
        if arguments[0] != "by-type" {
            assert!(error.contains("is not an event"), "{arguments:?}: {error}");
        }
    }
    // The escapes do not change the event.
    let message = EventId::from_static("message");
    let mut decoded = wire::decode(exported.trim_end(), &message).unwrap();
    let read = decoded.remove(0).outcome.unwrap();
    assert_eq!((read.event_id(), read.entity_id()), (event.event_id(), &id));
    assert_eq!(read.emitter(), event.emitter());
    let data = |event: &Envelope| -> HashMap<String, String> {
        serde_json::from_str(event.data().unwrap()).unwrap()
    };
    assert_eq!(data(&read), data(&event));
}
