//! Incorrect set-ups. Each message of the command and of the SDK names the cause, the object
//! (queue, table, folder, variable, region) and the next step.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions; child processes print"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use domain_events::{Emitter, EntityId, Envelope, EventStore, EventType, Sdk};
use domain_events_local::{Options, Stack};
use futures::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

/// One incorrect set-up. `{NAME}` in the texts stands for a value of [`World`].
struct Row {
    /// The arguments of the command. `sdk` and `store` are not commands: they run the child
    /// tests below, which use the SDK in the same way as a service does.
    run: &'static str,
    /// `NAME=value` sets a variable, and `NAME` alone removes it.
    environment: &'static [&'static str],
    exit_code: i32,
    cause: &'static str,
    object: &'static str,
    next: &'static str,
}

const fn row(
    run: &'static str,
    environment: &'static [&'static str],
    exit_code: i32,
    [cause, object, next]: [&'static str; 3],
) -> Row {
    Row {
        run,
        environment,
        exit_code,
        cause,
        object,
        next,
    }
}

/// Text of an input. No message may contain it.
const SECRET: &str = "alice@example.com";
const NO_KEYS: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const NO_REGION: &[&str] = &["AWS_REGION", "AWS_DEFAULT_REGION"];
const SQS_DOWN: &[&str] = &[
    "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9",
    "EVENT_QUEUE_URL=http://127.0.0.1:9/000000000000/events",
    "DEAD_LETTER_QUEUE_URL=http://127.0.0.1:9/000000000000/dead",
];
const EXPIRED: &[&str] = &[
    "AWS_ENDPOINT_URL_SQS={EXPIRED}",
    "AWS_ENDPOINT_URL_DYNAMODB={EXPIRED}",
];
const DENIED: &[&str] = &[
    "AWS_ENDPOINT_URL_SQS={DENIED}",
    "AWS_ENDPOINT_URL_DYNAMODB={DENIED}",
];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // The queue of the command.
    row("emit --type A --id 1", &["EVENT_QUEUE_URL"], 2, ["no queue is given", "EVENT_QUEUE_URL", "give --queue-url"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL="], 2, ["no queue is given", "EVENT_QUEUE_URL", "give --env-file FILE"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL=orders"], 2, ["is not a URL", "EVENT_QUEUE_URL (--queue-url) is \"orders\"", "`aws sqs get-queue-url"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL=arn:aws:sqs:eu-west-1:123456789012:orders"], 2, ["is an ARN", "EVENT_QUEUE_URL", "give the queue's URL, https://sqs.eu-west-1.amazonaws.com/123456789012/orders"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL=https://s3.eu-west-1.amazonaws.com/123456789012/orders"], 2, ["belongs to AWS and not to SQS", "EVENT_QUEUE_URL (--queue-url) is \"https://s3.eu-west-1", "give the URL of a queue, for example https://sqs."]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL={QUEUE}-missing"], 3, ["NonExistentQueue", "queue events-missing (http://127.0.0.1", "check the queue URL, its region"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL={QUEUE}.fifo"], 3, ["NonExistentQueue", "queue events.fifo", "check the queue URL"]),
    row("emit --type A --id 1", &["EVENT_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/orders"], 3, ["NonExistentQueue", "queue orders (eu-west-1)", "the account of the AWS credentials"]),
    row("emit --type A --id 1", NO_REGION, 2, ["no AWS region is known", "queue events", "set AWS_REGION"]),
    row("emit --type A --id 1", NO_KEYS, 2, ["no AWS credentials were found", "queue events", "set AWS_PROFILE, or AWS_ACCESS_KEY_ID"]),
    row("emit --type A --id 1", &["AWS_ENDPOINT_URL_SQS=127.0.0.1:9324"], 2, ["must start with https://", "AWS_ENDPOINT_URL_SQS", "http://"]),
    row("emit --type A --id 1", SQS_DOWN, 3, ["connection refused", "queue events (http://127.0.0.1:9)", "check the network, the queue URL and AWS_ENDPOINT_URL_SQS"]),
    row("emit --type A --id 1", EXPIRED, 3, ["ExpiredToken", "queue events", "renew the AWS credentials"]),
    row("emit --type A --id 1", DENIED, 3, ["AccessDenied", "queue events", "grant sqs:SendMessage on the queue"]),
    // Arguments and files.
    row("emit --type order.placed --id 1", &[], 2, ["INVALID_VALUE", "/EventType", "must be of the form EVENT_EXAMPLE"]),
    row("emit --type A --id 1 --data {", &[], 2, ["is not JSON", "--data", "for example --data '{\"cents\": 4990}'"]),
    row("emit {DIR}/missing", &[], 2, ["No such file", "/missing", "check the path"]),
    row("emit {BAD}", &[], 2, ["MISSING_FIELD", "line 1", "`domain-events check` prints every fault); correct them"]),
    row("check {DIR}", &[], 2, ["is a directory", "{DIR}", "give a file"]),
    row("import {BAD}", &[], 2, ["MISSING_FIELD", "line 1", "`domain-events check`"]),
    row("export {BAD}", &[], 2, ["already exists", "{BAD}", "choose another path"]),
    row("export {DIR}/none/file", &[], 2, ["No such file", "{DIR}/none/file", "check the path"]),
    row("history 7 --since soon", &[], 2, ["invalid value 'soon'", "--since", "expected a time such as"]),
    row("--env-file {DIR}/missing.env history 7", &[], 2, ["No such file", "missing.env", "check the path"]),
    row("--env-file {BAD} history 7", &[], 2, ["not of the form NAME=value", "line 1 of {BAD}", "write one variable per line"]),
    row("histroy 7", &[], 2, ["unrecognized subcommand", "histroy", "a similar subcommand exists: 'history'"]),
    row("schema check {DIR}/missing", &[], 2, ["No such file", "/missing", "check the path"]),
    row("schema check {BAD}", &[], 2, ["is not a document of events", "the input", "print_document"]),
    row("schema check {TEXT}", &[], 2, ["a field is missing, unknown or of another type", "line 1", "print_document"]),
    row("schema check -- /no/such", &[], 3, ["cannot be started", "/no/such", "check that it is installed"]),
    // The table of the command.
    row("history 7", &["EVENT_TABLE"], 2, ["no table is given", "EVENT_TABLE", "give --table"]),
    row("history 7", &["EVENT_TABLE=my events"], 2, ["3 to 255 of the characters", "EVENT_TABLE (--table) is \"my events\"", "set it to the name"]),
    row("history 7", &["EVENT_TABLE=missing"], 3, ["ResourceNotFound", "table \"missing\" in region us-east-1", "check the name of the table (EVENT_TABLE)"]),
    row("history 7", &["EVENT_TABLE=other-keys"], 3, ["Validation", "table \"other-keys\" in region us-east-1", "hash key ID (a string) and the sort key Timestamp"]),
    row("relay", &[], 2, ["no outbox is given", "EVENT_OUTBOX or EVENT_OUTBOX_TABLE", "give --outbox PLACE"]),
    row("export", &["EVENT_TABLE=missing"], 3, ["ResourceNotFound", "scanning table \"missing\"", "AWS_REGION"]),
    row("by-type A", &["EVENT_TABLE=no-index"], 3, ["index", "index \"by-type\" of table \"no-index\"", "create the index"]),
    row("trace c", &["EVENT_TABLE=no-index"], 3, ["index", "index \"by-correlation\" of table \"no-index\"", "create the index (the Terraform variable correlation_index)"]),
    row("by-type A", &["EVENT_INDEX_SHARDS"], 2, ["without the index", "index by event type", "set EVENT_INDEX_SHARDS"]),
    row("by-type A", &["EVENT_INDEX_SHARDS=many"], 2, ["whole number from 1 to 65,535", "EVENT_INDEX_SHARDS (--index-shards) is \"many\"", "the number that the consumer uses"]),
    row("by-type A", &["EVENT_INDEX_SHARDS=0"], 2, ["whole number from 1", "EVENT_INDEX_SHARDS", "set it to"]),
    row("by-type SHARDED", &[], 2, ["but this store reads 1 shards", "table \"events\" contains SHARDED events in shard 1", "set EVENT_INDEX_SHARDS"]),
    row("by-type order.placed", &[], 2, ["INVALID_VALUE", "/EventType", "must be of the form"]),
    row("history 7", NO_REGION, 2, ["no AWS region is set", "AWS_REGION", "set AWS_REGION, choose a profile"]),
    row("history 7", NO_KEYS, 2, ["no AWS credentials were found", "AWS_PROFILE", "give the process a role"]),
    row("history 7", &["AWS_ENDPOINT_URL_DYNAMODB=localhost:8000"], 2, ["must start with https://", "AWS_ENDPOINT_URL_DYNAMODB is \"localhost:8000\"", "or http://"]),
    row("history 7", &["AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:9"], 3, ["connection refused", "table \"events\" in region us-east-1", "check the network"]),
    row("history 7", EXPIRED, 3, ["ExpiredToken", "table \"events\"", "renew the credentials"]),
    row("history 7", DENIED, 3, ["AccessDenied", "table \"events\" in region us-east-1", "grant dynamodb:Query on the table"]),
    // Rejected messages, and the copy to another queue.
    row("rejected pull --to {DIR}/letters", &["DEAD_LETTER_QUEUE_URL"], 2, ["no dead-letter queue is given", "DEAD_LETTER_QUEUE_URL", "give --dead-letter-queue-url"]),
    row("rejected pull --to {DIR}/letters", &["DEAD_LETTER_QUEUE_URL={QUEUE}-missing"], 3, ["NonExistentQueue", "receiving from the queue events-missing", "check the queue URL"]),
    row("rejected pull --to {DIR}/letters", EXPIRED, 3, ["ExpiredToken", "the queue events-dead-letters", "renew the AWS credentials"]),
    row("rejected pull --to {DIR}/letters", DENIED, 3, ["AccessDenied", "the queue events-dead-letters", "grant sqs:ReceiveMessage"]),
    row("rejected pull --to {BAD}", &[], 2, ["File exists", "{BAD}", "choose another path"]),
    row("rejected pull --to /proc/letters", &[], 2, ["No such file", "/proc/letters", "check the path"]),
    row("rejected list {DIR}/none", &[], 2, ["there is no folder", "{DIR}/none", "`domain-events rejected pull --to"]),
    row("rejected show {DIR} zz", &[], 2, ["no message whose id begins with", "{DIR}", "`domain-events rejected list"]),
    row("rejected push {LETTERS} --set EventType", &[], 2, ["give a JSON pointer and a value", "--set is \"EventType\"", "for example --set /EventType=ORDER_PLACED"]),
    row("rejected push {LETTERS} --set /ID=7", &[], 2, ["no message in", "{LETTERS}", "`domain-events rejected list"]),
    row("replay --to arn:aws:sqs:eu-west-1:123456789012:staging", &[], 2, ["is an ARN", "--to", "give the queue's URL"]),
    row("replay --to {QUEUE}", &[], 2, ["every event would be a duplicate", "EVENT_QUEUE_URL", "give another queue"]),
    row("replay --to {QUEUE}-missing --dry-run=false", &[], 3, ["NonExistentQueue", "the queue events-missing", "check the queue URL"]),
    // The embedded stack.
    row("local --no-page --dynamodb-port 0 --sqs-port {PORT}", &[], 3, ["Address already in use", "(--sqs-port, --host): cannot listen on 127.0.0.1:{PORT} for SQS", "choose another port"]),
    row("local --no-page --dynamodb-port 0 --sqs-port 0 --host 192.0.2.1", &[], 3, ["Cannot assign requested address", "192.0.2.1", "choose an address of this machine"]),
    row("local --no-page --dynamodb-port 0 --sqs-port 0 --data {DATA}", &[], 3, ["another process", "{DATA}", "that no other stack uses"]),
    row("local --no-page --dynamodb-port 0 --sqs-port 0 --data {BAD}", &[], 3, ["File exists", "(--data): cannot use the data folder {BAD}", "give a folder that can be written"]),
    row("local --no-page --dynamodb-port 0 --sqs-port 0 --retention forever", &[], 2, ["retention rule \"forever\"", "EVENT_RETENTION", "expected EVENT_TYPE=30d"]),
    row("local --no-page --dynamodb-port 0 --sqs-port 0 --env-file {BAD}", &[], 2, ["did not write it", "{BAD}", "choose another file"]),
    // The worker.
    row("worker", &["EVENT_TABLE"], 2, ["is not set", "EVENT_TABLE", "set it to the name of the DynamoDB table"]),
    row("worker", &["DEAD_LETTER_QUEUE_URL={QUEUE}"], 2, ["received again and again", "DEAD_LETTER_QUEUE_URL is the same as EVENT_QUEUE_URL", "set it to the URL of another queue"]),
    row("worker", &["EVENT_INDEX_SHARDS=many"], 2, ["is \"many\"", "EVENT_INDEX_SHARDS", "set it to a whole number from 1"]),
    row("worker", &["EVENT_WORKER_POLLERS=0"], 2, ["is \"0\"", "EVENT_WORKER_POLLERS", "from 1 to 64"]),
    row("worker", &["EVENT_QUEUE_URL={QUEUE}-missing"], 3, ["NonExistentQueue", "events-missing (EVENT_QUEUE_URL) cannot be used in region us-east-1", "create it, or correct"]),
    row("worker", &["EVENT_TABLE=other-keys"], 3, ["Validation", "the table other-keys (EVENT_TABLE)", "use a table whose hash key is ID"]),
    row("worker", NO_REGION, 3, ["no AWS region is set", "AWS_REGION", "the region of the queue and the table"]),
    row("worker", NO_KEYS, 3, ["no AWS credentials were found", "AWS_PROFILE", "give the process a role"]),
    row("worker", EXPIRED, 3, ["ExpiredToken", "the table events (EVENT_TABLE)", "check the AWS credentials"]),
    // The SDK in a service.
    row("sdk", &["EVENT_QUEUE_URL", "EVENT_EMITTER_ID"], 1, ["is not set", "EVENT_EMITTER_ID", "give the name of this service"]),
    row("sdk", &["EVENT_QUEUE_URL=orders"], 1, ["is not a URL", "EVENT_QUEUE_URL is \"orders\"", "`aws sqs get-queue-url"]),
    row("sdk", NO_REGION, 1, ["no AWS region is known", "queue URL", "set AWS_REGION"]),
    row("sdk", NO_KEYS, 1, ["no AWS credentials were found", "AWS_ACCESS_KEY_ID", "give the process a role"]),
    row("sdk", &["EVENT_QUEUE_URL={QUEUE}-missing"], 1, ["NonExistentQueue", "queue events-missing", "check the queue URL"]),
    row("sdk", &["EVENT_QUEUE_URL={QUEUE}.fifo"], 1, ["NonExistentQueue", "queue events.fifo", "check the queue URL"]),
    row("sdk", EXPIRED, 1, ["ExpiredToken", "queue events", "renew the AWS credentials"]),
    row("sdk", DENIED, 1, ["AccessDenied", "queue events", "grant sqs:SendMessage"]),
    row("sdk", SQS_DOWN, 1, ["connection refused", "queue events (http://127.0.0.1:9)", "check the network"]),
    row("sdk", &["SPOOL=/proc/spool"], 1, ["No such file", "/proc/spool", "give a folder that this process can create"]),
    row("sdk", &["SPOOL={SPOOL}"], 1, ["another publisher", "{SPOOL}", "separate folder for each publisher"]),
    row("store", &["EVENT_TABLE"], 1, ["is not set", "EVENT_TABLE", "set it to the name of the DynamoDB table"]),
    row("store", &["EVENT_INDEX_SHARDS=0"], 1, ["is \"0\"", "EVENT_INDEX_SHARDS", "from 1 to 65,535"]),
    row("store", &["EVENT_TABLE=missing"], 1, ["ResourceNotFound", "table \"missing\" in region us-east-1", "check the name of the table"]),
    row("store", &["EVENT_TABLE=other-keys", "EVENT_INDEX_SHARDS"], 1, ["key", "table \"other-keys\" in region us-east-1", "needs a table with the hash key ID"]),
    row("store", &["EVENT_TABLE=no-index"], 1, ["index", "table \"no-index\"", "create the index"]),
    row("store", DENIED, 1, ["AccessDenied", "table \"events\"", "grant dynamodb:"]),
];

/// The values of the placeholders in the rows.
type World = BTreeMap<&'static str, String>;

fn filled(text: &str, world: &World) -> String {
    world.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_has_cause_object_and_next_step() {
    assert!(ROWS.len() >= 40);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("errors");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("empty-letters")).unwrap();
    fs::write(path("bad"), "{\"a\":1}\n").unwrap();
    fs::write(path("text"), format!("\"{SECRET}\"\n")).unwrap();
    let stack = Stack::start(Options {
        data: Some(path("data").into()),
        ..Options::default()
    })
    .await
    .unwrap();
    fill(&stack).await;
    // This process uses the spool.
    let spooling = Sdk::builder(stack.queue_url(), Emitter::system("tests").unwrap())
        .sqs_client(stack.sqs_client())
        .spool(path("spool"))
        .build()
        .await
        .unwrap();
    let world = World::from([
        ("DIR", folder.to_str().unwrap().to_owned()),
        ("BAD", path("bad")),
        ("TEXT", path("text")),
        ("LETTERS", path("empty-letters")),
        ("DATA", path("data")),
        ("SPOOL", path("spool")),
        ("QUEUE", stack.queue_url()),
        (
            "PORT",
            stack.sqs_endpoint().rsplit_once(':').unwrap().1.to_owned(),
        ),
        (
            "EXPIRED",
            refusing(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )
            .await,
        ),
        (
            "DENIED",
            refusing(
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/u is not authorized",
            )
            .await,
        ),
    ]);
    let mut failures = String::new();
    for row in ROWS {
        let (code, text) = run(row, &stack, &world).await;
        let missing: Vec<String> = [row.cause, row.object, row.next]
            .iter()
            .map(|part| filled(part, &world))
            .filter(|part| !text.contains(part.as_str()))
            .collect();
        assert!(!text.contains(SECRET), "{}: {text}", row.run);
        if code != Some(row.exit_code) || !missing.is_empty() {
            failures += &format!(
                "{} {:?}: exit code {code:?}, expected {}; missing {missing:?} in\n{text}\n",
                row.run, row.environment, row.exit_code
            );
        }
    }
    assert!(failures.is_empty(), "{failures}");
    drop(spooling);
    stack.stop().await;
}

/// Runs a row, and returns its exit code and all of its output.
async fn run(row: &Row, stack: &Stack, world: &World) -> (Option<i32>, String) {
    let mut command = match row.run {
        "sdk" | "store" => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([
                &format!("child_{}", row.run),
                "--exact",
                "--ignored",
                "--nocapture",
            ]);
            command
        }
        arguments => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_domain-events"));
            // Only the placeholders may contain spaces.
            command.args(arguments.split(' ').map(|argument| filled(argument, world)));
            command
        }
    };
    command
        .env_clear()
        .envs(stack.environment())
        .env("EVENT_EMITTER_ID", "tests")
        // No configuration of this machine provides credentials or a region.
        .envs([
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]);
    for variable in row.environment {
        match variable.split_once('=') {
            Some((name, value)) => command.env(name, filled(value, world)),
            None => command.env_remove(variable),
        };
    }
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
    let Ok(output) = output.await else {
        return (None, "it did not end".to_owned());
    };
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    let code = match row.run {
        // The exit code of a test binary differs from the exit code of a service.
        "sdk" | "store" => Some(1),
        _ => output.status.code(),
    };
    (code, String::from_utf8(text).unwrap())
}

