//! Generates the definition of each event.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Path};

use crate::location::{at, located};
use crate::model::{Content, Event, Origin, Part, Variant, Wrapped};

pub(crate) fn of_variant(
    name: &Ident,
    variant: &Variant<'_>,
    layout: Option<&TokenStream>,
    krate: &Path,
) -> TokenStream {
    let serde = &variant.serde;
    match &variant.content {
        Content::Fields(event) => {
            let definition = alone(event, krate);
            let path = format!("::{}::{}", name.unraw(), variant.ident.unraw());
            let of_type = of_type(&path, layout);
            let in_variant = in_variant(serde);
            evaluated_late(&quote!(#definition #of_type #in_variant))
        }
        Content::Wrapped(wrapped) => of_wrapped(wrapped, serde, krate),
    }
}

pub(crate) fn of_struct(
    name: &Ident,
    event: &Event<'_>,
    layout: Option<&TokenStream>,
    krate: &Path,
) -> TokenStream {
    let constant = |part: Option<&Part<'_>>, call: &str| match &part?.origin {
        Origin::Constant(text) => {
            let call = format_ident!("{call}");
            Some(quote!(.#call(&#text)))
        }
        Origin::Field(_) | Origin::Default(_) => None,
    };
    let emitter_id = constant(event.emitter_id.as_ref(), "with_emitter_id");
    let emitter_type = constant(event.emitter_type.as_ref(), "with_emitter_type");
    let definition = alone(event, krate);
    let of_type = of_type(&format!("::{}", name.unraw()), layout);
    evaluated_late(&quote!(#definition #emitter_id #emitter_type #of_type))
}

/// Wraps the definition in a block with a `let`. The compiler evaluates an expression
/// directly in `&[...]` early, and would report an invalid name twice.
fn evaluated_late(definition: &TokenStream) -> TokenStream {
    quote! {{
        let __event = #definition;
        __event
    }}
}

/// Returns the part of a definition that is the same for a struct and for a variant of an enum.
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
    // This call must follow the names and the version, because it compares them with the
    // older type.
    let upcast_from = event.upcast_from.as_ref().map(|older| {
        let span = at(older.span());
        let krate = located(krate, span);
        quote_spanned!(span=> .upcast_from(<#older as #krate::DomainEvent>::DEFINITIONS))
    });
    quote!(#krate::EventDefinition::new(#name) #version #aliases #pii #upcast_from)
}

fn of_type(path: &str, layout: Option<&TokenStream>) -> TokenStream {
    let path = quote!(::core::concat!(::core::module_path!(), #path));
    match layout {
        Some(layout) => quote!(.of_generic_type(#path, #layout)),
        None => quote!(.of_type(#path)),
    }
}

fn of_wrapped(wrapped: &Wrapped<'_>, serde: &(Option<u32>, String), krate: &Path) -> TokenStream {
    let ty = wrapped.ty;
    let span = at(ty.span());
    let krate = located(krate, span);
    let in_variant = located(&in_variant(serde), span);
    let assert_no_pii = wrapped
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
