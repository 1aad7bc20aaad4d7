//! Generates the `impl DomainEvent` that a user could write by hand, with absolute paths.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Path, Type, WherePredicate, parse_quote, parse_quote_spanned};

use crate::body::Body;
use crate::check;
use crate::const_checks::ConstChecks;
use crate::location::{at, located};
use crate::model::{Content, Event, Model};

/// Returns the derived code, or all errors and a fallback `impl`.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let checked = check::check(input);
    let expansion = Expansion {
        input,
        krate: &checked.krate,
    };
    match checked.model {
        Ok(model) => expansion.derived(&model),
        Err(errors) => {
            let errors = errors.to_compile_error();
            // serde also rejects unions, so a fallback would only cause another message.
            let is_union = matches!(input.data, Data::Union(_));
            let fallback = (!is_union).then(|| expansion.fallback());
            quote!(#errors #fallback)
        }
    }
}

struct Expansion<'a> {
    input: &'a DeriveInput,
    /// The path of the library.
    krate: &'a Path,
}

impl Expansion<'_> {
    fn derived(&self, model: &Model<'_>) -> TokenStream {
        let name = &self.input.ident;
        let body = Body {
            krate: self.krate,
            layout: self.layout(),
        };
        let body = match model {
            Model::Struct(event) => body.of_struct(name, event),
            Model::Enum { settings, variants } => body.of_enum(name, settings, variants),
        };
        let checks = ConstChecks {
            krate: self.krate,
            is_generic: !self.input.generics.params.is_empty(),
        };
        let checks = checks.all(model);
        let implementation = self.implementation(&self.bounds(model), &body);
        if checks.is_empty() {
            return implementation;
        }
        quote! {
            #(#checks)*
            #implementation
        }
    }

    /// Returns the `impl` for a type with errors. It prevents errors in the code that uses the
    /// type.
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
        // Use the span of the macro. With the span of the user's code, the compiler would
        // report the use of a deprecated type.
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

    /// Returns the bounds of the `impl`. A struct without type parameters has no bounds,
    /// because errors in its code have better messages. With type parameters, the bounds depend
    /// on the user of the type. In an enum, several methods need the same bound; with the
    /// bound, the compiler reports one error instead of several.
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
                        Content::Wrapped(wrapped) => bounds.extend(self.event_bound(wrapped.ty)),
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        bounds.retain(|bound| seen.insert(bound.to_token_stream().to_string()));
        bounds
    }

    /// Returns the bounds for reading the previous version and converting it into this version.
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

    /// Returns the layout that distinguishes the instances of a type with type or const
    /// parameters.
    fn layout(&self) -> Option<TokenStream> {
        let generics = &self.input.generics;
        let is_generic = self.is_generic() || generics.const_params().next().is_some();
        is_generic.then(|| {
            if generics.to_token_stream().to_string().contains('?') {
                // A type with an unsized parameter may have no constant size.
                return quote!([0; 3]);
            }
            quote! {
                [
                    ::core::mem::size_of::<Self>(),
                    ::core::mem::align_of::<Self>(),
                    ::core::mem::needs_drop::<Self>() as usize
                ]
            }
        })
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

    /// Returns the bound `DomainEvent` for a type, with the span of the type.
    fn event_bound(&self, ty: &Type) -> Option<WherePredicate> {
        let end = ty.to_token_stream().into_iter().last()?.span();
        let krate = located(self.krate, end);
        Some(parse_quote_spanned!(end=> #ty: #krate::DomainEvent))
    }
}
