//! A value of the user's own type ⇄ the JSON text of `Data`.
//!
//! Writing is one pass: the user's `Serialize` drives serde_json's serializer,
//! whose formatter measures what it writes as DynamoDB will. Two things need a
//! layer between: serde_json turns NaN into `null`, which would lose it without
//! a word, and an event that is an enum is told by its event type, so that only
//! the variant's content is written.

use std::cell::Cell;
use std::io;

use serde::Serialize;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer, VariantAccess, Visitor,
};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use super::check::{self, CONTAINER_SIZE, MAX_LEVEL, MEMBER_SIZE, Refusal, WORD_SIZE};
use super::json::Reader;
use super::misfit::Misfit;
use super::serializer::Checked;
use crate::error::{InvalidEvent, RejectionCode};

/// A checked JSON text and the bytes that DynamoDB counts for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub(crate) text: Box<str>,
    pub(crate) size: usize,
}

/// Writes the `Data` of an event; `None` of the text is never: an event without
/// data has `null`.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Json, InvalidEvent> {
    let mut text = Vec::with_capacity(512);
    let mut gauge = Gauge {
        keys: Vec::with_capacity(16),
        open: Vec::with_capacity(4),
        ..Gauge::default()
    };
    let not_finite = Cell::new(false);
    let mut json = serde_json::Serializer::with_formatter(&mut text, &mut gauge);
    let result = value.serialize(Checked::root(&mut json, &not_finite));
    // serde_json writes UTF-8; the check costs less than `unsafe` would.
    let text = String::from_utf8(text)
        .map_err(|_| broken("the type's Serialize wrote bytes that are not UTF-8"))?;
    if let Err(error) = result {
        return Err(failed(error, &text, &gauge, not_finite.get()));
    }
    if !text.starts_with(['{', 'n']) {
        let found = match text.as_bytes()[0] {
            b'[' => "an array",
            b'"' => "a string",
            b't' | b'f' => "a boolean",
            _ => "a number",
        };
        return Err(InvalidEvent::new(
            RejectionCode::WrongType,
            "/Data",
            format!("the type's Serialize wrote {found}; Data must be an object or null"),
        ));
    }
    let size = if gauge.suspect {
        exact(&text)?
    } else {
        gauge.size
    };
    Ok(Json {
        text: text.into_boxed_str(),
        size,
    })
}

/// Looks at the text itself, as the receiver will.
fn exact(text: &str) -> Result<usize, InvalidEvent> {
    let mut reader = Reader::new(text);
    let first = reader
        .next()
        .map_err(|_| broken("the type's Serialize wrote text that is not JSON"))?;
    check::value(&mut reader, first, 1).map_err(|refusal| match refusal.inside("Data") {
        Refusal::Invalid(error) => error,
        Refusal::Syntax(_) => broken("the type's Serialize wrote text that is not JSON"),
    })
}

fn broken(reason: &str) -> InvalidEvent {
    InvalidEvent::new(RejectionCode::InvalidValue, "/Data", reason)
}

fn failed(error: serde_json::Error, text: &str, gauge: &Gauge, not_finite: bool) -> InvalidEvent {
    if gauge.too_deep {
        return check::too_deep();
    }
    let place = format!("/Data{}", check::place_of_end(text));
    if not_finite {
        let reason =
            "found NaN or an infinity, which JSON does not have; use an Option or a string";
        return InvalidEvent::new(RejectionCode::InvalidValue, &place, reason);
    }
    InvalidEvent::new(
        RejectionCode::InvalidValue,
        &place,
        "the type's own Serialize returned an error",
    )
    .caused_by(error)
}

/// A formatter that measures what passes.
#[derive(Debug, Default)]
struct Gauge {
    size: usize,
    level: usize,
    in_string: bool,
    key: Option<u64>,
    /// Hashes of the keys of all open objects, and where each object's begin.
    keys: Vec<u64>,
    open: Vec<usize>,
    /// Something is out of the ordinary, so that the text itself must be read.
    suspect: bool,
    too_deep: bool,
}

impl Gauge {
    fn member(&mut self) -> io::Result<()> {
        self.size += MEMBER_SIZE;
        if self.level == MAX_LEVEL {
            self.too_deep = true;
            return Err(io::Error::other("too deep"));
        }
        Ok(())
    }

    fn word(&mut self, written: usize) {
        self.size += if self.in_string { written } else { WORD_SIZE };
    }

    fn integer(&mut self, magnitude: u64, negative: bool) {
        let digits = magnitude.checked_ilog10().map_or(1, |d| d as usize + 1);
        if self.in_string {
            // An integer as a map's key is a string.
            self.size += digits + usize::from(negative);
            self.hash(&magnitude.to_le_bytes());
            self.hash(&[u8::from(negative)]);
            // The same number may be another key as a text.
            self.suspect = true;
        } else {
            let mut significant = if magnitude == 0 { 0 } else { digits };
            let mut rest = magnitude;
            while significant > 0 && rest.is_multiple_of(10) {
                rest /= 10;
                significant -= 1;
            }
            self.size += 1 + significant.div_ceil(2) + usize::from(negative);
        }
    }

    fn lexeme(&mut self, lexeme: &str) {
        match check::number(lexeme) {
            Ok(size) if !self.in_string => self.size += size,
            _ => self.suspect = true,
        }
    }

    /// Mixes `bytes` into the hash of the key being written. A collision makes
    /// the text suspect, no more, so speed is all that is asked of it.
    fn hash(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.key {
            let mut mix = |word: u64| {
                *hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
            };
            let (words, rest) = bytes.as_chunks::<8>();
            for word in words {
                mix(u64::from_le_bytes(*word));
            }
            if !rest.is_empty() {
                // Byte by byte: a copy of unknown length is a call.
                mix(rest
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte)));
            }
        }
    }
}

