//! What a producer has done, in a file that survives its process.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// The event is about to be emitted.
    Begin {
        number: u64,
        /// The facts that only a foreign producer knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        foreign: Option<Foreign>,
    },
    /// `emit` returned `Ok`.
    Accepted {
        number: u64,
        /// The identity and the timestamp of the receipt.
        #[serde(skip_serializing_if = "Option::is_none")]
        receipt: Option<(String, String)>,
        /// Whether the spool accepted it.
        spooled: bool,
    },
    /// `emit` returned an error after this many tries.
    Failed { number: u64, tries: u32 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Foreign {
    pub(crate) timestamp: u64,
    pub(crate) event_id: String,
    /// The text of an invalid event, and its rejection code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broken: Option<(String, String)>,
}

pub(crate) struct Journal(Mutex<File>);

impl Journal {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        Self(Mutex::new(file.unwrap()))
    }

    /// Writes a line in one call. SIGKILL cannot undo it.
    pub(crate) fn write(&self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap() + "\n";
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub(crate) fn read(path: &Path) -> Vec<Entry> {
        let bytes = std::fs::read(path).unwrap();
        // A line without an end belongs to a killed process.
        let end = bytes.iter().rposition(|b| *b == b'\n').unwrap_or(0);
        std::str::from_utf8(&bytes[..end])
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
