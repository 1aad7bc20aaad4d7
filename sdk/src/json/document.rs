//! Converts a value of the user's type to the JSON text of `Data`, and back.
//!
//! A value is written in one pass: the `Serialize` of the type drives the serializer, which
//! also computes the size that DynamoDB counts. The text is checked a second time only if the
//! serializer found an unusual value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::deserializer;
use super::limits::{self, Faults};
use super::mismatch::DataMismatch;
use super::pointer::{self, IN_A_MAP, Position};
use super::reader::{Reader, Token};
use super::serializer::Value;
use super::writer::{Abort, Writer};
use crate::error::{InvalidEvent, RejectionCode};

/// A checked JSON text, and the bytes that DynamoDB counts for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json {
    pub(crate) text: String,
    pub(crate) size: usize,
}

impl Json {
    /// The kind of the value, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        kind(&self.text)
    }
}

fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Whether the document contains the name of an enum's variant at its top level.
#[derive(Debug, Clone, Copy)]
pub(crate) enum VariantName {
    /// The name is omitted, because the event type implies it. If the name is known here, the
    /// `Serialize` of the type must not write another variant.
    Implied(Option<&'static str>),
    /// The name is written, as serde does by default.
    Kept,
}

/// Writes the `Data` of an event, which is an object or `null`.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    variant: VariantName,
) -> Result<Json, InvalidEvent> {
    finish(write(value, variant)?)
}

/// Like [`encode`], but also returns the fields at the top level that serde's attributes
/// skipped.
pub(crate) fn encode_with_skipped<T: Serialize + ?Sized>(
    value: &T,
    variant: VariantName,
) -> Result<(Json, Vec<&'static str>), InvalidEvent> {
    let mut writer = write(value, variant)?;
    let skipped = std::mem::take(&mut writer.skipped);
    Ok((finish(writer)?, skipped))
}

/// The initial capacity for the text. It is enough for the data of most events, so that
/// memory is allocated once.
const USUAL_BYTES: usize = 512;

fn write<T: Serialize + ?Sized>(value: &T, variant: VariantName) -> Result<Writer, InvalidEvent> {
    let mut writer = Writer::with_capacity(USUAL_BYTES);
    let value_writer = match variant {
        VariantName::Implied(name) => Value::event(&mut writer, name),
        VariantName::Kept => Value::part(&mut writer),
    };
    let result = value.serialize(value_writer);
    // After an abort, the text is incomplete, even if the `Serialize` of the type ignored the
    // error.
    if result.is_err() || writer.abort.is_some() {
        return Err(failed(&writer));
    }
    Ok(writer)
}

fn finish(writer: Writer) -> Result<Json, InvalidEvent> {
    if !writer.text.starts_with(['{', 'n']) {
        let found = kind(&writer.text);
        return Err(InvalidEvent::new(
            RejectionCode::WrongType,
            "/Data",
            format!("the type's Serialize wrote {found}; Data must be an object or null"),
        ));
    }
    let size = if writer.needs_recheck {
        recheck(&writer)?
    } else {
        writer.size
    };
    let mut text = writer.text;
    if text.capacity() > USUAL_BYTES {
        // The capacity grows by doubling, and the event may stay in the buffer for a long time.
        text.shrink_to_fit();
    }
    Ok(Json { text, size })
}

/// Checks the text with the rules that the consumer applies.
fn recheck(writer: &Writer) -> Result<usize, InvalidEvent> {
    let not_json = |_| broken("the type's Serialize wrote text that is not JSON");
    let mut reader = Reader::new(&writer.text);
    let mut faults = Faults::hiding(&writer.hidden);
    let data = Position::key(None, "Data", usize::MAX);
    let first = reader.next().map_err(not_json)?;
    let size = limits::value(&mut reader, first, Some(&data), 1, &mut faults).map_err(not_json)?;
    if !matches!(reader.next(), Ok(Token::End)) {
        return Err(broken(
            "the type's Serialize wrote more than one JSON value",
        ));
    }
    faults.into_error().map_or(Ok(size), Err)
}

fn broken(reason: &str) -> InvalidEvent {
    InvalidEvent::new(RejectionCode::InvalidValue, "/Data", reason)
}

/// The error for a failed `Serialize`. It does not contain the text of the error that
/// `Serialize` returned, because that text may quote the value.
fn failed(writer: &Writer) -> InvalidEvent {
    let reason = match writer.abort {
        Some(Abort::TooDeep) => return limits::too_deep(),
        Some(Abort::NotFinite) => {
            "found NaN or an infinity, which JSON cannot represent; use an Option or a string"
        }
        Some(Abort::OtherVariant) => {
            "the type's Serialize writes another name for this variant than the derive read from \
             the enum, so the event could not be read again; with `serde(into)`, give both enums \
             the same names of variants"
        }
        None => "the type's own Serialize returned an error",
    };
    let (pointer, is_cut) = pointer::of_next_value(&writer.text, &writer.hidden);
    let note = if is_cut { IN_A_MAP } else { "" };
    let reason = format!("{reason}{note}");
    InvalidEvent::new(
        RejectionCode::InvalidValue,
        &format!("/Data{pointer}"),
        reason,
    )
}

/// Reads a value from the JSON text of `Data`. `variant` is the enum's variant that the
/// event type implies, by the number and the name that serde's derive gives it.
pub(crate) fn decode<T: DeserializeOwned>(
    text: &str,
    variant: Option<(u32, &'static str)>,
) -> Result<T, DataMismatch> {
    deserializer::from_str(text, variant)
}
