//! The rules for events: required attributes, and attributes that contradict each other.

use syn::{Field, Fields, Ident, LitStr, Type};

use crate::attr::{EventSettings, Marks, Setting};
use crate::errors::Errors;
use crate::model::{Event, Name, Origin, Part, Variant};
use crate::serde_name::{FieldNaming, find_flag, is_flattened};

/// A struct or variant as it appears in the source, before the rules are applied.
pub(crate) struct Source<'a> {
    ident: &'a Ident,
    settings: EventSettings,
    fields: Vec<(&'a Field, Marks)>,
    naming: FieldNaming,
    /// The serde attribute that moves the fields away from the top of the data.
    moved_by: Option<Ident>,
    is_unit: bool,
}

impl<'a> Source<'a> {
    pub(crate) fn read(
        ident: &'a Ident,
        settings: EventSettings,
        fields: &'a Fields,
        naming: FieldNaming,
        moved_by: Option<Ident>,
        errors: &mut Errors,
    ) -> Self {
        let read = |field: &'a Field| (field, Marks::read(&field.attrs, errors));
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

/// The enum around the variants.
#[derive(Clone, Copy)]
pub(crate) struct Container<'m> {
    pub(crate) ident: &'m Ident,
    /// The attributes of the enum, which apply to all its variants.
    pub(crate) settings: &'m EventSettings,
}

pub(crate) struct Rules<'m> {
    pub(crate) container: Option<Container<'m>>,
    /// Whether every list was parsed. If not, nothing is reported as missing, because it may
    /// be in the part that was not parsed.
    pub(crate) readable: bool,
    /// Whether the enum's emitter id without a type has been reported.
    pub(crate) default_is_reported: bool,
    pub(crate) errors: &'m mut Errors,
}

type Mark = fn(&Marks) -> Option<&Ident>;

impl<'m> Rules<'m> {
    /// Call this after all attributes have been read, so that `errors` is complete.
    pub(crate) fn new(container: Option<Container<'m>>, errors: &'m mut Errors) -> Self {
        Self {
            container,
            readable: errors.is_empty(),
            default_is_reported: false,
            errors,
        }
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Returns the event that `source` describes, or `None` if it does not name its entity.
    pub(crate) fn event<'a>(&mut self, source: Source<'a>) -> Option<Event<'a>> {
        let Source {
            ident,
            mut settings,
            fields,
            naming,
            moved_by,
            is_unit,
        } = source;
        let defaults = self.container.map(|container| container.settings);
        let upcast_from = self.upcast_source(ident, &mut settings);
        self.check_skipped(&fields);
        let pii = self.pii_fields(&fields, naming, moved_by.as_ref());
        let id = self.part(
            &fields,
            |marks| marks.id.as_ref(),
            settings.id,
            defaults.and_then(|settings| settings.id.as_ref()),
        );
        if id.is_none() && self.readable {
            self.missing_id(ident, is_unit, !pii.is_empty());
        }
        let emitter_id = self.part(
            &fields,
            |marks| marks.emitter_id.as_ref(),
            settings.emitter_id,
            defaults.and_then(|settings| settings.emitter_id.as_ref()),
        );
        let emitter_type = self.part(
            &fields,
            |marks| marks.emitter_type.as_ref(),
            settings.emitter_type,
            defaults.and_then(|settings| settings.emitter_type.as_ref()),
        );
        self.check_emitter(ident, emitter_id.as_ref(), emitter_type.as_ref());
        let name = match settings.event_type {
            Some(setting) => Name::Written(setting.value),
            None => {
                let prefix = defaults.and_then(|settings| settings.prefix.as_ref());
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
            self.check_distinct(&[(ident, &event)]);
        }
        Some(event)
    }

