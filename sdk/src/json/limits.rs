//! What DynamoDB can hold: depth, numbers, sizes, and one value a key.
//!
//! The limits are those of the DynamoDB developer guide ("Quotas", "Data types:
//! item sizes"). Every event passes here: a foreign one when it is decoded, one
//! of ours when the encoder ([`super::data`]) met anything out of the ordinary.

use std::borrow::Cow;
use std::collections::HashSet;

use super::number::Number;
use super::reader::{NotJson, Reader, Token};
use crate::error::{InvalidEvent, RejectionCode};

/// Levels of an item; the value of a top-level attribute is the first.
pub(crate) const MAX_LEVEL: usize = 32;
/// What a map or a list costs apart from its members.
pub(crate) const CONTAINER_SIZE: usize = 3;
/// What each member of a map or list costs apart from its key and value.
pub(crate) const MEMBER_SIZE: usize = 1;
/// `null`, `true` and `false`.
pub(crate) const WORD_SIZE: usize = 1;

/// Why a value is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The text is no JSON; nothing after this place can be trusted.
    Syntax(NotJson),
    /// The text may go on well; the event is broken.
    Invalid(InvalidEvent),
}

impl From<NotJson> for Refusal {
    fn from(error: NotJson) -> Self {
        Self::Syntax(error)
    }
}

impl From<InvalidEvent> for Refusal {
    fn from(error: InvalidEvent) -> Self {
        Self::Invalid(error)
    }
}

impl Refusal {
    pub(crate) fn inside(self, key: &str) -> Self {
        match self {
            Self::Invalid(error) if error.code() != RejectionCode::TooDeep => {
                Self::Invalid(error.inside(key))
            }
            other => other,
        }
    }
}

/// Checks the value that starts with `first`, on `level`, and returns the bytes
/// that DynamoDB counts for it. Recursion ends at [`MAX_LEVEL`].
pub(crate) fn value<'a>(
    reader: &mut Reader<'a>,
    first: Token<'a>,
    level: usize,
) -> Result<usize, Refusal> {
    if level > MAX_LEVEL {
        return Err(too_deep().into());
    }
    match first {
        Token::BeginObject => {
            let mut size = CONTAINER_SIZE;
            let mut keys = Keys::default();
            loop {
                match reader.next()? {
                    Token::Key(key) => {
                        keys.add(key.clone())?;
                        let member = reader.next()?;
                        let member_size =
                            value(reader, member, level + 1).map_err(|e| e.inside(&key))?;
                        size += key_size(&key) + MEMBER_SIZE + member_size;
                    }
                    _ => return Ok(size),
                }
            }
        }
        Token::BeginArray => {
            let mut size = CONTAINER_SIZE;
            for index in 0_usize.. {
                match reader.next()? {
                    Token::EndArray => break,
                    member => {
                        let member_size = value(reader, member, level + 1)
                            .map_err(|e| e.inside(&index.to_string()))?;
                        size += MEMBER_SIZE + member_size;
                    }
                }
            }
            Ok(size)
        }
        Token::String(text) => Ok(text.len()),
        Token::Number(lexeme) => number(lexeme).map_err(Into::into),
        _ => Ok(WORD_SIZE),
    }
}

/// Bytes of a map's key. DynamoDB has no empty keys, so that one is stored as a
/// NUL, and a key of NULs with one more ([`stored_key`]).
#[inline]
pub(crate) fn key_size(key: &str) -> usize {
    key.len() + usize::from(is_nuls(key))
}

#[inline]
fn is_nuls(key: &str) -> bool {
    key.bytes().all(|b| b == 0)
}

/// A key of the JSON as it stands in the item.
#[cfg(feature = "store")]
pub(crate) fn stored_key(mut key: String) -> String {
    if is_nuls(&key) {
        key.push('\0');
    }
    key
}

/// A key of the item as it stands in the JSON.
#[cfg(feature = "store")]
pub(crate) fn original_key(key: &str) -> &str {
    if is_nuls(key) {
        key.strip_suffix('\0').unwrap_or(key)
    } else {
        key
    }
}

pub(crate) fn number(lexeme: &str) -> Result<usize, InvalidEvent> {
    let number = Number::parse(lexeme);
    match number.not_storable() {
        None => Ok(number.size()),
        Some(reason) => Err(InvalidEvent::new(
            RejectionCode::NumberNotStorable,
            "",
            reason,
        )),
    }
}

