//! Why data does not fit its type, told without the data.
//!
//! Serde's errors quote what they found: the name of a customer in the place of
//! a number stands in the log. Of such an error only what the program itself
//! wrote is kept, which is what was expected.

use super::reader::{Reader, Token};

/// A place in the data, and what is wrong there.
#[derive(Debug, PartialEq)]
pub(crate) struct DataMismatch {
    /// A JSON pointer.
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

impl DataMismatch {
    pub(crate) fn new(error: &serde_json::Error, text: &str) -> Self {
        let message = error.to_string();
        let message = match message.rfind(" at line ") {
            Some(end) => &message[..end],
            None => &message,
        };
        let offset = offset(error, text);
        let mut pointer = offset.map_or_else(String::new, |end| place_of_last_value(&text[..end]));
        let quoted = |start: &str| message.strip_prefix(start)?.strip_suffix('`');
        let expected = || {
            message
                .rsplit_once(", expected ")
                .map(|(_, expected)| expected)
        };
        let is = |kinds: &[&str]| kinds.iter().any(|kind| message.starts_with(kind));
        let reason = if let Some(field) = quoted("missing field `") {
            pointer.push_str(&step(field));
            "it is missing".to_owned()
        } else if let Some(field) = quoted("duplicate field `") {
            format!("the field `{field}` stands there twice")
        } else if is(&["invalid type: ", "invalid value: ", "invalid length "]) {
            let found = found(message);
            format!(
                "found {found}; expected {}",
                expected().unwrap_or("another")
            )
        } else if is(&["unknown variant `", "unknown field `"]) {
            let kind = if is(&["unknown field"]) {
                "field"
            } else {
                "variant"
            };
            format!(
                "found an unknown {kind}; expected {}",
                expected().unwrap_or("none")
            )
        } else {
            "the type's own Deserialize refused it".to_owned()
        };
        Self {
            pointer: format!("/Data{pointer}"),
            reason,
        }
    }
}

/// How much of the text had been read.
fn offset(error: &serde_json::Error, text: &str) -> Option<usize> {
    let line = error.line().checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let offset = start + error.column();
    (offset <= text.len()).then(|| text.floor_char_boundary(offset))
}

/// The kind of what was found, in serde's words the first after the colon.
fn found(message: &str) -> &'static str {
    const KINDS: &[(&str, &str)] = &[
        ("string", "a string"),
        ("integer", "a number"),
        ("floating point", "a number"),
        ("boolean", "a boolean"),
        ("map", "an object"),
        ("sequence", "an array"),
        ("null", "null"),
        ("unit", "null"),
    ];
    let told = message.split_once(": ").map_or("", |(_, told)| told);
    let kind = KINDS.iter().find(|(word, _)| told.starts_with(word));
    match kind {
        Some((_, kind)) => kind,
        None if message.starts_with("invalid length") => "another length",
        None => "something else",
    }
}

/// The place of the last value that begins in `prefix`.
fn place_of_last_value(prefix: &str) -> String {
    enum Open {
        Object(Option<String>),
        Array(Option<usize>),
    }
    let mut reader = Reader::new(prefix);
    let mut open = Vec::new();
    while let Ok(token) = reader.next() {
        match token {
            Token::Key(key) => {
                if let Some(Open::Object(current)) = open.last_mut() {
                    *current = Some(key.into_owned());
                }
                continue;
            }
            Token::EndObject | Token::EndArray => {
                open.pop();
                continue;
            }
            Token::End => break,
            _ => {}
        }
        if let Some(Open::Array(index)) = open.last_mut() {
            *index = Some(index.map_or(0, |index| index + 1));
        }
        match token {
            Token::BeginObject => open.push(Open::Object(None)),
            Token::BeginArray => open.push(Open::Array(None)),
            _ => {}
        }
    }
    let steps = open.iter().map(|container| match container {
        Open::Object(key) => key.as_deref().map_or_else(String::new, step),
        Open::Array(index) => index.map_or_else(String::new, |index| format!("/{index}")),
    });
    steps.collect()
}

/// One step of a JSON pointer.
fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::super::document as data;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        id: u32,
        lines: Option<Vec<Line>>,
        kind: Option<Kind>,
        at: Option<std::net::IpAddr>,
        by_name: Option<BTreeMap<String, u8>>,
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
    fn check<T: DeserializeOwned + std::fmt::Debug>(text: &str, pointer: &str, reason: &str) {
        let misfit = data::decode::<T>(text, None).unwrap_err();
        assert_eq!(
            (&*misfit.pointer, &*misfit.reason),
            (pointer, reason),
            "{text}"
        );
    }

    #[test]
    fn a_misfit_names_the_place_and_never_what_stands_there() {
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
        check::<Order>(
            r#"{"id":1,"by_name":{"a/b":"secret"}}"#,
            "/Data/by_name/a~1b",
            "found a string; expected u8",
        );
        check::<Flat>(
            r#"{"amount":"secret"}"#,
            "/Data",
            "found a string; expected u8",
        );
    }
}
