//! Has the compiler check every written name and constant.
//!
//! The rules are the library's own `const fn`. Each is called in an unnamed
//! constant, which is evaluated whether or not the event is ever used. The call
//! stands, whole, at the text that it checks, and so does the compiler's message.
//!
//! Only a text that looks wrong is asked about. What is right would cost the
//! compiler a constant each time, a third of all that an event costs it; and the
//! library looks at every name once more where the event's definition is used.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path};

use crate::definition::alone;
use crate::location::{at, located};
use crate::model::{Event, Model, Name, Variant};

pub(crate) struct Force<'a> {
    pub(crate) krate: &'a Path,
    /// What is generic is checked where it is used: only there it is known.
    pub(crate) is_generic: bool,
}

impl Force<'_> {
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

    /// A prefix comes first, since evaluation ends at the first mistake: a wrong
    /// prefix then fails in the same way for every variant, and the compiler
    /// prints equal messages once.
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

    /// That the version before is the version before.
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
        // The shortest of the limits is 256 bytes.
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

/// The rule of the library, which has the last word.
fn is_event_type(name: &str) -> bool {
    let is_word = |word: &str| {
        let right = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(right)
    };
    name.len() <= 128
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.split('_').all(is_word)
}
