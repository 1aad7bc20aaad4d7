//! A proxy in front of an endpoint that injects faults.

#![allow(dead_code, reason = "not every test binary uses all of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request. The script may change its body.
pub(crate) struct Request {
    /// Its number, from 0.
    pub(crate) number: u64,
    /// The operation in `X-Amz-Target`.
    pub(crate) operation: String,
    pub(crate) body: Vec<u8>,
}

/// Changes the body of a response.
pub(crate) type Change = Box<dyn FnOnce(Vec<u8>) -> Vec<u8> + Send>;

/// The fault that is injected into a request.
pub(crate) enum Fault {
    /// The request is executed.
    None,
    /// The request is executed after this delay.
    Delay(Duration),
    /// The connection is cut before the request is executed.
    CutBefore,
    /// The request is executed, and the connection is cut before the response.
    CutAfter,
    /// The request is executed, and the connection is cut within the response.
    Truncate,
    /// The request is executed twice, and the second response is returned.
    Twice,
    /// The request is not executed, and this status and body are returned.
    Respond(u16, &'static str),
    /// The request is executed, and its response is changed.
    Change(Change),
}

/// DynamoDB throttles the whole request.
pub(crate) const THROTTLED: Fault = Fault::Respond(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#,
);

type Script = Box<dyn FnMut(&mut Request) -> Fault + Send>;

pub(crate) struct Proxy {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream` (`http://host:port`). `script` chooses the fault
    /// of each request.
    pub(crate) async fn start(
        upstream: &str,
        script: impl FnMut(&mut Request) -> Fault + Send + 'static,
    ) -> Self {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let mut tasks = JoinSet::new();
        let counter = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (script, counter) = (Arc::clone(&script), Arc::clone(&counter));
                connections.spawn(async move {
                    // Cut connections are expected here.
                    let _ = relay(client, upstream, &script, &counter).await;
                });
            }
        });
        Self {
            address,
            requests,
            tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Stops the proxy. New connections are refused.
    pub(crate) async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

async fn relay(
    client: TcpStream,
    upstream: SocketAddr,
    script: &Mutex<Script>,
    counter: &AtomicU64,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(TcpStream::connect(upstream).await?);
    server.get_ref().set_nodelay(true)?;
    loop {
        let Message { head, body } = receive(&mut client).await?;
        let mut request = Request {
            number: counter.fetch_add(1, Ordering::Relaxed),
            operation: header(&head, "x-amz-target")
                .and_then(|target| target.rsplit('.').next())
                .unwrap_or_default()
                .to_owned(),
            body,
        };
        let fault = (script.lock().unwrap())(&mut request);
        match fault {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::CutBefore => return Ok(()),
            Fault::Respond(status, text) => {
                let head = format!(
                    "HTTP/1.1 {status} scripted\r\ncontent-type: application/x-amz-json-1.0\r\n\r\n"
                );
                send(&mut client, &head, text.as_bytes()).await?;
                continue;
            }
            _ => {}
        }
        send(&mut server, &head, &request.body).await?;
        let mut response = receive(&mut server).await?;
        match fault {
            Fault::CutAfter => return Ok(()),
            Fault::Truncate => {
                let half = response.body.len() / 2;
                let head = with_length(&response.head, response.body.len());
                client.write_all(head.as_bytes()).await?;
                return client.write_all(&response.body[..half]).await;
            }
            Fault::Twice => {
                send(&mut server, &head, &request.body).await?;
                response = receive(&mut server).await?;
            }
            Fault::Change(change) => response.body = change(response.body),
            _ => {}
        }
        send(&mut client, &response.head, &response.body).await?;
    }
}

/// An HTTP message that states its length.
struct Message {
    head: String,
    body: Vec<u8>,
}

async fn receive(stream: &mut BufReader<TcpStream>) -> std::io::Result<Message> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Message { head, body })
}

async fn send(stream: &mut BufReader<TcpStream>, head: &str, body: &[u8]) -> std::io::Result<()> {
    let mut message = with_length(head, body.len()).into_bytes();
    message.extend_from_slice(body);
    stream.write_all(&message).await
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut named = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}

/// Adapts the head to a changed body: sets the length, and removes the checksum of the
/// original body.
fn with_length(head: &str, length: usize) -> String {
    let stale = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        ["content-length", "x-amz-crc32"].contains(&&*name.to_ascii_lowercase())
    };
    let kept = head.trim_end().lines().filter(|line| !stale(line));
    let mut head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    head.push_str(&format!("content-length: {length}\r\n\r\n"));
    head
}