impl Formatter for &mut Gauge {
    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.word(4);
        CompactFormatter.write_null(writer)
    }
    fn write_bool<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: bool) -> io::Result<()> {
        self.suspect |= self.in_string;
        self.word(if value { 4 } else { 5 });
        CompactFormatter.write_bool(writer, value)
    }
    fn write_i8<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i8) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }
    fn write_i16<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i16) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }
    fn write_i32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i32) -> io::Result<()> {
        self.write_i64(writer, value.into())
    }
    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        self.integer(value.unsigned_abs(), value < 0);
        CompactFormatter.write_i64(writer, value)
    }
    fn write_u8<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u8) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }
    fn write_u16<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u16) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }
    fn write_u32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u32) -> io::Result<()> {
        self.write_u64(writer, value.into())
    }
    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.integer(value, false);
        CompactFormatter.write_u64(writer, value)
    }
    fn write_i128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        self.write_number_str(writer, &value.to_string())
    }
    fn write_u128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        self.write_number_str(writer, &value.to_string())
    }
    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        let mut buffer = [0; 32];
        let length = written(&mut buffer, |mut w| {
            CompactFormatter.write_f32(&mut w, value).map(|()| w.len())
        })?;
        self.write_number_bytes(writer, &buffer[..length])
    }
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let mut buffer = [0; 32];
        let length = written(&mut buffer, |mut w| {
            CompactFormatter.write_f64(&mut w, value).map(|()| w.len())
        })?;
        self.write_number_bytes(writer, &buffer[..length])
    }
    fn write_number_str<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &str,
    ) -> io::Result<()> {
        self.lexeme(value);
        writer.write_all(value.as_bytes())
    }
    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.in_string = true;
        writer.write_all(b"\"")
    }
    fn end_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.in_string = false;
        writer.write_all(b"\"")
    }
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.size += fragment.len();
        // Equal keys written in other pieces have other hashes, so a key in
        // pieces is not trusted.
        self.suspect |= self.key.is_some_and(|hash| hash != 0);
        self.hash(fragment.as_bytes());
        super::write_for_sqs(writer, fragment)
    }
    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        // Every character that JSON makes us escape is one byte.
        self.size += 1;
        self.suspect |= self.key.is_some();
        CompactFormatter.write_char_escape(writer, escape)
    }
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.size += CONTAINER_SIZE;
        self.level += 1;
        writer.write_all(b"[")
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.level -= 1;
        writer.write_all(b"]")
    }
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.member()?;
        CompactFormatter.begin_array_value(writer, first)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.size += CONTAINER_SIZE;
        self.level += 1;
        self.open.push(self.keys.len());
        writer.write_all(b"{")
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.level -= 1;
        let start = self.open.pop().unwrap_or(0);
        let keys = &mut self.keys[start..];
        keys.sort_unstable();
        self.suspect |= keys.windows(2).any(|pair| pair[0] == pair[1]);
        self.keys.truncate(start);
        writer.write_all(b"}")
    }
    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.member()?;
        self.key = Some(0);
        CompactFormatter.begin_object_key(writer, first)
    }
    fn end_object_key<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        // An empty key, or nothing at all is known of it.
        self.suspect |= self.key == Some(0);
        self.keys.extend(self.key.take());
        Ok(())
    }
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // A `RawValue`: whatever stands in it has been looked at by nobody.
        self.suspect = true;
        super::write_for_sqs(writer, fragment)
    }
}

impl Gauge {
    fn write_number_bytes<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        bytes: &[u8],
    ) -> io::Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(lexeme) => self.lexeme(lexeme),
            Err(_) => self.suspect = true,
        }
        writer.write_all(bytes)
    }
}

/// How much of `buffer` a writer filled.
fn written(
    buffer: &mut [u8; 32],
    write: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let left = write(&mut buffer[..])?;
    Ok(32 - left)
}

/// Reads a value from the JSON text of `Data`. `variant` is the enum's variant
/// that the event type names, as serde counts.
pub(crate) fn decode<T: DeserializeOwned>(text: &str, variant: Option<u32>) -> Result<T, Misfit> {
    decode_json(text, variant).map_err(|error| Misfit::new(&error, text))
}

fn decode_json<T: DeserializeOwned>(
    text: &str,
    variant: Option<u32>,
) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Data {
        json: &mut json,
        variant,
    })?;
    json.end()?;
    Ok(value)
}

type JsonDeserializer<'a, 'de> = &'a mut serde_json::Deserializer<serde_json::de::StrRead<'de>>;

/// The content of an enum's variant, or an ordinary value.
struct Data<'a, 'de> {
    json: JsonDeserializer<'a, 'de>,
    variant: Option<u32>,
}

impl<'de> de::Deserializer<'de> for Data<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.json.deserialize_any(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.json.deserialize_option(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.json.deserialize_newtype_struct(name, visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.json.deserialize_struct(name, fields, visitor)
    }
    // Asked for only by an enum with serde's default representation.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.variant {
            Some(_) => visitor.visit_enum(self),
            None => self.json.deserialize_enum(name, variants, visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> de::EnumAccess<'de> for Data<'_, 'de> {
    type Error = serde_json::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Self::Error> {
        let index: serde::de::value::U32Deserializer<Self::Error> =
            self.variant.unwrap_or_default().into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Data<'_, 'de> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        de::Deserialize::deserialize(self.json)
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Self::Error> {
        seed.deserialize(self.json)
    }
    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        de::Deserializer::deserialize_tuple(self.json, len, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        de::Deserializer::deserialize_struct(self.json, "", fields, visitor)
    }
}
