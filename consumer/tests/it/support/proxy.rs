//! A proxy in front of an endpoint, which spoils requests as a test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is carried out.
    None,
    /// It is carried out after this time.
    Delay(Duration),
    /// The connection is cut before it is carried out.
    CutBefore,
    /// It is carried out, and the connection is cut before the answer.
    CutAfter,
    /// It is answered with this status and body, and not carried out.
    Answer(u16, &'static str),
}

/// Whole-request throttling, as DynamoDB says it.
pub(crate) const THROTTLED: Fault = Fault::Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#,
);

type Script = Box<dyn FnMut(u64, &str) -> Fault + Send>;

pub(crate) struct Proxy {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of `upstream` (`http://host:port`). `script` is asked
    /// for each request, with its number from 0 and its `X-Amz-Target`.
    pub(crate) async fn start(
        upstream: &str,
        script: impl FnMut(u64, &str) -> Fault + Send + 'static,
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
        let (head, body) = message(&mut client).await?;
        let target = head
            .lines()
            .find_map(|line| {
                line.split_once(": ")
                    .filter(|(n, _)| n.eq_ignore_ascii_case("x-amz-target"))
            })
            .map_or("", |(_, target)| target)
            .to_owned();
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let fault = (script.lock().unwrap())(number, &target);
        match fault {
            Fault::None | Fault::CutAfter => {}
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::CutBefore => return Ok(()),
            Fault::Answer(status, text) => {
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 {status} scripted\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n{text}"
                );
                client.write_all(answer.as_bytes()).await?;
                continue;
            }
        }
        server.write_all(head.as_bytes()).await?;
        server.write_all(&body).await?;
        let (head, body) = message(&mut server).await?;
        if matches!(fault, Fault::CutAfter) {
            return Ok(());
        }
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await?;
    }
}

/// One HTTP message whose length is told.
async fn message(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(n, _)| n.eq_ignore_ascii_case("content-length"))
        })
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
