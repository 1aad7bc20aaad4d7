//! The services behind the network: the embedded SQS and DynamoDB, called in this process.

use axum::Router;
use axum::body::{Body, to_bytes};
use domain_events_local::sqs::{self, Queues};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Sqs,
    DynamoDb,
}

impl Service {
    pub(crate) const fn url(self) -> &'static str {
        match self {
            Self::Sqs => "http://sqs.simulation",
            Self::DynamoDb => "http://dynamodb.simulation",
        }
    }
}

/// The state that survives the crash of a process: the queues and the table.
pub(crate) struct Endpoints {
    sqs: Router,
    database: Database,
}

impl Endpoints {
    pub(crate) fn new(queues: Queues) -> Self {
        let base_url = Service::Sqs.url().to_owned();
        Self {
            sqs: sqs::router(queues, base_url, CancellationToken::new()),
            database: Database::memory().unwrap(),
        }
    }

    /// Executes a request. Returns the status and the body of the response.
    pub(crate) async fn carry_out(
        &self,
        service: Service,
        operation: &str,
        body: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        match service {
            Service::DynamoDb => match dynamodb(&self.database, operation, &body) {
                Ok(response) => (200, response),
                Err(error) => (error.status_code(), error.to_json().into_bytes()),
            },
            Service::Sqs => {
                let request = axum::http::Request::post("/")
                    .header("x-amz-target", format!("AmazonSQS.{operation}"))
                    .header("content-type", "application/x-amz-json-1.0")
                    .body(Body::from(body))
                    .unwrap();
                let response = self.sqs.clone().oneshot(request).await.unwrap();
                let status = response.status().as_u16();
                let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
                (status, body.to_vec())
            }
        }
    }
}

/// The operations that the pipeline and the check use.
fn dynamodb(database: &Database, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
    fn call<Q: DeserializeOwned, R: Serialize>(
        body: &[u8],
        operation: impl FnOnce(Q) -> Result<R, DynoxideError>,
    ) -> Result<Vec<u8>, DynoxideError> {
        let response = operation(serde_json::from_slice(body).unwrap())?;
        Ok(serde_json::to_vec(&response).unwrap())
    }
    match operation {
        "BatchExecuteStatement" => call(body, |request| database.batch_execute_statement(request)),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        _ => panic!("the simulation does not know the operation {operation}"),
    }
}
