//! One entry of `#[event(...)]`: `key` or `key = value`.
//!
//! syn's `parse_nested_meta` stops at its first error. This parser skips an invalid entry up
//! to the next comma, so that errors in the rest of the list are also reported.

use std::num::NonZeroU16;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, LitInt, LitStr, Meta, Path, Token, Type};

use crate::errors::Errors;
use crate::target::Target;

pub(crate) struct MetaEntry {
    pub(crate) key: Ident,
    value: Option<TokenStream>,
}

/// Returns the entries of all `#[event(...)]` in `attrs` that `target` accepts.
pub(crate) fn meta_entries(
    attrs: &[Attribute],
    target: Target,
    errors: &mut Errors,
) -> Vec<MetaEntry> {
    let mut found = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        let Meta::List(list) = &attr.meta else {
            errors.at(
                &attr.meta,
                "write the attribute with parentheses: `#[event(...)]`",
            );
            continue;
        };
        let parsed = entries.parse2(list.tokens.clone());
        for entry in parsed.unwrap_or_else(|error| vec![Err(error)]) {
            let entry =
                entry.and_then(|entry| target.check(&entry.key, &entry.name()).map(|()| entry));
            match entry {
                Ok(entry) => found.push(entry),
                Err(error) => errors.push(error),
            }
        }
    }
    found
}

fn entries(input: ParseStream<'_>) -> syn::Result<Vec<syn::Result<MetaEntry>>> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        let key = input.call(Ident::parse_any).map_err(|error| {
            let message = "expected the name of an attribute, as in `#[event(id)]`";
            syn::Error::new(error.span(), message)
        });
        let mut rest = Vec::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            rest.push(input.parse::<TokenTree>()?);
        }
        input.parse::<Option<Token![,]>>()?;
        entries.push(key.and_then(|key| MetaEntry::new(key, rest)));
    }
    Ok(entries)
}

impl MetaEntry {
    fn new(key: Ident, rest: Vec<TokenTree>) -> syn::Result<Self> {
        let mut rest = rest.into_iter();
        let value = match rest.next() {
            None => None,
            Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => Some(rest.collect()),
            Some(other) => {
                let message = format!("expected `,` or `=` after `{key}`");
                return Err(syn::Error::new(other.span(), message));
            }
        };
        Ok(Self { key, value })
    }

    /// Returns the key as text. `r#type` and `type` are the same key.
    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    /// Reads the entry as a mark on a field, which takes no value.
    pub(crate) fn mark(self) -> syn::Result<Ident> {
        let Some(value) = &self.value else {
            return Ok(self.key);
        };
        let name = self.name();
        let constant = match name.as_str() {
            "pii" => "",
            _ => "; write a constant on the struct or variant",
        };
        let message =
            format!("`{name}` takes no value on a field: write `#[event({name})]`{constant}");
        Err(self.wrong(value, &message))
    }

    pub(crate) fn string(&self, example: &str) -> syn::Result<LitStr> {
        let name = self.name();
        let field = match name.as_str() {
            "id" | "emitter_id" | "emitter_type" => {
                format!(", or mark the field that holds it with `#[event({name})]`")
            }
            _ => String::new(),
        };
        self.parse(&format!(
            "`{name}` takes a string: write `{name} = \"{example}\"`{field}"
        ))
    }

    pub(crate) fn version(&self) -> syn::Result<NonZeroU16> {
        const MESSAGE: &str = "`version` takes a whole number from 1 to 65535: write `version = 2`";
        let literal: LitInt = self.parse(MESSAGE)?;
        match literal.base10_parse() {
            Ok(version) if literal.suffix().is_empty() => Ok(version),
            _ => Err(self.wrong(&literal, MESSAGE)),
        }
    }

    pub(crate) fn ty(&self) -> syn::Result<Type> {
        self.parse(
            "`upcast_from` takes the type of the previous version, without quotes: \
             write `upcast_from = OrderPlacedV1`",
        )
    }

    /// Reads the entry as a flag, which takes no value.
    pub(crate) fn flag(&self) -> syn::Result<()> {
        let Some(value) = &self.value else {
            return Ok(());
        };
        let name = self.name();
        let message = format!("`{name}` takes no value: write `#[event({name})]`");
        Err(self.wrong(value, &message))
    }

    pub(crate) fn path(&self) -> syn::Result<Path> {
        self.parse_with(
            Path::parse_mod_style,
            "`crate` takes a path without quotes: write `crate = my_crate::domain_events`",
        )
    }

    fn parse<T: Parse>(&self, message: &str) -> syn::Result<T> {
        self.parse_with(T::parse, message)
    }

    fn parse_with<P: Parser>(&self, parser: P, message: &str) -> syn::Result<P::Output> {
        let value = self.value.clone().unwrap_or_default();
        let parsed = parser.parse2(value.clone());
        parsed.map_err(|_| self.wrong(value, message))
    }

    /// Reports an error at the value, or at the key if there is no value.
    fn wrong(&self, value: impl ToTokens, message: &str) -> syn::Error {
        let value = value.into_token_stream();
        if value.is_empty() {
            syn::Error::new_spanned(&self.key, message)
        } else {
            syn::Error::new_spanned(value, message)
        }
    }
}
