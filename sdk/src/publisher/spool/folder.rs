//! The folder of the spool: its permissions, its lock, and the names of its files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::SpoolError;

/// A locked folder: until the value is dropped, no other publisher can use the folder.
#[derive(Debug)]
pub(super) struct SpoolFolder {
    path: PathBuf,
    /// The operating system releases the lock when the process ends, even if the process is
    /// killed.
    _lock: File,
}

/// The kind of a file in the folder, as its name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment(u64),
    /// A segment whose creation was interrupted. No record in it was confirmed.
    Unfinished(u64),
    SetAside(u64),
    /// Not a file of the spool.
    Other,
}

impl SpoolFolder {
    /// Creates the folder if it does not exist, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        create(path).map_err(|e| SpoolError::new("create the spool's folder", path, e))?;
        warn_if_not_private(path);
        let lock = path.join("lock");
        let file = open_lock(&lock).map_err(|e| SpoolError::new("open the lock file", &lock, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: file,
            }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::new(
                "use the spool's folder",
                path,
                "another publisher in this process or in another process uses the folder; \
                 configure a separate folder for each publisher",
            )),
            Err(TryLockError::Error(e)) => Err(SpoolError::new("lock the file", &lock, e)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the files of the folder, each with its kind.
    pub(super) fn files(&self) -> Result<Vec<(FileKind, PathBuf)>, SpoolError> {
        let read = || -> io::Result<Vec<(FileKind, PathBuf)>> {
            fs::read_dir(&self.path)?
                .map(|entry| {
                    let entry = entry?;
                    Ok((kind_of(&entry.file_name().to_string_lossy()), entry.path()))
                })
                .collect()
        };
        read().map_err(|e| SpoolError::new("list the spool's folder", &self.path, e))
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:012}.events"))
    }

    pub(super) fn unfinished(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:012}.events.new"))
    }

    /// Renames a segment so that it is never read again, and returns its new path. A rename
    /// needs no disk space.
    pub(super) fn set_aside(&self, number: u64) -> io::Result<PathBuf> {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
        let time = now.format("%Y%m%dT%H%M%SZ");
        let aside = self
            .path
            .join(format!("{number:012}.events.set-aside-{time}"));
        fs::rename(self.segment(number), &aside)?;
        Ok(aside)
    }

    /// Returns once the names of the files are on disk. Without this call, a file whose content
    /// is on disk may be absent after a power failure.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }
}

/// The digits of the number in a file's name. The numbers never become longer: a publisher
/// that fills a file every millisecond needs 30 years for them.
const DIGITS: usize = 12;

fn kind_of(name: &str) -> FileKind {
    let Some((number, rest)) = name.split_once('.') else {
        return FileKind::Other;
    };
    // Another form of a number, such as `1`, would be a second name of the same file.
    if number.len() != DIGITS || !number.bytes().all(|b| b.is_ascii_digit()) {
        return FileKind::Other;
    }
    match (number.parse(), rest) {
        (Ok(number), "events") => FileKind::Segment(number),
        (Ok(number), "events.new") => FileKind::Unfinished(number),
        (Ok(number), rest) if rest.starts_with("events.set-aside-") => FileKind::SetAside(number),
        _ => FileKind::Other,
    }
}

/// Creates the folder and its missing parents with mode 700, because the files in it contain
/// whole events.
fn create(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for folder in missing.into_iter().rev() {
        match builder.create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let parent = folder.parent().filter(|p| !p.as_os_str().is_empty());
        sync_folder(parent.unwrap_or(Path::new(".")))?;
    }
    match fs::metadata(path)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Does nothing: these platforms cannot open a folder as a file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the lock file for reading if it exists, so that the events can be sent even if the
/// disk has become read-only.
fn open_lock(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private().read(true).write(true).create(true).open(path)
        }
        result => result,
    }
}

/// Returns options that create a file with mode 600.
pub(super) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes the permissions of other users from a file. A file that was restored from a backup
/// may have them.
pub(super) fn make_private(path: &Path) {
    #[cfg(unix)]
    if let Ok(found) = fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = found.permissions().mode();
        if mode & 0o077 != 0
            && let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o600))
        {
            tracing::warn!(
                path = %path.display(),
                mode = format_args!("{:o}", mode & 0o777),
                error = &error as &dyn std::error::Error,
                "other users can read this file of the spool, and its mode cannot be changed"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Logs a warning if other users can access the folder. An existing folder keeps its mode,
/// because it may have other purposes.
fn warn_if_not_private(path: &Path) {
    #[cfg(unix)]
    if let Ok(found) = fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                folder = %path.display(),
                mode = format_args!("{mode:o}"),
                "other users can access the spool's folder; its files have mode 600, but mode 700 \
                 for the folder is safer"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
