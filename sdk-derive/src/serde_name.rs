//! The names that serde's derive gives to fields and variants when it writes.
//!
//! Attributes that serde cannot parse are ignored here, because serde reports them.

use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Field, Ident, Lit, Meta, Token, Variant};

/// How a type names its fields and variants.
#[derive(Clone, Copy, Default)]
pub(crate) struct Naming {
    all: Rule,
    all_fields: Rule,
}

/// How the fields of a struct or variant are named.
#[derive(Clone, Copy)]
pub(crate) struct FieldNaming(Rule);

impl Naming {
    /// Returns the rules in `attrs`, the attributes of a struct or enum.
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let rule = |key| setting(attrs, key).map_or(Rule::default(), |name| Rule::named(&name));
        Self {
            all: rule("rename_all"),
            all_fields: rule("rename_all_fields"),
        }
    }

    pub(crate) fn of_struct(self) -> FieldNaming {
        FieldNaming(self.all)
    }

    /// A variant's own rule takes precedence over the enum's rule.
    pub(crate) fn of_variant(self, attrs: &[Attribute]) -> FieldNaming {
        let own = setting(attrs, "rename_all");
        FieldNaming(own.map_or(self.all_fields, |name| Rule::named(&name)))
    }

    pub(crate) fn variant(self, variant: &Variant) -> String {
        let renamed = setting(&variant.attrs, "rename");
        renamed.unwrap_or_else(|| self.all.variant(&variant.ident.unraw().to_string()))
    }
}

impl FieldNaming {
    pub(crate) fn field(self, field: &Field) -> String {
        let ident = field.ident.as_ref();
        let name = || ident.map(|ident| self.0.field(&ident.unraw().to_string()));
        setting(&field.attrs, "rename")
            .or_else(name)
            .unwrap_or_default()
    }
}

pub(crate) fn is_flattened(field: &Field) -> bool {
    find_flag(&field.attrs, &["flatten"]).is_some()
}

/// Returns the serde attribute of a struct or enum that moves its fields away from the top of
/// the data, if there is one.
pub(crate) fn moves_fields(attrs: &[Attribute]) -> Option<Ident> {
    find_flag(attrs, &["content", "transparent", "into"])
}

/// Does the same as [`moves_fields`] for the attributes of a variant.
pub(crate) fn moves_fields_of_variant(attrs: &[Attribute]) -> Option<Ident> {
    find_flag(attrs, &["with", "serialize_with"])
}

/// Returns the first entry of `#[serde(...)]` that has one of these names.
pub(crate) fn find_flag(attrs: &[Attribute], flags: &[&str]) -> Option<Ident> {
    let entries = attrs.iter().flat_map(entries);
    let mut called = entries.filter_map(|meta| meta.path().get_ident().cloned());
    called.find(|ident| flags.iter().any(|flag| ident == flag))
}

/// Returns the text of `key = "text"`, or of `key(serialize = "text")`.
fn setting(attrs: &[Attribute], key: &str) -> Option<String> {
    let text = |meta: Meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident(key) => literal(pair.value),
        Meta::List(list) if list.path.is_ident(key) => {
            let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
            let written = |meta| match meta {
                Meta::NameValue(pair) if pair.path.is_ident("serialize") => literal(pair.value),
                _ => None,
            };
            list.parse_args_with(parser)
                .ok()?
                .into_iter()
                .find_map(written)
        }
        _ => None,
    };
    attrs.iter().flat_map(entries).find_map(text)
}

fn entries(attr: &Attribute) -> Vec<Meta> {
    if !attr.path().is_ident("serde") {
        return Vec::new();
    }
    let parsed = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    parsed.map_or_else(|_| Vec::new(), |entries| entries.into_iter().collect())
}

fn literal(value: Expr) -> Option<String> {
    match value {
        // A macro passes its `$text:literal` in an invisible group.
        Expr::Group(group) => literal(*group.expr),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// The values of `rename_all`.
#[derive(Clone, Copy, Default)]
enum Rule {
    #[default]
    AsWritten,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    fn named(name: &str) -> Self {
        match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => Self::AsWritten,
        }
    }

    /// Returns the name of a field. serde assumes that it is in snake case.
    fn field(self, name: &str) -> String {
        match self {
            Self::AsWritten | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => name.split('_').map(capitalised).collect(),
            Self::Camel => uncapitalised(&Self::Pascal.field(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => Self::Upper.field(name).replace('_', "-"),
        }
    }

    /// Returns the name of a variant. serde assumes that it is in Pascal case.
    fn variant(self, name: &str) -> String {
        match self {
            Self::AsWritten | Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => uncapitalised(name),
            Self::Snake => {
                let mut snake = String::new();
                for (at, letter) in name.char_indices() {
                    if at > 0 && letter.is_uppercase() {
                        snake.push('_');
                    }
                    snake.push(letter.to_ascii_lowercase());
                }
                snake
            }
            Self::ScreamingSnake => Self::Snake.variant(name).to_ascii_uppercase(),
            Self::Kebab => Self::Snake.variant(name).replace('_', "-"),
            Self::ScreamingKebab => Self::ScreamingSnake.variant(name).replace('_', "-"),
        }
    }
}

fn capitalised(word: &str) -> String {
    with_first(word, |letter| letter.to_ascii_uppercase())
}

fn uncapitalised(word: &str) -> String {
    with_first(word, |letter| letter.to_ascii_lowercase())
}

fn with_first(word: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(change);
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn names_are_the_names_that_serde_writes() {
        let input: syn::DeriveInput = parse_quote! {
            #[serde(tag = "x", rename_all = "snake_case", rename_all_fields = "camelCase")]
            enum Event {
                OrderPlaced { order_id: u8, r#type: u8 },
                #[serde(rename = "gone", rename_all = "SCREAMING-KEBAB-CASE")]
                OrderGone { order_id: u8, #[serde(default, rename(serialize = "w", deserialize = "r"))] x: u8 },
                #[serde(rename_all(deserialize = "UPPERCASE"))]
                Other { #[serde(flatten)] all_of_it: u8 },
            }
        };
        let syn::Data::Enum(data) = &input.data else {
            panic!("expected an enum");
        };
        let naming = Naming::of(&input.attrs);
        let mut found = Vec::new();
        for variant in &data.variants {
            let fields = naming.of_variant(&variant.attrs);
            found.push(naming.variant(variant));
            found.extend(variant.fields.iter().map(|field| fields.field(field)));
        }
        let expected = [
            "order_placed",
            "orderId",
            "type",
            "gone",
            "ORDER-ID",
            "w",
            "other",
            "allOfIt",
        ];
        assert_eq!(found, expected);
        let flattened = data.variants.iter().flat_map(|variant| &variant.fields);
        assert_eq!(flattened.filter(|field| is_flattened(field)).count(), 1);
    }
}
