//! The network: transports requests between processes and services, and injects the faults of
//! a plan.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::endpoints::{Endpoints, Service};
use crate::plan::{Plan, random};
use crate::proxy::{Fault, Request};
use crate::trace::Trace;
use crate::virtual_time::SigningTime;

/// The maximum number of requests of a run. A run with more requests makes no progress.
const MAX_REQUESTS: u64 = 500_000;

/// The network of one run.
pub(crate) struct Network {
    seed: u64,
    endpoints: Endpoints,
    plans: Mutex<[Plan; 2]>,
    requests: AtomicU64,
    /// The requests in transit. They are executed even if their sender is killed.
    under_way: Mutex<JoinSet<()>>,
    pub(crate) trace: Trace,
}

/// The connection of one process.
#[derive(Clone)]
struct Connection {
    network: Arc<Network>,
    service: Service,
    /// `None` for the observer. Its requests have no faults and are not part of the trace.
    process: Option<Arc<str>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Network {
    pub(crate) fn new(seed: u64, endpoints: Endpoints, plans: [Plan; 2], trace: Trace) -> Self {
        Self {
            seed,
            endpoints,
            plans: Mutex::new(plans),
            requests: AtomicU64::new(0),
            under_way: Mutex::default(),
            trace,
        }
    }

    pub(crate) fn client(
        self: &Arc<Self>,
        service: Service,
        process: Option<&str>,
    ) -> SharedHttpClient {
        let connection = Connection {
            network: Arc::clone(self),
            service,
            process: process.map(Arc::from),
        };
        http_client_fn(move |_, _| SharedHttpConnector::new(connection.clone()))
    }

    pub(crate) fn time_source() -> SharedTimeSource {
        SharedTimeSource::new(SigningTime)
    }

    /// Drops the requests in transit.
    pub(crate) fn end(&self) {
        let under_way = std::mem::take(&mut *self.under_way.lock().unwrap());
        drop(under_way);
    }

    /// Sends a request. The receiver yields the response, or `None` if the connection was
    /// cut.
    fn send(
        self: &Arc<Self>,
        service: Service,
        process: &str,
        mut request: Request,
    ) -> oneshot::Receiver<Option<(u16, Vec<u8>)>> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(number < MAX_REQUESTS, "the run does not end");
        request.number = number;
        let sent = request.body.clone();
        let fault = self.plans.lock().unwrap()[service as usize].fault(&mut request);
        let line = format!(
            "#{number} {process} {}: {}",
            request.operation,
            name(&fault)
        );
        self.trace.step(&line, &sent);
        let mut latency = random((self.seed, "latency", number));
        let (there, back) = (latency.u64(1..15), latency.u64(1..15));
        let (respond, response) = oneshot::channel();
        let network = Arc::clone(self);
        let task = async move {
            sleep(Duration::from_millis(there)).await;
            let outcome = network.carry_out(service, request, fault).await;
            match &outcome {
                Some((status, body)) => {
                    network.trace.step(&format!("#{number} -> {status}"), body);
                }
                None => network
                    .trace
                    .step(&format!("#{number} -> no response"), &[]),
            }
            sleep(Duration::from_millis(back)).await;
            // The sender may have stopped waiting.
            let _ = respond.send(outcome);
        };
        let mut under_way = self.under_way.lock().unwrap();
        under_way.spawn(task);
        while under_way.try_join_next().is_some() {}
        response
    }

    async fn carry_out(
        &self,
        service: Service,
        request: Request,
        fault: Fault,
    ) -> Option<(u16, Vec<u8>)> {
        let run = || {
            let body = request.body.clone();
            self.endpoints.carry_out(service, &request.operation, body)
        };
        match fault {
            Fault::None => Some(run().await),
            Fault::Delay(delay) => {
                sleep(delay).await;
                Some(run().await)
            }
            Fault::CutBefore => None,
            Fault::CutAfter => {
                run().await;
                None
            }
            Fault::Truncate => {
                let (status, mut body) = run().await;
                body.truncate(body.len() / 2);
                Some((status, body))
            }
            Fault::Twice => {
                run().await;
                Some(run().await)
            }
            Fault::Respond(status, body) => Some((status, body.as_bytes().to_vec())),
            Fault::Change(change) => {
                let (status, body) = run().await;
                Some((status, change(body)))
            }
        }
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap();
        let request = Request {
            number: 0,
            operation: operation.rsplit('.').next().unwrap().to_owned(),
            body: request.body().bytes().unwrap().to_vec(),
        };
        let Self {
            network,
            service,
            process,
        } = self.clone();
        HttpConnectorFuture::new(async move {
            let outcome = match process {
                None => {
                    let Request {
                        operation, body, ..
                    } = request;
                    let response = network.endpoints.carry_out(service, &operation, body);
                    Some(response.await)
                }
                Some(process) => {
                    let response = network.send(service, &process, request);
                    response.await.ok().flatten()
                }
            };
            let cut = || io::Error::from(io::ErrorKind::ConnectionReset);
            let (status, body) = outcome.ok_or_else(|| ConnectorError::io(cut().into()))?;
            let status = status.try_into().unwrap();
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

/// Returns the name of a fault in the trace.
fn name(fault: &Fault) -> String {
    match fault {
        Fault::None => "no fault".to_owned(),
        Fault::Delay(delay) => format!("delayed by {} ms", delay.as_millis()),
        Fault::CutBefore => "cut before execution".to_owned(),
        Fault::CutAfter => "cut after execution".to_owned(),
        Fault::Truncate => "response truncated".to_owned(),
        Fault::Twice => "executed twice".to_owned(),
        Fault::Respond(status, _) => format!("status {status} returned"),
        Fault::Change(_) => "request or response may be changed".to_owned(),
    }
}
