//! The numbers that serde's derive gives to the variants of an enum.
//!
//! A deserializer may name a variant by its number, which is its position
//! among the variants that can be deserialized. A skipped variant is not
//! counted. Neither is an untagged one, which serde finds by its content.

use proc_macro2::TokenTree;
use syn::{Attribute, Meta, Variant};

/// The number of each variant, if it has one.
pub(crate) fn serde_indices<'a>(
    variants: impl IntoIterator<Item = &'a Variant>,
) -> Vec<Option<u32>> {
    let mut next = 0;
    let number = |variant: &Variant| {
        let counted = !variant.attrs.iter().any(takes_out);
        counted.then(|| {
            next += 1;
            next - 1
        })
    };
    variants.into_iter().map(number).collect()
}

/// Whether one of the words in `#[serde(...)]` takes the variant out.
fn takes_out(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    let mut starts_entry = true;
    let is_such_a_word = |token: TokenTree| {
        let found = starts_entry
            && matches!(&token, TokenTree::Ident(word)
                if word == "skip" || word == "skip_deserializing" || word == "untagged");
        starts_entry = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
        found
    };
    list.path.is_ident("serde") && list.tokens.clone().into_iter().any(is_such_a_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variants_that_can_be_deserialized_are_counted() {
        let input: syn::DeriveInput = syn::parse_quote! {
            enum Event {
                A {},
                #[serde(skip)]
                B {},
                #[serde(rename = "skip", alias = "x")]
                C {},
                #[serde(rename = "d", skip_deserializing)]
                D {},
                #[serde(skip_serializing)]
                E {},
                #[other(skip)]
                F {},
                #[serde(untagged)]
                G {},
            }
        };
        let syn::Data::Enum(data) = &input.data else {
            panic!("an enum was written");
        };
        let expected = [Some(0), None, Some(1), None, Some(2), Some(3), None];
        assert_eq!(serde_indices(&data.variants), expected);
    }
}
