//! JSON Pointers (RFC 6901), which describe the position of a value in a JSON document.
//!
//! A pointer may appear in a log. The name of a struct's field is part of the
//! program, so a pointer can show it. The key of a map is data: it may be the email
//! address of a customer. If a type of the program writes or reads a document, a pointer
//! into this document therefore ends at the first map, and does not show the key. If no
//! type is known, as for a document of another producer, pointers show all keys.

use std::borrow::Cow;
use std::ops::Range;

/// Appended to the description of a fault whose pointer ends at a map.
pub(crate) const IN_A_MAP: &str = " (in a map, whose keys are data and are not shown)";

use super::reader::{Reader, Token};

/// Appends one step, which is a key or an index.
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for character in step.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// Puts one step in front of a pointer.
pub(crate) fn prepend_step(pointer: &mut String, step: &str) {
    let mut whole = String::with_capacity(step.len() + 1 + pointer.len());
    push_step(&mut whole, step);
    whole.push_str(pointer);
    *pointer = whole;
}

/// The position of a reader in a document, as a list from the innermost step to the
/// document. The list is on the stack, so it needs no allocation for a document without
/// faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'p> {
    outer: Option<&'p Position<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    /// A key, and the offset behind its colon.
    Key(&'p str, usize),
    Index(usize),
}

impl<'p> Position<'p> {
    pub(crate) fn key(outer: Option<&'p Self>, key: &'p str, end: usize) -> Self {
        Self {
            outer,
            step: Step::Key(key, end),
        }
    }

    pub(crate) fn index(outer: Option<&'p Self>, index: usize) -> Self {
        Self {
            outer,
            step: Step::Index(index),
        }
    }

    /// Returns the pointer, cut off before the first key that is in `hidden`, and whether it
    /// was cut off.
    pub(crate) fn pointer(&self, hidden: Option<&HiddenKeys>) -> (String, bool) {
        let is_hidden = |end| hidden.is_some_and(|hidden| hidden.contains(end));
        let mut steps = Vec::new();
        let mut next = Some(self);
        while let Some(position) = next {
            steps.push(position.step);
            next = position.outer;
        }
        let mut pointer = String::new();
        for step in steps.iter().rev() {
            match step {
                Step::Key(_, end) if is_hidden(*end) => return (pointer, true),
                Step::Key(key, _) => push_step(&mut pointer, key),
                Step::Index(index) => push_step(&mut pointer, &index.to_string()),
            }
        }
        (pointer, false)
    }
}

/// The keys of one document that a pointer must not show. A key is identified by the
/// offset after its colon. The keys are recorded while the document is written.
#[derive(Debug, Default)]
pub(crate) struct HiddenKeys(Vec<Range<usize>>);

impl HiddenKeys {
    /// Records the key whose colon ends at `end`.
    pub(crate) fn add(&mut self, end: usize) {
        self.0.push(end..end + 1);
    }

    /// Records every key in a part of the document.
    pub(crate) fn add_all(&mut self, part: Range<usize>) {
        // The key before this part ends at `part.start`, so it is excluded.
        self.0.push(part.start + 1..part.end + 1);
    }

    fn contains(&self, end: usize) -> bool {
        // The ranges are in the order of the document.
        let after = self.0.partition_point(|part| part.start <= end);
        after > 0 && self.0[after - 1].contains(&end)
    }
}

/// Returns the pointer of the value that follows `prefix`, the beginning of a JSON document.
/// The pointer is cut off before the first key that is in `hidden`. Also returns whether it was
/// cut off.
pub(crate) fn of_next_value(prefix: &str, hidden: &HiddenKeys) -> (String, bool) {
    enum Open<'a> {
        Object(Option<(Cow<'a, str>, usize)>),
        Array(usize),
    }
    let mut reader = Reader::new(prefix);
    let mut open: Vec<Open<'_>> = Vec::new();
    while let Ok(token) = reader.next() {
        match token {
            Token::Key(key) => {
                if let Some(Open::Object(current)) = open.last_mut() {
                    *current = Some((key, reader.offset()));
                }
                continue;
            }
            Token::BeginObject => {
                open.push(Open::Object(None));
                continue;
            }
            Token::BeginArray => {
                open.push(Open::Array(0));
                continue;
            }
            Token::EndObject | Token::EndArray => {
                open.pop();
            }
            Token::End => break,
            _ => {}
        }
        // A value has ended, so the next value in the same array has the next index.
        if let Some(Open::Array(index)) = open.last_mut() {
            *index += 1;
        }
    }
    let mut pointer = String::new();
    for container in &open {
        match container {
            Open::Object(Some((_, end))) if hidden.contains(*end) => return (pointer, true),
            Open::Object(Some((key, _))) => push_step(&mut pointer, key),
            Open::Object(None) => {}
            Open::Array(index) => push_step(&mut pointer, &index.to_string()),
        }
    }
    (pointer, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_escaped() {
        let mut pointer = "/x".to_owned();
        prepend_step(&mut pointer, "~a/b");
        push_step(&mut pointer, "");
        assert_eq!(pointer, "/~0a~1b/x/");
    }

    #[test]
    fn next_value_of_a_prefix_is_located() {
        for (prefix, pointer) in [
            ("", ""),
            (r#"{"a":"#, "/a"),
            (r#"{"a":1,"b":[1,{"c":2},"#, "/b/2"),
            (r#"{"a":{"x":1},"b":{"c/d":"#, "/b/c~1d"),
        ] {
            let found = of_next_value(prefix, &HiddenKeys::default());
            assert_eq!(found, (pointer.to_owned(), false), "{prefix}");
        }
    }

    #[test]
    fn pointer_ends_before_a_hidden_key() {
        let prefix = r#"{"a":{"secret":[0,"#;
        let mut hidden = HiddenKeys::default();
        hidden.add(15);
        let cut = |pointer: &str| (pointer.to_owned(), true);
        assert_eq!(of_next_value(prefix, &hidden), cut("/a"));
        let a = Position::key(None, "a", 5);
        let secret = Position::key(Some(&a), "secret", 15);
        let index = Position::index(Some(&secret), 1);
        assert_eq!(index.pointer(Some(&hidden)), cut("/a"));
        let shown = index.pointer(None);
        assert_eq!(shown, ("/a/secret/1".to_owned(), false));
        let mut hidden = HiddenKeys::default();
        hidden.add_all(5..20);
        assert_eq!(index.pointer(Some(&hidden)), cut("/a"));
    }
}
