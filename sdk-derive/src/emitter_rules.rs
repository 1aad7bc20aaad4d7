//! The rules for the emitter of an event.
//!
//! An event states both the id and the type of its emitter, or neither. If an event stated
//! only one of them, the other would come from the emitter of the handle, which is a
//! different emitter.

use syn::Ident;

use crate::model::{Event, Origin, Part, Variant};
use crate::rules::Rules;

impl Rules<'_> {
    /// Reports an event that states only the id or only the type of its emitter.
    pub(crate) fn check_emitter(
        &mut self,
        event: &Ident,
        id: Option<&Part<'_>>,
        kind: Option<&Part<'_>>,
    ) {
        match (id, kind) {
            (Some(id), None) => {
                self.emitter_id_without_type(&id.key, matches!(id.origin, Origin::Default(_)));
            }
            (None, Some(kind)) => self.emitter_type_without_id(event, kind),
            _ => {}
        }
    }

    fn emitter_id_without_type(&mut self, key: &Ident, is_default: bool) {
        if !self.readable || (is_default && self.default_is_reported) {
            return;
        }
        self.default_is_reported |= is_default;
        let owner = match self.container {
            None => "on the struct",
            Some(_) => "on the variant or the enum",
        };
        let message = format!(
            "an emitter id needs an emitter type: write `#[event(emitter_type = \"USER\")]` {owner}, \
             or mark the field that holds the type with `#[event(emitter_type)]`"
        );
        self.errors.at(key, message);
    }

    fn emitter_type_without_id(&mut self, event: &Ident, kind: &Part<'_>) {
        if !self.readable {
            return;
        }
        const FIX: &str = "mark the field that holds the id with `#[event(emitter_id)]`, write \
                           `emitter_id = \"billing\"` beside it, or remove the type to use the emitter of the handle";
        if matches!(kind.origin, Origin::Default(_)) {
            let message = format!(
                "`{event}` takes its emitter type from the enum and has no emitter id: mark the field that holds \
                 the id with `#[event(emitter_id)]`, or write `emitter_type` only on the variants that have an id"
            );
            self.errors.at(event, message);
        } else {
            let message = format!("an emitter type needs an emitter id: {FIX}");
            self.errors.at(&kind.key, message);
        }
    }

    /// Checks the constants of the enum for the events that its variants wrap. Such an event
    /// uses both constants if it states no emitter.
    pub(crate) fn check_default_emitter(&mut self, variants: &[Variant<'_>]) {
        let holds_events = variants.iter().any(|variant| variant.event().is_none());
        let Some(container) = self.container.filter(|_| holds_events) else {
            return;
        };
        let settings = container.settings;
        match (&settings.emitter_id, &settings.emitter_type) {
            (Some(id), None) => self.emitter_id_without_type(&id.key, true),
            (None, Some(kind))
                if self.errors.is_empty() && !variants.iter().any(takes_default_type) =>
            {
                let message = "`emitter_type` has no effect, because no variant with fields takes it and an event \
                               that a variant holds takes a whole emitter: write `emitter_id` beside it, or remove it";
                self.errors.at(&kind.key, message);
            }
            _ => {}
        }
    }
}

fn takes_default_type(variant: &Variant<'_>) -> bool {
    let kind = |event: &Event<'_>| event.emitter_type.as_ref().map(is_default);
    variant.event().and_then(kind).unwrap_or(false)
}

fn is_default(part: &Part<'_>) -> bool {
    matches!(part.origin, Origin::Default(_))
}
