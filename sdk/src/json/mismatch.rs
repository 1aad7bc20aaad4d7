//! Describes why data does not fit a type, without quoting the data.
//!
//! serde allows an error to quote the value that it found, and the errors of many libraries
//! quote it. The texts in this module contain only the kind of the value, names that are part
//! of the program, and the expectation of the type.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::pointer::{IN_A_MAP, prepend_step, push_step};
use super::reader::{Reader, Token};

/// A position in the data, and the fault there.
#[derive(Debug, PartialEq)]
pub(crate) struct DataMismatch {
    /// A JSON Pointer, which starts with `/Data`.
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

/// The error of the deserializer.
#[derive(Debug)]
pub(super) struct Error {
    pointer: String,
    found: String,
    /// The expectation of the type, as its visitor describes it.
    expected: Option<String>,
    in_a_map: bool,
    /// Whether `found` still lacks the kind of the value.
    lacks_kind: bool,
}

impl Error {
    fn new(found: impl Into<String>) -> Self {
        Self {
            pointer: String::new(),
            found: found.into(),
            expected: None,
            in_a_map: false,
            lacks_kind: false,
        }
    }

    /// Returns the error for a value of another kind than the visitor expects.
    pub(super) fn unexpected(found: &str, expected: &dyn Expected) -> Self {
        Self {
            expected: Some(expected.to_string()),
            ..Self::new(format!("found {found}"))
        }
    }

    pub(super) fn not_json() -> Self {
        Self::new("the stored text is not JSON")
    }

    pub(super) fn too_many(what: &str) -> Self {
        Self::new(format!("found more {what} than the type reads"))
    }

    /// The same error, with the kind of the value at the pointer if the error lacks it.
    pub(super) fn of_value(mut self, kind: &str) -> Self {
        if std::mem::take(&mut self.lacks_kind) {
            self.found = format!("found {kind}; {}", self.found);
        }
        self
    }

    /// The same error, for a fault in an item of an array.
    pub(super) fn in_item(mut self, index: usize) -> Self {
        prepend_step(&mut self.pointer, &index.to_string());
        self
    }

    /// The same error, for a fault in a field. The name of the field is part of the program.
    pub(super) fn in_field(mut self, name: &str) -> Self {
        prepend_step(&mut self.pointer, name);
        self
    }

    /// The same error, for a fault in a member of a map. The key of the member is data.
    pub(super) fn in_map(mut self) -> Self {
        self.pointer.clear();
        self.in_a_map = true;
        self
    }

    /// Converts the error to the mismatch to report. `text` is the document that does not fit
    /// its type.
    pub(super) fn into_mismatch(self, text: &str) -> DataMismatch {
        let mut reason = self.found;
        if let Some(expected) = self.expected {
            let expected = Some(expected).filter(|expected| !quotes(expected, text));
            reason.push_str("; expected ");
            reason.push_str(expected.as_deref().unwrap_or("something else"));
        }
        if self.in_a_map {
            reason.push_str(IN_A_MAP);
        }
        DataMismatch {
            pointer: format!("/Data{}", self.pointer),
            reason,
        }
    }
}

/// Returns true if the text of a visitor may quote the data. A visitor usually returns a fixed
/// text, but it is also able to quote the value that it found.
fn quotes(expected: &str, data: &str) -> bool {
    /// The visitors of serde's own implementations return these texts, or the name of a
    /// numeric type such as `u8`.
    const KNOWN: [&str; 8] = [
        "a string",
        "a boolean",
        "a sequence",
        "a map",
        "a character",
        "unit",
        "option",
        "any value",
    ];
    /// Shorter pieces of the data occur in any text.
    const PIECE: usize = 3;
    const LONGEST: usize = 200;
    let is_number_type = |text: &str| {
        let width = text.strip_prefix(['i', 'u', 'f']);
        width.is_some_and(|width| ["8", "16", "32", "64", "128", "size"].contains(&width))
    };
    if KNOWN.contains(&expected) || is_number_type(expected) {
        return false;
    }
    if expected.len() > LONGEST {
        return true;
    }
    let mut reader = Reader::new(data);
    loop {
        let piece = match reader.next() {
            Ok(Token::End) | Err(_) => return false,
            Ok(Token::Key(piece) | Token::String(piece)) => piece,
            Ok(Token::Number(lexeme)) => lexeme.into(),
            Ok(_) => continue,
        };
        let shorter = piece.len() <= expected.len();
        if piece.len() >= PIECE && shorter && expected.contains(&*piece) {
            return true;
        }
    }
}

fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map | Unexpected::StructVariant => "an object",
        Unexpected::UnitVariant => "a variant without content",
        Unexpected::NewtypeVariant | Unexpected::TupleVariant => "a variant with content",
        _ => "another value",
    }
}

