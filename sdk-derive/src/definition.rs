//! Prints the definition of each event.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

use crate::location::{at, located};
use crate::model::{Content, Event, Variant};

pub(crate) fn of_variant(variant: &Variant<'_>, krate: &Path) -> TokenStream {
    match &variant.content {
        Content::Fields(event) => of_event(event, variant.serde_index, krate),
        Content::Wrapped(ty) => of_wrapped(ty, variant.serde_index, krate),
    }
}

/// The `let` matters to messages. What stands in `&[...]` directly is evaluated
/// ahead of time, and the compiler would report a wrong name here once more.
pub(crate) fn of_event(event: &Event<'_>, index: Option<u32>, krate: &Path) -> TokenStream {
    let name = event.name.text();
    let version = event.version.map(|version| {
        let version = Literal::u16_unsuffixed(version.get());
        quote!(.with_version(#version))
    });
    let aliases = &event.aliases;
    let aliases = (!aliases.is_empty()).then(|| quote!(.with_aliases(&[#(#aliases),*])));
    let in_variant = in_variant(index);
    quote! {{
        let __event = #krate::EventDefinition::new(#name) #version #aliases #in_variant;
        __event
    }}
}

fn of_wrapped(ty: &Type, index: Option<u32>, krate: &Path) -> TokenStream {
    let span = at(ty.span());
    let krate = located(krate, span);
    let in_variant = in_variant(index).map(|call| located(&call, span));
    quote_spanned!(span=> <#ty as #krate::DomainEvent>::DEFINITIONS[0] #in_variant)
}

fn in_variant(index: Option<u32>) -> Option<TokenStream> {
    let index = Literal::u32_unsuffixed(index?);
    Some(quote!(.in_variant(#index)))
}
