//! JSON that DynamoDB can store: reading, writing, and the limits on both.
//!
//! This module does not depend on events. Producers and the consumer use the same code, so
//! they compute the same sizes and refuse the same values.

mod deserializer;
pub(crate) mod document;
pub(crate) mod escape;
pub(crate) mod limits;
pub(crate) mod mismatch;
pub(crate) mod number;
pub(crate) mod pointer;
pub(crate) mod reader;
mod serializer;
mod writer;
