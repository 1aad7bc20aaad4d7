//! Checks that DynamoDB can store a value: its depth, its numbers, its size, and that no
//! object has a key twice.
//!
//! The limits come from the DynamoDB developer guide ("Quotas", "Data types: item
//! sizes"). Events of other producers are always checked here, when they are decoded. An
//! event of this process is checked here only if the serializer met anything unusual.

use std::borrow::Cow;
use std::collections::HashSet;

use super::number::Number;
use super::pointer::{HiddenKeys, IN_A_MAP, Position};
use super::reader::{Reader, SyntaxError, Token};
use crate::error::{InvalidEvent, RejectionCode};

/// The maximum nesting of an item. The value of a top-level attribute is on level 1.
pub(crate) const MAX_LEVEL: usize = 32;
/// Bytes that DynamoDB counts for a map or a list, without its members.
pub(crate) const CONTAINER_SIZE: usize = 3;
/// Bytes that DynamoDB counts for each member, in addition to its key and value.
pub(crate) const MEMBER_SIZE: usize = 1;
/// Bytes that DynamoDB counts for `null`, `true` and `false`.
pub(crate) const WORD_SIZE: usize = 1;

/// The maximum number of faults that are reported for one event. Every value of an event may
/// have a fault, but the first few are enough to correct the producer.
const MAX_FAULTS: usize = 8;

/// The faults found in one event, in the order of the event's text.
#[derive(Debug, Default)]
pub(crate) struct Faults<'h> {
    found: Vec<InvalidEvent>,
    /// The keys that a pointer must not show.
    hidden: Option<&'h HiddenKeys>,
}

impl<'h> Faults<'h> {
    pub(crate) fn hiding(hidden: &'h HiddenKeys) -> Self {
        Self {
            found: Vec::new(),
            hidden: Some(hidden),
        }
    }

