//! Data on standard output.

use std::io::{self, Write};

use domain_events::__internals::printable as escape;
use domain_events_consumer::__internals::escaped;
use serde::Serialize;

use crate::Failure;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text for people to read.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes a value as one line of JSON. The characters that [`printable`] escapes are written
/// as JSON escapes.
///
/// # Errors
///
/// Standard output is closed or its disk is full.
pub fn json_line<W: Write, T: Serialize>(out: &mut W, value: &T) -> Result<(), Failure> {
    let line =
        serde_json::to_string(value).map_err(|e| Failure::environment("encoding JSON", &e))?;
    line_of(out, &escaped(&line))
}

/// Writes a line of text. Its characters that are unsafe to print are escaped, as by
/// [`printable`].
///
/// # Errors
///
/// Standard output is closed or its disk is full.
pub fn line_of<W: Write>(out: &mut W, line: &str) -> Result<(), Failure> {
    writeln!(out, "{}", escape(line)).map_err(|error| closed(&error))
}

/// Writes the lines of a text, each like [`line_of`].
///
/// # Errors
///
/// Standard output is closed or its disk is full.
pub fn lines_of<W: Write>(out: &mut W, text: &str) -> Result<(), Failure> {
    text.lines().try_for_each(|line| line_of(out, line))
}

/// A number with its noun in the singular or plural: `1 event`, `2 events`.
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Reports a problem that does not end the command, on standard error.
pub(crate) fn warn(error: &(dyn std::error::Error + 'static)) {
    let text = domain_events::__internals::with_causes(error);
    let _ = writeln!(io::stderr(), "{}", printable(&text));
}

/// Converts an error of standard output into the failure of the command.
pub fn closed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::environment("writing to standard output", error),
    }
}

/// Whether a terminal shows colors: NO_COLOR is not set (<https://no-color.org>), and TERM is
/// not `dumb`.
pub fn has_colors() -> bool {
    let is = |name, accepts: fn(&std::ffi::OsStr) -> bool| {
        std::env::var_os(name).is_some_and(|value| accepts(&value))
    };
    !is("NO_COLOR", |value| !value.is_empty()) && !is("TERM", |value| value == "dumb")
}

/// Escapes text from a message or an item, so that it is safe to print on a terminal. Control
/// characters, and invisible characters such as those that change the direction of text, are
/// escaped.
pub fn printable(text: &str) -> String {
    escape(text).into_owned()
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
        for c in [
            '\u{61c}',
            '\u{200b}',
            '\u{2060}',
            '\u{2067}',
            '\u{e0041}',
            '\u{85}',
        ] {
            assert!(!printable(&format!("a{c}")).contains(c), "{c:?}");
            let mut line = Vec::new();
            line_of(&mut line, &format!("a{c}")).unwrap();
            assert!(!String::from_utf8(line).unwrap().contains(c), "{c:?}");
            let mut line = Vec::new();
            json_line(&mut line, &format!("a{c}")).unwrap();
            let line = String::from_utf8(line).unwrap();
            assert!(!line.contains(c), "{line}");
            let read: String = serde_json::from_str(&line).unwrap();
            assert_eq!(read, format!("a{c}"));
        }
    }
}
