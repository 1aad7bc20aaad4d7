//! The HTTP side of the endpoint: finds the protocol and the operation of a request,
//! and writes the response in the same protocol.
//!
//! Current clients use AWS JSON 1.0 (`X-Amz-Target`). Older clients, for example boto3 before
//! 1.28, use the query protocol: the request is a form, and the response is XML.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use super::error::{ErrorCode, SqsError};
use super::operations::Endpoint;
use super::query;

/// The maximum size of a request body. A batch has at most 1 MiB, but JSON and forms may need
/// six bytes for a character, and even such a request must get the same error as from SQS if
/// SQS does not accept its characters.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const XML: HeaderValue = HeaderValue::from_static("text/xml");

/// Accepts requests at every path, because clients send them to `/` or to the URL of the
/// queue.
pub(super) fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .fallback(respond)
        .with_state(Arc::new(endpoint))
}

async fn respond(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response<Body> {
    let id = uuid::Uuid::new_v4().to_string();
    let mut response = if is_form(request.headers()) {
        let (action, result) = call_query(&endpoint, request).await;
        match result {
            Ok(json) => success(query::response(&action, &json, &id), XML),
            Err(error) => failure(&error, query::error(&error, &id), XML),
        }
    } else {
        match call_json(&endpoint, request).await {
            Ok(json) => success(json, JSON),
            Err(error) => failure(&error, json_error(&error), JSON),
        }
    };
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    !headers.contains_key("x-amz-target")
        && content_type.is_some_and(|value| {
            value
                .to_ascii_lowercase()
                .starts_with("application/x-www-form-urlencoded")
        })
}

async fn call_json(endpoint: &Endpoint, request: Request) -> Result<Vec<u8>, SqsError> {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AmazonSQS."));
    let Some(operation) = operation.filter(|_| request.method() == Method::POST) else {
        return Err(ErrorCode::UnknownOperation.error(
            "The request is not an Amazon SQS request. Send a POST request with the header \
             X-Amz-Target: AmazonSQS.<operation>, or a form with the parameter Action.",
        ));
    };
    let operation = operation.to_owned();
    let body = body(request).await?;
    endpoint.call(&operation, &body).await
}

/// Returns the name of the action, which the response repeats, and the JSON response.
async fn call_query(endpoint: &Endpoint, request: Request) -> (String, Result<Vec<u8>, SqsError>) {
    let path = request.uri().path().to_owned();
    let parsed = match body(request).await {
        Ok(body) => query::request(&path, &body),
        Err(error) => Err(error),
    };
    match parsed {
        Ok((action, json)) => {
            let result = endpoint.call(&action, &json).await;
            (action, result)
        }
        Err(error) => (String::new(), Err(error)),
    }
}

async fn body(request: Request) -> Result<axum::body::Bytes, SqsError> {
    to_bytes(request.into_body(), MAX_REQUEST_BYTES)
        .await
        .map_err(|_| {
            ErrorCode::RequestEntityTooLarge.error(format!(
                "The body of the request cannot be read, or is longer than {MAX_REQUEST_BYTES} bytes."
            ))
        })
}

fn success(body: Vec<u8>, content_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn failure(error: &SqsError, body: Vec<u8>, content_type: HeaderValue) -> Response<Body> {
    let mut response = success(body, content_type);
    *response.status_mut() =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = format!("{};{}", error.code.query_code(), error.code.fault());
    if let Ok(code) = HeaderValue::try_from(code) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

fn json_error(error: &SqsError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Fault<'a> {
        #[serde(rename = "__type")]
        kind: &'static str,
        message: &'a str,
    }
    let fault = Fault {
        kind: error.code.json_type(),
        message: &error.message,
    };
    // Serializing two strings cannot fail.
    serde_json::to_vec(&fault).unwrap_or_default()
}