    pub(crate) fn push(&mut self, fault: InvalidEvent) {
        if self.found.len() < MAX_FAULTS {
            self.found.push(fault);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the first fault, with the others attached.
    pub(crate) fn into_error(self) -> Option<InvalidEvent> {
        InvalidEvent::first_of(self.found)
    }

    fn at(&mut self, position: Option<&Position<'_>>, code: RejectionCode, mut reason: String) {
        if self.found.len() < MAX_FAULTS {
            let (pointer, is_cut) =
                position.map_or_else(Default::default, |position| position.pointer(self.hidden));
            if is_cut {
                reason.push_str(IN_A_MAP);
            }
            self.found.push(InvalidEvent::new(code, &pointer, reason));
        }
    }
}

/// Checks the value that starts with `first`, and returns the bytes that DynamoDB
/// counts for it. Recursion ends at [`MAX_LEVEL`].
///
/// The check continues after a fault, so that the whole value is read.
pub(crate) fn value<'a>(
    reader: &mut Reader<'a>,
    first: Token<'a>,
    position: Option<&Position<'_>>,
    level: usize,
    faults: &mut Faults<'_>,
) -> Result<usize, SyntaxError> {
    if level > MAX_LEVEL {
        if matches!(first, Token::BeginObject | Token::BeginArray) {
            let outside = reader.depth() - 1;
            reader.skip_to_depth(outside)?;
        }
        // A value that is too deep usually has many inner values. One fault is enough.
        let known = |fault: &InvalidEvent| fault.code() == RejectionCode::TooDeep;
        if !faults.found.iter().any(known) {
            faults.push(too_deep());
        }
        return Ok(0);
    }
    match first {
        Token::BeginObject => {
            let mut size = CONTAINER_SIZE;
            let mut keys = Keys::default();
            while let Token::Key(key) = reader.next()? {
                let position = Position::key(position, &key, reader.offset());
                if !keys.add(key.clone()) {
                    let code = RejectionCode::DuplicateKey;
                    faults.at(Some(&position), code, DUPLICATE_KEY.to_owned());
                }
                let member = reader.next()?;
                let member_size = value(reader, member, Some(&position), level + 1, faults)?;
                size += key_size(&key) + MEMBER_SIZE + member_size;
            }
            Ok(size)
        }
        Token::BeginArray => {
            let mut size = CONTAINER_SIZE;
            for index in 0.. {
                let member = reader.next()?;
                if member == Token::EndArray {
                    break;
                }
                let position = Position::index(position, index);
                let member_size = value(reader, member, Some(&position), level + 1, faults)?;
                size += MEMBER_SIZE + member_size;
            }
            Ok(size)
        }
        Token::String(text) => Ok(text.len()),
        Token::Number(lexeme) => {
            let number = Number::parse(lexeme);
            if let Some(reason) = number.not_storable() {
                faults.at(position, RejectionCode::NumberNotStorable, reason);
            }
            Ok(number.size())
        }
        _ => Ok(WORD_SIZE),
    }
}

pub(crate) const DUPLICATE_KEY: &str =
    "found the same key twice in one object; two readers would see two different events";

/// Returns the bytes that DynamoDB counts for the key of a map. DynamoDB rejects an empty key,
/// so an empty key is stored as one NUL, and a key that consists of NULs is stored with one
/// more NUL ([`stored_key`]).
#[inline]
pub(crate) fn key_size(key: &str) -> usize {
    key.len() + usize::from(is_nuls(key))
}

#[inline]
fn is_nuls(key: &str) -> bool {
    key.bytes().all(|b| b == 0)
}

/// Returns the key in the item for a key in the JSON text.
#[cfg(feature = "store")]
pub(crate) fn stored_key(mut key: Cow<'_, str>) -> Cow<'_, str> {
    if is_nuls(&key) {
        key.to_mut().push('\0');
    }
    key
}

/// Returns the key in the JSON text for a key in the item.
#[cfg(feature = "store")]
pub(crate) fn original_key(key: &str) -> &str {
    if is_nuls(key) {
        key.strip_suffix('\0').unwrap_or(key)
    } else {
        key
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

/// Up to this many keys, a linear scan is faster than hashing. With more keys, the scans
/// would take quadratic time.
const FEW: usize = 12;

impl<'a> Keys<'a> {
    /// Adds a key. False if the object already has it.
    pub(crate) fn add(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.many.is_empty() && self.few.len() < FEW {
            self.few.push(key);
            return true;
        }
        self.many.extend(self.few.drain(..));
        self.many.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<usize, InvalidEvent> {
        let mut reader = Reader::new(text);
        let first = reader.next().unwrap();
        let mut faults = Faults::default();
        let size = value(&mut reader, first, None, 1, &mut faults).unwrap();
        faults.into_error().map_or(Ok(size), Err)
    }

    #[test]
    fn size_is_what_dynamodb_counts() {
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
    fn level_33_is_too_deep() {
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
    fn fault_has_a_json_pointer() {
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
    fn duplicate_is_found_among_any_number_of_keys() {
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
    fn every_fault_is_found_up_to_a_bound() {
        let error = check(r#"{"a":1e200,"b":[{"c":1,"c":2}],"d":1e-200}"#).unwrap_err();
        let others = error.others().iter().map(InvalidEvent::pointer);
        assert_eq!(error.pointer(), "/a");
        assert_eq!(others.collect::<Vec<_>>(), ["/b/0/c", "/d"]);
        let many = format!("[{}1e200]", "1e200,".repeat(1000));
        assert_eq!(check(&many).unwrap_err().others().len(), MAX_FAULTS - 1);
        let deep = format!(
            "[{}]",
            format!("{}{},", "[".repeat(32), "]".repeat(32)).repeat(3)
        );
        let error = check(&deep.replace(",]", "]")).unwrap_err();
        assert_eq!(error.code(), RejectionCode::TooDeep);
        assert!(error.others().is_empty());
    }
}
