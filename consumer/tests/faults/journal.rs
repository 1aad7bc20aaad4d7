//! The journal of a producer: a file that lists what the producer did, and that survives the
//! process.

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
        /// The data of a foreign producer's event that the seed does not determine.
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

    /// Writes a line with one call, so that SIGKILL cannot leave half of a complete entry.
    pub(crate) fn write(&self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap() + "\n";
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub(crate) fn read(path: &Path) -> Vec<Entry> {
        let bytes = std::fs::read(path).unwrap();
        // A last line without a newline was being written when the process was killed.
        let end = bytes.iter().rposition(|b| *b == b'\n').unwrap_or(0);
        std::str::from_utf8(&bytes[..end])
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
