//! What the `#[event(...)]` of one struct, enum, variant or field say.

use std::num::NonZeroU16;

use syn::{Attribute, Ident, LitStr, Path, Type};

use crate::item::{Item, items};
use crate::mistakes::Mistakes;
use crate::place::Place;

/// What is written on a struct, an enum or a variant.
#[derive(Default)]
pub(crate) struct Settings {
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

/// `key = value`. The key is kept for mistakes that only show later.
pub(crate) struct Setting<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

impl Settings {
    pub(crate) fn read(attrs: &[Attribute], place: Place, mistakes: &mut Mistakes) -> Self {
        let mut settings = Self::default();
        for item in items(attrs, place, mistakes) {
            if let Err(mistake) = settings.take(item) {
                mistakes.push(mistake);
            }
        }
        settings
    }

    /// The constants, with the name of the library's type for each.
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

    fn take(&mut self, item: Item) -> syn::Result<()> {
        match item.name().as_str() {
            "type" => set(&mut self.event_type, item.string("ORDER_PLACED")?, item),
            "alias" => {
                self.aliases.push(item.string("ORDER_CREATED")?);
                Ok(())
            }
            "version" => set(&mut self.version, item.version()?, item),
            "upcast_from" => set(&mut self.upcast_from, item.ty()?, item),
            "oldest" => set(&mut self.oldest, item.flag()?, item),
            "id" => set(&mut self.id, item.string("billing")?, item),
            "prefix" => set(&mut self.prefix, item.string("ORDER")?, item),
            "emitter_id" => set(&mut self.emitter_id, item.string("billing")?, item),
            "emitter_type" => set(&mut self.emitter_type, item.string("USER")?, item),
            "crate" => set(&mut self.krate, item.path()?, item),
            other => unreachable!("`{other}` is no setting of any place"),
        }
    }
}

/// What is written on a field.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) id: Option<Ident>,
    pub(crate) emitter_id: Option<Ident>,
    pub(crate) emitter_type: Option<Ident>,
    pub(crate) pii: Option<Ident>,
}

impl Marks {
    pub(crate) fn read(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut marks = Self::default();
        for item in items(attrs, Place::Field, mistakes) {
            if let Err(mistake) = marks.take(item) {
                mistakes.push(mistake);
            }
        }
        marks
    }

    fn take(&mut self, item: Item) -> syn::Result<()> {
        let slot = match item.name().as_str() {
            "id" => &mut self.id,
            "emitter_id" => &mut self.emitter_id,
            "emitter_type" => &mut self.emitter_type,
            "pii" => &mut self.pii,
            other => unreachable!("`{other}` is no mark of a field"),
        };
        let key = item.mark()?;
        if slot.is_some() {
            return Err(twice(&key));
        }
        *slot = Some(key);
        Ok(())
    }
}

fn set<T>(slot: &mut Option<Setting<T>>, value: T, item: Item) -> syn::Result<()> {
    let key = item.key;
    if slot.is_some() {
        return Err(twice(&key));
    }
    *slot = Some(Setting { key, value });
    Ok(())
}

fn twice(key: &Ident) -> syn::Error {
    syn::Error::new_spanned(key, format!("`{key}` is written twice: keep one of them"))
}
