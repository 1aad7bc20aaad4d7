//! The error of the spool.

use std::fmt;
use std::sync::Arc;

/// Why the spool could not take an event, or be opened.
#[derive(Debug, Clone)]
pub struct SpoolError(Arc<dyn std::error::Error + Send + Sync>);

impl SpoolError {
    pub(super) fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }

    pub(crate) fn explain(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the spool's journal failed")
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
