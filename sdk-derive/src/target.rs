//! The attributes that each target accepts, and the correct target of the other attributes.

use syn::Ident;

/// The item that an attribute is written on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Struct,
    Enum,
    Variant,
    /// A variant that holds another event, `Placed(OrderPlaced)`, or its field.
    Wrapper,
    /// A field of a struct, or of a variant with named fields.
    Field,
}

/// All attributes.
const ALL: &[&str] = &[
    "id",
    "type",
    "alias",
    "version",
    "upcast_from",
    "oldest",
    "emitter_type",
    "emitter_id",
    "pii",
    "prefix",
    "crate",
];

/// Names that users may expect for an attribute, and its correct name.
const SYNONYMS: &[(&str, &str)] = &[
    ("entity_id", "id"),
    ("event_type", "type"),
    ("name", "type"),
    ("rename", "type"),
    ("upcast", "upcast_from"),
    ("personal", "pii"),
    ("sensitive", "pii"),
    ("redact", "pii"),
];

impl Target {
    /// Checks that `key` may be written here. The error says what to write instead.
    pub(crate) fn check(self, key: &Ident, name: &str) -> syn::Result<()> {
        if self.known().contains(&name) {
            return Ok(());
        }
        let here = self.words();
        let message = if let Some(instead) = self.elsewhere(name) {
            format!("`{name}` does not belong on {here}: {instead}")
        } else if let Some(meant) = closest(name, self.known()).or_else(|| closest(name, ALL)) {
            format!("unknown attribute `{name}`: did you mean `{meant}`?")
        } else if self.known().is_empty() {
            format!("unknown attribute `{name}`: {here} has no attributes")
        } else {
            let known = self.known().join("`, `");
            format!("unknown attribute `{name}`: {here} accepts `{known}`")
        };
        Err(syn::Error::new_spanned(key, message))
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Struct => &[
                "type",
                "alias",
                "version",
                "upcast_from",
                "oldest",
                "id",
                "emitter_type",
                "emitter_id",
                "crate",
            ],
            Self::Enum => &["prefix", "id", "emitter_type", "emitter_id", "crate"],
            Self::Variant => &[
                "type",
                "alias",
                "version",
                "upcast_from",
                "oldest",
                "id",
                "emitter_type",
                "emitter_id",
            ],
            Self::Wrapper => &[],
            Self::Field => &["id", "emitter_id", "emitter_type", "pii"],
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Struct => "a struct",
            Self::Enum => "an enum",
            Self::Variant => "a variant",
            Self::Wrapper => "a variant that holds another event",
            Self::Field => "a field",
        }
    }

    fn elsewhere(self, name: &str) -> Option<&'static str> {
        Some(match (self, name) {
            (Self::Variant | Self::Wrapper, "prefix" | "crate") | (Self::Field, "prefix") => {
                "write it on the enum"
            }
            (Self::Field, "crate") => "write it on the struct or enum",
            (Self::Wrapper, name) if ALL.contains(&name) => {
                "all attributes are taken from that event, so write it there"
            }
            (Self::Struct | Self::Enum | Self::Variant, "pii") => {
                "write `#[event(pii)]` on the field that holds personal data"
            }
            (Self::Enum, "type") => {
                "write it on a variant, or write `prefix = \"ORDER\"` here, which begins the names of all variants"
            }
            (Self::Enum, "alias" | "version" | "upcast_from" | "oldest") => "write it on a variant",
            (Self::Struct, "prefix") => "write the whole name, `type = \"ORDER_PLACED\"`",
            (Self::Field, "type" | "alias" | "version" | "upcast_from" | "oldest") => {
                "write it on the struct or variant"
            }
            _ => return None,
        })
    }
}

/// Returns the known name that is most similar to `name`, if it is similar enough.
fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_lowercase();
    if let Some((_, meant)) = SYNONYMS.iter().find(|(synonym, _)| *synonym == name) {
        return known.contains(meant).then_some(meant);
    }
    known
        .iter()
        .map(|candidate| (distance(&name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 2).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the edit distance between `a` and `b`: the number of letters inserted, removed or
/// replaced.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_name_is_suggested() {
        for (written, meant) in [
            ("emiter_type", Some("emitter_type")),
            ("emitterid", Some("emitter_id")),
            ("emitter_typ", Some("emitter_type")),
            ("EMITTER_ID", Some("emitter_id")),
            ("ID", Some("id")),
            ("idd", Some("id")),
            ("tpye", Some("type")),
            ("aliases", Some("alias")),
            ("event_type", Some("type")),
            ("entity_id", Some("id")),
            ("topic", None),
            ("x", None),
        ] {
            assert_eq!(closest(written, ALL), meant, "{written}");
        }
    }

    #[test]
    fn misplaced_name_is_directed_elsewhere() {
        for target in [
            Target::Struct,
            Target::Enum,
            Target::Variant,
            Target::Wrapper,
            Target::Field,
        ] {
            for name in ALL {
                assert!(
                    target.known().contains(name) || target.elsewhere(name).is_some(),
                    "{name} on {}",
                    target.words()
                );
            }
        }
    }
}
