//! JSON text that is measured, as DynamoDB will, while it is written.

use serde::ser::Error as _;

use super::limits::{self, CONTAINER_SIZE, MAX_LEVEL, MEMBER_SIZE, WORD_SIZE};
use super::{escape, number};

/// Why a value was not written to its end, where the text does not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stopped {
    TooDeep,
    NotFinite,
}

/// A text in the making. It is the serializer's ([`super::serializer`]) that the
/// text is JSON.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) text: String,
    /// Bytes that DynamoDB counts for it.
    pub(super) size: usize,
    /// How many lists and maps are open.
    level: usize,
    /// Something is out of the ordinary, so that the text itself must be read.
    pub(super) suspect: bool,
    pub(super) stopped: Option<Stopped>,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ..Self::default()
        }
    }

    pub(super) fn stop<T>(&mut self, why: Stopped) -> Result<T, serde_json::Error> {
        self.stopped = Some(why);
        Err(serde_json::Error::custom(match why {
            Stopped::TooDeep => "too deep",
            Stopped::NotFinite => "NaN and infinities are not JSON",
        }))
    }

    /// `null`, `true` or `false`.
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

    /// A number that fits into 64 bits: DynamoDB holds them all.
    #[inline]
    pub(super) fn integer(&mut self, value: impl itoa::Integer) {
        let mut buffer = itoa::Buffer::new();
        let lexeme = buffer.format(value);
        self.size += number::integer_size(lexeme);
        self.text.push_str(lexeme);
    }

    /// Any other number. One that DynamoDB cannot hold is left to the reader of
    /// the text, who knows its place.
    pub(super) fn number(&mut self, lexeme: &str) {
        match limits::number(lexeme) {
            Ok(size) => self.size += size,
            Err(_) => self.suspect = true,
        }
        self.text.push_str(lexeme);
    }

    /// JSON that somebody else wrote: nobody has looked at it yet.
    pub(super) fn raw(&mut self, json: &str) {
        self.suspect = true;
        escape::push_json(&mut self.text, json);
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

    /// Before every member of a list or map.
    #[inline]
    pub(super) fn member(&mut self, first: bool) -> Result<(), serde_json::Error> {
        if self.level >= MAX_LEVEL {
            return self.stop(Stopped::TooDeep);
        }
        self.size += MEMBER_SIZE;
        if !first {
            self.text.push(',');
        }
        Ok(())
    }

    #[inline]
    pub(super) fn key(&mut self, key: &str) {
        self.size += limits::key_size(key);
        escape::push_quoted(&mut self.text, key);
        self.text.push(':');
    }
}

/// The keys of one object, as hashes. Two that are equal make the text suspect,
/// no more: what is asked of the hash is speed.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// A bit for each key, so that most new ones are known to be new at once.
    seen: u64,
    count: usize,
    few: [u64; FEW],
    /// All keys, where they are many; sorted in the end.
    many: Vec<u64>,
    twice: bool,
}

/// So many keys need no memory of their own.
const FEW: usize = 16;

impl Keys {
    #[inline]
    pub(super) fn add(&mut self, key: &str) {
        let hash = hash(key);
        if self.count < FEW {
            let bit = 1 << (hash >> 58);
            self.twice |= self.seen & bit != 0 && self.few[..self.count].contains(&hash);
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

    /// Whether a key may stand twice.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        self.twice || {
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
