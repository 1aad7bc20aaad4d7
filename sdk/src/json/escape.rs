//! Writes texts as JSON strings that contain only characters that SQS accepts.

/// Appends `text` as a JSON string.
#[inline]
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// Appends `text` as the content of a JSON string, without the quotes.
#[inline]
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        push_with_escapes(out, text);
    }
}

fn push_with_escapes(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut unwritten = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let control;
        let (escape, length) = match byte {
            b'"' => ("\\\"", 1),
            b'\\' => ("\\\\", 1),
            b'\n' => ("\\n", 1),
            b'\r' => ("\\r", 1),
            b'\t' => ("\\t", 1),
            0x08 => ("\\b", 1),
            0x0C => ("\\f", 1),
            0..0x20 => {
                control = format!("\\u{byte:04x}");
                (&*control, 1)
            }
            0xEF => match noncharacter_escape(&bytes[at..]) {
                Some(escape) => (escape, 3),
                None => continue,
            },
            _ => continue,
        };
        out.push_str(&text[unwritten..at]);
        out.push_str(escape);
        unwritten = at + length;
    }
    out.push_str(&text[unwritten..]);
}

/// Appends JSON text as the content of a JSON string, which is how a message is sent.
///
/// JSON text has a quote in almost every word of eight bytes. Therefore, this function copies
/// whole words and continues after the first quote of each word. [`push_escaped`] instead
/// copies a piece of the text for every quote.
#[cfg(feature = "sqs")]
pub(crate) fn push_escaped_json(out: &mut Vec<u8>, json: &str) {
    let bytes = json.as_bytes();
    let mut end = out.len();
    // Every byte may need a backslash, and the last word may be longer than the text.
    out.resize(end + 2 * bytes.len() + 8, 0);
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = special(u64::from_le_bytes(*word));
        out[end..end + 8].copy_from_slice(word);
        let plain = (found.trailing_zeros() / 8) as usize;
        (at, end) = (at + plain, end + plain);
        if found != 0 {
            match bytes[at] {
                escaped @ (b'"' | b'\\') => out[end..end + 2].copy_from_slice(&[b'\\', escaped]),
                // Rare: white space between values, or a character that starts with 0xEF.
                _ => break,
            }
            (at, end) = (at + 1, end + 2);
        }
    }
    // The last whole word may end inside of a character.
    while !json.is_char_boundary(at) {
        (at, end) = (at - 1, end - 1);
    }
    out.truncate(end);
    let mut rest = String::new();
    push_escaped(&mut rest, &json[at..]);
    out.extend_from_slice(rest.as_bytes());
}

/// Appends JSON from another source. It is already escaped, except for the two characters
/// that SQS rejects.
pub(super) fn push_json(out: &mut String, json: &str) {
    let mut unwritten = 0;
    // Valid JSON contains these characters only inside strings, where an escape is allowed.
    for at in memchr::memchr_iter(0xEF, json.as_bytes()) {
        if let Some(escape) = noncharacter_escape(&json.as_bytes()[at..]) {
            out.push_str(&json[unwritten..at]);
            out.push_str(escape);
            unwritten = at + 3;
        }
    }
    out.push_str(&json[unwritten..]);
}

/// Returns the escape for U+FFFE or U+FFFF at the start of `bytes`. JSON allows these two
/// characters unescaped, but SQS rejects them (API reference, "SendMessage": allowed
/// characters).
fn noncharacter_escape(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xEF, 0xBF, 0xBE, ..] => Some("\\ufffe"),
        [0xEF, 0xBF, 0xBF, ..] => Some("\\uffff"),
        _ => None,
    }
}

/// Returns true if `text` certainly needs no escapes. If this function returns false, the text
/// may still need none.
///
/// The function checks eight bytes at a time, because it runs for every text and every key
/// of an event. Checking single bytes was the most expensive part of writing an event.
#[inline]
fn is_plain(text: &str) -> bool {
    let (words, last) = words(text.as_bytes());
    let found = words
        .iter()
        .fold(0, |found, word| found | special(u64::from_le_bytes(*word)));
    found | special(last) == 0
}

