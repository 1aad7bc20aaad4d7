//! Reads and writes letters on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// A rejected message, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The id of the message in the dead-letter queue, which also names the files.
    pub message_id: String,
    /// URL of the dead-letter queue.
    pub queue_url: String,
    /// Message attributes: `RejectionCode` and others, with their values as text.
    pub attributes: BTreeMap<String, String>,
    /// The message group, on a FIFO queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When the message was sent, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<String>,
    /// The identity of events that have no `EventId`; see the documentation of
    /// [`rejected`](super).
    pub identity: String,
}

impl Letter {
    /// Returns a message attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// A folder of letters.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    ///
    /// The folder does not exist.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self(path.to_owned()));
        }
        Err(Failure::Usage(format!(
            "there is no folder {}; `domain-events rejected pull --to {}` creates it",
            path.display(),
            path.display()
        )))
    }

    /// Opens a folder, and creates it if it does not exist. Only the current user may read a
    /// new folder, because letters contain payloads.
    ///
    /// # Errors
    ///
    /// The folder cannot be created.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        create_private(path).map_err(|e| Failure::file("create", path, &e))?;
        Ok(Self(path.to_owned()))
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the file that contains a letter's body.
    pub fn body_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.body"))
    }

    fn letter_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// Writes a letter. When this returns, both files have reached the disk.
    ///
    /// # Errors
    ///
    /// A file cannot be written. In this case, the letter does not exist.
    pub fn write(&self, letter: &Letter, body: &str) -> Result<(), Failure> {
        let id = &letter.message_id;
        self.write_body(id, body)?;
        // This file makes the letter complete: `list` looks for it.
        let text = serde_json::to_string_pretty(letter)
            .map_err(|e| Failure::environment("encoding a message", &e))?;
        write_synced(&self.letter_path(id), text.as_bytes())
    }

    /// Replaces the body of a letter.
    ///
    /// # Errors
    ///
    /// The file cannot be written. In this case, the old body is unchanged.
    pub fn write_body(&self, id: &str, body: &str) -> Result<(), Failure> {
        write_synced(&self.body_path(id), body.as_bytes())
    }

    /// Returns the ids of all letters, sorted.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, Failure> {
        let failed = |e: std::io::Error| Failure::file("read", &self.0, &e);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|e| e == "json") {
                ids.extend(path.file_stem().and_then(|s| s.to_str()).map(str::to_owned));
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Returns the ids that begin with one of `wanted`, or all ids if `wanted` is empty.
    ///
    /// # Errors
    ///
    /// One of `wanted` matches no letter, or more than one letter.
    pub fn select(&self, wanted: &[String]) -> Result<Vec<String>, Failure> {
        let ids = self.ids()?;
        if wanted.is_empty() {
            return Ok(ids);
        }
        wanted
            .iter()
            .map(|wanted| self.find(&ids, wanted))
            .collect()
    }

    /// Returns the id of the only letter whose id begins with `wanted`.
    ///
    /// # Errors
    ///
    /// No letter matches, or more than one letter matches.
    pub fn only(&self, wanted: &str) -> Result<String, Failure> {
        self.find(&self.ids()?, wanted)
    }

    fn find(&self, ids: &[String], wanted: &str) -> Result<String, Failure> {
        let mut fitting = ids.iter().filter(|id| id.starts_with(wanted));
        match (fitting.next(), fitting.next()) {
            (Some(id), None) => Ok(id.clone()),
            (None, _) => Err(Failure::Usage(format!(
                "{} contains no message whose id begins with {wanted:?}; `domain-events rejected list {}` prints the ids",
                self.0.display(),
                self.0.display()
            ))),
            (Some(_), Some(_)) => Err(Failure::Usage(format!(
                "{} contains several messages whose ids begin with {wanted:?}; give more characters of the id",
                self.0.display()
            ))),
        }
    }

    /// Reads a letter and its body.
    ///
    /// # Errors
    ///
    /// A file is missing or damaged.
    pub fn read(&self, id: &str) -> Result<(Letter, String), Failure> {
        let path = self.letter_path(id);
        let text = fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
        let letter = serde_json::from_str(&text).map_err(|e| {
            Failure::Environment(format!(
                "{} is not a file of `rejected pull` (line {}); restore it, or move it out of the folder",
                path.display(),
                e.line()
            ))
        })?;
        let path = self.body_path(id);
        let body = fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
        Ok((letter, body))
    }

    /// Moves a letter into the subfolder `pushed`.
    ///
    /// # Errors
    ///
    /// The files cannot be moved.
    pub fn retire(&self, id: &str) -> Result<(), Failure> {
        let pushed = self.0.join("pushed");
        create_private(&pushed).map_err(|e| Failure::file("create", &pushed, &e))?;
        // The file of the letter is moved first, because a body without a letter is ignored.
        for path in [self.letter_path(id), self.body_path(id)] {
            if let Some(name) = path.file_name() {
                fs::rename(&path, pushed.join(name))
                    .map_err(|e| Failure::file("move", &path, &e))?;
            }
        }
        sync_folder(&pushed)?;
        sync_folder(&self.0)
    }
}

/// Creates a folder that only the current user may read. When this returns, the folder has
/// reached the disk: otherwise, a power failure could remove it together with the letters that
/// are already deleted from the queue.
#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let parents = || path.ancestors().skip(1);
    let created = parents().take_while(|parent| !is_folder(parent)).count();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    for parent in parents().take(created + 1) {
        match File::open(or_current(parent)) {
            // An existing folder can be in a folder that this user cannot read.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            parent => parent?.sync_all()?,
        }
    }
    Ok(())
}

fn is_folder(path: &Path) -> bool {
    or_current(path).is_dir()
}

/// Returns the path, or the current folder for the parent of a relative path, which is empty.
fn or_current(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// Writes a file under a temporary name, syncs it, and renames it, so that an incomplete file
/// never has the final name.
fn write_synced(path: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |e: std::io::Error| Failure::file("write", path, &e);
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&part).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&part, path).map_err(failed)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn sync_folder(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| Failure::file("sync", path, &e))
}
