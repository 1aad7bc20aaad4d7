//! Prints the definition of each event.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::location::{at, located};
use crate::model::{Content, Event, Origin, Part, Variant, Wrapped};

pub(crate) fn of_variant(variant: &Variant<'_>, krate: &Path) -> TokenStream {
    match &variant.content {
        Content::Fields(event) => of_event(event, &variant.serde, krate),
        Content::Wrapped(held) => of_wrapped(held, &variant.serde, krate),
    }
}

/// The `let` matters to messages. What stands in `&[...]` directly is evaluated
/// ahead of time, and the compiler would report a wrong name here once more.
pub(crate) fn of_struct(event: &Event<'_>, krate: &Path) -> TokenStream {
    let constant = |part: Option<&Part<'_>>, call: &str| match &part?.origin {
        Origin::Constant(text) => {
            let call = format_ident!("{call}");
            Some(quote!(.#call(&#text)))
        }
        Origin::Field(_) | Origin::Default(_) => None,
    };
    let emitter_id = constant(event.emitter_id.as_ref(), "with_emitter_id");
    let emitter_type = constant(event.emitter_type.as_ref(), "with_emitter_type");
    let mut definition = alone(event, krate);
    definition.extend(emitter_id);
    definition.extend(emitter_type);
    quote! {{
        let __event = #definition;
        __event
    }}
}

fn of_event(event: &Event<'_>, serde: &(Option<u32>, String), krate: &Path) -> TokenStream {
    let definition = alone(event, krate);
    let in_variant = in_variant(serde);
    quote! {{
        let __event = #definition #in_variant;
        __event
    }}
}

/// What is said of the event where it is not in an enum.
pub(crate) fn alone(event: &Event<'_>, krate: &Path) -> TokenStream {
    let name = event.name.text();
    let version = event.version.map(|version| {
        let version = Literal::u16_unsuffixed(version.get());
        quote!(.with_version(#version))
    });
    let aliases = &event.aliases;
    let aliases = (!aliases.is_empty()).then(|| quote!(.with_aliases(&[#(#aliases),*])));
    let pii = &event.pii;
    let pii = (!pii.is_empty()).then(|| quote!(.with_pii(&[#(#pii),*])));
    // Last, for the two versions are compared with all that is known by then.
    let upcast_from = event.upcast_from.as_ref().map(|older| {
        let span = at(older.span());
        let krate = located(krate, span);
        quote_spanned!(span=> .upcast_from(<#older as #krate::DomainEvent>::DEFINITIONS))
    });
    quote!(#krate::EventDefinition::new(#name) #version #aliases #pii #upcast_from)
}

fn of_wrapped(held: &Wrapped<'_>, serde: &(Option<u32>, String), krate: &Path) -> TokenStream {
    let ty = held.ty;
    let span = at(ty.span());
    let krate = located(krate, span);
    let in_variant = located(&in_variant(serde), span);
    let assert_no_pii = held
        .is_moved
        .then(|| quote_spanned!(span=> .assert_no_pii()));
    quote_spanned! {span=>
        #krate::EventDefinition::single(<#ty as #krate::DomainEvent>::DEFINITIONS)
            #assert_no_pii #in_variant
    }
}

fn in_variant(serde: &(Option<u32>, String)) -> TokenStream {
    let (index, name) = serde;
    let Some(index) = index else {
        return quote!(.for_write_only_variant(#name));
    };
    let index = Literal::u32_unsuffixed(*index);
    quote!(.for_variant(#index, #name))
}
