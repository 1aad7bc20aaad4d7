//! The trace context of the span in which an event is emitted.

use std::borrow::Cow;

use opentelemetry::trace::TraceContextExt as _;

use crate::envelope::Context;

/// `context` with the current OpenTelemetry span as its trace parent, if there
/// is one. The text has 55 bytes whatever is in the span, so it cannot make an
/// event invalid.
pub(crate) fn in_current_span(context: &Context) -> Cow<'_, Context> {
    let span = opentelemetry::Context::map_current(|current| {
        let span = current.span();
        Some(span.span_context().clone()).filter(|context| context.is_valid())
    });
    match span {
        Some(span) => {
            // W3C Trace Context, "traceparent header", version 00.
            let flags = span.trace_flags().to_u8();
            let (trace, parent) = (span.trace_id(), span.span_id());
            let trace_parent = format!("00-{trace}-{parent}-{flags:02x}");
            Cow::Owned(context.clone().with_trace_parent(trace_parent))
        }
        None => Cow::Borrowed(context),
    }
}