pub(crate) fn too_deep() -> InvalidEvent {
    InvalidEvent::new(
        RejectionCode::TooDeep,
        "",
        "found more than 32 levels of nesting, counting the field itself; DynamoDB holds 32, so flatten the \
         value or send its inner part as a string",
    )
}

/// The keys of one object.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

/// Up to here a scan is faster than hashing; beyond, a scan would be quadratic.
const FEW: usize = 12;

impl<'a> Keys<'a> {
    pub(crate) fn add(&mut self, key: Cow<'a, str>) -> Result<(), InvalidEvent> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Err(InvalidEvent::new(
                RejectionCode::DuplicateKey,
                "",
                "found the same key twice in one object; two readers would see two different events",
            )
            .inside(&key));
        }
        if self.many.is_empty() && self.few.len() < FEW {
            self.few.push(key);
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(key);
        }
        Ok(())
    }
}

/// JSON pointer of the place where `prefix`, the beginning of a JSON text, ends.
pub(crate) fn place_of_end(prefix: &str) -> String {
    enum Step<'a> {
        Object(Option<Cow<'a, str>>),
        Array(usize),
    }
    let mut reader = Reader::new(prefix);
    let mut path: Vec<Step<'_>> = Vec::new();
    while let Ok(token) = reader.next() {
        match token {
            Token::Key(key) => {
                if let Some(Step::Object(current)) = path.last_mut() {
                    *current = Some(key);
                }
                continue;
            }
            Token::BeginObject => {
                path.push(Step::Object(None));
                continue;
            }
            Token::BeginArray => {
                path.push(Step::Array(0));
                continue;
            }
            Token::EndObject | Token::EndArray => {
                path.pop();
            }
            Token::End => break,
            _ => {}
        }
        // A value is complete: the next one in its array has the next index.
        if let Some(Step::Array(index)) = path.last_mut() {
            *index += 1;
        }
    }
    path.iter()
        .map(|step| match step {
            Step::Object(Some(key)) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Object(None) => String::new(),
            Step::Array(index) => format!("/{index}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<usize, InvalidEvent> {
        let mut reader = Reader::new(text);
        let first = reader.next().unwrap();
        value(&mut reader, first, 1).map_err(|e| match e {
            Refusal::Invalid(e) => e,
            Refusal::Syntax(e) => panic!("{e:?}"),
        })
    }

    #[test]
    fn sizes_are_dynamodbs() {
        for (text, size) in [
            ("null", 1),
            (r#""é""#, 2),
            ("{}", 3),
            ("[]", 3),
            (r#"{"ab":"cde"}"#, 3 + 2 + 1 + 3),
            (r#"[1,"a",null]"#, 3 + 3 + 2 + 1 + 1),
        ] {
            assert_eq!(check(text).unwrap(), size, "{text}");
        }
    }

    #[test]
    fn the_thirty_second_level_is_the_last() {
        let nested =
            |levels: usize| format!("{}1{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(check(&nested(32)).is_ok());
        let error = check(&nested(33)).unwrap_err();
        assert_eq!(
            (error.code(), error.pointer()),
            (RejectionCode::TooDeep, "")
        );
    }

    #[test]
    fn a_refusal_names_the_place_as_a_json_pointer() {
        for (text, code, pointer) in [
            (
                r#"{"a/b":{"~":[1,1e126]}}"#,
                RejectionCode::NumberNotStorable,
                "/a~1b/~0/1",
            ),
            (
                r#"{"a":[{"k":1,"\u006b":2}]}"#,
                RejectionCode::DuplicateKey,
                "/a/0/k",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!((error.code(), error.pointer()), (code, pointer), "{text}");
        }
    }

    #[test]
    fn a_duplicate_is_found_among_few_keys_and_among_many() {
        for n in [2, FEW, FEW + 1, FEW + 2, 1000] {
            let keys: Vec<String> = (0..n).map(|i| format!("\"k{i}\":0")).collect();
            assert!(check(&format!("{{{}}}", keys.join(","))).is_ok(), "{n}");
            assert!(
                check(&format!("{{{},\"k1\":0}}", keys.join(","))).is_err(),
                "{n}"
            );
        }
    }

    #[test]
    fn the_place_where_a_text_breaks_off_is_found() {
        for (prefix, pointer) in [
            ("", ""),
            (r#"{"a":"#, "/a"),
            (r#"{"a":1,"b":[1,{"c":2},"#, "/b/2"),
            (r#"{"a":{"x":1},"b":{"c/d":"#, "/b/c~1d"),
        ] {
            assert_eq!(place_of_end(prefix), pointer, "{prefix}");
        }
    }
}
