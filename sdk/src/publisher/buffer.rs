//! The events that wait: how many there may be, in which order they leave, and how
//! they are grouped into requests. Nothing here does I/O.

pub(crate) mod batch;
pub(crate) mod capacity;
pub(crate) mod flush;
pub(crate) mod pending;
pub(crate) mod queue;
