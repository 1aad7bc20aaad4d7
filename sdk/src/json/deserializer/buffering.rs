//! How values are offered to serde's buffer, which implements `flatten`, `tag`, `content`
//! and `untagged`.
//!
//! The buffer keeps a key as it is offered, and the type asks for it later: a map with
//! integer keys needs an integer, and a map with string keys needs a string, even if its
//! keys consist of digits. Nothing in the text shows which of the two it is. So the value
//! is read several times, until one combination fits the type. Only a few types need a
//! second attempt.

use std::collections::{BTreeMap, HashSet};

use super::IS_ARBITRARY_PRECISION;
use crate::json::pointer::push_step;
use crate::json::reader::{Reader, SyntaxError, Token};

/// The maximum number of places for which every combination is tried. The number of
/// attempts is 2 to this power.
const MAX_PLACES: usize = 6;

/// How values are offered to a visitor that accepts any value. The default offers each
/// key as a string, and a number with all of its digits.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Buffering {
    /// The objects, by their offset, whose keys are offered as numbers and booleans where
    /// they have this form.
    typed_keys: HashSet<usize>,
    /// Whether every number that is not an integer is offered as a float.
    pub(super) rounds_floats: bool,
}

impl Buffering {
    pub(super) fn has_typed_keys(&self, object: usize) -> bool {
        self.typed_keys.contains(&object)
    }

    /// The other ways to read `text`, the likeliest first.
    pub(super) fn alternatives(text: &str) -> impl Iterator<Item = Self> {
        let places = places(text).unwrap_or_default();
        let combinations = match places.len() {
            count @ 0..=MAX_PLACES => 1_usize << count,
            // Too many places: only two combinations are tried, all places and none.
            _ => 2,
        };
        let arbitrary = *IS_ARBITRARY_PRECISION;
        (0..combinations).rev().flat_map(move |combination| {
            let chosen = places.iter().enumerate().filter(|(place, _)| {
                combination == combinations - 1 || combination >> place & 1 == 1
            });
            let typed_keys: HashSet<usize> =
                chosen.flat_map(|(_, objects)| objects).copied().collect();
            let with_floats = |rounds_floats| Self {
                typed_keys: typed_keys.clone(),
                rounds_floats,
            };
            let is_first_attempt = typed_keys.is_empty();
            let exact = (!is_first_attempt).then(|| with_floats(false));
            let rounded = arbitrary.then(|| with_floats(true));
            exact.into_iter().chain(rounded)
        })
    }
}

/// The step to the items of an array, and to the members of an object whose keys have the
/// form of a number or a boolean. A JSON Pointer contains `~` only before `0` or `1`, so no
/// key has the same step.
const ITEM: &str = "/~i";
const TYPED_MEMBER: &str = "/~m";

/// An object or an array that is being read.
struct Open {
    /// A JSON Pointer with the additional steps.
    place: String,
    object: Option<usize>,
    /// The place of the next value in it.
    next: String,
}

/// The objects that have a key in the form of a number or a boolean, by their offset.
/// Objects at the same place, such as the items of a list, have the same type.
fn places(text: &str) -> Result<Vec<Vec<usize>>, SyntaxError> {
    let mut reader = Reader::new(text);
    let mut open: Vec<Open> = Vec::new();
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    loop {
        match reader.next()? {
            Token::End => break,
            token @ (Token::BeginObject | Token::BeginArray) => {
                let place = open.last().map(|outer| outer.next.clone());
                let place = place.unwrap_or_default();
                let is_object = token == Token::BeginObject;
                open.push(Open {
                    next: format!("{place}{ITEM}"),
                    object: is_object.then(|| reader.start_of_last()),
                    place,
                });
            }
            Token::EndObject | Token::EndArray => drop(open.pop()),
            Token::Key(key) => {
                let Some(outer) = open.last_mut() else {
                    continue;
                };
                outer.next.clone_from(&outer.place);
                if typed(&key).is_none() {
                    push_step(&mut outer.next, &key);
                    continue;
                }
                outer.next.push_str(TYPED_MEMBER);
                if let Some(object) = outer.object.take() {
                    found.entry(outer.place.clone()).or_default().push(object);
                }
            }
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}

/// A key that is the text of a value that is not a string.
pub(super) enum TypedKey {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// The value whose text is exactly `key`, if there is one.
pub(super) fn typed(key: &str) -> Option<TypedKey> {
    fn exactly<T: std::str::FromStr + serde::Serialize>(key: &str) -> Option<T> {
        let value = key.parse().ok()?;
        // serde_json's text, which the serializer writes.
        (serde_json::to_string(&value).ok()? == key).then_some(value)
    }
    // A fast path: most keys are words, which are not the text of another value.
    if !key.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | 't' | 'f')) {
        return None;
    }
    exactly(key)
        .map(TypedKey::Unsigned)
        .or_else(|| exactly(key).map(TypedKey::Signed))
        .or_else(|| exactly(key).map(TypedKey::Float))
        .or_else(|| exactly(key).map(TypedKey::Bool))
}
