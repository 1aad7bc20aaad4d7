//! Writes JSON text, and counts its size in DynamoDB at the same time.

use serde::ser::Error as _;

use super::escape;
use super::limits::{self, CONTAINER_SIZE, MAX_LEVEL, MEMBER_SIZE, WORD_SIZE};
use super::number::{self, Number};
use super::pointer::HiddenKeys;

/// Why the serializer stopped before the end of the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Abort {
    TooDeep,
    NotFinite,
    /// The type's `Serialize` wrote a different variant than the event has.
    OtherVariant,
}

/// A text that is being written. The serializer ([`super::serializer`]) ensures that it is
/// JSON.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) text: String,
    /// Bytes that DynamoDB counts for the text.
    pub(super) size: usize,
    /// The number of open lists and maps.
    level: usize,
    /// True if the text must be checked again with the rules of the consumer, because the
    /// writer found an unusual value.
    pub(super) needs_recheck: bool,
    pub(super) abort: Option<Abort>,
    /// The keys that were chosen at run time.
    pub(super) hidden: HiddenKeys,
    /// The fields of the outermost object that serde attributes skipped.
    pub(super) skipped: Vec<&'static str>,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    pub(super) fn abort<T>(&mut self, why: Abort) -> Result<T, serde_json::Error> {
        self.abort = Some(why);
        // `document` composes the error that the user sees.
        Err(serde_json::Error::custom("the value cannot be stored"))
    }

    /// Writes `null`, `true` or `false`.
    #[inline]
    pub(super) fn word(&mut self, word: &str) {
        self.size += WORD_SIZE;
        self.text.push_str(word);
    }

    #[inline]
    pub(super) fn string(&mut self, text: &str) {
        self.size += text.len();
        escape::push_quoted(&mut self.text, text);
    }

    /// Writes an integer that fits into 64 bits. DynamoDB can store every such number.
    #[inline]
    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        let mut buffer = itoa::Buffer::new();
        let lexeme = buffer.format(value);
        self.size += number::integer_size(lexeme);
        self.text.push_str(lexeme);
    }

    /// Writes any other number. If DynamoDB cannot store the number, the recheck reports
    /// its position.
    pub(super) fn number(&mut self, lexeme: &str) {
        let number = Number::parse(lexeme);
        self.needs_recheck |= number.not_storable().is_some();
        self.size += number.size();
        self.text.push_str(lexeme);
    }

    /// Writes JSON that was serialized elsewhere and has not been checked.
    pub(super) fn raw(&mut self, json: &str) {
        self.needs_recheck = true;
        let start = self.text.len();
        escape::push_json(&mut self.text, json);
        self.hidden.add_all(start..self.text.len());
    }

    #[inline]
    pub(super) fn open(&mut self, bracket: char) {
        self.size += CONTAINER_SIZE;
        self.level += 1;
        self.text.push(bracket);
    }

    #[inline]
    pub(super) fn close(&mut self, bracket: char) {
        self.level -= 1;
        self.text.push(bracket);
    }

    /// Begins a member of a list or map.
    #[inline]
    pub(super) fn member(&mut self, first: bool) -> Result<(), serde_json::Error> {
        if self.level >= MAX_LEVEL {
            return self.abort(Abort::TooDeep);
        }
        self.size += MEMBER_SIZE;
        if !first {
            self.text.push(',');
        }
        Ok(())
    }

    /// Returns true if the only open container is the outermost container.
    pub(super) fn is_at_top(&self) -> bool {
        self.level == 1
    }

    /// Writes the name of a field or variant.
    #[inline]
    pub(super) fn name(&mut self, name: &'static str) {
        self.write_key(name);
    }

    /// Writes a key that was chosen at run time.
    #[inline]
    pub(super) fn key(&mut self, key: &str) {
        self.write_key(key);
        self.hidden.add(self.text.len());
    }

    #[inline]
    fn write_key(&mut self, key: &str) {
        self.size += limits::key_size(key);
        escape::push_quoted(&mut self.text, key);
        self.text.push(':');
    }
}

/// The keys of one object, as hashes. The hash function is chosen for speed. A collision
/// only causes a recheck of the text.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// One bit per key. For most keys, it shows that the key is new without a scan.
    seen: u64,
    count: usize,
    few: [u64; FEW],
    /// All keys, if the object has more than [`FEW`]. They are sorted at the end.
    many: Vec<u64>,
    duplicate: bool,
}

/// Up to this many keys need no allocation.
const FEW: usize = 16;

impl Keys {
    #[inline]
    pub(super) fn add(&mut self, key: &str) {
        let hash = hash(key);
        if self.count < FEW {
            let bit = 1 << (hash >> 58);
            self.duplicate |= self.seen & bit != 0 && self.few[..self.count].contains(&hash);
            self.seen |= bit;
            self.few[self.count] = hash;
        } else {
            self.add_to_many(hash);
        }
        self.count += 1;
    }

    #[cold]
    fn add_to_many(&mut self, hash: u64) {
        if self.many.is_empty() {
            self.many.extend(self.few);
        }
        self.many.push(hash);
    }

    /// Returns true if the object may contain a key twice.
    #[inline]
    pub(super) fn may_have_duplicates(&mut self) -> bool {
        self.duplicate || {
            self.many.sort_unstable();
            self.many.windows(2).any(|pair| pair[0] == pair[1])
        }
    }
}

#[inline]
fn hash(key: &str) -> u64 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, last) = escape::words(key.as_bytes());
    let start = mix(key.len() as u64, last);
    words
        .iter()
        .fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)))
}
