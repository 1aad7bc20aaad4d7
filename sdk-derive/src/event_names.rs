//! The rules for event types: every name is unique, and every prefix is used.

use std::collections::HashMap;

use quote::ToTokens;
use syn::Ident;

use crate::model::{Event, Name, Origin, Variant};
use crate::rules::Rules;

impl Rules<'_> {
    /// Reports event types that are used twice. A stored event is found by its event type,
    /// so the event types must be distinct.
    pub(crate) fn check_distinct(&mut self, events: &[(&Ident, &Event<'_>)]) {
        let mut owners = HashMap::new();
        for (ident, event) in events {
            let name = match &event.name {
                Name::Written(literal) => literal.to_token_stream(),
                Name::Derived { from, .. } => from.to_token_stream(),
            };
            let aliases = event
                .aliases
                .iter()
                .map(|alias| (alias.value(), alias.to_token_stream()));
            for (text, tokens) in std::iter::once((event.name.text(), name)).chain(aliases) {
                if let Some(owner) = owners.get(&text) {
                    let message = if owner == ident {
                        format!("`{text}` is already a name of this event: remove it")
                    } else {
                        format!(
                            "`{text}` is already a name of `{owner}`, and a stored event is found by \
                             its name: choose another name"
                        )
                    };
                    self.errors.at(tokens, message);
                } else {
                    owners.insert(text, *ident);
                }
            }
        }
    }

    /// Reports constants of the enum that no variant uses.
    pub(crate) fn check_unused(&mut self, variants: &[Variant<'_>]) {
        let Some(container) = self.container.filter(|_| self.errors.is_empty()) else {
            return;
        };
        let settings = container.settings;
        let mut events = variants.iter().filter_map(Variant::event);
        let is_derived = |event: &Event<'_>| matches!(event.name, Name::Derived { .. });
        if let Some(prefix) = &settings.prefix
            && !events.clone().any(is_derived)
        {
            let message = "`prefix` has no effect, because no variant takes its EventType from \
                           the name of the variant: remove it";
            self.errors.at(&prefix.key, message);
        }
        let is_shared = |event: &Event<'_>| matches!(event.id.origin, Origin::Default(_));
        if let Some(id) = &settings.id
            && !events.any(is_shared)
        {
            let message = "`id` has no effect, because every variant has its own id: remove it";
            self.errors.at(&id.key, message);
        }
    }
}
