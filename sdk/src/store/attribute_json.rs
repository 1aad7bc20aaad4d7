//! Converts between JSON text and the JSON of DynamoDB's API, in which each value names its
//! type: `{"a":1}` becomes `{"M":{"a":{"N":"1"}}}`. Numbers keep all of their digits.

use std::borrow::Cow;

use crate::json::document::Json;
use crate::json::escape::push_quoted;
use crate::json::limits::{self, CONTAINER_SIZE, MAX_LEVEL, MEMBER_SIZE, WORD_SIZE};
use crate::json::number::{self, Number};
use crate::json::reader::{Reader, SyntaxError, Token, number_text};

/// Appends a string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push_str("{\"S\":");
    push_quoted(out, text);
    out.push('}');
}

/// Appends a number in the form that DynamoDB accepts.
pub(crate) fn push_number(out: &mut String, number: &str) {
    out.push_str("{\"N\":\"");
    out.push_str(number);
    out.push_str("\"}");
}

/// Appends JSON text. The text was checked when its envelope was created.
pub(crate) fn push_json(out: &mut String, json: &str) {
    let mut reader = Reader::new(json);
    if !push_next(out, &mut reader) {
        out.push_str("{\"NULL\":true}");
    }
}

/// Appends the next value. False at the end of its container.
fn push_next(out: &mut String, reader: &mut Reader<'_>) -> bool {
    let Ok(token) = reader.next() else {
        return false;
    };
    match token {
        Token::BeginObject => {
            out.push_str("{\"M\":{");
            let start = out.len();
            while let Ok(Token::Key(key)) = reader.next() {
                if out.len() > start {
                    out.push(',');
                }
                push_quoted(out, &limits::stored_key(key));
                out.push(':');
                push_next(out, reader);
            }
            out.push_str("}}");
        }
        Token::BeginArray => {
            out.push_str("{\"L\":[");
            let start = out.len();
            // The comma before the end of the list is removed below.
            while push_next(out, reader) {
                out.push(',');
            }
            if out.len() > start {
                out.pop();
            }
            out.push_str("]}");
        }
        Token::String(text) => push_string(out, &text),
        Token::Number(lexeme) => {
            out.push_str("{\"N\":\"");
            Number::push_stored(out, lexeme);
            out.push_str("\"}");
        }
        Token::Bool(true) => out.push_str("{\"BOOL\":true}"),
        Token::Bool(false) => out.push_str("{\"BOOL\":false}"),
        Token::Null => out.push_str("{\"NULL\":true}"),
        Token::EndArray | Token::EndObject | Token::Key(_) | Token::End => return false,
    }
    true
}

/// A string, a number or null of an item.
#[derive(Debug)]
pub(crate) enum Scalar<'a> {
    Null,
    Text(Cow<'a, str>),
    /// Follows the grammar of a JSON number, as [`Number::parse`] requires.
    Number(Cow<'a, str>),
    /// A value of another type.
    Other,
}

/// Reads the next value as a string, a number or null. A value of another type is skipped.
pub(crate) fn scalar<'a>(reader: &mut Reader<'a>) -> Result<Scalar<'a>, SyntaxError> {
    let outside = reader.depth();
    let mut scalar = Scalar::Other;
    if reader.next()? == Token::BeginObject
        && let Token::Key(kind) = reader.next()?
    {
        scalar = match (&*kind, reader.next()?) {
            ("S", Token::String(text)) => Scalar::Text(text),
            ("N", Token::String(number)) if number_text(&number).is_some() => {
                Scalar::Number(number)
            }
            ("NULL", Token::Bool(_)) => Scalar::Null,
            _ => Scalar::Other,
        };
        if reader.depth() > outside && reader.next()? != Token::EndObject {
            scalar = Scalar::Other;
        }
    }
    reader.skip_to_depth(outside)?;
    Ok(scalar)
}

