//! An event for people's eyes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::domain_event::DomainEvent;
use super::typed::encode_event;

/// Prints an event without its personal data: for your own logs and errors.
///
/// Fields marked `#[event(pii)]` are printed as `<redacted>`, the others as they
/// stand in the event's data. They are found by their names at the top of it: the
/// derive refuses what serde has to put them elsewhere, and a `Serialize` or a
/// `DomainEvent` written by hand keeps them there.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use domain_events::{DomainEvent, Redacted};
///
/// #[derive(serde::Serialize, DomainEvent)]
/// struct CustomerRegistered {
///     #[event(id)]
///     customer_id: u32,
///     #[event(pii)]
///     name: String,
/// }
///
/// let event = CustomerRegistered { customer_id: 7, name: "Ada".to_owned() };
/// assert_eq!(
///     format!("{:?}", Redacted(&event)),
///     r#"CUSTOMER_REGISTERED {"customer_id": 7, "name": <redacted>}"#
/// );
/// # }
/// ```
///
/// The ids of entity and emitter are not hidden: they are the keys of the table.
#[derive(Clone, Copy)]
pub struct Redacted<'a, E: ?Sized>(pub &'a E);

impl<E: DomainEvent + ?Sized> fmt::Debug for Redacted<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let definition = self.0.definition();
        write!(f, "{}", definition.event_type())?;
        // The error may tell what it failed on.
        let Ok(json) = encode_event(self.0) else {
            return f.write_str(" <not serializable>");
        };
        let Ok(Fields(fields)) = serde_json::from_str(&json.text) else {
            // `null`: there is nothing to tell.
            return Ok(());
        };
        f.write_str(" ")?;
        let told = |(name, value): &(String, &RawValue)| {
            let value = match definition.pii().contains(&name.as_str()) {
                true => "<redacted>".to_owned(),
                false => value.get().to_owned(),
            };
            (name.clone(), Bare(value))
        };
        f.debug_map().entries(fields.iter().map(told)).finish()
    }
}

impl<E: DomainEvent + ?Sized> fmt::Display for Redacted<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Text without quotes.
struct Bare(String);

impl fmt::Debug for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The members of an object in their order.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
