//! The emitter: the user or system that causes events.

use std::borrow::Cow;
use std::fmt;

use super::ids::{checked_text, up_to};
use crate::error::{InvalidEvent, RejectionCode};

checked_text!(
    /// Id of the user or system that caused an event.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::{Emitter, EmitterId, EmitterType};
    ///
    /// const KIND: EmitterType = EmitterType::from_static("DEVICE");
    /// let emitter = Emitter::new(KIND, EmitterId::new("sensor-12")?);
    /// assert_eq!(emitter.id(), &"sensor-12");
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    EmitterId,
    "EmitterId",
    up_to::<2048>,
    "1 to 2,048 bytes of UTF-8"
);
checked_text!(
    /// Type of an emitter. `USER` and `SYSTEM` are conventions; any text is allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use domain_events::EmitterType;
    ///
    /// let kind: EmitterType = "DEVICE".parse()?;
    /// assert_eq!(kind, "DEVICE");
    /// # Ok::<(), domain_events::InvalidEvent>(())
    /// ```
    EmitterType,
    "EmitterType",
    up_to::<256>,
    "1 to 256 bytes of UTF-8"
);

/// The user or system that causes events: an id and its type.
///
/// # Examples
///
/// ```
/// use domain_events::Emitter;
///
/// let user = Emitter::user("u-42")?;
/// assert_eq!((user.kind().as_str(), user.id().as_str()), ("USER", "u-42"));
/// let service = Emitter::system("billing")?;
/// assert_eq!(service.kind(), &"SYSTEM");
/// # Ok::<(), domain_events::InvalidEvent>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Emitter {
    id: EmitterId,
    #[serde(rename = "type")]
    kind: EmitterType,
}

impl Emitter {
    /// Creates an emitter of any type.
    pub fn new(kind: EmitterType, id: EmitterId) -> Self {
        Self { id, kind }
    }

    /// Creates an emitter of the type `USER`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if the id is empty or longer than 2,048 bytes.
    pub fn user(id: impl Into<String>) -> Result<Self, InvalidEvent> {
        Ok(Self::new(
            EmitterType::from_static("USER"),
            EmitterId::new(id.into())?,
        ))
    }

    /// Creates an emitter of the type `SYSTEM`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent`] if the id is empty or longer than 2,048 bytes.
    pub fn system(id: impl Into<String>) -> Result<Self, InvalidEvent> {
        Ok(Self::new(
            EmitterType::from_static("SYSTEM"),
            EmitterId::new(id.into())?,
        ))
    }

    /// Returns the emitter's id.
    pub fn id(&self) -> &EmitterId {
        &self.id
    }

    /// Returns the emitter's type.
    pub fn kind(&self) -> &EmitterType {
        &self.kind
    }
}
