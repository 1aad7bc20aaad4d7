//! Prints the `impl DomainEvent`: what a person would write by hand, but with
//! absolute paths.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Path, Type, WherePredicate, parse_quote, parse_quote_spanned};

use crate::body::Body;
use crate::check;
use crate::force::Force;
use crate::location::{at, located};
use crate::model::{Content, Event, Model};

/// The derived code; or every mistake, and an `impl` that stands in.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let checked = check::check(input);
    let expansion = Expansion {
        input,
        krate: &checked.krate,
    };
    match checked.model {
        Ok(model) => expansion.derived(&model),
        Err(mistakes) => {
            let mistakes = mistakes.to_compile_error();
            // Serde refuses unions too: a stand-in would be one more message.
            let is_union = matches!(input.data, Data::Union(_));
            let fallback = (!is_union).then(|| expansion.fallback());
            quote!(#mistakes #fallback)
        }
    }
}

struct Expansion<'a> {
    input: &'a DeriveInput,
    /// Where the library is found.
    krate: &'a Path,
}

impl Expansion<'_> {
    fn derived(&self, model: &Model<'_>) -> TokenStream {
        let body = Body { krate: self.krate };
        let body = match model {
            Model::Struct(event) => body.of_struct(event),
            Model::Enum { settings, variants } => body.of_enum(settings, variants),
        };
        let force = Force {
            krate: self.krate,
            is_generic: !self.input.generics.params.is_empty(),
        };
        let checks = force.all(model);
        let implementation = self.implementation(&self.bounds(model), &body);
        if checks.is_empty() {
            return implementation;
        }
        quote! {
            #(#checks)*
            #implementation
        }
    }

    /// Stands in for the real `impl` beside the reported mistakes, so that the
    /// code that uses the type is not blamed as well.
    fn fallback(&self) -> TokenStream {
        let krate = self.krate;
        let body = quote! {
            const DEFINITIONS: &'static [#krate::EventDefinition] =
                &[#krate::EventDefinition::new("NOT_DERIVED")];

            fn entity_id(&self) -> &dyn ::core::fmt::Display {
                &""
            }
        };
        self.implementation(&self.serialize_bound(), &body)
    }

    fn implementation(&self, bounds: &[WherePredicate], body: &TokenStream) -> TokenStream {
        let krate = self.krate;
        // As the macro's own word: the user's word would be reported as a use
        // of the type where the type is deprecated.
        let mut name = self.input.ident.clone();
        name.set_span(name.span().resolved_at(Span::call_site()));
        let mut generics = self.input.generics.clone();
        if !bounds.is_empty() {
            let where_clause = generics.make_where_clause();
            where_clause.predicates.extend(bounds.iter().cloned());
        }
        let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
        quote! {
            #[automatically_derived]
            #[allow(unused_qualifications)]
            impl #impl_generics #krate::DomainEvent for #name #ty_generics #where_clause {
                #body
            }
        }
    }

    /// What has to hold. A plain struct needs no bound: its code alone gives the
    /// better message. With type parameters the answer lies with the user of the
    /// type; and in an enum, where several methods rely on the same thing, a
    /// bound makes one message of what would be one for each of them.
    fn bounds(&self, model: &Model<'_>) -> Vec<WherePredicate> {
        let mut bounds = self.serialize_bound();
        let displayed = |event: &Event<'_>| -> Vec<WherePredicate> {
            let fields = event.shown_fields().filter(|_| self.is_generic());
            let types = fields.map(|field| &field.ty);
            let displayed = types.map(|ty| parse_quote!(#ty: ::core::fmt::Display));
            displayed.chain(self.older_bounds(event)).collect()
        };
        match model {
            Model::Struct(event) => bounds.extend(displayed(event)),
            Model::Enum { variants, .. } => {
                for variant in variants {
                    match &variant.content {
                        Content::Fields(event) => bounds.extend(displayed(event)),
                        Content::Wrapped(held) => bounds.extend(self.event_bound(held.ty)),
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        bounds.retain(|bound| seen.insert(bound.to_token_stream().to_string()));
        bounds
    }

    /// That the version before can be read, and become this one.
    fn older_bounds(&self, event: &Event<'_>) -> Vec<WherePredicate> {
        let krate = self.krate;
        let older = event.upcast_from.as_ref().filter(|_| self.is_generic());
        let bounds = older.map(|older| -> [WherePredicate; 2] {
            [
                parse_quote!(#older: #krate::DomainEvent + #krate::DeserializeOwned),
                parse_quote!(Self: ::core::convert::From<#older>),
            ]
        });
        bounds.into_iter().flatten().collect()
    }

    fn is_generic(&self) -> bool {
        self.input.generics.type_params().next().is_some()
    }

    fn serialize_bound(&self) -> Vec<WherePredicate> {
        if !self.is_generic() && !matches!(self.input.data, Data::Enum(_)) {
            return Vec::new();
        }
        let span = at(self.input.ident.span());
        let krate = located(self.krate, span);
        vec![parse_quote_spanned!(span=> Self: #krate::Serialize)]
    }

    /// Located at the type, for that is what a message is about.
    fn event_bound(&self, ty: &Type) -> Option<WherePredicate> {
        let end = ty.to_token_stream().into_iter().last()?.span();
        let krate = located(self.krate, end);
        Some(parse_quote_spanned!(end=> #ty: #krate::DomainEvent))
    }
}
