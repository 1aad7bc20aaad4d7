//! The indices that serde's derive assigns to the variants of an enum.
//!
//! A deserializer may select a variant by its index, which is its position among the
//! variants that can be deserialized. Skipped variants are not counted.

use syn::Variant;

use crate::serde_name::find_flag;

/// Returns the index of each variant. A skipped variant has none.
pub(crate) fn serde_indices<'a>(
    variants: impl IntoIterator<Item = &'a Variant>,
) -> Vec<Option<u32>> {
    let mut next = 0;
    let number = |variant: &Variant| {
        let skipped = find_flag(&variant.attrs, &["skip", "skip_deserializing"]);
        skipped.is_none().then(|| {
            next += 1;
            next - 1
        })
    };
    variants.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_variants_are_not_counted() {
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
            }
        };
        let syn::Data::Enum(data) = &input.data else {
            panic!("expected an enum");
        };
        let expected = [Some(0), None, Some(1), None, Some(2), Some(3)];
        assert_eq!(serde_indices(&data.variants), expected);
    }
}
