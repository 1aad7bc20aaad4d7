//! Tests of the derive that expand source text without a compiler.

use proc_macro2::TokenStream;

use crate::check::check;
use crate::derive;
use crate::input::Input;

/// The errors for a source text, each with the token at which it is reported.
fn errors(source: &str) -> Vec<(String, String)> {
    let Input(input) = syn::parse_str(source).unwrap();
    let Err(errors) = check(&input).model else {
        return Vec::new();
    };
    let report = |error: syn::Error| {
        let token = error.span().source_text().unwrap();
        (token, error.to_string())
    };
    errors.into_iter().map(report).collect()
}

#[track_caller]
fn refuses(source: &str, expected: &[(&str, &str)]) {
    let found = errors(source);
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected, "{source}");
}

#[track_caller]
fn expands(source: &str, expected: &str) {
    let Input(input) = syn::parse_str(source).unwrap();
    let expected: TokenStream = expected.parse().unwrap();
    // Remove spaces, because the space between printed tokens depends on their origin.
    let without_space = |tokens: TokenStream| tokens.to_string().replace(' ', "");
    assert_eq!(without_space(derive(&input)), without_space(expected));
}

mod enums;
mod structs;
