//! What is to be derived: the input, with every rule checked.

use std::num::NonZeroU16;

use heck::ToShoutySnakeCase;
use syn::ext::IdentExt;
use syn::{Field, Ident, LitStr, Type};

use crate::attr::Settings;

pub(crate) enum Model<'a> {
    Struct(Event<'a>),
    Enum {
        settings: Settings,
        variants: Vec<Variant<'a>>,
    },
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) serde_index: Option<u32>,
    pub(crate) content: Content<'a>,
}

impl<'a> Variant<'a> {
    /// The event that the variant is, unless it holds one.
    pub(crate) fn event(&self) -> Option<&Event<'a>> {
        match &self.content {
            Content::Fields(event) => Some(event),
            Content::Wrapped(_) => None,
        }
    }
}

pub(crate) enum Content<'a> {
    /// The variant is the event.
    Fields(Event<'a>),
    /// The variant holds a type that is an event by itself.
    Wrapped(&'a Type),
}

/// One event with fields: a struct or a variant.
pub(crate) struct Event<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) version: Option<NonZeroU16>,
    pub(crate) id: &'a Field,
    pub(crate) emitter_id: Option<Part<'a>>,
    pub(crate) emitter_type: Option<Part<'a>>,
}

impl<'a> Event<'a> {
    /// The fields that become text outside of `Data`.
    pub(crate) fn shown_fields(&self) -> impl Iterator<Item = &'a Field> {
        let parts = [&self.emitter_id, &self.emitter_type];
        let fields = parts.map(|part| match part.as_ref()?.origin {
            Origin::Field(field) => Some(field),
            Origin::Constant(_) | Origin::Default(_) => None,
        });
        std::iter::once(self.id).chain(fields.into_iter().flatten())
    }

    /// The emitter's constants, with the name of the library's type for each.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&'static str, &LitStr)> {
        let parts = [
            ("EmitterId", &self.emitter_id),
            ("EmitterType", &self.emitter_type),
        ];
        parts
            .into_iter()
            .filter_map(|(ty, part)| match &part.as_ref()?.origin {
                Origin::Constant(text) => Some((ty, text)),
                Origin::Field(_) | Origin::Default(_) => None,
            })
    }
}

/// One half of the emitter.
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
    },
}

impl Name<'_> {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Written(literal) => literal.value(),
            Self::Derived { from, prefix } => {
                let name = from.unraw().to_string().to_shouty_snake_case();
                match prefix {
                    Some(prefix) => format!("{}_{name}", prefix.value()),
                    None => name,
                }
            }
        }
    }
}
