//! A proxy in front of an endpoint, which spoils requests as a test wants.

#![allow(dead_code, reason = "not every test binary that has it uses all of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as it came. The script may change its body.
pub(crate) struct Request {
    /// Its number, from 0.
    pub(crate) number: u64,
    /// What stands in `X-Amz-Target` behind the dot.
    pub(crate) operation: String,
    pub(crate) body: Vec<u8>,
}

/// Changes the body of an answer.
pub(crate) type Change = Box<dyn FnOnce(Vec<u8>) -> Vec<u8> + Send>;

/// What happens to a request.
pub(crate) enum Fault {
    /// It is carried out.
    None,
    /// It is carried out after this time.
    Delay(Duration),
    /// The connection is cut before it is carried out.
    CutBefore,
    /// It is carried out, and the connection is cut before the answer.
    CutAfter,
    /// It is carried out, and the connection is cut within the answer.
    Truncate,
    /// It is carried out twice; the second answer is given.
    Twice,
    /// It is answered with this status and body, and not carried out.
    Answer(u16, &'static str),
    /// It is carried out, and its answer changed.
    Change(Change),
}

/// Whole-request throttling, as DynamoDB says it.
pub(crate) const THROTTLED: Fault = Fault::Answer(
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
    /// A proxy in front of `upstream` (`http://host:port`). `script` is asked
    /// for each request.
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
                    // A cut connection is what this is for.
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

    /// How many requests came.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Stops answering: new connections are refused.
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
            Fault::Answer(status, text) => {
                let head = format!(
                    "HTTP/1.1 {status} scripted\r\ncontent-type: application/x-amz-json-1.0\r\n\r\n"
                );
                send(&mut client, &head, text.as_bytes()).await?;
                continue;
            }
            _ => {}
        }
        send(&mut server, &head, &request.body).await?;
        let mut answer = receive(&mut server).await?;
        match fault {
            Fault::CutAfter => return Ok(()),
            Fault::Truncate => {
                let half = answer.body.len() / 2;
                let head = with_length(&answer.head, answer.body.len());
                client.write_all(head.as_bytes()).await?;
                return client.write_all(&answer.body[..half]).await;
            }
            Fault::Twice => {
                send(&mut server, &head, &request.body).await?;
                answer = receive(&mut server).await?;
            }
            Fault::Change(change) => answer.body = change(answer.body),
            _ => {}
        }
        send(&mut client, &answer.head, &answer.body).await?;
    }
}

/// One HTTP message whose length is told.
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

/// The head for a body of this length, and without a checksum of another one.
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
