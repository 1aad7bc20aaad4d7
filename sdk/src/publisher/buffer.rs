//! The events without an outcome: how many there may be, in which order they are
//! sent, how they are grouped into requests, and how each of them is completed.
//! Nothing here does I/O.

pub(crate) mod batch;
pub(crate) mod capacity;
pub(crate) mod flush;
pub(crate) mod in_flight;
pub(crate) mod outcome;
pub(crate) mod pending;
pub(crate) mod queue;
