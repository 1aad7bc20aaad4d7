//! The events without an outcome: the limit of their number, the order in which they are sent,
//! their grouping into requests, and their completion. This module does no I/O.

pub(crate) mod batch;
pub(crate) mod capacity;
pub(crate) mod flush;
pub(crate) mod in_flight;
pub(crate) mod outcome;
pub(crate) mod pending;
pub(crate) mod queue;
