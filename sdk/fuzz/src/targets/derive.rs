//! The source of a type → the derived code, or mistakes with their places.

use syn::DeriveInput;

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
    if let Ok(input) = syn::parse_str::<DeriveInput>(source) {
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
