//! What an event must have, and what contradicts itself.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Field, Fields, Ident, LitStr, Type};

use crate::attr::{Marks, Setting, Settings};
use crate::mistakes::Mistakes;
use crate::model::{Event, Name, Origin, Part, Variant};
use crate::serde_name::{FieldNaming, is_flattened};

/// What was read of a struct or variant, before anything is concluded from it.
pub(crate) struct Source<'a> {
    ident: &'a Ident,
    settings: Settings,
    fields: Vec<(&'a Field, Marks)>,
    naming: FieldNaming,
    /// The word by which serde takes the fields from the top of the data.
    moved_by: Option<Ident>,
    is_unit: bool,
}

impl<'a> Source<'a> {
    pub(crate) fn read(
        ident: &'a Ident,
        settings: Settings,
        fields: &'a Fields,
        naming: FieldNaming,
        moved_by: Option<Ident>,
        mistakes: &mut Mistakes,
    ) -> Self {
        let read = |field: &'a Field| (field, Marks::read(&field.attrs, mistakes));
        Self {
            ident,
            settings,
            fields: fields.iter().map(read).collect(),
            naming,
            moved_by,
            is_unit: matches!(fields, Fields::Unit),
        }
    }
}

pub(crate) struct Rules<'m> {
    /// What the enum says for all its variants.
    container: Option<&'m Settings>,
    /// Whether every list was understood. If not, nothing is called missing:
    /// it may stand in the part that could not be read.
    readable: bool,
    /// Whether it was already said that the enum's emitter id has no type.
    default_is_typeless: bool,
    mistakes: &'m mut Mistakes,
}

type Mark = fn(&Marks) -> Option<&Ident>;

impl<'m> Rules<'m> {
    /// To be called when everything has been read.
    pub(crate) fn new(container: Option<&'m Settings>, mistakes: &'m mut Mistakes) -> Self {
        Self {
            container,
            readable: mistakes.is_empty(),
            default_is_typeless: false,
            mistakes,
        }
    }

    pub(crate) fn push(&mut self, mistake: syn::Error) {
        self.mistakes.push(mistake);
    }

