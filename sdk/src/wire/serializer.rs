//! The layer over serde_json's serializer: refuses floats that JSON does not
//! have, and writes only the content of an event that is an enum.

use std::cell::Cell;
use std::fmt::Display;

use serde::Serialize;
use serde::ser::{self, Error, Serializer};

/// A serializer that hands everything on, but for the two cases above.
pub(super) struct Checked<'c, S> {
    inner: S,
    not_finite: &'c Cell<bool>,
    /// This is the event itself, not one of its parts.
    root: bool,
}

impl<'c, S> Checked<'c, S> {
    pub(super) fn root(inner: S, not_finite: &'c Cell<bool>) -> Self {
        Self {
            inner,
            not_finite,
            root: true,
        }
    }
}

/// A part of the event.
struct Part<'c, 'v, T: ?Sized>(&'v T, &'c Cell<bool>);

impl<T: Serialize + ?Sized> Serialize for Part<'_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Checked {
            inner,
            not_finite: self.1,
            root: false,
        })
    }
}

macro_rules! hand_on {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<'c, S: Serializer> Serializer for Checked<'c, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<'c, S::SerializeSeq>;
    type SerializeTuple = Checked<'c, S::SerializeTuple>;
    type SerializeTupleStruct = Checked<'c, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<'c, S::SerializeTupleVariant>;
    type SerializeMap = Checked<'c, S::SerializeMap>;
    type SerializeStruct = Checked<'c, S::SerializeStruct>;
    type SerializeStructVariant = Variant<'c, S>;

    hand_on! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            self.inner.serialize_f32(value)
        } else {
            refuse(self.not_finite)
        }
    }
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            self.inner.serialize_f64(value)
        } else {
            refuse(self.not_finite)
        }
    }
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Part(value, self.not_finite))
    }
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_struct(name)
    }
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        if self.root {
            return self.inner.serialize_unit();
        }
        self.inner.serialize_unit_variant(name, index, variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_struct(name, &Part(value, self.not_finite))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = Part(value, self.not_finite);
        if self.root {
            return part.serialize(self.inner);
        }
        self.inner
            .serialize_newtype_variant(name, index, variant, &part)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(part(self.inner.serialize_seq(len)?, self.not_finite))
    }
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(part(self.inner.serialize_tuple(len)?, self.not_finite))
    }
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(part(
            self.inner.serialize_tuple_struct(name, len)?,
            self.not_finite,
        ))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Ok(part(
            self.inner
                .serialize_tuple_variant(name, index, variant, len)?,
            self.not_finite,
        ))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(part(self.inner.serialize_map(len)?, self.not_finite))
    }
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        Ok(part(
            self.inner.serialize_struct(name, len)?,
            self.not_finite,
        ))
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Variant<'c, S>, S::Error> {
        if self.root {
            return Ok(Variant::Content(part(
                self.inner.serialize_struct(name, len)?,
                self.not_finite,
            )));
        }
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Variant::Named(part(inner, self.not_finite)))
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

fn part<S>(inner: S, not_finite: &Cell<bool>) -> Checked<'_, S> {
    Checked {
        inner,
        not_finite,
        root: false,
    }
}

fn refuse<T, E: Error>(not_finite: &Cell<bool>) -> Result<T, E> {
    not_finite.set(true);
    Err(E::custom("NaN and infinities are not JSON"))
}

/// The fields of an enum's struct variant: with the variant's name around them,
/// or alone where the enum is the event.
pub(super) enum Variant<'c, S: Serializer> {
    Named(Checked<'c, S::SerializeStructVariant>),
    Content(Checked<'c, S::SerializeStruct>),
}

impl<S: Serializer> ser::SerializeStructVariant for Variant<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        match self {
            Self::Named(fields) => fields
                .inner
                .serialize_field(key, &Part(value, fields.not_finite)),
            Self::Content(fields) => ser::SerializeStruct::serialize_field(fields, key, value),
        }
    }
    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        match self {
            Self::Named(fields) => fields.inner.skip_field(key),
            Self::Content(fields) => ser::SerializeStruct::skip_field(fields, key),
        }
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(fields) => fields.inner.end(),
            Self::Content(fields) => ser::SerializeStruct::end(fields),
        }
    }
}

impl<S: ser::SerializeStruct> ser::SerializeStruct for Checked<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.inner
            .serialize_field(key, &Part(value, self.not_finite))
    }
    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.inner.skip_field(key)
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: ser::SerializeMap> ser::SerializeMap for Checked<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Part(value, self.not_finite))
    }
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        self.inner
            .serialize_entry(key, &Part(value, self.not_finite))
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

macro_rules! sequence {
    ($($trait:ident :: $method:ident),*) => {$(
        impl<S: ser::$trait> ser::$trait for Checked<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.inner.$method(&Part(value, self.not_finite))
            }
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

sequence!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
