//! The embedded endpoints in a process of their own, and the CPU time of this one.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain_events_local::{Options, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Runs the endpoints until the process is killed. It prints their environment, and with
/// `counted` the number of requests so far for each line of the input.
pub async fn serve(counted: bool) {
    let stack = Stack::start(Options {
        pollers: 0,
        ..Options::default()
    })
    .await
    .unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let mut variables = Vec::new();
    for (name, mut value) in stack.environment() {
        if counted && name.starts_with("AWS_ENDPOINT_URL") {
            value = counting_proxy(&value, requests.clone()).await;
        }
        variables.push(format!("{name}={value}"));
    }
    println!("{}", variables.join(" "));
    std::io::stdout().flush().unwrap();
    if !counted {
        std::future::pending::<()>().await;
    }
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lines() {
            println!("{}", requests.load(Ordering::Relaxed));
            std::io::stdout().flush().unwrap();
        }
    })
    .await
    .unwrap();
}

/// A proxy in front of `endpoint` that counts responses.
async fn counting_proxy(endpoint: &str, requests: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = endpoint.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(relay(near, far, requests.clone()));
        }
    });
    url
}

async fn relay(near: TcpStream, far: TcpStream, requests: Arc<AtomicUsize>) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut near_in, &mut far_out).await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = far_in.read(&mut buffer).await {
        // A response begins with its status line; other reads continue it.
        if buffer.starts_with(b"HTTP/1.1") {
            requests.fetch_add(1, Ordering::Relaxed);
        }
        if near_out.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// The process of the endpoints.
pub struct Remote {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
    pub environment: HashMap<String, String>,
}

impl Remote {
    pub fn start(counted: bool) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["serve", if counted { "counted" } else { "direct" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let variables = line.trim().split(' ').map(|variable| {
            let (name, value) = variable.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        Self {
            environment: variables.collect(),
            process,
            lines,
        }
    }

    /// The number of requests so far; only of counted endpoints.
    pub fn requests(&mut self) -> usize {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The CPU time of this process, with all its threads.
pub fn cpu() -> Duration {
    let mut total = 0;
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = thread.unwrap().path().join("schedstat");
        // A thread may end meanwhile. The cases start all their threads before they measure.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        total += text
            .split(' ')
            .next()
            .and_then(|nanos| nanos.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Duration::from_nanos(total)
}
