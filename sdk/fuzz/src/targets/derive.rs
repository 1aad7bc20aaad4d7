//! The source of a type → the derived code, or mistakes with their places.

use syn::DeriveInput;

use crate::input::Input;
use crate::{check, expand};

/// Deeper than any type, shallower than syn's recursion.
const MAX_NESTING: usize = 48;

/// Whatever Rust takes as a type, the derive makes code of it, or says at which
/// token it does not.
pub fn check(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else {
        return;
    };
    let opened = |b: &&u8| matches!(b, b'(' | b'[' | b'{' | b'<' | b'&' | b'*' | b'!' | b'-');
    if input.iter().filter(opened).count() > MAX_NESTING {
        return;
    }
    // The compiler hands nothing else to a derive. That the derive passes over
    // what it does not need may make no difference.
    if let Ok(whole) = syn::parse_str::<DeriveInput>(source) {
        let Input(input) = syn::parse_str(source).unwrap_or_else(|e| panic!("{e}: {source}"));
        assert_eq!(
            expand::derive(&input).to_string(),
            expand::derive(&whole).to_string(),
            "{source}"
        );
        one(&input, source);
    }
    // Otherwise the sources of all inputs would be kept.
    proc_macro2::extra::invalidate_current_thread_spans();
}

fn one(input: &DeriveInput, source: &str) {
    let derived = expand::derive(input);
    match check::check(input).model {
        Ok(_) => {
            let text = derived.to_string();
            assert!(!text.contains("compile_error"), "{source}\n{text}");
            assert!(text.contains("impl"), "{source}\n{text}");
            if let Err(error) = syn::parse2::<syn::File>(derived) {
                panic!("{error} in what is derived of\n{source}\n{text}");
            }
        }
        Err(mistakes) => {
            assert!(derived.to_string().contains("compile_error"), "{source}");
            for mistake in mistakes {
                assert!(!mistake.to_string().is_empty());
                let place = mistake.span().byte_range();
                assert!(
                    !place.is_empty() && place.end <= source.chars().count().max(source.len()),
                    "{mistake} at {place:?} of\n{source}"
                );
            }
        }
    }
}
