//! Data on standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::Failure;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes a value as one line of JSON.
///
/// # Errors
///
/// Standard output is closed or its disk is full.
pub fn json_line<W: Write, T: Serialize>(out: &mut W, value: &T) -> Result<(), Failure> {
    let line =
        serde_json::to_string(value).map_err(|e| Failure::environment("encoding JSON", &e))?;
    line_of(out, &line)
}

/// Writes a line of text.
///
/// # Errors
///
/// Standard output is closed or its disk is full.
pub fn line_of<W: Write>(out: &mut W, line: &str) -> Result<(), Failure> {
    writeln!(out, "{line}").map_err(|error| closed(&error))
}

/// A number of things: `1 event`, `2 events`.
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Reports a problem that does not end the command, on standard error.
pub(crate) fn warn(error: &(dyn std::error::Error + 'static)) {
    let text = domain_events::__internals::with_causes(error);
    let _ = writeln!(io::stderr(), "{}", printable(&text));
}

/// The failure for an error of standard output.
pub fn closed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::environment("writing to standard output", error),
    }
}

/// Text from a message or an item, safe to print on a terminal: control characters, and
/// characters that change the direction of text, are escaped.
pub fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        let directs = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || directs {
            printed.extend(c.escape_unicode());
        } else {
            printed.push(c);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_are_escaped() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}\u{202e}é"),
            "a\\u{1b}[2Jb\\u{9b}\\u{202e}é"
        );
    }
}
