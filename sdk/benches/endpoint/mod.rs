//! The endpoints of the benchmarks: the embedded endpoint, with or without added latency, and
//! a sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain_events_local::sqs::{Queues, queue_url, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running endpoint. It ends when its runtime or its process ends.
pub struct Endpoint {
    url: String,
    queue: String,
    requests: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Starts the embedded endpoint, in memory, in a separate thread.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.into_std().unwrap();
        let (ready, started) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let queues = Queues::memory();
                queues
                    .create("bench", [("VisibilityTimeout", "30")])
                    .await
                    .unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                let _ = ready.send(());
                serve(listener, queues, std::future::pending())
                    .await
                    .unwrap();
            });
        });
        started.await.unwrap();
        Self {
            url: format!("http://{address}"),
            queue: queue_url(address, "bench"),
            requests: Arc::default(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn queue(&self) -> String {
        self.queue.clone()
    }

    /// Returns the number of requests so far. Only a [`delayed`] endpoint counts them.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Starts a proxy in front of `endpoint` that delays each response by `added`.
pub async fn delayed(endpoint: Endpoint, added: Duration) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = endpoint.url.trim_start_matches("http://").to_owned();
    let requests: Arc<AtomicUsize> = Arc::default();
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(relay(near, far, added, counted.clone()));
        }
    });
    Endpoint {
        url,
        requests,
        ..endpoint
    }
}

async fn relay(near: TcpStream, far: TcpStream, added: Duration, requests: Arc<AtomicUsize>) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut near_in, &mut far_out).await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = far_in.read(&mut buffer).await {
        // A response begins with its status line. Other reads contain the rest of a response.
        if buffer.starts_with(b"HTTP/1.1") {
            requests.fetch_add(1, Ordering::Relaxed);
            if !added.is_zero() {
                tokio::time::sleep(added).await;
            }
        }
        if near_out.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Accepts batches and discards them.
pub struct Sink;

impl Sink {
    pub async fn start() -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(discard(stream, count.clone()));
            }
        });
        Endpoint {
            queue: format!("{url}/1/bench"),
            url,
            requests,
        }
    }
}

async fn discard(mut stream: TcpStream, requests: Arc<AtomicUsize>) {
    let mut buffer = Vec::new();
    loop {
        let head = buffer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text
                .split("content-length:")
                .nth(1)
                .and_then(|t| t.lines().next());
            let length: usize = length.unwrap().trim().parse().unwrap();
            if buffer.len() >= head + length {
                requests.fetch_add(1, Ordering::Relaxed);
                let entries = buffer[head..head + length]
                    .windows(13)
                    .filter(|w| w == b"\"MessageBody\"")
                    .count();
                let good: Vec<String> = (0..entries)
                    .map(|id| format!(r#"{{"Id":"{id}","MessageId":"m","MD5OfMessageBody":""}}"#))
                    .collect();
                let body = format!(r#"{{"Successful":[{}],"Failed":[]}}"#, good.join(","));
                let head_of = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                buffer.drain(..head + length);
                if stream
                    .write_all((head_of + &body).as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
                continue;
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}
