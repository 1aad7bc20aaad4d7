//! Reads the value of a type from JSON text, driven by the type's `Deserialize`.
//!
//! It accepts the JSON that serde_json accepts, and differs from serde_json's
//! deserializer where a stored event must stay readable:
//!
//! - A whole number is read as an integer however it is written: `-5E21` is an `i128`.
//! - The result does not depend on serde_json's feature `arbitrary_precision`, which any
//!   package of a program can enable.
//! - A map whose keys are numbers or booleans is read inside `flatten`, `tag`, `content`
//!   and `untagged` as well, where serde offers each key as a string.
//! - An error consists of facts and never quotes the data ([`super::mismatch`]).

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer,
    VariantAccess, Visitor,
};

use self::buffering::Buffering;
use self::members::{Fields, Items, Members, Single};
use super::mismatch::{DataMismatch, Error};
use super::number::Number;
use super::reader::{Reader, SyntaxError, Token};
use super::serializer::{RAW_NUMBER, RAW_VALUE};

mod buffering;
mod map_key;
mod members;

/// Reads a value. `variant` is the enum's variant that the document belongs to, if the
/// document does not name it.
pub(super) fn from_str<T: DeserializeOwned>(
    text: &str,
    variant: Option<(u32, &'static str)>,
) -> Result<T, DataMismatch> {
    let read = |buffering| {
        let mut input = Input {
            reader: Reader::new(text),
            buffering,
        };
        let first = input.next()?;
        let kind = kind(&first);
        let value = T::deserialize(Value {
            input: &mut input,
            first,
            variant,
        });
        let value = value.map_err(|error: Error| error.of_value(kind))?;
        match input.next()? {
            Token::End => Ok(value),
            _ => Err(Error::not_json()),
        }
    };
    // Most types are read at the first attempt. The other attempts are for types that serde
    // reads through a buffer, which does not know what the type expects.
    read(Buffering::default())
        .or_else(|error| {
            let mut others = Buffering::alternatives(text);
            others
                .find_map(|buffering| read(buffering).ok())
                .ok_or(error)
        })
        .map_err(|error: Error| error.into_mismatch(text))
}

impl From<SyntaxError> for Error {
    fn from(_: SyntaxError) -> Self {
        Self::not_json()
    }
}

struct Input<'de> {
    reader: Reader<'de>,
    buffering: Buffering,
}

impl<'de> Input<'de> {
    fn next(&mut self) -> Result<Token<'de>, Error> {
        Ok(self.reader.next()?)
    }

    /// Reads to the end of the value that starts with `first`.
    fn skip(&mut self, first: &Token<'de>) -> Result<(), Error> {
        if matches!(first, Token::BeginObject | Token::BeginArray) {
            let outside = self.reader.depth() - 1;
            self.reader.skip_to_depth(outside)?;
        }
        Ok(())
    }
}

/// A value whose first token has been read.
struct Value<'i, 'de> {
    input: &'i mut Input<'de>,
    first: Token<'de>,
    variant: Option<(u32, &'static str)>,
}

impl<'i, 'de> Value<'i, 'de> {
    fn part(input: &'i mut Input<'de>, first: Token<'de>) -> Self {
        Self {
            input,
            first,
            variant: None,
        }
    }

    /// The value without the variant hint, which applies only to the whole document.
    fn without_variant(self) -> Self {
        Self {
            variant: None,
            ..self
        }
    }

    fn unexpected<V: Visitor<'de>>(&self, visitor: &V) -> Error {
        Error::unexpected(kind(&self.first), visitor)
    }

    fn array<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut items = Items::new(self.input);
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(self, fields: Fields, visitor: V) -> Result<V::Value, Error> {
        let mut members = Members::new(self.input, fields);
        let value = visitor.visit_map(&mut members)?;
        members.end()?;
        Ok(value)
    }

    /// JSON text for serde_json's `RawValue`.
    fn raw<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let start = self.input.reader.start_of_last();
        self.input.skip(&self.first)?;
        let text = self.input.reader.text_from(start);
        visitor.visit_map(Single::new(RAW_VALUE, text))
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.first {
            Token::String(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Token::String(Cow::Owned(text)) => visitor.visit_string(text),
            _ => self.any(visitor),
        }
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.first {
            Token::Null => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Number(lexeme) => {
                any_number(lexeme, self.input.buffering.rounds_floats, visitor)
            }
            Token::String(_) => self.text(visitor),
            Token::BeginArray => self.array(visitor),
            Token::BeginObject => self.object(Fields::Any, visitor),
            _ => Err(Error::not_json()),
        }
    }
}

