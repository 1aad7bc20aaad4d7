//! `domain-events relay` as a separate process, against the embedded stack.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use domain_events::{DomainEvent, Emitter, Sdk};
use domain_events_local::{Options, Stack, create_outbox_table};
use domain_events_outbox::sqlx::SqlitePool;
use domain_events_outbox::{DynamoDbOutbox, OutboxPut as _, OutboxRows as _, SqliteOutbox};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const TABLE: &str = "orders-outbox";

#[derive(Serialize, DomainEvent)]
struct OrderPlaced {
    #[event(id)]
    order_id: String,
}

async fn sdk(stack: &Stack) -> Sdk {
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("shop").unwrap());
    sdk.sqs_client(stack.sqs_client()).build().await.unwrap()
}

/// A stack with a row in a DynamoDB outbox.
async fn with_row(order_id: &str) -> (Stack, DynamoDbOutbox) {
    let stack = Stack::start(Options::default()).await.unwrap();
    let client = stack.dynamodb_client();
    create_outbox_table(&client, TABLE).await.unwrap();
    let order_id = order_id.to_owned();
    let event = sdk(&stack)
        .await
        .prepare(&OrderPlaced { order_id })
        .unwrap();
    let request = client.transact_write_items();
    let request = request.transact_items(event.outbox_put(TABLE));
    request.send().await.unwrap();
    (stack, DynamoDbOutbox::new(client, TABLE))
}

fn command(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domain-events"));
    command
        .arg("relay")
        .args(arguments)
        .env_clear()
        .envs(stack.environment())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn relay(stack: &Stack, arguments: &[&str]) -> Output {
    command(stack, arguments).output().await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn terminate(child: &Child) {
    let id = child.id().unwrap().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
}

async fn drained(stack: &Stack) -> usize {
    tokio::time::timeout(Duration::from_secs(20), stack.wait_until_drained())
        .await
        .unwrap();
    stack.events().await.unwrap().len()
}

#[tokio::test]
async fn once_sends_all_rows_and_exits() {
    let (stack, outbox) = with_row("order-1").await;
    let output = relay(&stack, &["--outbox", "dynamodb:orders-outbox", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(outbox.backlog().await.unwrap().rows, 0);
    assert_eq!(drained(&stack).await, 1);
    let log = text(&output.stderr).lines().next().unwrap();
    assert!(log.contains(r#""rows":1"#), "{log}");
}

#[tokio::test]
async fn dry_run_lists_rows_and_sends_nothing() {
    let hostile = "order\u{1b}[2J";
    let (stack, outbox) = with_row(hostile).await;
    let put = stack.dynamodb_client().put_item().table_name(TABLE);
    let invalid = aws_sdk_dynamodb::types::AttributeValue::S("no event".into());
    put.item("EventId", invalid).send().await.unwrap();

    let output = relay(&stack, &["--table", TABLE, "--dry-run"]).await;
    assert_eq!(output.status.code(), Some(1), "rows wait");
    let listed = text(&output.stdout);
    assert!(listed.contains("ORDER_PLACED"), "{listed}");
    assert!(listed.contains(r"order\u{1b}[2J"), "{listed}");
    assert!(listed.contains("no event  cannot be sent: "), "{listed}");
    assert!(
        listed.ends_with("2 rows wait in the DynamoDB table orders-outbox\n"),
        "{listed}"
    );
    let output = relay(&stack, &["--table", TABLE, "--dry-run", "--json"]).await;
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().any(|line| line["id"] == hostile), "{lines:?}");
    assert_eq!(outbox.backlog().await.unwrap().rows, 2);
    assert_eq!(drained(&stack).await, 0);
}

#[tokio::test]
async fn relay_runs_until_sigterm_and_measures() {
    let (stack, outbox) = with_row("order-1").await;
    let mut child = command(&stack, &["--table", TABLE]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The row can be sent and deleted before the first measurement has ended.
    let measured_and_sent = async {
        let metric = lines.next_line().await.unwrap().unwrap();
        while outbox.backlog().await.unwrap().rows > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        metric
    };
    let metric = tokio::time::timeout(Duration::from_secs(20), measured_and_sent)
        .await
        .unwrap();
    terminate(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let metric: Value = serde_json::from_str(&metric).unwrap();
    assert_eq!(metric["Outbox"], TABLE);
    assert!(metric["domain_events_outbox_oldest_seconds"].is_f64());
    assert_eq!(drained(&stack).await, 1);
}

#[tokio::test]
async fn rows_of_a_sqlite_database_are_sent() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let file: PathBuf = std::env::temp_dir().join(format!("relay-{}.db", std::process::id()));
    let pool = SqlitePool::connect(&format!("sqlite:{}?mode=rwc", file.display()))
        .await
        .unwrap();
    let outbox = SqliteOutbox::new(pool.clone());
    outbox.migrate().await.unwrap();
    let order_id = "order-1".to_owned();
    let event = sdk(&stack)
        .await
        .prepare(&OrderPlaced { order_id })
        .unwrap();
    let mut transaction = pool.begin().await.unwrap();
    outbox.put(&mut transaction, &event).await.unwrap();
    transaction.commit().await.unwrap();

    let location = format!("sqlite:{}", file.display());
    let output = relay(&stack, &["--outbox", &location, "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(outbox.backlog().await.unwrap().rows, 0);
    assert_eq!(drained(&stack).await, 1);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn sqs_outage_exits_with_3_and_keeps_rows() {
    let (stack, outbox) = with_row("order-1").await;
    let outage = stack.outage();
    let output = relay(&stack, &["--table", TABLE, "--once"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let error = text(&output.stderr);
    assert!(error.contains("run the command again"), "{error}");
    assert_eq!(outbox.backlog().await.unwrap().rows, 1);
    outage.end();
}

#[tokio::test]
async fn unusable_outbox_error_names_it() {
    let stack = Stack::start(Options::default()).await.unwrap();
    for (arguments, code, expected) in [
        (&[][..], 2, "--outbox"),
        (&["--outbox", "orders"], 2, "use dynamodb:TABLE"),
        (
            &["--outbox", "sqlite:/absent.db", "--once"],
            3,
            "/absent.db does not exist",
        ),
        (&["--table", "absent", "--once"], 3, "table absent: "),
    ] {
        let output = relay(&stack, arguments).await;
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}
