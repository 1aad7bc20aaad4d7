//! Generates the items inside the `impl`.
//!
//! The generated functions are `#[inline]`, so that they are compiled in the crates that
//! emit and read events, and not in every crate that defines events.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Field, Ident, LitStr, Path, Type};

use crate::attr::EventSettings;
use crate::definition::{of_struct, of_variant};
use crate::location::{at, located};
use crate::model::{Content, Event, Origin, Part, Variant};

pub(crate) struct Body<'a> {
    pub(crate) krate: &'a Path,
    /// The layout of the type, if it has type or const parameters.
    pub(crate) layout: Option<TokenStream>,
}

/// Selects the id or the type of an event's emitter. The id and the type are called halves.
type Half = for<'e, 'a> fn(&'e Event<'a>) -> Option<&'e Part<'a>>;

impl Body<'_> {
    pub(crate) fn of_struct(&self, name: &Ident, event: &Event<'_>) -> TokenStream {
        let definitions =
            self.definitions(&[of_struct(name, event, self.layout.as_ref(), self.krate)]);
        let value = |part: &Part<'_>| match &part.origin {
            Origin::Field(field) => self.displayed(field, &self_field(field)),
            Origin::Constant(text) | Origin::Default(text) => quote!(&#text),
        };
        let id = value(&event.id);
        // A constant is part of the definition, so no function is generated for it.
        let value_of = |field: &Field| self.displayed(field, &self_field(field));
        let half = |name, part: Option<&Part<'_>>| match &part?.origin {
            Origin::Field(field) => Some(half(name, &some(&value_of(field)))),
            Origin::Constant(_) | Origin::Default(_) => None,
        };
        let upcast = event.upcast_from.as_ref().map(|older| {
            let read = self.read_older(older);
            self.upcast(&read)
        });
        let emitter_id = half("emitter_id", event.emitter_id.as_ref());
        let emitter_type = half("emitter_type", event.emitter_type.as_ref());
        quote! {
            #definitions
            #[inline]
            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                #id
            }
            #emitter_id
            #emitter_type
            #upcast
        }
    }

    /// The definitions are accessed through a generic function. The compiler evaluates this
    /// function only if the type is valid. With direct access, it would report an invalid
    /// name twice.
    pub(crate) fn of_enum(
        &self,
        name: &Ident,
        settings: &EventSettings,
        variants: &[Variant<'_>],
    ) -> TokenStream {
        let krate = self.krate;
        let definitions = variants
            .iter()
            .map(|variant| of_variant(name, variant, self.layout.as_ref(), krate));
        let definitions = self.definitions(&definitions.collect::<Vec<_>>());
        let index = variants.iter().enumerate().map(|(index, variant)| {
            let ident = variant.ident;
            let index = Literal::usize_unsuffixed(index);
            quote!(Self::#ident { .. } => #index)
        });
        let id = variants.iter().map(|variant| match &variant.content {
            Content::Fields(event) => match &event.id.origin {
                Origin::Field(field) => self.field_arm(variant, field, |value| value),
                Origin::Constant(text) | Origin::Default(text) => {
                    let ident = variant.ident;
                    quote!(Self::#ident { .. } => &#text)
                }
            },
            Content::Wrapped(_) => self.wrapped_arm(variant, "entity_id"),
        });
        let defaults = match (&settings.emitter_id, &settings.emitter_type) {
            (Some(id), Some(kind)) => Some((&id.value, &kind.value)),
            _ => None,
        };
        let emitter_id = self.half_of_enum(
            "emitter_id",
            variants,
            |event| event.emitter_id.as_ref(),
            defaults.map(|(id, _)| (quote!((__id, _) => __id), id)),
        );
        let emitter_type = self.half_of_enum(
            "emitter_type",
            variants,
            |event| event.emitter_type.as_ref(),
            defaults.map(|(_, kind)| (quote!((_, __type) => __type), kind)),
        );
        let upcast = self.upcast_of_enum(variants);
        quote! {
            #definitions
            #[inline]
            fn definition(&self) -> #krate::EventDefinition {
                fn nth<E: #krate::DomainEvent>(_: &E, index: usize) -> #krate::EventDefinition {
                    E::DEFINITIONS[index]
                }
                nth(self, match self { #(#index,)* })
            }
            #[inline]
            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                match self {
                    #(#id,)*
                }
            }
            #emitter_id
            #emitter_type
            #upcast
        }
    }

    /// Returns `None` if no variant can have earlier versions.
    fn upcast_of_enum(&self, variants: &[Variant<'_>]) -> Option<TokenStream> {
        let krate = self.krate;
        let arm = |(index, variant): (usize, &Variant<'_>)| {
            let read = match &variant.content {
                Content::Fields(event) => self.read_older(event.upcast_from.as_ref()?),
                Content::Wrapped(wrapped) => {
                    let (ident, ty) = (variant.ident, wrapped.ty);
                    quote! {
                        <#ty as #krate::DomainEvent>::upcast(__older.for_variant()).map(Self::#ident)
                    }
                }
            };
            let index = Literal::usize_unsuffixed(index);
            Some(quote!(#index => #read))
        };
        let arms: Vec<_> = variants.iter().enumerate().filter_map(arm).collect();
        (!arms.is_empty()).then(|| {
            self.upcast(&quote! {
                match __older.index() {
                    #(#arms,)*
                    _ => ::core::result::Result::Err(__older.unreadable()),
                }
            })
        })
    }

    fn upcast(&self, body: &TokenStream) -> TokenStream {
        let krate = self.krate;
        quote! {
            #[inline]
            fn upcast(
                __older: #krate::PastVersion<'_>
            ) -> ::core::result::Result<Self, #krate::DecodeError> {
                #body
            }
        }
    }

    /// Reads the previous version. The code has the span of the older type, so that the
    /// compiler reports a missing `From` or `Deserialize` there.
    fn read_older(&self, older: &Type) -> TokenStream {
        let span = at(older.span());
        quote_spanned! {span=>
            __older.read_as::<#older>().map(<Self as ::core::convert::From<#older>>::from)
        }
    }

    fn definitions(&self, definitions: &[TokenStream]) -> TokenStream {
        let krate = self.krate;
        quote! {
            const DEFINITIONS: &'static [#krate::EventDefinition] = &[#(#definitions),*];
        }
    }

    /// Returns the method for one half of the emitter, or `None` if no variant states this
    /// half. A wrapped event uses the constant of the enum if it states neither half. `default`
    /// contains the match arm for an event that states its own half, and the constant.
    fn half_of_enum(
        &self,
        name: &str,
        variants: &[Variant<'_>],
        pick: Half,
        default: Option<(TokenStream, &LitStr)>,
    ) -> Option<TokenStream> {
        let krate = self.krate;
        let known = variants.iter().any(|variant| match &variant.content {
            Content::Fields(event) => pick(event).is_some(),
            Content::Wrapped(_) => true,
        });
        let arms = variants.iter().map(|variant| {
            let ident = variant.ident;
            match &variant.content {
                Content::Fields(event) => match pick(event).map(|part| &part.origin) {
                    Some(Origin::Field(field)) => {
                        self.field_arm(variant, field, |value| some(&value))
                    }
                    Some(Origin::Constant(text) | Origin::Default(text)) => {
                        let value = some(&quote!(&#text));
                        quote!(Self::#ident { .. } => #value)
                    }
                    None => quote!(Self::#ident { .. } => ::core::option::Option::None),
                },
                Content::Wrapped(_) => match &default {
                    None => self.wrapped_arm(variant, name),
                    Some((own, text)) => {
                        let value = some(&quote!(&#text));
                        quote! {
                            Self::#ident(__event) => match (
                                #krate::DomainEvent::emitter_id(__event),
                                #krate::DomainEvent::emitter_type(__event),
                            ) {
                                (::core::option::Option::None, ::core::option::Option::None) => #value,
                                #own,
                            }
                        }
                    }
                },
            }
        });
        known.then(|| half(name, &quote!(match self { #(#arms,)* })))
    }

    /// Returns a `match` arm that calls the method of the wrapped event.
    fn wrapped_arm(&self, variant: &Variant<'_>, method: &str) -> TokenStream {
        let (krate, ident) = (self.krate, variant.ident);
        let method = format_ident!("{method}");
        quote!(Self::#ident(__event) => #krate::DomainEvent::#method(__event))
    }

    /// Returns a marked field as `&dyn Display`. The code has the span of the field, so that the
    /// compiler points at a field that cannot be displayed.
    fn displayed(&self, field: &Field, borrowed: &TokenStream) -> TokenStream {
        let span = at_field(field);
        let krate = located(self.krate, span);
        quote_spanned!(span=> #krate::MarkedField::display(#borrowed))
    }

    /// Returns a `match` arm whose value is computed from the borrowed field.
    fn field_arm(
        &self,
        variant: &Variant<'_>,
        field: &Field,
        value: impl FnOnce(TokenStream) -> TokenStream,
    ) -> TokenStream {
        let (variant, field_ident) = (variant.ident, &field.ident);
        let binding = quote_spanned!(at_field(field)=> __field);
        let value = value(self.displayed(field, &binding));
        quote!(Self::#variant { #field_ident: #binding, .. } => #value)
    }
}

fn self_field(field: &Field) -> TokenStream {
    let ident = &field.ident;
    quote_spanned!(at_field(field)=> &self.#ident)
}

fn at_field(field: &Field) -> Span {
    at(field
        .ident
        .as_ref()
        .map_or_else(Span::call_site, Ident::span))
}

fn some(value: &TokenStream) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

fn half(name: &str, body: &TokenStream) -> TokenStream {
    let name = format_ident!("{name}");
    quote! {
        #[inline]
        fn #name(&self) -> ::core::option::Option<&dyn ::core::fmt::Display> {
            #body
        }
    }
}
