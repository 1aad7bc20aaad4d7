//! The `#[event(...)]` attributes of one struct, enum, variant or field.

use std::num::NonZeroU16;

use syn::{Attribute, Ident, LitStr, Path, Type};

use crate::errors::Errors;
use crate::meta_entry::{MetaEntry, meta_entries};
use crate::target::Target;

/// The attributes of a struct, an enum or a variant.
#[derive(Default)]
pub(crate) struct EventSettings {
    pub(crate) event_type: Option<Setting<LitStr>>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) version: Option<Setting<NonZeroU16>>,
    pub(crate) upcast_from: Option<Setting<Type>>,
    pub(crate) oldest: Option<Setting<()>>,
    pub(crate) id: Option<Setting<LitStr>>,
    pub(crate) prefix: Option<Setting<LitStr>>,
    pub(crate) emitter_id: Option<Setting<LitStr>>,
    pub(crate) emitter_type: Option<Setting<LitStr>>,
    pub(crate) krate: Option<Setting<Path>>,
}

/// `key = value`. The key is kept for errors that are found later.
pub(crate) struct Setting<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

impl EventSettings {
    pub(crate) fn read(attrs: &[Attribute], target: Target, errors: &mut Errors) -> Self {
        let mut settings = Self::default();
        for entry in meta_entries(attrs, target, errors) {
            if let Err(error) = settings.take(entry) {
                errors.push(error);
            }
        }
        settings
    }

    /// Returns the constants, each with the name of its type in the library.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (&'static str, &LitStr)> {
        let settings = [
            ("EntityId", &self.id),
            ("EmitterId", &self.emitter_id),
            ("EmitterType", &self.emitter_type),
        ];
        settings
            .into_iter()
            .filter_map(|(ty, setting)| Some((ty, &setting.as_ref()?.value)))
    }

    fn take(&mut self, entry: MetaEntry) -> syn::Result<()> {
        match entry.name().as_str() {
            "type" => set(&mut self.event_type, entry.string("ORDER_PLACED")?, entry),
            "alias" => {
                self.aliases.push(entry.string("ORDER_CREATED")?);
                Ok(())
            }
            "version" => set(&mut self.version, entry.version()?, entry),
            "upcast_from" => set(&mut self.upcast_from, entry.ty()?, entry),
            "oldest" => set(&mut self.oldest, entry.flag()?, entry),
            "id" => set(&mut self.id, entry.string("billing")?, entry),
            "prefix" => set(&mut self.prefix, entry.string("ORDER")?, entry),
            "emitter_id" => set(&mut self.emitter_id, entry.string("billing")?, entry),
            "emitter_type" => set(&mut self.emitter_type, entry.string("USER")?, entry),
            "crate" => set(&mut self.krate, entry.path()?, entry),
            other => unreachable!("no target accepts the setting `{other}`"),
        }
    }
}

/// The marks on a field.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) id: Option<Ident>,
    pub(crate) emitter_id: Option<Ident>,
    pub(crate) emitter_type: Option<Ident>,
    pub(crate) pii: Option<Ident>,
}

impl Marks {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut marks = Self::default();
        for entry in meta_entries(attrs, Target::Field, errors) {
            if let Err(error) = marks.take(entry) {
                errors.push(error);
            }
        }
        marks
    }

    fn take(&mut self, entry: MetaEntry) -> syn::Result<()> {
        let slot = match entry.name().as_str() {
            "id" => &mut self.id,
            "emitter_id" => &mut self.emitter_id,
            "emitter_type" => &mut self.emitter_type,
            "pii" => &mut self.pii,
            other => unreachable!("a field has no mark `{other}`"),
        };
        let key = entry.mark()?;
        if slot.is_some() {
            return Err(twice(&key));
        }
        *slot = Some(key);
        Ok(())
    }
}

fn set<T>(slot: &mut Option<Setting<T>>, value: T, entry: MetaEntry) -> syn::Result<()> {
    let key = entry.key;
    if slot.is_some() {
        return Err(twice(&key));
    }
    *slot = Some(Setting { key, value });
    Ok(())
}

fn twice(key: &Ident) -> syn::Error {
    syn::Error::new_spanned(key, format!("`{key}` is written twice: remove one of them"))
}
