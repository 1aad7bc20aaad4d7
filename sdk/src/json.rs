//! JSON that DynamoDB can store: reading, writing, and the limits on both.
//!
//! This module knows nothing about events. The producer and the consumer both use it,
//! so both measure and refuse the same values.

pub(crate) mod document;
pub(crate) mod escape;
pub(crate) mod limits;
pub(crate) mod mismatch;
pub(crate) mod number;
pub(crate) mod reader;
mod serializer;
mod writer;
