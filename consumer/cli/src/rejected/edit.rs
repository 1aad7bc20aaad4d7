//! Replaces one value in a JSON text, and leaves every other byte unchanged.
//!
//! A `serde_json::Value` would reorder keys and round numbers. Therefore, serde_json is used
//! only to find the start and the end of each value.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a text cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not JSON, so it has no value at any pointer.
    #[error("the body is not JSON; replace all of it (the pointer \"\"), or edit the file")]
    NotJson,
    /// The pointer does not have the form of RFC 6901.
    #[error("a JSON pointer is empty or begins with a slash, for example /Data/total")]
    NotAPointer,
    /// There is no value at the pointer, and no object or list to which it could be added.
    #[error("the body has no value at {0}")]
    NotFound(String),
    /// The pointer does not contain an index where the text contains a list.
    #[error("the value at {0} is a list; give the index of an element, from 0")]
    NotAnIndex(String),
}

/// Returns `text` with the value at `pointer` replaced. If an object does not have the member,
/// the member is added. The empty pointer means the whole text, which need not be JSON.
///
/// # Errors
///
/// [`EditError`] if there is no value at the pointer and none can be added.
pub fn set(text: &str, pointer: &str, value: &str) -> Result<String, EditError> {
    if pointer.is_empty() {
        return Ok(value.to_owned());
    }
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| EditError::NotJson)?;
    if !pointer.starts_with('/') {
        return Err(EditError::NotAPointer);
    }
    let steps: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut found = whole;
    for (depth, step) in steps.iter().enumerate() {
        let here = || format!("/{}", steps[..depth].join("/"));
        match members(found)? {
            Members::Object(members) => match members.iter().rev().find(|(key, _)| key == step) {
                Some((_, value)) => found = value,
                None if depth + 1 == steps.len() => {
                    let object = span(text, found);
                    let key = serde_json::to_string(step).map_err(|_| EditError::NotJson)?;
                    let comma = if members.is_empty() { "" } else { "," };
                    let end = object.end - 1;
                    return Ok(format!(
                        "{}{comma}{key}:{value}{}",
                        &text[..end],
                        &text[end..]
                    ));
                }
                None => {
                    return Err(EditError::NotFound(format!(
                        "/{}",
                        steps[..=depth].join("/")
                    )));
                }
            },
            Members::List(elements) => {
                let index: usize = step.parse().map_err(|_| EditError::NotAnIndex(here()))?;
                found = elements.get(index).ok_or_else(|| {
                    EditError::NotFound(format!("/{}", steps[..=depth].join("/")))
                })?;
            }
            Members::None => {
                return Err(EditError::NotFound(format!(
                    "/{}",
                    steps[..=depth].join("/")
                )));
            }
        }
    }
    let Range { start, end } = span(text, found);
    Ok(format!("{}{value}{}", &text[..start], &text[end..]))
}

/// Returns the position of the value at `pointer` in `text`, or `None` if there is no such
/// value.
pub fn find(text: &str, pointer: &str) -> Option<Range<usize>> {
    let mut found: &RawValue = serde_json::from_str(text).ok()?;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        found = match members(found).ok()? {
            Members::Object(members) => members.iter().rev().find(|(key, _)| *key == step)?.1,
            Members::List(elements) => elements.get(step.parse::<usize>().ok()?)?,
            Members::None => return None,
        };
    }
    Some(span(text, found))
}

/// Returns the position of `value` in `text`. A borrowed `RawValue` is a slice of the text that
/// it was read from.
fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

enum Members<'a> {
    Object(Vec<(String, &'a RawValue)>),
    List(Vec<&'a RawValue>),
    None,
}

fn members(value: &RawValue) -> Result<Members<'_>, EditError> {
    let text = value.get();
    let members = match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str(text).map(|Object(members)| Members::Object(members)),
        Some(b'[') => serde_json::from_str(text).map(Members::List),
        _ => Ok(Members::None),
    };
    members.map_err(|_| EditError::NotJson)
}

/// The members of an object in the order of the text.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Returns true if `text` is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes() {
        let text = r#"{ "b" : 1.50, "a":[ {"x": 12345678901234567890123456789 , "y":2}]}"#;
        let check = |pointer: &str, value: &str, expected: &str| {
            assert_eq!(
                set(text, pointer, value).as_deref(),
                Ok(expected),
                "{pointer}"
            );
        };
        check(
            "/b",
            "2",
            r#"{ "b" : 2, "a":[ {"x": 12345678901234567890123456789 , "y":2}]}"#,
        );
        check(
            "/a/0/y",
            "\"z\"",
            r#"{ "b" : 1.50, "a":[ {"x": 12345678901234567890123456789 , "y":"z"}]}"#,
        );
        check(
            "/a/0/new~1key",
            "3",
            r#"{ "b" : 1.50, "a":[ {"x": 12345678901234567890123456789 , "y":2,"new/key":3}]}"#,
        );
        check("", "7", "7");
    }

    #[test]
    fn member_of_an_empty_object_has_no_comma() {
        assert_eq!(set("{}", "/ID", "\"7\"").as_deref(), Ok(r#"{"ID":"7"}"#));
    }

    #[test]
    fn pointer_that_leads_nowhere_is_an_error() {
        assert_eq!(set("nonsense", "/a", "1"), Err(EditError::NotJson));
        assert_eq!(set("{}", "a", "1"), Err(EditError::NotAPointer));
        assert_eq!(
            set(r#"{"a":1}"#, "/a/b", "1"),
            Err(EditError::NotFound("/a/b".to_owned()))
        );
        assert_eq!(
            set("[1]", "/x", "1"),
            Err(EditError::NotAnIndex("/".to_owned()))
        );
        assert_eq!(
            set("[1]", "/1", "1"),
            Err(EditError::NotFound("/1".to_owned()))
        );
    }

    #[test]
    fn find_gives_the_place_in_the_text() {
        let text = r#"{"EventType":"order placed"}"#;
        assert_eq!(&text[find(text, "/EventType").unwrap()], "\"order placed\"");
        assert_eq!(find(text, "/Missing"), None);
    }
}