/// Returns the highest bit of each byte that is a control character, `"`, `\` or 0xEF. U+FFFE
/// and U+FFFF begin with 0xEF. Only the lowest of these bits is exact: the bytes above it may
/// be marked although they are none of these.
#[inline]
fn special(word: u64) -> u64 {
    let special = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\') | equal(word, 0xEF);
    special & (ONES << 7)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);

/// Sets the highest bit of each byte that is less than `limit`.
///
/// A borrow can only come from such a byte, so it cannot cause a wrong result for the whole
/// word. Bytes whose highest bit was already set are not ASCII, and `!word` excludes them.
#[inline]
fn below(word: u64, limit: u64) -> u64 {
    word.wrapping_sub(ONES * limit) & !word
}

/// Sets the highest bit of each byte that is `byte`, in the same way.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// Returns all of `bytes` as words of eight bytes: whole words from the start, and a last word
/// for the rest. The last word overlaps the others, or is padded with spaces if there are fewer
/// than eight bytes.
#[inline]
pub(super) fn words(bytes: &[u8]) -> (&[[u8; 8]], u64) {
    let last = match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>(), bytes) {
        (Some(last), _, _) => u64::from_le_bytes(*last),
        (None, Some(first), [.., a, b, c, d]) => {
            let [e, f, g, h] = *first;
            u64::from_le_bytes([e, f, g, h, *a, *b, *c, *d])
        }
        (_, _, [a, b, c]) => u64::from_le_bytes([*a, *b, *c, 32, 32, 32, 32, 32]),
        (_, _, [a, b]) => u64::from_le_bytes([*a, *b, 32, 32, 32, 32, 32, 32]),
        (_, _, [a]) => u64::from_le_bytes([*a, 32, 32, 32, 32, 32, 32, 32]),
        _ => u64::from_le_bytes([32; 8]),
    };
    (bytes.as_chunks().0, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_character_is_found_at_any_position() {
        for special in ['"', '\\', '\0', '\u{1f}', '\n', '\u{FFFE}', '\u{FFFF}'] {
            for length in 0..40 {
                for at in 0..=length {
                    let text = format!("{}{special}{}", "x".repeat(at), "é".repeat(length - at));
                    assert!(!is_plain(&text), "{text:?}");
                }
            }
        }
        for length in 0..40 {
            assert!(is_plain(&" ~\u{7f}é€😀"[..1].repeat(length)));
            assert!(is_plain(&"a\u{7f}é€😀".repeat(length)));
        }
    }

    #[cfg(feature = "sqs")]
    fn escaped_as_json(text: &str) -> String {
        let mut out = b"x".to_vec();
        push_escaped_json(&mut out, text);
        String::from_utf8(out.split_off(1)).unwrap()
    }

    #[test]
    #[cfg(feature = "sqs")]
    fn json_is_escaped_like_any_other_text() {
        for special in ['"', '\\', '\0', '\n', '\u{FFFE}', 'ﾟ', '€', '😀'] {
            for length in 0..30 {
                for at in 0..=length {
                    let text = format!("{}{special}{}", "x\"".repeat(at), "é".repeat(length - at));
                    let mut expected = String::new();
                    push_escaped(&mut expected, &text);
                    assert_eq!(escaped_as_json(&text), expected, "{text:?}");
                }
            }
        }
    }

    proptest! {
        /// serde_json escapes the same texts in the same way, except for U+FFFE and U+FFFF.
        #[test]
        fn texts_are_written_as_serde_json_does(text in "(\\PC|[\\x00-\\x7f]|[éﾟ\u{FFFD}])*") {
            let mut out = String::new();
            push_quoted(&mut out, &text);
            let theirs = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(out, theirs.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff"));
        }
    }
}
