//! Checks the input and converts it to the model: first the shape, then the rules.

use syn::{Data, DataEnum, DataStruct, DeriveInput, Fields, Ident, Path, parse_quote};

use crate::attr::EventSettings;
use crate::errors::Errors;
use crate::meta_entry::meta_entries;
use crate::model::{Content, Model, Variant, Wrapped};
use crate::rules::{Container, Rules, Source};
use crate::serde_index::serde_indices;
use crate::serde_name::{Naming, find_flag, moves_fields, moves_fields_of_variant};
use crate::target::Target;

/// The checked input.
pub(crate) struct Checked<'a> {
    /// The path of the library. It is known even if there are errors.
    pub(crate) krate: Path,
    /// The model, or all errors.
    pub(crate) model: syn::Result<Model<'a>>,
}

pub(crate) fn check(input: &DeriveInput) -> Checked<'_> {
    let target = match input.data {
        Data::Enum(_) => Target::Enum,
        Data::Struct(_) | Data::Union(_) => Target::Struct,
    };
    let mut errors = Errors::default();
    let mut settings = EventSettings::read(&input.attrs, target, &mut errors);
    let krate = match settings.krate.take() {
        Some(setting) => setting.value,
        None => parse_quote!(::domain_events),
    };
    let model = match &input.data {
        Data::Struct(data) => check_struct(input, data, settings, &mut errors),
        Data::Enum(data) => Some(check_enum(input, data, settings, &mut errors)),
        Data::Union(data) => {
            let message = "an event is a struct or an enum: write `struct`";
            errors.at(data.union_token, message);
            None
        }
    };
    let model = errors.finish(model);
    Checked { krate, model }
}

fn check_struct<'a>(
    input: &'a DeriveInput,
    data: &'a DataStruct,
    settings: EventSettings,
    errors: &mut Errors,
) -> Option<Model<'a>> {
    let name = &input.ident;
    match &data.fields {
        Fields::Named(_) | Fields::Unit => {
            let naming = Naming::of(&input.attrs).of_struct();
            let moved_by = moves_fields(&input.attrs);
            let source = Source::read(name, settings, &data.fields, naming, moved_by, errors);
            let event = Rules::new(None, errors).event(source)?;
            Some(Model::Struct(Box::new(event)))
        }
        Fields::Unnamed(fields) => {
            let message = format!(
                "the fields of an event need names: write `struct {name} {{ #[event(id)] id: …, … }}`"
            );
            errors.at(fields, message);
            None
        }
    }
}

fn check_enum<'a>(
    input: &'a DeriveInput,
    data: &'a DataEnum,
    settings: EventSettings,
    errors: &mut Errors,
) -> Model<'a> {
    if data.variants.is_empty() {
        let message = "an enum of events needs a variant for each event: add one";
        errors.at(&input.ident, message);
    }
    let naming = Naming::of(&input.attrs);
    let moved_by = moves_fields(&input.attrs);
    let moved_by = |variant: &syn::Variant| {
        let own = moves_fields_of_variant(&variant.attrs);
        own.or_else(|| moved_by.clone())
    };
    let mut shapes = Vec::new();
    for variant in &data.variants {
        if let Some(flag) = find_flag(&variant.attrs, &["untagged"]) {
            let message = "a stored event is read as the variant that has its EventType, and `untagged` makes serde \
                           ignore that for the whole enum: remove it";
            errors.at(flag, message);
        }
        shapes.push(Shape::read(variant, naming, moved_by(variant), errors));
    }
    let container = Container {
        ident: &input.ident,
        settings: &settings,
    };
    let mut rules = Rules::new(Some(container), errors);
    let mut variants = Vec::new();
    let indices = serde_indices(&data.variants);
    for ((variant, shape), serde_index) in data.variants.iter().zip(shapes).zip(indices) {
        let content = match shape {
            Shape::Wrapper(inner) => Content::Wrapped(inner),
            Shape::Fields(source) => match rules.event(*source) {
                Some(event) => Content::Fields(Box::new(event)),
                None => continue,
            },
            Shape::Wrong(error) => {
                rules.push(error);
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
        errors: &mut Errors,
    ) -> Self {
        let name = &variant.ident;
        match &variant.fields {
            Fields::Named(_) | Fields::Unit => {
                let settings = EventSettings::read(&variant.attrs, Target::Variant, errors);
                let naming = naming.of_variant(&variant.attrs);
                let fields = &variant.fields;
                let source = Source::read(name, settings, fields, naming, moved_by, errors);
                Self::Fields(Box::new(source))
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let field = &fields.unnamed[0];
                meta_entries(&variant.attrs, Target::Wrapper, errors);
                meta_entries(&field.attrs, Target::Wrapper, errors);
                Self::Wrapper(Wrapped {
                    ty: &field.ty,
                    is_moved: moved_by.is_some(),
                })
            }
            Fields::Unnamed(fields) => {
                let message = format!(
                    "a variant needs named fields, `{name} {{ #[event(id)] id: …, … }}`, \
                     or holds one event, `{name}(OrderPlaced)`"
                );
                Self::Wrong(syn::Error::new_spanned(fields, message))
            }
        }
    }
}