/// Why a value cannot be read as JSON.
#[derive(Debug)]
enum Fault {
    /// The whole response cannot be read.
    Syntax(SyntaxError),
    /// The type of a value does not exist in JSON.
    NotJson(&'static str),
    /// The value exceeds one of the [`limits`].
    Unreadable,
}

impl From<SyntaxError> for Fault {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

/// Reads the value of the attribute `name` as JSON text, or returns the reason why it is not
/// JSON. The keys are sorted, because DynamoDB does not preserve their order and two reads
/// of one item must be equal.
pub(crate) fn read_json(
    name: &str,
    reader: &mut Reader<'_>,
) -> Result<Result<Json, String>, SyntaxError> {
    let outside = reader.depth();
    let first = reader.next()?;
    let mut values = Values {
        reader,
        text: String::new(),
        members: Vec::new(),
    };
    let reason = match values.value(first, 1) {
        Ok(size) => {
            let text = values.text;
            return Ok(Ok(Json { text, size }));
        }
        Err(Fault::Syntax(error)) => return Err(error),
        Err(Fault::NotJson(kind)) => format!("{name} contains {kind}, which JSON does not have"),
        Err(Fault::Unreadable) => format!("{name} cannot be read"),
    };
    reader.skip_to_depth(outside)?;
    Ok(Err(reason))
}

/// The state while one value is being read.
struct Values<'r, 'a> {
    reader: &'r mut Reader<'a>,
    text: String,
    /// The members of the open maps: the key, and the range of the text, with a comma.
    members: Vec<(Cow<'a, str>, usize, usize)>,
}

impl Values<'_, '_> {
    /// Appends the value that starts with `first`, and returns the bytes that DynamoDB
    /// counts for it. Recursion ends at [`MAX_LEVEL`].
    fn value(&mut self, first: Token<'_>, level: usize) -> Result<usize, Fault> {
        const UNKNOWN: Fault = Fault::NotJson("an unknown type");
        if level > MAX_LEVEL {
            return Err(Fault::Unreadable);
        }
        let Token::BeginObject = first else {
            return Err(UNKNOWN);
        };
        let Token::Key(kind) = self.reader.next()? else {
            return Err(UNKNOWN);
        };
        let size = match (&*kind, self.reader.next()?) {
            ("S", Token::String(text)) => {
                push_quoted(&mut self.text, &text);
                text.len()
            }
            ("N", Token::String(number)) => self.number(&number)?,
            ("BOOL", Token::Bool(value)) => self.word(if value { "true" } else { "false" }),
            ("NULL", Token::Bool(_)) => self.word("null"),
            ("L", Token::BeginArray) => self.list(level)?,
            ("M", Token::BeginObject) => self.map(level)?,
            ("B", _) => return Err(Fault::NotJson("binary data")),
            ("SS" | "NS" | "BS", _) => return Err(Fault::NotJson("a set")),
            _ => return Err(UNKNOWN),
        };
        match self.reader.next()? {
            Token::EndObject => Ok(size),
            _ => Err(UNKNOWN),
        }
    }

    fn word(&mut self, word: &str) -> usize {
        self.text.push_str(word);
        WORD_SIZE
    }

    fn number(&mut self, text: &str) -> Result<usize, Fault> {
        if number::is_short_integer(text) {
            self.text.push_str(text);
            return Ok(number::integer_size(text));
        }
        let lexeme = number_text(text).ok_or(Fault::Unreadable)?;
        let number = Number::parse(lexeme);
        if number.not_storable().is_some() {
            return Err(Fault::Unreadable);
        }
        Number::push_read(&mut self.text, lexeme);
        Ok(number.size())
    }

    fn list(&mut self, level: usize) -> Result<usize, Fault> {
        let mut size = CONTAINER_SIZE;
        self.text.push('[');
        let start = self.text.len();
        loop {
            let member = self.reader.next()?;
            if member == Token::EndArray {
                break;
            }
            size += MEMBER_SIZE + self.value(member, level + 1)?;
            self.text.push(',');
        }
        self.close(start, ']');
        Ok(size)
    }

    fn map(&mut self, level: usize) -> Result<usize, Fault> {
        let mut size = CONTAINER_SIZE;
        self.text.push('{');
        let (start, first_member) = (self.text.len(), self.members.len());
        while let Token::Key(key) = self.reader.next()? {
            let begin = self.text.len();
            push_quoted(&mut self.text, limits::original_key(&key));
            self.text.push(':');
            let member = self.reader.next()?;
            size += key.len() + MEMBER_SIZE + self.value(member, level + 1)?;
            self.text.push(',');
            self.members.push((key, begin, self.text.len()));
        }
        self.sort_members(start, first_member)?;
        self.members.truncate(first_member);
        self.close(start, '}');
        Ok(size)
    }

