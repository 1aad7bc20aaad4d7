//! The trace context of the span in which an event is emitted.

use std::borrow::Cow;

use opentelemetry::trace::TraceContextExt as _;

use crate::event::Context;

/// Returns `context` with the current OpenTelemetry span as its trace parent, if there is a
/// span. The text always has 55 bytes, so it cannot make an event invalid.
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

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;
    use crate::event::Emitter;

    #[test]
    fn current_span_is_the_trace_parent() {
        let context = Context::new(Emitter::system("test").unwrap());
        assert!(matches!(in_current_span(&context), Cow::Borrowed(_)));
        let span = SpanContext::new(
            TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap(),
            SpanId::from_hex("b7ad6b7169203331").unwrap(),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let _attached = opentelemetry::Context::new()
            .with_remote_span_context(span)
            .attach();
        let traced = format!("{:?}", in_current_span(&context));
        let expected = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(traced.contains(expected), "{traced}");
    }
}
