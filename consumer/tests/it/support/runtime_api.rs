//! An implementation of the Lambda Runtime API, which invokes the real binary.

#![allow(dead_code, reason = "not every test binary uses all of it")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// The result of an invocation.
#[derive(Debug)]
pub(crate) enum InvocationResult {
    Response(Value),
    Error(Value),
}

#[derive(Default)]
struct Invocations {
    waiting: Mutex<VecDeque<(u64, String, Duration)>>,
    open: Mutex<Vec<(u64, oneshot::Sender<InvocationResult>)>>,
    changed: Notify,
    last: Mutex<u64>,
}

/// The Runtime API of one function.
pub(crate) struct RuntimeApi {
    invocations: Arc<Invocations>,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Self {
        let invocations = Arc::new(Invocations::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(Arc::clone(&invocations));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            invocations,
            address,
            _server: server,
        }
    }

    /// The command that starts the binary as Lambda does.
    pub(crate) fn function(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "consumer")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream");
        command
    }

    /// Invokes the function with an SQS event and a timeout. Returns `None` if there is no
    /// result `grace` after the timeout.
    pub(crate) async fn invoke(
        &self,
        event: &Value,
        timeout: Duration,
        grace: Duration,
    ) -> Option<InvocationResult> {
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut last = self.invocations.last.lock().unwrap();
            *last += 1;
            *last
        };
        self.invocations.open.lock().unwrap().push((number, sender));
        self.invocations
            .waiting
            .lock()
            .unwrap()
            .push_back((number, event.to_string(), timeout));
        self.invocations.changed.notify_one();
        let result = tokio::time::timeout(timeout + grace, receiver).await;
        result.ok().map(|result| result.unwrap())
    }
}

/// A running function.
pub(crate) struct Function {
    api: RuntimeApi,
    process: Child,
    /// The output of the function. It is read continuously, because a full pipe would block
    /// the function.
    output: JoinSet<String>,
}

impl Function {
    /// Starts the binary with this environment.
    pub(crate) async fn start(environment: Vec<(&'static str, String)>) -> Self {
        let api = RuntimeApi::start().await;
        let mut process = api
            .function()
            .envs(environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = JoinSet::new();
        output.spawn(text_of(process.stdout.take().unwrap()));
        output.spawn(text_of(process.stderr.take().unwrap()));
        Self {
            api,
            process,
            output,
        }
    }

    /// Invokes the function with a payload and a timeout.
    pub(crate) async fn invoke(&self, event: &Value, timeout: Duration) -> InvocationResult {
        let grace = Duration::from_secs(20);
        self.api.invoke(event, timeout, grace).await.unwrap()
    }

    /// Ends the function and returns its output.
    pub(crate) async fn output(mut self) -> String {
        self.process.start_kill().unwrap();
        self.output.join_all().await.concat()
    }

    /// The peak memory in bytes (`proc_pid_status(5)`).
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() * 1024
    }
}

async fn text_of(mut pipe: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn next(State(invocations): State<Arc<Invocations>>) -> Response {
    loop {
        let waiting = invocations.waiting.lock().unwrap().pop_front();
        let Some((number, event, timeout)) = waiting else {
            invocations.changed.notified().await;
            continue;
        };
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + timeout;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Lambda-Runtime-Aws-Request-Id", number.to_string()),
            (
                "Lambda-Runtime-Deadline-Ms",
                deadline.as_millis().to_string(),
            ),
            (
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:0:function:consumer".to_owned(),
            ),
            ("Content-Type", "application/json".to_owned()),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        return (headers, event).into_response();
    }
}

async fn response(
    State(invocations): State<Arc<Invocations>>,
    Path(id): Path<u64>,
    body: String,
) -> StatusCode {
    complete(
        &invocations,
        id,
        InvocationResult::Response(serde_json::from_str(&body).unwrap()),
    )
}

async fn error(
    State(invocations): State<Arc<Invocations>>,
    Path(id): Path<u64>,
    body: String,
) -> StatusCode {
    complete(
        &invocations,
        id,
        InvocationResult::Error(serde_json::from_str(&body).unwrap()),
    )
}

fn complete(invocations: &Invocations, id: u64, result: InvocationResult) -> StatusCode {
    let mut open = invocations.open.lock().unwrap();
    let index = open.iter().position(|(number, _)| *number == id).unwrap();
    let _ = open.remove(index).1.send(result);
    StatusCode::ACCEPTED
}
