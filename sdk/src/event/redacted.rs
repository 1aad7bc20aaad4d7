//! Prints an event without its personal data.

use std::fmt;

use super::domain_event::DomainEvent;
use super::typed::variant_name;
use crate::json::document;
use crate::json::reader::{Reader, Token};

/// Prints an event without its personal data, for your own logs and errors.
///
/// A field that is marked `#[event(pii)]` is printed as `<redacted>`. The other fields are
/// printed as they are in the event's data. A marked field is found by its name at the top
/// level of the data. If serde writes it elsewhere, so that it is not at the top level, none
/// of the data is printed. A field with the name of a marked field is hidden at every depth.
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
/// The ids of the entity and the emitter are not hidden, because they are keys of the
/// table.
#[derive(Clone, Copy)]
pub struct Redacted<'a, E: ?Sized>(pub &'a E);

impl<E: DomainEvent + ?Sized> fmt::Debug for Redacted<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let definition = self.0.definition();
        let personal = definition.pii();
        write!(f, "{}", definition.event_type())?;
        let encoded = document::encode_with_skipped(self.0, variant_name::<E>(&definition));
        // The error is not printed, because it could contain personal data.
        let Ok((json, skipped)) = encoded else {
            return f.write_str(" <not serializable>");
        };
        let Some(members) = members(&json.text, personal) else {
            // `null` means that the event has no data.
            return Ok(());
        };
        let is_located = |name: &&str| {
            skipped.contains(name) || members.iter().any(|(member, _)| member == name)
        };
        if !personal.iter().all(is_located) {
            return f.write_str(" <redacted>");
        }
        f.write_str(" ")?;
        let members = members.iter().map(|(name, value)| (name, Unquoted(value)));
        f.debug_map().entries(members).finish()
    }
}

impl<E: DomainEvent + ?Sized> fmt::Display for Redacted<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A text that `Debug` prints without quotes.
struct Unquoted<'a>(&'a str);

impl fmt::Debug for Unquoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Returns the members of the object, in their order. The value of each member with one of the
/// names in `personal` is replaced, at every depth. Returns `None` if `json` is not an object.
fn members(json: &str, personal: &[&str]) -> Option<Vec<(String, String)>> {
    const REDACTED: &str = "<redacted>";
    let mut reader = Reader::new(json);
    if reader.next().ok()? != Token::BeginObject {
        return None;
    }
    let mut members = Vec::new();
    while let Token::Key(name) = reader.next().ok()? {
        let start = reader.offset_of_next();
        let mut value = String::new();
        let mut copied = start;
        let mut hides_next = personal.contains(&&*name);
        loop {
            let before = reader.offset_of_next();
            let token = reader.next().ok()?;
            if std::mem::take(&mut hides_next) {
                if matches!(token, Token::BeginObject | Token::BeginArray) {
                    let outside = reader.depth() - 1;
                    reader.skip_to_depth(outside).ok()?;
                }
                value.push_str(&json[copied..before]);
                value.push_str(REDACTED);
                copied = reader.offset();
            } else if let Token::Key(name) = &token {
                hides_next = personal.contains(&&**name);
                continue;
            }
            if reader.depth() == 1 {
                break;
            }
        }
        value.push_str(&json[copied..reader.offset()]);
        members.push((name.into_owned(), value));
    }
    Some(members)
}
