//! Writes the members of lists, maps and structs.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::Error;

use super::Value;
use super::map_key::MapKey;
use crate::json::writer::{Keys, Writer};

/// Writes a member. If it fails, the text contains a part of the member. A `Serialize` can
/// ignore the error and continue, so the text must then be rechecked.
#[inline]
fn write<T: Serialize + ?Sized>(writer: &mut Writer, value: &T) -> Result<(), Error> {
    let result = value.serialize(Value::part(writer));
    writer.needs_recheck |= result.is_err();
    result
}

/// A list being written.
pub(in crate::json) struct List<'w> {
    writer: &'w mut Writer,
    first: bool,
    /// Whether the list is the content of an enum variant. The object around the content
    /// then ends with the list.
    in_variant: bool,
}

impl<'w> List<'w> {
    #[inline]
    pub(super) fn open(writer: &'w mut Writer, in_variant: bool) -> Self {
        writer.open('[');
        Self {
            writer,
            first: true,
            in_variant,
        }
    }
}

macro_rules! list {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = Error;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.writer.member(std::mem::take(&mut self.first))?;
                write(self.writer, value)
            }
            #[inline]
            fn end(self) -> Result<(), Error> {
                self.writer.close(']');
                if self.in_variant {
                    self.writer.close('}');
                }
                Ok(())
            }
        }
    )*};
}

list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// An object being written.
pub(in crate::json) struct Object<'w> {
    writer: &'w mut Writer,
    first: bool,
    keys: Keys,
    /// Whether the key of a map has been written and its value has not.
    after_key: bool,
    in_variant: bool,
}

impl<'w> Object<'w> {
    #[inline]
    pub(super) fn open(writer: &'w mut Writer, in_variant: bool) -> Self {
        writer.open('{');
        Self {
            writer,
            first: true,
            keys: Keys::default(),
            after_key: false,
            in_variant,
        }
    }

    /// Writes a key that was chosen at run time.
    pub(super) fn key(&mut self, key: &str) {
        self.keys.add(key);
        self.writer.key(key);
    }

    fn field_name(&mut self, name: &'static str) -> Result<(), Error> {
        self.writer.member(std::mem::take(&mut self.first))?;
        self.keys.add(name);
        self.writer.name(name);
        Ok(())
    }

    fn skip_field(&mut self, name: &'static str) {
        if self.writer.is_at_top() {
            self.writer.skipped.push(name);
        }
    }

    fn finish(mut self) {
        self.writer.needs_recheck |= self.keys.may_have_duplicates() | self.after_key;
        self.writer.close('}');
        if self.in_variant {
            self.writer.close('}');
        }
    }
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;
    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.writer.needs_recheck |= std::mem::replace(&mut self.after_key, true);
        self.writer.member(std::mem::take(&mut self.first))?;
        let result = key.serialize(MapKey(self));
        self.writer.needs_recheck |= result.is_err();
        result
    }
    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.needs_recheck |= !std::mem::replace(&mut self.after_key, false);
        write(self.writer, value)
    }
    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStructVariant for Object<'_> {
    type Ok = ();
    type Error = Error;
    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field_name(name)?;
        write(self.writer, value)
    }
    fn skip_field(&mut self, name: &'static str) -> Result<(), Error> {
        self.skip_field(name);
        Ok(())
    }
    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

/// The fields of a struct.
pub(in crate::json) enum Fields<'w> {
    Object(Object<'w>),
    Raw(&'w mut Writer),
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Error;
    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match self {
            Self::Object(object) => {
                ser::SerializeStructVariant::serialize_field(object, name, value)
            }
            Self::Raw(writer) => {
                let mut json = String::new();
                // `Formatter` implements `Serializer` and writes a string unchanged.
                write!(json, "{}", fmt::from_fn(|f| value.serialize(f))).map_err(Error::custom)?;
                writer.raw(&json);
                Ok(())
            }
        }
    }
    fn skip_field(&mut self, name: &'static str) -> Result<(), Error> {
        if let Self::Object(object) = self {
            object.skip_field(name);
        }
        Ok(())
    }
    #[inline]
    fn end(self) -> Result<(), Error> {
        if let Self::Object(object) = self {
            object.finish();
        }
        Ok(())
    }
}
