//! Where the compiler shows generated code.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The macro's own words, shown at `span`.
pub(crate) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The same words, shown at `span`.
pub(crate) fn located(words: &impl ToTokens, span: Span) -> TokenStream {
    let words = words.to_token_stream().into_iter().map(|mut word| {
        word.set_span(word.span().located_at(span));
        word
    });
    words.collect()
}
