//! A value of the user's own type ⇄ the JSON text of `Data`.
//!
//! Writing is one pass: the user's `Serialize` drives our serializer, which
//! measures what it writes as DynamoDB will, and knows when the text has to be
//! looked at once more.

use serde::Serialize;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer, VariantAccess, Visitor,
};

use super::limits::{self, Refusal};
use super::mismatch::DataMismatch;
use super::reader::{Reader, Token};
use super::serializer::Value;
use super::writer::{Stopped, Writer};
use crate::error::{InvalidEvent, RejectionCode};

/// A checked JSON text and the bytes that DynamoDB counts for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub(crate) text: String,
    pub(crate) size: usize,
}

/// Writes the `Data` of an event: an object or `null`.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Json, InvalidEvent> {
    let mut writer = Writer::with_capacity(USUAL_BYTES);
    let result = value.serialize(Value::root(&mut writer));
    finish(writer, result)
}

/// Like [`encode`], but an enum keeps the name of its variant, as serde writes it
/// by default.
pub(crate) fn encode_with_variant<T: Serialize + ?Sized>(value: &T) -> Result<Json, InvalidEvent> {
    let mut writer = Writer::with_capacity(USUAL_BYTES);
    let result = value.serialize(Value::part(&mut writer));
    finish(writer, result)
}

/// Most events have no more data. Memory for these is got once.
const USUAL_BYTES: usize = 512;

fn finish(writer: Writer, result: Result<(), serde_json::Error>) -> Result<Json, InvalidEvent> {
    // What was stopped is not whole, even if the type's `Serialize` took no notice.
    if result.is_err() || writer.stopped.is_some() {
        return Err(failed(result.err(), &writer));
    }
    let Writer {
        mut text,
        size,
        suspect,
        ..
    } = writer;
    if !text.starts_with(['{', 'n']) {
        let found = match text.as_bytes().first() {
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            _ => "a number",
        };
        return Err(InvalidEvent::new(
            RejectionCode::WrongType,
            "/Data",
            format!("the type's Serialize wrote {found}; Data must be an object or null"),
        ));
    }
    let size = if suspect { exact(&text)? } else { size };
    if text.capacity() > USUAL_BYTES {
        // It grew by doubling, and may wait for its turn for long.
        text.shrink_to_fit();
    }
    Ok(Json { text, size })
}

/// Looks at the text itself, as the receiver will.
fn exact(text: &str) -> Result<usize, InvalidEvent> {
    let mut reader = Reader::new(text);
    let first = reader
        .next()
        .map_err(|_| broken("the type's Serialize wrote text that is not JSON"))?;
    let size =
        limits::value(&mut reader, first, 1).map_err(|refusal| match refusal.inside("Data") {
            Refusal::Invalid(error) => error,
            Refusal::Syntax(_) => broken("the type's Serialize wrote text that is not JSON"),
        })?;
    match reader.next() {
        Ok(Token::End) => Ok(size),
        _ => Err(broken(
            "the type's Serialize wrote more than one JSON value",
        )),
    }
}

fn broken(reason: &str) -> InvalidEvent {
    InvalidEvent::new(RejectionCode::InvalidValue, "/Data", reason)
}

fn failed(error: Option<serde_json::Error>, writer: &Writer) -> InvalidEvent {
    if writer.stopped == Some(Stopped::TooDeep) {
        return limits::too_deep();
    }
    let pointer = format!("/Data{}", limits::place_of_end(&writer.text));
    if writer.stopped == Some(Stopped::NotFinite) {
        let reason =
            "found NaN or an infinity, which JSON does not have; use an Option or a string";
        return InvalidEvent::new(RejectionCode::InvalidValue, &pointer, reason);
    }
    let reason = "the type's own Serialize returned an error";
    let refused = InvalidEvent::new(RejectionCode::InvalidValue, &pointer, reason);
    match error {
        Some(error) => refused.caused_by(error),
        None => refused,
    }
}

/// Reads a value from the JSON text of `Data`. `variant` is the enum's variant
/// that the event type names, as serde counts.
pub(crate) fn decode<T: DeserializeOwned>(
    text: &str,
    variant: Option<u32>,
) -> Result<T, DataMismatch> {
    decode_json(text, variant).map_err(|error| DataMismatch::new(&error, text))
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