/// Emits an event with the settings in the environment.
#[tokio::test]
#[ignore = "a child of the test above"]
async fn child_sdk() {
    let sdk = match std::env::var("SPOOL") {
        Ok(folder) => {
            let url = std::env::var("EVENT_QUEUE_URL").unwrap();
            let emitter = Emitter::system("tests").unwrap();
            Sdk::builder(url, emitter).spool(folder).build().await
        }
        Err(_) => Sdk::from_env().await,
    };
    let sdk = match sdk {
        Ok(sdk) => sdk,
        Err(error) => return println!("{error}"),
    };
    if let Err(error) = sdk.emit_envelope(envelope("EVENT_TEST")).await {
        println!("{error}");
    }
}

/// Checks and reads the table that the environment names.
#[tokio::test]
#[ignore = "a child of the test above"]
async fn child_store() {
    match EventStore::from_env().await {
        Err(error) => println!("{error}"),
        Ok(store) => {
            if let Err(error) = store.check_table().await {
                println!("{error}");
            }
        }
    }
}

fn envelope(event_type: &str) -> Envelope {
    let id = EntityId::new("7".to_owned()).unwrap();
    let event_type = EventType::new(event_type.to_owned()).unwrap();
    Envelope::builder(event_type, id, Emitter::system("tests").unwrap())
        .build()
        .unwrap()
}

