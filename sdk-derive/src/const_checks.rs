//! Generates constants with which the compiler checks names and texts, even if the event is
//! never used.
//!
//! The rules are `const fn`s of the library. Each call is in an unnamed constant, which the
//! compiler always evaluates. The whole call has the span of the text that it checks, so
//! the compiler reports an error at this text.
//!
//! A constant is generated only for a text that looks invalid. Constants for all texts would
//! take a third of the compile time of an event, and the library checks every name again
//! when the definition is used.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path};

use crate::definition::alone;
use crate::location::{at, located};
use crate::model::{Event, Model, Name, Variant};

pub(crate) struct ConstChecks<'a> {
    pub(crate) krate: &'a Path,
    /// Whether the event is generic. A generic event is checked where it is used, because
    /// its types are known only there.
    pub(crate) is_generic: bool,
}

impl ConstChecks<'_> {
    pub(crate) fn all(&self, model: &Model<'_>) -> Vec<TokenStream> {
        match model {
            Model::Struct(event) => self.event(event),
            Model::Enum { settings, variants } => {
                let events = variants.iter().filter_map(Variant::event);
                let own = events.flat_map(|event| self.event(event));
                own.chain(self.constants(settings.constants())).collect()
            }
        }
    }

    fn event(&self, event: &Event<'_>) -> Vec<TokenStream> {
        let aliases = event.aliases.iter();
        let aliases = aliases.filter(|alias| !is_event_type(&alias.value()));
        let mut checks = Vec::new();
        checks.extend((!is_event_type(&event.name.text())).then(|| self.name(event)));
        checks.extend(aliases.map(|alias| self.names(&[alias])));
        checks.extend(self.constants(event.constants()));
        checks.extend(self.chain(event));
        checks
    }

    /// Checks the name of the event. The prefix is checked first, because evaluation stops
    /// at the first error. An invalid prefix then causes the same message for every variant,
    /// and the compiler prints equal messages only once.
    fn name(&self, event: &Event<'_>) -> TokenStream {
        match &event.name {
            Name::Written(literal) => self.names(&[literal]),
            Name::Derived { from, prefix, text } => {
                let name = LitStr::new(text, from.span());
                let names: Vec<_> = prefix.iter().chain([&name]).collect();
                self.names(&names)
            }
        }
    }

    /// Checks the name and version of the previous version.
    fn chain(&self, event: &Event<'_>) -> Option<TokenStream> {
        let older = event.upcast_from.as_ref().filter(|_| !self.is_generic)?;
        let span = at(older.span());
        let definition = located(&alone(event, self.krate), span);
        let krate = located(self.krate, span);
        Some(quote_spanned!(span=> const _: #krate::EventDefinition = #definition;))
    }

    fn names(&self, names: &[&LitStr]) -> TokenStream {
        let krate = self.krate;
        let length = names.len();
        let calls = names
            .iter()
            .map(|name| self.call("EventDefinition", "new", name));
        quote!(const _: [#krate::EventDefinition; #length] = [#(#calls),*];)
    }

    fn constants<'t>(
        &self,
        constants: impl Iterator<Item = (&'static str, &'t LitStr)>,
    ) -> Vec<TokenStream> {
        // Texts of up to 256 bytes are within the limits of all constants.
        let wrong = constants.filter(|(_, text)| !(1..=256).contains(&text.value().len()));
        wrong.map(|(ty, text)| self.constant(ty, text)).collect()
    }

    fn constant(&self, ty: &str, text: &LitStr) -> TokenStream {
        let call = self.call(ty, "from_static", text);
        let krate = self.krate;
        let ty = format_ident!("{ty}");
        quote!(const _: #krate::#ty = #call;)
    }

    fn call(&self, ty: &str, function: &str, text: &LitStr) -> TokenStream {
        let span = at(text.span());
        let (ty, function) = (Ident::new(ty, span), Ident::new(function, span));
        let krate = located(self.krate, span);
        quote_spanned!(span=> #krate::#ty::#function(#text))
    }
}

/// Applies the same rule as the library. The library makes the final decision.
fn is_event_type(name: &str) -> bool {
    let is_word = |word: &str| {
        let right = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(right)
    };
    name.len() <= 128
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.split('_').all(is_word)
}
