//! Parses the struct or enum, but skips the types of unmarked fields.
//!
//! The type of a field is needed only if the field is marked, and is then copied to the
//! output as tokens. Parsing all types took a third of the run time of the macro. This time
//! matters for every event in every build, because macros are usually compiled without
//! optimization.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Data, DataStruct, DeriveInput, Field, FieldMutability, Fields, FieldsNamed,
    Generics, Ident, Token, Type, Visibility, braced, token,
};

pub(crate) struct Input(pub(crate) DeriveInput);

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        let attrs = ahead.call(Attribute::parse_outer)?;
        let vis = ahead.parse::<Visibility>()?;
        let Some(struct_token) = ahead.parse::<Option<Token![struct]>>()? else {
            return input.parse().map(Self);
        };
        let ident = ahead.parse::<Ident>()?;
        let mut generics = ahead.parse::<Generics>()?;
        generics.where_clause = ahead.parse()?;
        if !ahead.peek(token::Brace) {
            return input.parse().map(Self);
        }
        let content;
        let brace_token = braced!(content in ahead);
        let named = content.parse_terminated(field, Token![,])?;
        input.advance_to(&ahead);
        let fields = Fields::Named(FieldsNamed { brace_token, named });
        Ok(Self(DeriveInput {
            attrs,
            vis,
            ident,
            generics,
            data: Data::Struct(DataStruct {
                struct_token,
                fields,
                semi_token: None,
            }),
        }))
    }
}

/// Parses a field. Its type consists of unparsed tokens, and is empty if the field is not
/// marked.
fn field(input: ParseStream<'_>) -> syn::Result<Field> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis = input.parse()?;
    let ident = input.call(Ident::parse_any)?;
    let colon_token = input.parse()?;
    let is_marked = attrs.iter().any(|attr| attr.path().is_ident("event"));
    let mut ty = Vec::new();
    each_of_type(input, |token| {
        if is_marked {
            ty.push(token);
        }
    })?;
    Ok(Field {
        attrs,
        vis,
        mutability: FieldMutability::None,
        ident: Some(ident),
        colon_token: Some(colon_token),
        ty: Type::Verbatim(ty.into_iter().collect()),
    })
}

/// Reads a type, up to the comma that ends the field.
fn each_of_type(input: ParseStream<'_>, mut take: impl FnMut(TokenTree)) -> syn::Result<()> {
    input.step(|cursor| {
        let mut rest = *cursor;
        let (mut open, mut after_dash) = (0_usize, false);
        while let Some((token, next)) = rest.token_tree() {
            let sign = match &token {
                TokenTree::Punct(punct) => punct.as_char(),
                _ => ' ',
            };
            match sign {
                ',' if open == 0 => break,
                '<' => open += 1,
                // The arrow in `fn() -> T` is not a bracket.
                '>' if !after_dash => open = open.saturating_sub(1),
                _ => {}
            }
            after_dash = sign == '-';
            rest = next;
            take(token);
        }
        Ok(((), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    #[test]
    fn every_field_is_found() {
        let Input(input) = syn::parse2(quote::quote! {
            #[event(version = 2)]
            pub struct Order<'a, T: Into<u8>, const N: usize = 3> where T: Clone {
                #[event(id)]
                pub a: Vec<(u8, [u8; 2])>,
                b: Vec<Vec<(String, u8)>>,
                pub(crate) c: fn(u8, u16) -> Result<u8, ()>,
                r#type: <T as Into<u8>>::Output,
                d: Box<dyn Fn(u8) -> Vec<u8> + Send + 'a>,
                e: [u8; { N + 1 }],
                f: std::collections::HashMap<String, Box<dyn Fn() -> u8>>
            }
        })
        .unwrap();
        let Data::Struct(DataStruct { fields, .. }) = &input.data else {
            panic!("expected a struct");
        };
        let names = fields.iter().filter_map(|field| field.ident.as_ref());
        let names: Vec<String> = names.map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "c", "r#type", "d", "e", "f"]);
        let types = fields
            .iter()
            .map(|field| field.ty.to_token_stream().to_string());
        let types: Vec<String> = types.filter(|ty| !ty.is_empty()).collect();
        assert_eq!(types, ["Vec < (u8 , [u8 ; 2]) >"]);
        assert_eq!(input.generics.params.len(), 3);
        assert!(input.generics.where_clause.is_some());
        assert_eq!(input.attrs.len(), 1);
    }

    #[test]
    fn other_items_are_parsed_by_syn() {
        for text in [
            "struct A;",
            "struct A(u8, Vec<u8>);",
            "pub enum A { B { c: u8 }, D(u8) }",
            "union A { b: u8 }",
        ] {
            let Input(input) = syn::parse_str(text).unwrap();
            let whole: DeriveInput = syn::parse_str(text).unwrap();
            let text = |input: &DeriveInput| input.to_token_stream().to_string();
            assert_eq!(text(&input), text(&whole));
        }
    }
}