/// Creates the objects that the rows need: two tables that are not event tables, and events in
/// a second shard of the index.
async fn fill(stack: &Stack) {
    create_table(
        stack,
        "other-keys",
        &[("Key", KeyType::Hash, ScalarAttributeType::S)],
    )
    .await;
    let keys = [
        ("ID", KeyType::Hash, ScalarAttributeType::S),
        ("Timestamp", KeyType::Range, ScalarAttributeType::N),
    ];
    create_table(stack, "no-index", &keys).await;
    let writer = EventStore::new(stack.dynamodb_client(), stack.table());
    let writer = writer.with_index_shards(2.try_into().unwrap());
    let events: Vec<Envelope> = (0..40).map(|_| envelope("SHARDED")).collect();
    for outcome in writer.append_all(&events, None).await {
        let _ = outcome.unwrap();
    }
    let stored: Vec<_> = stack.store().history("7").try_collect().await.unwrap();
    assert_eq!(stored.len(), 40);
}

async fn create_table(stack: &Stack, name: &str, keys: &[(&str, KeyType, ScalarAttributeType)]) {
    let mut request = stack
        .dynamodb_client()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind, of) in keys {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(of.clone());
        let key = KeySchemaElement::builder()
            .attribute_name(*name)
            .key_type(kind.clone());
        request = request
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(key.build().unwrap());
    }
    request.send().await.unwrap();
}

/// Starts an endpoint that refuses every request in the same way as AWS refuses invalid
/// credentials, and returns its URL. The embedded stack has no accounts, so it cannot do this.
async fn refusing(code: &'static str, message: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !is_complete(&request) {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&buffer[..read]),
                    }
                }
                let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
                let response = format!(
                    "HTTP/1.1 403 Forbidden\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(response.as_bytes()).await;
            });
        }
    });
    url
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
