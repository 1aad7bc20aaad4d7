//! Spans, which determine where the compiler reports errors in generated code.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Returns a span of the macro, reported at `span`.
pub(crate) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Returns the same tokens, reported at `span`.
pub(crate) fn located(tokens: &impl ToTokens, span: Span) -> TokenStream {
    let tokens = tokens.to_token_stream().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}
