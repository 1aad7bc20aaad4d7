//! Writes the value of a type as JSON text, driven by the type's `Serialize`.
//!
//! The text is the text that serde_json writes, with two exceptions. NaN and infinities
//! are errors; serde_json writes `null` for them. An event that is an enum is written
//! without the name of its variant, because the event type implies the variant.
//!
//! This module replaces serde_json's serializer because it measures the text and checks
//! the keys while it writes. The alternative, a serializer around serde_json's with a
//! custom `Formatter`, took twice the time. This serializer also knows the position of
//! a fault, and which keys are names in the program and which are data.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::Error;
use serde_json::ser::{CompactFormatter, Formatter};

use self::members::{Fields, List, Object};
use super::escape;
use super::writer::{Abort, Writer};

mod map_key;
mod members;

/// serde_json's `RawValue`, and its `Number` if it keeps any precision, are structs
/// with these names. Their only field, which has the same name, holds JSON.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";
pub(super) const RAW_NUMBER: &str = "$serde_json::private::Number";

/// Writes one value.
pub(super) struct Value<'w> {
    writer: &'w mut Writer,
    root: Root,
}

/// Whether a value is the whole document or a part of it.
#[derive(Clone, Copy, PartialEq)]
enum Root {
    /// The value is a part of another value.
    Part,
    /// The value is the event. If the event is an enum, the event type implies the
    /// variant. The name is the one that serde uses for this variant, if it is known.
    Event(Option<&'static str>),
}

impl<'w> Value<'w> {
    pub(super) fn event(writer: &'w mut Writer, variant: Option<&'static str>) -> Self {
        Self {
            writer,
            root: Root::Event(variant),
        }
    }

    #[inline]
    pub(super) fn part(writer: &'w mut Writer) -> Self {
        Self {
            writer,
            root: Root::Part,
        }
    }

    /// Returns true if the name of `variant` is omitted. The name must be the name that serde
    /// expects when the event is read.
    fn implies(&mut self, variant: &str) -> Result<bool, Error> {
        match self.root {
            Root::Part => Ok(false),
            Root::Event(Some(known)) if known != variant => self.writer.abort(Abort::OtherVariant),
            Root::Event(_) => Ok(true),
        }
    }

    /// Opens the object of an enum's variant with content: `{"Variant":…}`.
    fn open_variant(&mut self, variant: &'static str) -> Result<(), Error> {
        self.writer.open('{');
        self.writer.member(true)?;
        self.writer.name(variant);
        Ok(())
    }
}

/// Writes a float with the text of serde_json, which is read back as the same float.
macro_rules! float {
    ($method:ident: $type:ty, $write:ident) => {
        fn $method(self, value: $type) -> Result<(), Error> {
            if !value.is_finite() {
                return self.writer.abort(Abort::NotFinite);
            }
            let mut buffer = Vec::with_capacity(32);
            CompactFormatter
                .$write(&mut buffer, value)
                .map_err(Error::custom)?;
            // The digits are ASCII, so the conversion cannot fail.
            self.writer
                .number(std::str::from_utf8(&buffer).unwrap_or_default());
            Ok(())
        }
    };
}

macro_rules! integers {
    ($($method:ident: $type:ty as $wide:ty),*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Error> {
            self.writer.integer(<$wide>::from(value));
            Ok(())
        }
    )*};
}

impl<'w> Serializer for Value<'w> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'w>;
    type SerializeTuple = List<'w>;
    type SerializeTupleStruct = List<'w>;
    type SerializeTupleVariant = List<'w>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Fields<'w>;
    type SerializeStructVariant = Object<'w>;

    integers! {
        serialize_i8: i8 as i64, serialize_i16: i16 as i64, serialize_i32: i32 as i64, serialize_i64: i64 as i64,
        serialize_u8: u8 as u64, serialize_u16: u16 as u64, serialize_u32: u32 as u64, serialize_u64: u64 as u64
    }
    float!(serialize_f32: f32, write_f32);
    float!(serialize_f64: f64, write_f64);

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.writer.number(itoa::Buffer::new().format(value));
        Ok(())
    }
    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.writer.number(itoa::Buffer::new().format(value));
        Ok(())
    }
    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.writer.word(if value { "true" } else { "false" });
        Ok(())
    }
    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.writer.string(value);
        Ok(())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }
    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(Self::part(self.writer))
    }
    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.writer.word("null");
        Ok(())
    }
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        if self.implies(variant)? {
            return self.serialize_unit();
        }
        self.serialize_str(variant)
    }
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(Self::part(self.writer))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if self.implies(variant)? {
            return value.serialize(Self::part(self.writer));
        }
        self.open_variant(variant)?;
        value.serialize(Value::part(self.writer))?;
        self.writer.close('}');
        Ok(())
    }
    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<List<'w>, Error> {
        Ok(List::open(self.writer, false))
    }
    #[inline]
    fn serialize_tuple(self, _len: usize) -> Result<List<'w>, Error> {
        Ok(List::open(self.writer, false))
    }
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<List<'w>, Error> {
        Ok(List::open(self.writer, false))
    }
    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<List<'w>, Error> {
        if self.implies(variant)? {
            // Omit the name, as for the other variants. `document` then reports that
            // `Data` is not an object.
            return Ok(List::open(self.writer, false));
        }
        self.open_variant(variant)?;
        Ok(List::open(self.writer, true))
    }
    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Object<'w>, Error> {
        Ok(Object::open(self.writer, false))
    }
    #[inline]
    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Fields<'w>, Error> {
        Ok(match name {
            RAW_VALUE | RAW_NUMBER => {
                self.writer.needs_recheck = true;
                Fields::Raw(self.writer)
            }
            _ => Fields::Object(Object::open(self.writer, false)),
        })
    }
    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Object<'w>, Error> {
        if self.implies(variant)? {
            return Ok(Object::open(self.writer, false));
        }
        self.open_variant(variant)?;
        Ok(Object::open(self.writer, true))
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let writer = self.writer;
        writer.text.push('"');
        write!(Pieces(writer), "{value}").map_err(Error::custom)?;
        writer.text.push('"');
        Ok(())
    }
}

/// The content of a string that is written in several pieces.
struct Pieces<'w>(&'w mut Writer);

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.size += piece.len();
        escape::push_escaped(&mut self.0.text, piece);
        Ok(())
    }
}
