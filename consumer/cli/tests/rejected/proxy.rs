//! A proxy in front of SQS that holds one request, so that a test can kill the process during
//! the request.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The request to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stall {
    operation: &'static str,
    number: usize,
    carried_out: bool,
}

impl Stall {
    /// The request with this number, before SQS has received it.
    pub(crate) fn before(operation: &'static str, number: usize) -> Self {
        Self {
            operation,
            number,
            carried_out: false,
        }
    }

    /// The request with this number, after SQS has carried it out and before the response.
    pub(crate) fn after(operation: &'static str, number: usize) -> Self {
        Self {
            carried_out: true,
            ..Self::before(operation, number)
        }
    }
}

struct Armed {
    stall: Stall,
    seen: usize,
    reached: Option<oneshot::Sender<()>>,
}

pub(crate) struct Proxy {
    url: String,
    armed: Arc<Mutex<Option<Armed>>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let armed: Arc<Mutex<Option<Armed>>> = Arc::default();
        let shared = armed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, upstream.clone(), shared.clone()));
            }
        });
        Self { url, armed }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Holds a request; the receiver gets a value as soon as it is held.
    pub(crate) fn stall(&self, stall: Stall) -> oneshot::Receiver<()> {
        let (reached, receiver) = oneshot::channel();
        *self.armed.lock().unwrap() = Some(Armed {
            stall,
            seen: 0,
            reached: Some(reached),
        });
        receiver
    }
}

/// Relays the requests of one connection. It stops at the held request, and keeps the
/// connection open.
async fn relay(mut client: TcpStream, upstream: String, armed: Arc<Mutex<Option<Armed>>>) {
    let Ok(mut server) = TcpStream::connect(&upstream).await else {
        return;
    };
    while let Some(request) = message(&mut client).await {
        // With a short visibility timeout, a message whose receiver was killed is soon visible
        // again. The embedded queue needs no long polling to find every message.
        let request = request
            .replace(r#""VisibilityTimeout":120"#, r#""VisibilityTimeout":  1"#)
            .replace(r#""WaitTimeSeconds":2"#, r#""WaitTimeSeconds":0"#);
        let held = armed.lock().unwrap().as_mut().and_then(|armed| {
            let target = format!("AmazonSQS.{}\r\n", armed.stall.operation);
            armed.seen += usize::from(request.contains(&target));
            let hit = request.contains(&target) && armed.seen == armed.stall.number;
            hit.then(|| (armed.stall.carried_out, armed.reached.take()))
        });
        if let Some((false, reached)) = held {
            return hold(client, reached).await;
        }
        if server.write_all(request.as_bytes()).await.is_err() {
            return;
        }
        let Some(response) = message(&mut server).await else {
            return;
        };
        if let Some((true, reached)) = held {
            return hold(client, reached).await;
        }
        if client.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn hold(mut client: TcpStream, reached: Option<oneshot::Sender<()>>) {
    let _ = reached.map(|reached| reached.send(()));
    // Waits until the process is killed.
    let _ = client.read(&mut [0]).await;
}

/// One request or response with its body; `None` at the end of the connection.
async fn message(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 16 * 1024];
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
        // The tests send only text.
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return String::from_utf8(bytes).ok();
        }
    }
}
