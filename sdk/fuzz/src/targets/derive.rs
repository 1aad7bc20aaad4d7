//! Derives `DomainEvent` for any source text.

use syn::DeriveInput;

use crate::input::Input;
use crate::{check, expand};

/// More nesting than any real type has, and less than overflows syn's stack.
const MAX_NESTING: usize = 48;

/// For every type definition that Rust parses, the derive either generates valid code or
/// reports each mistake with the span of a token.
pub fn check(input: &[u8]) {
    let Ok(source) = std::str::from_utf8(input) else {
        return;
    };
    let opened = |b: &&u8| matches!(b, b'(' | b'[' | b'{' | b'<' | b'&' | b'*' | b'!' | b'-');
    if input.iter().filter(opened).count() > MAX_NESTING {
        return;
    }
    // The compiler calls a derive only with input that parses as `DeriveInput`. `Input`
    // skips the parts that the derive does not need, which must not change the result.
    if let Ok(whole) = syn::parse_str::<DeriveInput>(source) {
        let Input(input) = syn::parse_str(source).unwrap_or_else(|e| panic!("{e}: {source}"));
        assert_eq!(
            expand::derive(&input).to_string(),
            expand::derive(&whole).to_string(),
            "{source}"
        );
        assert_valid_code_or_mistakes(&input, source);
    }
    // Without this call, proc_macro2 keeps the source of every input in memory.
    proc_macro2::extra::invalidate_current_thread_spans();
}

fn assert_valid_code_or_mistakes(input: &DeriveInput, source: &str) {
    let derived = expand::derive(input);
    match check::check(input).model {
        Ok(_) => {
            let text = derived.to_string();
            assert!(!text.contains("compile_error"), "{source}\n{text}");
            assert!(text.contains("impl"), "{source}\n{text}");
            if let Err(error) = syn::parse2::<syn::File>(derived) {
                panic!("{error} in the code derived for\n{source}\n{text}");
            }
        }
        Err(mistakes) => {
            assert!(derived.to_string().contains("compile_error"), "{source}");
            for mistake in mistakes {
                assert!(!mistake.to_string().is_empty());
                let range = mistake.span().byte_range();
                assert!(
                    !range.is_empty() && range.end <= source.chars().count().max(source.len()),
                    "{mistake} at {range:?} of\n{source}"
                );
            }
        }
    }
}