    /// Checks the rules that concern all variants together.
    pub(crate) fn finish(&mut self, variants: &[Variant<'_>]) {
        let events: Vec<_> = variants
            .iter()
            .filter_map(|variant| Some((variant.ident, variant.event()?)))
            .collect();
        self.check_distinct(&events);
        self.check_default_emitter(variants);
        self.check_unused(variants);
    }

    fn missing_id(&mut self, ident: &Ident, is_unit: bool, has_pii: bool) {
        let message = match (is_unit, self.container.is_some()) {
            (false, false) if has_pii => format!(
                "`{ident}` does not name the entity that it is about: write `#[event(id)]` on the field that \
                 holds the entity's id; if `{ident}` is not an event but a part of one, remove its derive and \
                 its marks, and write `#[event(pii)]` on the event's field that holds it"
            ),
            (false, _) => format!(
                "`{ident}` does not name the entity that it is about: write `#[event(id)]` on the field that \
                 holds the entity's id"
            ),
            (true, is_variant) => {
                let keyword = if is_variant { "" } else { "struct " };
                format!(
                    "`{ident}` does not name the entity that it is about: write \
                     `{keyword}{ident} {{ #[event(id)] id: … }}`, or `#[event(id = \"…\")]` if all \
                     events are about the same entity"
                )
            }
        };
        self.errors.at(ident, message);
    }

    /// Returns the type of the previous version. An event with a version above 1 must state how
    /// stored events of earlier versions are read, or that there are none.
    fn upcast_source(&mut self, ident: &Ident, settings: &mut EventSettings) -> Option<Type> {
        let version = settings.version.as_ref().map_or(1, |v| v.value.get());
        let (from, oldest) = (settings.upcast_from.take(), settings.oldest.take());
        let (key, message) = match (&from, &oldest, &settings.version) {
            (Some(_), Some(oldest), _) => (
                &oldest.key,
                "`oldest` states that no earlier version is stored, and `upcast_from` states how it is \
                 read: remove one of them"
                    .to_owned(),
            ),
            (Some(from), None, _) if version == 1 => (
                &from.key,
                "`upcast_from` needs a version of 2 or more: write `version = 2` beside it".to_owned(),
            ),
            (None, Some(oldest), _) if version == 1 => (
                &oldest.key,
                "`oldest` has no effect on version 1, which is the first version: remove it".to_owned(),
            ),
            (None, None, Some(setting)) if version > 1 => {
                let before = version - 1;
                let owner = self.container.map_or(ident, |container| container.ident);
                let message = format!(
                    "version {version} does not state how a stored version {before} is read: write \
                     `upcast_from = {ident}V{before}`, where `{ident}V{before}` is an event with version \
                     {before}, and implement `From<{ident}V{before}> for {owner}`; or write `oldest` if no \
                     earlier version is stored"
                );
                (&setting.key, message)
            }
            _ => return from.map(|setting| setting.value),
        };
        if self.readable {
            self.errors.at(key, message);
        }
        None
    }

    /// Reports marked fields that serde skips. Such a field is not in the data, so when the
    /// event is read again, the field has its default value instead of the emitted id.
    fn check_skipped(&mut self, fields: &[(&Field, Marks)]) {
        for (field, marks) in fields {
            let marked = [&marks.id, &marks.emitter_id, &marks.emitter_type];
            let Some(mark) = marked.into_iter().flatten().next() else {
                continue;
            };
            let skips = ["skip", "skip_serializing", "skip_deserializing"];
            if let Some(flag) = find_flag(&field.attrs, &skips) {
                let message = format!(
                    "`{flag}` keeps the `{mark}` out of the event's data, so that a stored event would be \
                     read with an empty one: remove `{flag}` from `#[serde(...)]`"
                );
                self.errors.at(flag, message);
            }
        }
    }

    /// Returns the names that the fields with personal data have in the data.
    fn pii_fields(
        &mut self,
        fields: &[(&Field, Marks)],
        naming: FieldNaming,
        moved_by: Option<&Ident>,
    ) -> Vec<String> {
        let mut names = Vec::new();
        for (field, marks) in fields {
            let Some(key) = &marks.pii else { continue };
            if marks.id.is_some() || marks.emitter_id.is_some() || marks.emitter_type.is_some() {
                let message = "`pii` cannot hide an id, because ids are keys of the table and appear in logs: \
                               use an id that does not identify the person";
                self.errors.at(key, message);
            } else if is_flattened(field) {
                let message = "`pii` marks one field of the data, and a flattened field has no name there: \
                               remove `flatten`, or write its fields here and mark them";
                self.errors.at(key, message);
            } else if let Some(attribute) = moved_by {
                let message = format!(
                    "`pii` marks a field that is found by its name at the top of the data, and `{attribute}` \
                     moves it: remove `{attribute}` from `#[serde(...)]`"
                );
                self.errors.at(key, message);
            }
            names.push(naming.field(field));
        }
        names
    }

    /// Returns the only field with this mark.
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
                    "`{name}` is already marked as the `{key}`, and an event has only one: \
                     remove one of the marks"
                );
                self.errors.at(second, message);
            }
        }
        first
    }

    /// Returns the id or a half of the emitter. It comes from a field, from a constant of the
    /// event, or from a constant of the enum.
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
                         remove the constant, or the mark on the field"
                    );
                    self.errors.at(key, message);
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
}
