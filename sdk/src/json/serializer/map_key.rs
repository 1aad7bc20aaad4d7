//! Writes the keys of a map. In JSON a key is a string, even if it has another type in
//! Rust. The accepted types are the types that serde_json accepts.

use std::fmt::{Display, Write as _};

use serde::Serialize;
use serde::ser::{Error as _, Impossible, Serializer};
use serde_json::Error;

use super::members::Object;

/// Writes one key.
pub(super) struct MapKey<'o, 'w>(pub(super) &'o mut Object<'w>);

macro_rules! by_text {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.collect_str(&value)
        }
    )*};
}

macro_rules! not_a_key {
    ($($method:ident($($argument:ty),*) -> $ok:ty),*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, Error> {
            not_a_string()
        }
    )*};
}

fn not_a_string<T>() -> Result<T, Error> {
    Err(Error::custom("key must be a string"))
}

impl Serializer for MapKey<'_, '_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    #[inline]
    fn serialize_str(self, key: &str) -> Result<(), Error> {
        self.0.key(key);
        Ok(())
    }
    fn collect_str<T: Display + ?Sized>(self, key: &T) -> Result<(), Error> {
        let mut text = String::new();
        // `write!` is used because `to_string` panics if `Display` returns an error.
        write!(text, "{key}").map_err(Error::custom)?;
        self.0.key(&text);
        Ok(())
    }
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        key: &T,
    ) -> Result<(), Error> {
        key.serialize(self)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<(), Error> {
        key.serialize(self)
    }
    fn serialize_f32(self, key: f32) -> Result<(), Error> {
        self.float(key.is_finite(), &key)
    }
    fn serialize_f64(self, key: f64) -> Result<(), Error> {
        self.float(key.is_finite(), &key)
    }

    by_text! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    not_a_key! {
        serialize_bytes(&[u8]) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_seq(Option<usize>) -> Self::SerializeSeq,
        serialize_tuple(usize) -> Self::SerializeTuple,
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant,
        serialize_map(Option<usize>) -> Self::SerializeMap,
        serialize_struct(&'static str, usize) -> Self::SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Error> {
        not_a_string()
    }
}

impl MapKey<'_, '_> {
    fn float<T: Serialize>(self, finite: bool, key: &T) -> Result<(), Error> {
        if !finite {
            return Err(Error::custom(
                "float key must be finite (got NaN or +/-inf)",
            ));
        }
        // Use the text of serde_json, which differs from Rust's `Display` for floats.
        self.serialize_str(&serde_json::to_string(key)?)
    }
}
