//! The members of arrays and objects.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::map_key::MapKey;
use super::{Input, Value, kind};
use crate::json::mismatch::Error;
use crate::json::reader::Token;

/// The members of an array.
pub(super) struct Items<'i, 'de> {
    input: &'i mut Input<'de>,
    index: usize,
    is_done: bool,
}

impl<'i, 'de> Items<'i, 'de> {
    pub(super) fn new(input: &'i mut Input<'de>) -> Self {
        Self {
            input,
            index: 0,
            is_done: false,
        }
    }

    /// Reads the end of the array. Further items are an error.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        match self.is_done || self.input.next()? == Token::EndArray {
            true => Ok(()),
            false => Err(Error::too_many("items")),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let first = self.input.next()?;
        if first == Token::EndArray {
            self.is_done = true;
            return Ok(None);
        }
        let index = self.index;
        self.index += 1;
        let kind = kind(&first);
        let value = seed.deserialize(Value::part(self.input, first));
        value
            .map(Some)
            .map_err(|error| error.of_value(kind).in_item(index))
    }
}

/// Determines which keys of an object are names that are part of the program.
#[derive(Clone, Copy)]
pub(super) enum Fields {
    /// The object is a struct with these fields.
    Named(&'static [&'static str]),
    /// The object is an enum with these variants.
    Variants(&'static [&'static str]),
    /// The object is a struct with `flatten`, a map, or buffered by serde. A key is a
    /// name if the type reads it as an identifier.
    Any,
}

/// The members of an object.
pub(super) struct Members<'i, 'de> {
    input: &'i mut Input<'de>,
    fields: Fields,
    /// Whether keys in the form of numbers and booleans are offered as such.
    has_typed_keys: bool,
    /// The name of the member whose value is next, if it is part of the program.
    name: Option<String>,
    is_done: bool,
}

impl<'i, 'de> Members<'i, 'de> {
    /// The start of the object has been read.
    pub(super) fn new(input: &'i mut Input<'de>, fields: Fields) -> Self {
        // serde would interpret a number as the index of a field or variant.
        let has_typed_keys = match fields {
            Fields::Any => input.buffering.has_typed_keys(input.reader.start_of_last()),
            Fields::Named(_) | Fields::Variants(_) => false,
        };
        Self {
            has_typed_keys,
            input,
            fields,
            name: None,
            is_done: false,
        }
    }

    /// Reads the end of the object. Further members are an error.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        match self.is_done || self.input.next()? == Token::EndObject {
            true => Ok(()),
            false => Err(Error::too_many("members")),
        }
    }

    fn value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let first = self.input.next()?;
        let kind = kind(&first);
        let value = seed.deserialize(Value::part(self.input, first));
        value.map_err(|error| match self.name.take() {
            Some(name) => error.of_value(kind).in_field(&name),
            None => error.of_value(kind).in_map(),
        })
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let Token::Key(key) = self.input.next()? else {
            self.is_done = true;
            return Ok(None);
        };
        let mut is_identifier = false;
        let value = seed.deserialize(MapKey {
            key: key.clone(),
            is_typed: self.has_typed_keys,
            is_identifier: &mut is_identifier,
        });
        let is_name = match self.fields {
            Fields::Named(names) | Fields::Variants(names) => names.contains(&&*key),
            Fields::Any => is_identifier,
        };
        self.name = is_name.then(|| key.into_owned());
        value.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.value(seed)
    }
}

/// An enum's variant with content, `{"Variant": …}`.
impl<'de> EnumAccess<'de> for &mut Members<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(mut self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = self.next_key_seed(seed)?;
        let variant = variant.ok_or_else(|| {
            <Error as de::Error>::invalid_length(
                0,
                &"an object with the name of a variant as its key",
            )
        })?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Members<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.value(std::marker::PhantomData::<()>)
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.value(seed)
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.value(Tuple(len, visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value(Struct(fields, visitor))
    }
}

struct Tuple<V>(usize, V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Tuple<V> {
    type Value = V::Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_tuple(self.0, self.1)
    }
}

struct Struct<V>(&'static [&'static str], V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Struct<V> {
    type Value = V::Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_struct("", self.0, self.1)
    }
}

/// The object by which serde_json's `RawValue` and `Number` recognise JSON text.
pub(super) struct Single<'de> {
    key: Option<&'static str>,
    text: &'de str,
}

impl<'de> Single<'de> {
    pub(super) fn new(key: &'static str, text: &'de str) -> Self {
        Self {
            key: Some(key),
            text,
        }
    }
}

impl<'de> MapAccess<'de> for Single<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let key = self.key.take().map(BorrowedStrDeserializer::<Error>::new);
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(BorrowedStrDeserializer::<Error>::new(self.text))
    }
}
