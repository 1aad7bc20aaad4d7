//! An SQS endpoint that follows a script and records its requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Respond with HTTP 200. The entries at these positions fail, with this code and this
    /// value of `SenderFault`.
    Respond(Vec<(usize, &'static str, bool)>),
    /// Respond with an error for the whole request.
    Error(u16, &'static str),
    /// Accept all entries, and respond with HTTP 200 and this body.
    AcceptThenBody(&'static str),
    /// Accept all entries, and never respond.
    AcceptThenHang,
    /// Accept all entries, and close the connection without a response.
    AcceptThenCut,
    /// Close the connection and accept nothing.
    Cut,
    /// Accept all, and send this part of the response: with the length of the whole, or
    /// with the length of the part.
    Truncate { bytes: usize, is_whole: bool },
}

/// One entry of a request.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) body: Value,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

impl Entry {
    pub(crate) fn event_ids(&self) -> Vec<String> {
        let events = match &self.body {
            Value::Array(events) => events.clone(),
            one => vec![one.clone()],
        };
        let id = |event: &Value| event["EventId"].as_str().unwrap().to_owned();
        events.iter().map(id).collect()
    }
}

#[derive(Default)]
struct Seen {
    requests: Vec<usize>,
    /// The head and the body of each request.
    texts: Vec<(String, Vec<u8>)>,
    accepted: Vec<Entry>,
}

type Script = dyn Fn(usize, &[Entry]) -> Act + Send + Sync;

/// A running endpoint. It stops when its runtime is dropped.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Endpoint {
    /// Starts an endpoint. `script` receives the number of the request, starting at 0, and
    /// its entries.
    pub(crate) async fn start(
        script: impl Fn(usize, &[Entry]) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
        };
        let (seen, script): (_, Arc<Script>) = (endpoint.seen.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, seen.clone(), script.clone()));
            }
        });
        endpoint
    }

    pub(crate) async fn good() -> Self {
        Self::start(|_, _| Act::Respond(vec![])).await
    }

    /// The number of entries in each request, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<usize> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// The head of each request, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let heads = seen.texts.iter();
        heads.map(|(head, _)| head.to_ascii_lowercase()).collect()
    }

    /// The head and the body of each request.
    pub(crate) fn texts(&self) -> Vec<(String, Vec<u8>)> {
        self.seen.lock().unwrap().texts.clone()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn accepted(&self) -> Vec<Entry> {
        self.seen.lock().unwrap().accepted.clone()
    }

    pub(crate) fn accepted_ids(&self) -> Vec<String> {
        self.accepted().iter().flat_map(Entry::event_ids).collect()
    }

    pub(crate) fn client(&self) -> aws_sdk_sqs::Client {
        client(&self.url)
    }
}

/// A client as an application would configure it, but with shorter timeouts.
pub(crate) fn client(url: &str) -> aws_sdk_sqs::Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_millis(300))
        .build();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(url)
        .retry_config(retries)
        .timeout_config(timeouts);
    aws_sdk_sqs::Client::from_conf(config.build())
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read(&mut stream, &mut buffer).await {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
        let entries: Vec<Entry> = request["Entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| Entry {
                text: entry["MessageBody"].as_str().unwrap().to_owned(),
                body: serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap(),
                group: text(entry, "MessageGroupId"),
                deduplication: text(entry, "MessageDeduplicationId"),
            })
            .collect();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(entries.len());
            seen.texts.push((head, body));
            seen.requests.len() - 1
        };
        let act = script(number, &entries);
        let accept = |entries: Vec<Entry>| seen.lock().unwrap().accepted.extend(entries);
        let accept_all = matches!(act, Act::Truncate { .. }).then(Vec::new);
        let (status, response) = match accept_all.map_or(act.clone(), Act::Respond) {
            Act::Truncate { .. } | Act::Cut => return,
            Act::AcceptThenCut => return accept(entries),
            Act::AcceptThenHang => {
                accept(entries);
                return std::future::pending().await;
            }
            Act::Error(status, code) => {
                let kind = format!("com.amazonaws.sqs#{code}");
                let error = json!({"__type": kind, "message": "scripted error"});
                (status, error.to_string())
            }
            Act::AcceptThenBody(body) => {
                accept(entries);
                (200, body.to_owned())
            }
            Act::Respond(failures) => {
                let (mut good, mut bad, mut taken) = (vec![], vec![], vec![]);
                for (pointer, entry) in entries.into_iter().enumerate() {
                    let id = &request["Entries"][pointer]["Id"];
                    match failures.iter().find(|(at, ..)| *at == pointer) {
                        Some((_, "Unmentioned", _)) => {}
                        Some((_, code, fault)) => bad.push(json!({
                            "Id": id, "SenderFault": fault, "Code": code,
                            "Message": "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
                        })),
                        None => {
                            good.push(json!({
                                "Id": id, "MessageId": format!("m-{number}-{pointer}"),
                                "MD5OfMessageBody": "", "SequenceNumber": "18870000000000000000",
                            }));
                            taken.push(entry);
                        }
                    }
                }
                accept(taken);
                (200, json!({"Successful": good, "Failed": bad}).to_string())
            }
        };
        let mut response = response;
        let mut length = response.len();
        if let Act::Truncate { bytes, is_whole } = act {
            response.truncate(bytes);
            length = if is_whole { response.len() } else { length };
        }
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
        );
        let sent = stream.write_all((head + &response).as_bytes()).await;
        if sent.is_err() || response.len() < length {
            return;
        }
    }
}

/// Reads one request: its head and its body. Returns `None` at the end of
/// the connection.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        let end = buffer.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end.map(|at| at + 4) {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length:").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
            if buffer.len() >= end + length {
                let rest = buffer.split_off(end + length);
                let request = std::mem::replace(buffer, rest);
                return Some((head, request[end..].to_vec()));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
