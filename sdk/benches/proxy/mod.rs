//! A proxy that adds time to each request, and notes which entities were stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When an entity was first in a request that DynamoDB had carried out.
#[derive(Clone, Default)]
pub struct Observed(Arc<Mutex<HashMap<String, Instant>>>);

impl Observed {
    pub fn stored(&self, entity: &str) -> Instant {
        self.0.lock().unwrap()[entity]
    }

    /// Notes every `order-` with its eight digits.
    fn note(&self, request: &[u8]) {
        let now = Instant::now();
        let mut observed = self.0.lock().unwrap();
        for found in String::from_utf8_lossy(request).split("order-").skip(1) {
            let digits = found.get(..8).unwrap_or_default();
            if digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                observed.entry(format!("order-{digits}")).or_insert(now);
            }
        }
    }
}

/// Starts a proxy in front of `endpoint`, and returns its URL.
pub async fn start(endpoint: &str, added: Duration, observed: Option<Observed>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = endpoint.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(relay(near, far, added / 2, observed.clone()));
        }
    });
    url
}

/// A connection carries one request at a time.
async fn relay(
    mut near: TcpStream,
    mut far: TcpStream,
    half: Duration,
    observed: Option<Observed>,
) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    while let Some(request) = read(&mut near).await {
        pause(half).await;
        far.write_all(&request).await.unwrap();
        let Some(response) = read(&mut far).await else {
            return;
        };
        if let Some(observed) = &observed
            && response.starts_with(b"HTTP/1.1 200")
        {
            observed.note(&request);
        }
        pause(half).await;
        if near.write_all(&response).await.is_err() {
            return;
        }
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Reads one message with its head. `None` at the end of the connection.
async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        if let Some(end) = message.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let is_complete = match length {
                Some(length) => message.len() == end + 4 + length.trim().parse::<usize>().unwrap(),
                None => message.ends_with(b"\r\n0\r\n\r\n"),
            };
            if is_complete {
                return Some(message);
            }
        }
        if stream.read_buf(&mut message).await.ok()? == 0 {
            return None;
        }
    }
}
