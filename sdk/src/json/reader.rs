//! A strict JSON reader (RFC 8259) that preserves numbers, keys and their order.
//!
//! The reader returns numbers as text and every key in order, including duplicates, so
//! that the rules are checked against the exact text that was sent. Other readers convert
//! numbers to floats, or drop one of two equal keys. The reader is not recursive: each
//! level of nesting costs one byte of memory.

use std::borrow::Cow;

/// One token of the document.
#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    BeginObject,
    /// A key. Its value follows.
    Key(Cow<'a, str>),
    EndObject,
    BeginArray,
    EndArray,
    String(Cow<'a, str>),
    Number(&'a str),
    Bool(bool),
    Null,
    /// The document is complete.
    End,
}

/// The text is not exactly one JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Byte offset of the first unexpected byte.
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expect {
    Value,
    FirstItem,
    NextItem,
    FirstKey,
    NextKey,
    End,
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    start_of_last: usize,
    expect: Expect,
    /// The open containers, from the outermost to the innermost. `true` stands for an
    /// object, `false` for an array.
    open: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            start_of_last: 0,
            expect: Expect::Value,
            open: Vec::new(),
        }
    }

    /// Byte offset after the last token.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Byte offset of the next value, after white space and a comma.
    pub(crate) fn offset_of_next(&self) -> usize {
        let separator = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',');
        let rest = &self.text.as_bytes()[self.at..];
        self.at + rest.iter().take_while(|b| separator(b)).count()
    }

    /// Byte offset of the start of the last value.
    pub(crate) fn start_of_last(&self) -> usize {
        self.start_of_last
    }

    /// Returns the text from `start` to the end of the last token.
    pub(crate) fn text_from(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Returns the number of open containers.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Reads until only `depth` containers are open, and checks the syntax on the way.
    pub(crate) fn skip_to_depth(&mut self, depth: usize) -> Result<(), SyntaxError> {
        while self.open.len() > depth {
            self.next()?;
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_white_space();
        match self.expect {
            Expect::Value => self.value(),
            Expect::End => match self.peek() {
                None => Ok(Token::End),
                Some(_) => self.fail("there is more text after the value"),
            },
            Expect::FirstItem if self.peek() == Some(b']') => self.close(Token::EndArray),
            Expect::FirstItem => self.value(),
            Expect::NextItem => match self.peek() {
                Some(b']') => self.close(Token::EndArray),
                Some(b',') => {
                    self.at += 1;
                    self.skip_white_space();
                    self.value()
                }
                _ => self.fail("expected a comma or the end of the array"),
            },
            Expect::FirstKey if self.peek() == Some(b'}') => self.close(Token::EndObject),
            Expect::FirstKey => self.key(),
            Expect::NextKey => match self.peek() {
                Some(b'}') => self.close(Token::EndObject),
                Some(b',') => {
                    self.at += 1;
                    self.skip_white_space();
                    self.key()
                }
                _ => self.fail("expected a comma or the end of the object"),
            },
        }
    }

    fn value(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.start_of_last = self.at;
        let token = match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => Token::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Token::Number(self.number()?),
            Some(b't') => self.literal("true", Token::Bool(true))?,
            Some(b'f') => self.literal("false", Token::Bool(false))?,
            Some(b'n') => self.literal("null", Token::Null)?,
            None if self.text.is_empty() => return self.fail("the body is empty"),
            None => return self.fail("the text ends too early"),
            Some(0xEF) if self.at == 0 && self.text.starts_with('\u{FEFF}') => {
                return self.fail("the body starts with a byte order mark");
            }
            Some(_) => return self.fail("expected a value"),
        };
        self.value_done();
        Ok(token)
    }

    fn open(&mut self, object: bool) -> Result<Token<'a>, SyntaxError> {
        self.at += 1;
        self.open.push(object);
        if object {
            self.expect = Expect::FirstKey;
            Ok(Token::BeginObject)
        } else {
            self.expect = Expect::FirstItem;
            Ok(Token::BeginArray)
        }
    }

    fn close(&mut self, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        self.at += 1;
        self.open.pop();
        self.value_done();
        Ok(token)
    }

    fn value_done(&mut self) {
        self.expect = match self.open.last() {
            None => Expect::End,
            Some(true) => Expect::NextKey,
            Some(false) => Expect::NextItem,
        };
    }

    fn key(&mut self) -> Result<Token<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in double quotes");
        }
        let key = self.string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon after the key");
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(key))
    }

    fn literal(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.fail("expected true, false or null");
        }
        self.at += word.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        self.take(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.iter().take_while(|b| b.is_ascii_digit()).count() {
            0 => self.fail("expected a digit"),
            n => {
                self.at += n;
                Ok(())
            }
        }
    }

    /// Reads a string, and returns it without its quotes. It is borrowed if it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let mut start = self.at;
        let mut owned: Option<String> = None;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest
                .iter()
                .position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            self.at += plain.unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => {
                    let tail = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(tail),
                        Some(text) => Cow::Owned(text + tail),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[start..self.at]);
                    text.push(self.escape()?);
                    start = self.at;
                }
                Some(_) => return self.fail("a string contains an unescaped control character"),
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("a string contains an unknown escape"),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        const LONE: &str = "a string contains an escaped lone surrogate";
        let unit = self.four_hex_digits()?;
        let code = match unit {
            0xD800..0xDC00 => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return self.fail(LONE);
                }
                self.at += 1;
                let low = self.four_hex_digits()?;
                if !(0xDC00..0xE000).contains(&low) {
                    return self.fail(LONE);
                }
                0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
            }
            _ => unit,
        };
        char::from_u32(code).map_or_else(|| self.fail(LONE), Ok)
    }

    /// Reads `uXXXX`.
    fn four_hex_digits(&mut self) -> Result<u32, SyntaxError> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at + 1..self.at + 5)
            .unwrap_or_default();
        let mut value = 0;
        for digit in digits {
            match char::from(*digit).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return self.fail("expected four hexadecimal digits"),
            }
        }
        if digits.is_empty() {
            return self.fail("expected four hexadecimal digits");
        }
        self.at += 5;
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, what })
    }
}