    /// The event that `source` describes, if it names the entity's id.
    pub(crate) fn event<'a>(&mut self, source: Source<'a>) -> Option<Event<'a>> {
        let Source {
            ident,
            mut settings,
            fields,
            naming,
            moved_by,
            is_unit,
        } = source;
        let container = self.container;
        let upcast_from = self.way_up(ident, &mut settings);
        let pii = self.personal(&fields, naming, moved_by.as_ref());
        let id = self.part(
            &fields,
            |marks| marks.id.as_ref(),
            settings.id,
            container.and_then(|settings| settings.id.as_ref()),
        );
        if id.is_none() && self.readable {
            let told = "does not say which entity it is about: write";
            let message = match (is_unit, self.container.is_some()) {
                (false, _) => {
                    format!(
                        "`{ident}` {told} `#[event(id)]` on the field that holds the entity's id"
                    )
                }
                (true, true) => format!(
                    "`{ident}` {told} `{ident} {{ #[event(id)] id: … }}`, \
                     or `#[event(id = \"…\")]` on it if it is always the same one"
                ),
                (true, false) => format!(
                    "`{ident}` {told} `struct {ident} {{ #[event(id)] id: … }}`, \
                     or `#[event(id = \"…\")]` on it if it is always the same one"
                ),
            };
            self.mistakes.at(ident, message);
        }
        let emitter_id = self.part(
            &fields,
            |marks| marks.emitter_id.as_ref(),
            settings.emitter_id,
            container.and_then(|settings| settings.emitter_id.as_ref()),
        );
        let emitter_type = self.part(
            &fields,
            |marks| marks.emitter_type.as_ref(),
            settings.emitter_type,
            container.and_then(|settings| settings.emitter_type.as_ref()),
        );
        if let (Some(id), None) = (&emitter_id, &emitter_type) {
            self.typeless(&id.key, matches!(id.origin, Origin::Default(_)));
        }
        let name = match settings.event_type {
            Some(setting) => Name::Written(setting.value),
            None => {
                let prefix = container.and_then(|settings| settings.prefix.as_ref());
                let prefix = prefix.map(|setting| setting.value.clone());
                Name::derived(ident, prefix)
            }
        };
        let event = Event {
            name,
            aliases: settings.aliases,
            version: settings.version.map(|setting| setting.value),
            upcast_from,
            pii,
            id: id?,
            emitter_id,
            emitter_type,
        };
        if self.container.is_none() && !event.aliases.is_empty() {
            self.distinct(&[(ident, &event)]);
        }
        Some(event)
    }

    /// What only shows when all variants are known.
    pub(crate) fn finish(&mut self, variants: &[Variant<'_>]) {
        let events: Vec<_> = variants
            .iter()
            .filter_map(|variant| Some((variant.ident, variant.event()?)))
            .collect();
        self.distinct(&events);

        // An event that a variant holds may have no emitter of its own.
        let holds = variants.iter().any(|variant| variant.event().is_none());
        if let Some(settings) = self.container
            && let (Some(id), None) = (&settings.emitter_id, &settings.emitter_type)
            && holds
        {
            self.typeless(&id.key, true);
        }

        let derived = |(_, event): &(_, &Event<'_>)| matches!(event.name, Name::Derived { .. });
        let prefix = self.container.and_then(|settings| settings.prefix.as_ref());
        if let Some(prefix) = prefix
            && self.mistakes.is_empty()
            && !events.iter().any(derived)
        {
            let message = "`prefix` has no effect, since no variant's EventType \
                           is made from the variant's name: remove it";
            self.mistakes.at(&prefix.key, message);
        }
        let shared = |(_, event): &(_, &Event<'_>)| matches!(event.id.origin, Origin::Default(_));
        let id = self.container.and_then(|settings| settings.id.as_ref());
        if let Some(id) = id
            && self.mistakes.is_empty()
            && !events.iter().any(shared)
        {
            let message = "`id` has no effect, since every variant has an id of its own: remove it";
            self.mistakes.at(&id.key, message);
        }
    }

    /// The type that holds the version before. An event that has earlier
    /// versions says how they are read, or that there are none.
    fn way_up(&mut self, ident: &Ident, settings: &mut Settings) -> Option<Type> {
        let version = settings.version.as_ref().map_or(1, |v| v.value.get());
        let (from, oldest) = (settings.upcast_from.take(), settings.oldest.take());
        let (mistaken, message) = match (&from, &oldest, &settings.version) {
            (Some(_), Some(oldest), _) => (
                &oldest.key,
                "`oldest` says that nothing older is stored, and `upcast_from` how it is read: \
                 remove one of them"
                    .to_owned(),
            ),
            (Some(from), None, _) if version == 1 => (
                &from.key,
                "`upcast_from` belongs to an event whose version is 2 or more: write \
                 `version = 2` beside it if it is one"
                    .to_owned(),
            ),
            (None, Some(oldest), _) if version == 1 => (
                &oldest.key,
                "`oldest` has no effect on version 1, which nothing comes before: remove it"
                    .to_owned(),
            ),
            (None, None, Some(setting)) if version > 1 => {
                let before = version - 1;
                let owner = match self.container {
                    Some(_) => "the enum".to_owned(),
                    None => format!("`{ident}`"),
                };
                let message = format!(
                    "version {version} does not say how a stored version {before} is read: write \
                     `upcast_from = {ident}V{before}`, a type with that version, and `From` it for {owner}; \
                     or `oldest` if nothing older is stored"
                );
                (&setting.key, message)
            }
            _ => return from.map(|setting| setting.value),
        };
        if self.readable {
            self.mistakes.at(mistaken, message);
        }
        None
    }

    /// The names of the fields with personal data, as they stand in the data.
    fn personal(
        &mut self,
        fields: &[(&Field, Marks)],
        naming: FieldNaming,
        moved_by: Option<&Ident>,
    ) -> Vec<String> {
        let mut names = Vec::new();
        for (field, marks) in fields {
            let Some(key) = &marks.pii else { continue };
            if marks.id.is_some() || marks.emitter_id.is_some() || marks.emitter_type.is_some() {
                let message = "`pii` cannot hide an id: ids stand outside of the data, in the table's \
                               keys and in logs; use one that tells nothing about the person";
                self.mistakes.at(key, message);
            } else if is_flattened(field) {
                let message = "`pii` is about one field of the data, and a flattened field has no \
                               name there: remove `flatten`, or write its fields here and mark them";
                self.mistakes.at(key, message);
            } else if let Some(word) = moved_by {
                let message = format!(
                    "`pii` is about a field that stands by its name at the top of the data, \
                     and `{word}` takes it from there: remove `{word}` from `#[serde(...)]`"
                );
                self.mistakes.at(key, message);
            }
            names.push(naming.field(field));
        }
        names
    }

    /// The one field with this mark.
    fn marked<'a, 'f>(
        &mut self,
        fields: &'f [(&'a Field, Marks)],
        mark: Mark,
    ) -> Option<(&'a Field, &'f Ident)> {
        let mut marked = fields
            .iter()
            .filter_map(|(field, marks)| Some((*field, mark(marks)?)));
        let first = marked.next();
        if let Some((field, key)) = first {
            let name = field
                .ident
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            for (_, second) in marked {
                let message = format!(
                    "`{name}` is already the `{key}`, and there is only one: \
                     remove one of the two marks"
                );
                self.mistakes.at(second, message);
            }
        }
        first
    }

    /// From a field, else the event's own constant, else that of the enum.
    fn part<'a>(
        &mut self,
        fields: &[(&'a Field, Marks)],
        mark: Mark,
        own: Option<Setting<LitStr>>,
        default: Option<&Setting<LitStr>>,
    ) -> Option<Part<'a>> {
        match (self.marked(fields, mark), own, default) {
            (Some((field, key)), constant, _) => {
                if constant.is_some() {
                    let message = format!(
                        "`{key}` is already a constant of this event: \
                         remove either the constant or the mark on the field"
                    );
                    self.mistakes.at(key, message);
                }
                Some(Part {
                    key: key.clone(),
                    origin: Origin::Field(field),
                })
            }
            (None, Some(own), _) => Some(Part {
                key: own.key,
                origin: Origin::Constant(own.value),
            }),
            (None, None, Some(default)) => Some(Part {
                key: default.key.clone(),
                origin: Origin::Default(default.value.clone()),
            }),
            (None, None, None) => None,
        }
    }

    fn typeless(&mut self, key: &Ident, is_default: bool) {
        if !self.readable || (is_default && self.default_is_typeless) {
            return;
        }
        self.default_is_typeless |= is_default;
        let place = match self.container {
            None => "on the struct",
            Some(_) => "on the variant or the enum",
        };
        let message = format!(
            "an emitter id needs a type beside it: write `#[event(emitter_type = \"USER\")]` \
             {place}, or `#[event(emitter_type)]` on the field that holds it"
        );
        self.mistakes.at(key, message);
    }

    /// An event that is read back is found by its name, so no two may share one.
    fn distinct(&mut self, events: &[(&Ident, &Event<'_>)]) {
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
                            "`{text}` is already a name of `{owner}`, and stored events \
                             are told apart by name: choose another"
                        )
                    };
                    self.mistakes.at(tokens, message);
                } else {
                    owners.insert(text, *ident);
                }
            }
        }
    }
}
