//! From the input to the model: its shape first, then the rules.

use syn::{Data, DataEnum, DataStruct, DeriveInput, Fields, Ident, Path, parse_quote};

use crate::attr::Settings;
use crate::item::items;
use crate::mistakes::Mistakes;
use crate::model::{Content, Model, Variant, Wrapped};
use crate::place::Place;
use crate::rules::{Rules, Source};
use crate::serde_index::serde_indices;
use crate::serde_name::{Naming, moves_fields, moves_fields_of_variant, word};

/// The input as far as it was understood.
pub(crate) struct Checked<'a> {
    /// Where the library is found. Known even beside mistakes.
    pub(crate) krate: Path,
    /// The model, or all mistakes.
    pub(crate) model: syn::Result<Model<'a>>,
}

pub(crate) fn check(input: &DeriveInput) -> Checked<'_> {
    let place = match input.data {
        Data::Enum(_) => Place::Enum,
        Data::Struct(_) | Data::Union(_) => Place::Struct,
    };
    let mut mistakes = Mistakes::default();
    let mut settings = Settings::read(&input.attrs, place, &mut mistakes);
    let krate = match settings.krate.take() {
        Some(setting) => setting.value,
        None => parse_quote!(::domain_events),
    };
    let model = match &input.data {
        Data::Struct(data) => check_struct(input, data, settings, &mut mistakes),
        Data::Enum(data) => Some(check_enum(input, data, settings, &mut mistakes)),
        Data::Union(data) => {
            let message = "an event is a struct or an enum: write `struct`";
            mistakes.at(data.union_token, message);
            None
        }
    };
    let model = mistakes.finish(model);
    Checked { krate, model }
}

fn check_struct<'a>(
    input: &'a DeriveInput,
    data: &'a DataStruct,
    settings: Settings,
    mistakes: &mut Mistakes,
) -> Option<Model<'a>> {
    let name = &input.ident;
    match &data.fields {
        Fields::Named(_) | Fields::Unit => {
            let naming = Naming::of(&input.attrs).of_struct();
            let moved_by = moves_fields(&input.attrs);
            let source = Source::read(name, settings, &data.fields, naming, moved_by, mistakes);
            let event = Rules::new(None, mistakes).event(source)?;
            Some(Model::Struct(Box::new(event)))
        }
        Fields::Unnamed(fields) => {
            let message = format!(
                "an event's fields have names: write `struct {name} {{ #[event(id)] id: …, … }}`"
            );
            mistakes.at(fields, message);
            None
        }
    }
}

fn check_enum<'a>(
    input: &'a DeriveInput,
    data: &'a DataEnum,
    settings: Settings,
    mistakes: &mut Mistakes,
) -> Model<'a> {
    if data.variants.is_empty() {
        let message = "an enum of events has a variant for each event: write one";
        mistakes.at(&input.ident, message);
    }
    let naming = Naming::of(&input.attrs);
    let moved_by = moves_fields(&input.attrs);
    let moved_by = |variant: &syn::Variant| {
        let own = moves_fields_of_variant(&variant.attrs);
        own.or_else(|| moved_by.clone())
    };
    let mut shapes = Vec::new();
    for variant in &data.variants {
        if let Some(word) = word(&variant.attrs, &["untagged"]) {
            let message = "a stored event is read as the variant whose EventType it has, and `untagged` keeps \
                           serde from that for all of the enum: remove it";
            mistakes.at(word, message);
        }
        shapes.push(Shape::read(variant, naming, moved_by(variant), mistakes));
    }
    let mut rules = Rules::new(Some(&settings), mistakes);
    let mut variants = Vec::new();
    let indices = serde_indices(&data.variants);
    for ((variant, shape), serde_index) in data.variants.iter().zip(shapes).zip(indices) {
        let content = match shape {
            Shape::Wrapper(inner) => Content::Wrapped(inner),
            Shape::Fields(source) => match rules.event(*source) {
                Some(event) => Content::Fields(Box::new(event)),
                None => continue,
            },
            Shape::Wrong(mistake) => {
                rules.push(mistake);
                continue;
            }
        };
        variants.push(Variant {
            ident: &variant.ident,
            serde: (serde_index, naming.variant(variant)),
            content,
        });
    }
    rules.finish(&variants);
    Model::Enum {
        settings: Box::new(settings),
        variants,
    }
}

enum Shape<'a> {
    Fields(Box<Source<'a>>),
    Wrapper(Wrapped<'a>),
    Wrong(syn::Error),
}

impl<'a> Shape<'a> {
    fn read(
        variant: &'a syn::Variant,
        naming: Naming,
        moved_by: Option<Ident>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let name = &variant.ident;
        match &variant.fields {
            Fields::Named(_) | Fields::Unit => {
                let settings = Settings::read(&variant.attrs, Place::Variant, mistakes);
                let naming = naming.of_variant(&variant.attrs);
                let fields = &variant.fields;
                let source = Source::read(name, settings, fields, naming, moved_by, mistakes);
                Self::Fields(Box::new(source))
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let field = &fields.unnamed[0];
                items(&variant.attrs, Place::Wrapper, mistakes);
                items(&field.attrs, Place::Wrapper, mistakes);
                Self::Wrapper(Wrapped {
                    ty: &field.ty,
                    is_moved: moved_by.is_some(),
                })
            }
            Fields::Unnamed(fields) => {
                let message = format!(
                    "a variant has named fields, `{name} {{ #[event(id)] id: …, … }}`, \
                     or holds one event, `{name}(OrderPlaced)`"
                );
                Self::Wrong(syn::Error::new_spanned(fields, message))
            }
        }
    }
}
