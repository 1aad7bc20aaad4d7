//! The model: the input after all rules have been checked.

use std::num::NonZeroU16;

use heck::ToShoutySnakeCase;
use syn::ext::IdentExt;
use syn::{Field, Ident, LitStr, Type};

use crate::attr::EventSettings;

pub(crate) enum Model<'a> {
    Struct(Box<Event<'a>>),
    Enum {
        settings: Box<EventSettings>,
        variants: Vec<Variant<'a>>,
    },
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    /// The index by which serde deserializes the variant, unless serde skips the variant,
    /// and the name that serde writes.
    pub(crate) serde: (Option<u32>, String),
    pub(crate) content: Content<'a>,
}

impl<'a> Variant<'a> {
    /// Returns the event that the variant describes, or `None` if the variant wraps another
    /// event.
    pub(crate) fn event(&self) -> Option<&Event<'a>> {
        match &self.content {
            Content::Fields(event) => Some(event),
            Content::Wrapped(_) => None,
        }
    }
}

pub(crate) enum Content<'a> {
    /// The variant describes an event with its own fields.
    Fields(Box<Event<'a>>),
    /// The variant wraps a type that is an event.
    Wrapped(Wrapped<'a>),
}

/// The event that a variant wraps.
pub(crate) struct Wrapped<'a> {
    pub(crate) ty: &'a Type,
    /// Whether serde moves the fields of the event away from the top level of the data.
    pub(crate) is_moved: bool,
}

/// One event: a struct or a variant with fields.
pub(crate) struct Event<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) version: Option<NonZeroU16>,
    pub(crate) upcast_from: Option<Type>,
    /// The fields with personal data, by the names that serde gives them.
    pub(crate) pii: Vec<String>,
    pub(crate) id: Part<'a>,
    pub(crate) emitter_id: Option<Part<'a>>,
    pub(crate) emitter_type: Option<Part<'a>>,
}

impl<'a> Event<'a> {
    /// Returns the fields that are displayed outside of `Data`.
    pub(crate) fn shown_fields(&self) -> impl Iterator<Item = &'a Field> {
        let parts = [
            Some(&self.id),
            self.emitter_id.as_ref(),
            self.emitter_type.as_ref(),
        ];
        parts.into_iter().filter_map(|part| match part?.origin {
            Origin::Field(field) => Some(field),
            Origin::Constant(_) | Origin::Default(_) => None,
        })
    }

    /// Returns the constants, each with the name of its type in the library.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&'static str, &LitStr)> {
        let parts = [
            ("EntityId", Some(&self.id)),
            ("EmitterId", self.emitter_id.as_ref()),
            ("EmitterType", self.emitter_type.as_ref()),
        ];
        parts
            .into_iter()
            .filter_map(|(ty, part)| match &part?.origin {
                Origin::Constant(text) => Some((ty, text)),
                Origin::Field(_) | Origin::Default(_) => None,
            })
    }
}

/// The id of the entity, or the id or the type of the emitter.
pub(crate) struct Part<'a> {
    pub(crate) key: Ident,
    pub(crate) origin: Origin<'a>,
}

pub(crate) enum Origin<'a> {
    Field(&'a Field),
    /// Written on the struct or variant itself.
    Constant(LitStr),
    /// Written on the enum, for all its variants.
    Default(LitStr),
}

/// The event's `EventType`.
pub(crate) enum Name<'a> {
    Written(LitStr),
    Derived {
        from: &'a Ident,
        prefix: Option<LitStr>,
        text: String,
    },
}

impl<'a> Name<'a> {
    pub(crate) fn derived(from: &'a Ident, prefix: Option<LitStr>) -> Self {
        let mut text = from.unraw().to_string().to_shouty_snake_case();
        if let Some(prefix) = &prefix {
            text = format!("{}_{text}", prefix.value());
        }
        Self::Derived { from, prefix, text }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Written(literal) => literal.value(),
            Self::Derived { text, .. } => text.clone(),
        }
    }
}
