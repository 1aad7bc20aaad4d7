//! From source text to mistakes and to code, without a compiler.

use proc_macro2::TokenStream;

use crate::check::check;
use crate::derive;
use crate::input::Input;

/// The reported tokens with the messages.
fn mistakes(source: &str) -> Vec<(String, String)> {
    let Input(input) = syn::parse_str(source).unwrap();
    let Err(mistakes) = check(&input).model else {
        return Vec::new();
    };
    let told = |mistake: syn::Error| {
        let token = mistake.span().source_text().unwrap();
        (token, mistake.to_string())
    };
    mistakes.into_iter().map(told).collect()
}

#[track_caller]
fn refuses(source: &str, expected: &[(&str, &str)]) {
    let found = mistakes(source);
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
    // Tokens print with more or less space, depending on who made them.
    let without_space = |tokens: TokenStream| tokens.to_string().replace(' ', "");
    assert_eq!(without_space(derive(&input)), without_space(expected));
}

mod a_struct;
mod an_enum;