fn names(names: &'static [&'static str]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => format!("`{one}`"),
        [one, other] => format!("`{one}` or `{other}`"),
        many => format!("one of `{}`", many.join("`, `")),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // This text contains no data, because a `Deserialize` may put it into its own error.
        f.write_str("the value does not fit its type")
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // Two texts of serde are fixed. All other texts may quote the value.
        let message = message.to_string();
        if ["i128 is not supported", "u128 is not supported"].contains(&&*message) {
            return Self::new(
                "serde cannot read i128 and u128 inside `flatten`, `tag`, `content` and `untagged`; \
                 use a smaller integer or a string there",
            );
        }
        if message.starts_with("data did not match any variant of untagged enum ") {
            // serde drops the errors of the variants, so the advice covers the cause that
            // the data does not show.
            return Self {
                lacks_kind: true,
                ..Self::new(
                    "no variant of the untagged enum fits; a variant with an i128 or a u128 never \
                     fits, because serde cannot read them there: use a smaller integer or a string",
                )
            };
        }
        Self::new("the type's own Deserialize refused it")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(kind(&unexpected), expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(kind(&unexpected), expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::unexpected(&format!("a length of {length}"), expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let expected = names(expected);
        Self::new(format!("found an unknown variant; expected {expected}"))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        let expected = names(expected);
        Self::new(format!("found an unknown field; expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new("it is missing");
        push_step(&mut error.pointer, field);
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("found the field `{field}` twice"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::Deserialize;
    use serde::de::{self, DeserializeOwned, Unexpected};

    use super::super::document;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        id: u32,
        lines: Option<Vec<Line>>,
        kind: Option<Kind>,
        at: Option<std::net::IpAddr>,
        by_name: Option<BTreeMap<String, u8>>,
        lines_by_name: Option<BTreeMap<String, Vec<Line>>>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Line {
        amount: u8,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Big,
        Small,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Flat {
        #[serde(flatten)]
        line: Line,
    }

    #[track_caller]
    fn check<T: DeserializeOwned + fmt::Debug>(text: &str, pointer: &str, reason: &str) {
        let mismatch = document::decode::<T>(text, None).unwrap_err();
        assert_eq!(
            (&*mismatch.pointer, &*mismatch.reason),
            (pointer, reason),
            "{text}"
        );
    }

    #[test]
    fn mismatch_has_a_pointer_and_no_data() {
        let string = "found a string; expected u32";
        check::<Order>(r#"{"id":"secret"}"#, "/Data/id", string);
        check::<Order>(
            "{\n \"lines\": null,\n \"id\": \"secret, expected u8\"\n}",
            "/Data/id",
            string,
        );
        check::<Order>(
            r#"{"id":-12345}"#,
            "/Data/id",
            "found a number; expected u32",
        );
        check::<Order>(r#"{"id":1.5}"#, "/Data/id", "found a number; expected u32");
        check::<Order>(r#"{"lines":[]}"#, "/Data/id", "it is missing");
        check::<Order>("{}", "/Data/id", "it is missing");
        check::<Order>(
            r#"{"id":1,"lines":[{"amount":1},{"amount":9999}]}"#,
            "/Data/lines/1/amount",
            "found a number; expected u8",
        );
        check::<Order>(
            r#"{"id":1,"lines":[{"amount":1},{}]}"#,
            "/Data/lines/1/amount",
            "it is missing",
        );
        check::<Order>(
            r#"{"id":1,"lines":[{"amount":1},"secret"]}"#,
            "/Data/lines/1",
            "found a string; expected struct Line",
        );
        check::<Order>(
            r#"{"id":1,"kind":"Secret"}"#,
            "/Data/kind",
            "found an unknown variant; expected `Big` or `Small`",
        );
        check::<Order>(
            r#"{"id":1,"at":"secret"}"#,
            "/Data/at",
            "the type's own Deserialize refused it",
        );
        check::<Flat>(
            r#"{"amount":"secret"}"#,
            "/Data",
            "found a string; expected u8",
        );
    }

    #[test]
    fn mismatch_in_a_map_has_no_key() {
        let note = " (in a map, whose keys are data and are not shown)";
        check::<Order>(
            r#"{"id":1,"by_name":{"a/b":"secret"}}"#,
            "/Data/by_name",
            &format!("found a string; expected u8{note}"),
        );
        check::<Order>(
            r#"{"id":1,"lines_by_name":{"secret":[{}]}}"#,
            "/Data/lines_by_name",
            &format!("it is missing{note}"),
        );
        check::<Order>(
            r#"{"id":1,"secret":1}"#,
            "/Data",
            "found an unknown field; expected one of `id`, `lines`, `kind`, `at`, `by_name`, \
             `lines_by_name`",
        );
    }

    #[test]
    fn expectation_that_quotes_the_data_is_dropped() {
        #[derive(Debug)]
        struct Quoting;
        impl<'de> Deserialize<'de> for Quoting {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let unexpected = Unexpected::Str(&text);
                let expected = format!("anything but {text}");
                Err(de::Error::invalid_value(unexpected, &expected.as_str()))
            }
        }
        check::<Quoting>(
            r#""secret""#,
            "/Data",
            "found a string; expected something else",
        );
    }
}
