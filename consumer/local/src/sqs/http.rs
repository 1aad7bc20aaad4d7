//! The AWS JSON 1.0 protocol: bytes to operations and back.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use super::error::{ErrorCode, SqsError};
use super::operations::Endpoint;

/// The largest request body. A batch has at most 1 MiB, but JSON may write a
/// character as six bytes, and characters that SQS refuses must get its error.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// Takes requests at every path: SDKs send them to `/` or to the queue's URL.
pub(super) fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::new(endpoint))
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response<Body> {
    let mut response = match call(&endpoint, request).await {
        Ok(body) => Response::new(Body::from(body)),
        Err(error) => refused(&error),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

async fn call(endpoint: &Endpoint, request: Request) -> Result<Vec<u8>, SqsError> {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AmazonSQS."));
    let Some(operation) = operation.filter(|_| request.method() == Method::POST) else {
        return Err(ErrorCode::UnknownOperation.error(
            "This endpoint speaks Amazon SQS's AWS JSON 1.0 protocol only: POST, with the header \
             X-Amz-Target: AmazonSQS.<operation>.",
        ));
    };
    let operation = operation.to_owned();
    let body = to_bytes(request.into_body(), MAX_REQUEST_BYTES)
        .await
        .map_err(|_| {
            ErrorCode::RequestEntityTooLarge.error(format!(
                "The request's body cannot be read, or is longer than {MAX_REQUEST_BYTES} bytes."
            ))
        })?;
    endpoint.call(&operation, &body).await
}

fn refused(error: &SqsError) -> Response<Body> {
    #[derive(Serialize)]
    struct Fault<'a> {
        #[serde(rename = "__type")]
        kind: &'static str,
        message: &'a str,
    }
    let code = error.code;
    let fault = Fault {
        kind: code.json_type(),
        message: &error.message,
    };
    // Two strings can always be written.
    let body = serde_json::to_vec(&fault).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let blame = if code.is_sender_fault() {
        "Sender"
    } else {
        "Receiver"
    };
    let code = format!("{};{blame}", code.query_code());
    if let Ok(code) = HeaderValue::try_from(code) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}
