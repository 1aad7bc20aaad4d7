//! Writes the bodies of requests and reads the bodies of responses, in place of the models
//! of the AWS SDK.
//!
//! A model is a tree of maps and strings. Building and converting it took most of the time
//! of a request, although this crate already has the JSON as text. The AWS SDK still chooses
//! the endpoint, signs the request, retries it, and reads every error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextMut, Error, Output,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer, Layer};

/// Replaces the request body that the AWS SDK wrote. Each attempt sends the same body.
pub(crate) struct RequestBody {
    body: SdkBody,
    length: usize,
}

impl RequestBody {
    pub(crate) fn new(body: Vec<u8>) -> Self {
        Self {
            length: body.len(),
            body: SdkBody::from(body),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for RequestBody {
    fn name(&self) -> &'static str {
        "RequestBody"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        // A body in memory can always be cloned.
        *request.body_mut() = self.body.try_clone().ok_or("the body cannot be cloned")?;
        let length = self.length.to_string();
        request.headers_mut().insert("content-length", length);
        Ok(())
    }
}

/// Omits the body, because it contains payload.
impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Reads the body of a successful response with a function of this crate.
///
/// The AWS SDK receives an empty output instead. The AWS SDK itself reads all other
/// responses, including a successful response that the function cannot read, so that their
/// errors are the usual ones.
pub(crate) struct ResponseBody<T> {
    /// The AWS SDK's configuration of the operation.
    operation: FrozenLayer,
    read: fn(&str) -> Option<T>,
    empty_output: fn() -> Output,
    content: Arc<Mutex<Option<T>>>,
}

impl<T> ResponseBody<T> {
    pub(crate) fn new(
        operation: FrozenLayer,
        read: fn(&str) -> Option<T>,
        empty_output: fn() -> Output,
    ) -> Self {
        Self {
            operation,
            read,
            empty_output,
            content: Arc::default(),
        }
    }

    /// Returns the value that the function read from the response, or `None` if only the AWS
    /// SDK could read the response.
    pub(crate) fn take(&self) -> Option<T> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.take()
    }
}

impl<T> Clone for ResponseBody<T> {
    fn clone(&self) -> Self {
        Self {
            operation: self.operation.clone(),
            content: self.content.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for ResponseBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

#[dyn_dispatch_hint]
impl<T: Send + 'static> Intercept for ResponseBody<T> {
    fn name(&self) -> &'static str {
        "ResponseBody"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let this = SharedResponseDeserializer::new(self.clone());
        config.interceptor_state().store_put(this);
        Ok(())
    }
}

impl<T: Send + 'static> DeserializeResponse for ResponseBody<T> {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        if response.status().is_success()
            && let Some(body) = response.body().bytes()
            && let Ok(body) = std::str::from_utf8(body)
            && let Some(content) = (self.read)(body)
        {
            *self.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
            return Ok((self.empty_output)());
        }
        match self.operation.load::<SharedResponseDeserializer>() {
            Some(model) => model.deserialize_nonstreaming_with_config(response, config),
            None => Err(OrchestratorError::other("the operation has no model")),
        }
    }
}

/// Returns the AWS SDK's configuration of an operation.
pub(crate) fn operation(operation: &dyn RuntimePlugin) -> FrozenLayer {
    let config = operation.config();
    config.unwrap_or_else(|| Layer::new("no operation").freeze())
}