fn kind(token: &Token<'_>) -> &'static str {
    match token {
        Token::BeginObject => "an object",
        Token::BeginArray => "an array",
        Token::String(_) => "a string",
        Token::Number(_) => "a number",
        Token::Bool(_) => "a boolean",
        _ => "null",
    }
}

/// Whether serde_json's numbers hold the digits that were written.
static IS_ARBITRARY_PRECISION: LazyLock<bool> = LazyLock::new(|| {
    let kept = serde_json::from_str::<serde_json::Number>("1.10");
    kept.is_ok_and(|number| number.to_string() == "1.10")
});

/// A number for a visitor that accepts any value.
fn any_number<'de, V: Visitor<'de>>(
    lexeme: &'de str,
    rounds: bool,
    visitor: V,
) -> Result<V::Value, Error> {
    let number = Number::parse(lexeme);
    if let Some(integer) = number.as_integer() {
        if let Ok(integer) = u64::try_from(integer) {
            return visitor.visit_u64(integer);
        }
        if let Ok(integer) = i64::try_from(integer) {
            return visitor.visit_i64(integer);
        }
    }
    let float: f64 = lexeme.parse().map_err(|_| Error::not_json())?;
    if !rounds && *IS_ARBITRARY_PRECISION && !number.is_exactly(float) {
        return visitor.visit_map(Single::new(RAW_NUMBER, lexeme));
    }
    visitor.visit_f64(float)
}

macro_rules! integers {
    ($($method:ident: $type:ty => $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let Token::Number(lexeme) = self.first else {
                return self.any(visitor);
            };
            match Number::parse(lexeme).as_integer() {
                Some(integer) => match <$type>::try_from(integer) {
                    Ok(integer) => visitor.$visit(integer),
                    Err(_) => Err(self.unexpected(&visitor)),
                },
                // Some types accept an integer or a float.
                None => self.any(visitor),
            }
        }
    )*};
}

macro_rules! floats {
    ($($method:ident: $type:ty => $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let Token::Number(lexeme) = self.first else {
                return self.any(visitor);
            };
            match lexeme.parse::<$type>() {
                Ok(float) if float.is_finite() => visitor.$visit(float),
                _ => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    integers! {
        deserialize_i8: i8 => visit_i8, deserialize_i16: i16 => visit_i16,
        deserialize_i32: i32 => visit_i32, deserialize_i64: i64 => visit_i64,
        deserialize_u8: u8 => visit_u8, deserialize_u16: u16 => visit_u16,
        deserialize_u32: u32 => visit_u32, deserialize_u64: u64 => visit_u64,
        deserialize_i128: i128 => visit_i128
    }
    floats!(deserialize_f32: f32 => visit_f32, deserialize_f64: f64 => visit_f64);

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Token::Number(lexeme) = self.first else {
            return self.any(visitor);
        };
        match Number::parse(lexeme).as_u128() {
            Some(integer) => visitor.visit_u128(integer),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.first {
            Token::String(Cow::Borrowed(text)) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Token::String(Cow::Owned(text)) => visitor.visit_byte_buf(text.into_bytes()),
            _ => self.any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.first {
            Token::Null => visitor.visit_none(),
            _ => visitor.visit_some(self.without_variant()),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            RAW_VALUE => self.raw(visitor),
            _ => visitor.visit_newtype_struct(self.without_variant()),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.first {
            Token::BeginObject => self.object(Fields::Named(fields), visitor),
            _ => self.any(visitor),
        }
    }

    /// serde calls this for an enum with the default representation.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Some((index, name)) = self.variant {
            // Select the variant by its name: with `serde(from)`, the enum that is read may
            // declare its variants in another order than the event. If the name is unknown,
            // `rename(deserialize)` changed it, and the variant is selected by its index.
            let known = variants.iter().find(|variant| **variant == name);
            return visitor.visit_enum(Implied {
                variant: known.copied().ok_or(index),
                content: self.without_variant(),
            });
        }
        match self.first {
            Token::String(_) => visitor.visit_enum(Unit(self)),
            Token::BeginObject => {
                let mut members = Members::new(self.input, Fields::Variants(variants));
                let value = visitor.visit_enum(&mut members)?;
                members.end()?;
                Ok(value)
            }
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.input.skip(&self.first)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool char str string unit seq map identifier
    }
}

/// An enum whose variant the event type implies. `content` is the content of the
/// variant.
struct Implied<'i, 'de> {
    /// The name of the variant, or its index in serde's derive.
    variant: Result<&'static str, u32>,
    content: Value<'i, 'de>,
}

impl<'de> EnumAccess<'de> for Implied<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = match self.variant {
            Ok(name) => seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?,
            Err(index) => {
                let index: U32Deserializer<Error> = index.into_deserializer();
                seed.deserialize(index)?
            }
        };
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Implied<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        de::Deserialize::deserialize(self.content)
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content)
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.content.deserialize_tuple(len, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content.deserialize_struct("", fields, visitor)
    }
}

/// A variant without content, written as its name.
struct Unit<'i, 'de>(Value<'i, 'de>);

impl<'de> EnumAccess<'de> for Unit<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let Self(Value { input, first, .. }) = self;
        let Token::String(name) = first else {
            return Err(Error::not_json());
        };
        let name = StringDeserializer::<Error>::new(name.into_owned());
        let variant = seed.deserialize(name)?;
        Ok((variant, Self(Value::part(input, Token::Null))))
    }
}

impl<'de> VariantAccess<'de> for Unit<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(de::Error::invalid_type(
            de::Unexpected::UnitVariant,
            &"a variant with content",
        ))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(Error::unexpected("a variant without content", &visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(Error::unexpected("a variant without content", &visitor))
    }
}