    /// Sorts the members of the innermost map by their keys.
    fn sort_members(&mut self, start: usize, first_member: usize) -> Result<(), Fault> {
        let members = &mut self.members[first_member..];
        let is_sorted = |members: &[(Cow<'_, str>, usize, usize)]| {
            members.windows(2).all(|pair| pair[0].0 < pair[1].0)
        };
        if is_sorted(members) {
            return Ok(());
        }
        members.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if !is_sorted(members) {
            // A key occurs twice.
            return Err(Fault::Unreadable);
        }
        let unsorted = self.text.split_off(start);
        for (_, begin, end) in members {
            self.text.push_str(&unsorted[*begin - start..*end - start]);
        }
        Ok(())
    }

    /// Closes a container, and removes the comma after its last member.
    fn close(&mut self, start: usize, bracket: char) {
        if self.text.len() > start {
            self.text.pop();
        }
        self.text.push(bracket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        let mut out = String::new();
        push_json(&mut out, json);
        out
    }

    fn read(attribute: &str) -> Result<Json, String> {
        let mut reader = Reader::new(attribute);
        let read = read_json("Data", &mut reader).unwrap();
        assert_eq!(reader.next(), Ok(Token::End), "{attribute}");
        read
    }

    #[test]
    fn json_is_written_with_its_types() {
        for (json, attribute) in [
            ("null", r#"{"NULL":true}"#),
            ("1e2", r#"{"N":"100"}"#),
            ("-0.10", r#"{"N":"-0.1"}"#),
            ("0e900", r#"{"N":"0"}"#),
            (r#""a\"\u0000é""#, r#"{"S":"a\"\u0000é"}"#),
            ("[]", r#"{"L":[]}"#),
            ("{}", r#"{"M":{}}"#),
            ("[[],1]", r#"{"L":[{"L":[]},{"N":"1"}]}"#),
            (
                r#"{"":true,"\u0000":{"b":false}}"#,
                r#"{"M":{"\u0000":{"BOOL":true},"\u0000\u0000":{"M":{"b":{"BOOL":false}}}}}"#,
            ),
        ] {
            assert_eq!(written(json), attribute);
        }
    }

    #[test]
    fn json_is_read_back_unchanged() {
        let text = r#"{"":1,"\u0000":{"":2},"a":[null,true,"",{},[],"\ufffe\u0000😀"],"n":12345678901234567890123456789012345678}"#;
        assert_eq!(read(&written(text)).unwrap().text, text);
    }

    #[test]
    fn size_is_that_of_the_limits() {
        for text in [
            r#"{"":1,"a":[null,-1.50,"é",{}],"z":{"b":1E100,"c":120}}"#,
            "[0,10,1234567890123456789012345678,-3]",
        ] {
            let json = read(&written(text)).unwrap();
            let mut reader = Reader::new(&json.text);
            let first = reader.next().unwrap();
            let mut faults = limits::Faults::default();
            let size = limits::value(&mut reader, first, None, 1, &mut faults).unwrap();
            assert_eq!(json.size, size, "{text}");
        }
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        let attribute = r#"{"M":{"b":{"M":{"d":{"N":"1"},"c":{"L":[{"M":{"y":{"N":"2"},"x":{"N":"3"}}}]}}},"a":{"S":"s"}}}"#;
        let sorted = r#"{"a":"s","b":{"c":[{"x":3,"y":2}],"d":1}}"#;
        assert_eq!(read(attribute).unwrap().text, sorted);
    }

    #[test]
    fn value_that_is_not_json_has_a_reason() {
        let deep = format!(
            "{}{{\"N\":\"1\"}}{}",
            "{\"L\":[".repeat(32),
            "]}".repeat(32)
        );
        for (attribute, reason) in [
            (
                r#"{"L":[{"B":"AA=="}]}"#,
                "Data contains binary data, which JSON does not have",
            ),
            (
                r#"{"M":{"a":{"NS":["1"]}}}"#,
                "Data contains a set, which JSON does not have",
            ),
            (
                r#"{"X":[{"S":"a"}]}"#,
                "Data contains an unknown type, which JSON does not have",
            ),
            (
                r#"{"S":"a","N":"1"}"#,
                "Data contains an unknown type, which JSON does not have",
            ),
            (
                "{}",
                "Data contains an unknown type, which JSON does not have",
            ),
            (
                "5",
                "Data contains an unknown type, which JSON does not have",
            ),
            (r#"{"N":"0x1"}"#, "Data cannot be read"),
            (r#"{"N":"1e200"}"#, "Data cannot be read"),
            (
                r#"{"M":{"a":{"N":"1"},"a":{"N":"2"}}}"#,
                "Data cannot be read",
            ),
            (&deep, "Data cannot be read"),
        ] {
            assert_eq!(read(attribute).unwrap_err(), reason, "{attribute}");
        }
    }

    #[test]
    fn scalar_of_another_type_is_skipped() {
        for (attribute, is_other) in [
            (r#"{"S":"a"}"#, false),
            (r#"{"N":"1"}"#, false),
            (r#"{"N":"-1.5E+2"}"#, false),
            (r#"{"NULL":true}"#, false),
            (r#"{"NULL":true,"S":"a"}"#, true),
            (r#"{"N":""}"#, true),
            (r#"{"N":"1 "}"#, true),
            (r#"{"N":"1-"}"#, true),
            (r#"{"N":"!"}"#, true),
            (r#"{"N":"é"}"#, true),
            (r#"{"S":"a","N":"1"}"#, true),
            (r#"{"L":[{"S":"a"}]}"#, true),
            (r#"{"S":["a"]}"#, true),
            ("{}", true),
            ("[1]", true),
            ("1", true),
        ] {
            let mut reader = Reader::new(attribute);
            let found = scalar(&mut reader).unwrap();
            assert_eq!(matches!(found, Scalar::Other), is_other, "{attribute}");
            assert_eq!(reader.next(), Ok(Token::End), "{attribute}");
        }
    }
}