/// Returns `text` if it is exactly one JSON number, without white space around it.
pub(crate) fn number_text(text: &str) -> Option<&str> {
    match Reader::new(text).next() {
        Ok(Token::Number(lexeme)) if lexeme.len() == text.len() => Some(lexeme),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<usize, SyntaxError> {
        let mut reader = Reader::new(text);
        let mut tokens = 0;
        while reader.next()? != Token::End {
            tokens += 1;
        }
        Ok(tokens)
    }

    /// serde_json also rejects numbers beyond the range of floats, and more than 128
    /// levels. The texts of these tests contain neither.
    fn agrees_with_serde_json(text: &str) {
        let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(read(text).is_ok(), theirs, "{text:?}");
    }

    #[test]
    fn reader_accepts_exactly_rfc_8259() {
        for text in [
            "",
            " ",
            "null",
            " true ",
            "nul",
            "truefalse",
            "[]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\u{1}\"",
            "\"\u{7f}\"",
            "01",
            "-",
            "-0",
            "1.",
            ".5",
            "1.5e",
            "1e+",
            "1E+5",
            "+1",
            "NaN",
            "Infinity",
            "0x1",
            "1 2",
            "[[[[]]]]",
            "]",
            "}",
            "[}",
            "{]",
            "\u{FEFF}1",
            "1\u{a0}",
            "// c\n1",
            "\"\\u00e9\"",
            "\"\\/\"",
            "-1e-9",
            "\"\\u123\u{e9}\"",
            "\"\\u",
            "\"\\",
        ] {
            agrees_with_serde_json(text);
        }
    }

    #[test]
    fn string_is_unescaped() {
        let mut reader = Reader::new(r#""a\n\u0041\ud83d\ude00\"\/é""#);
        assert_eq!(
            reader.next(),
            Ok(Token::String(Cow::Borrowed("a\nA😀\"/é")))
        );
    }

    #[test]
    fn million_levels_do_not_overflow_the_stack() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(read(&deep).unwrap_err().at, 1_000_000);
        assert_eq!(
            read(&format!("{deep}{}", "]".repeat(1_000_000))),
            Ok(2_000_000)
        );
    }

    proptest! {
        #[test]
        fn random_text_has_serde_json_verdict(text in r#"[\[\]{}:,"\\u0-9a-f.eE+ntrsl -]{0,40}"#) {
            // serde_json rejects numbers beyond the range of floats.
            prop_assume!(!text.contains(['e', 'E']) || text.len() < 4);
            agrees_with_serde_json(&text);
        }
    }
}
