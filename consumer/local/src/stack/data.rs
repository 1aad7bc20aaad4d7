//! The data of the stack: in memory, or in a folder.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::StartError;
use crate::dynamodb::Database;
use crate::sqs::Queues;

/// Opens the queues and the database in `folder`, or in memory.
pub(super) fn open(folder: Option<&Path>) -> Result<(Queues, Database), StartError> {
    let Some(folder) = folder else {
        let database = dynoxide::Database::memory().map_err(|error| StartError::Create {
            object: "the database",
            source: error.into(),
        })?;
        return Ok((Queues::memory(), Database(database)));
    };
    let failed = |source| StartError::Data {
        folder: folder.to_owned(),
        source,
    };
    create_folder(folder).map_err(|error| failed(error.into()))?;
    let (queues, database) = (folder.join("sqs.sqlite"), folder.join("dynamodb.sqlite"));
    for file in [&queues, &database] {
        make_private(file).map_err(|error| failed(error.into()))?;
    }
    let queues = Queues::open(queues).map_err(|error| failed(error.into()))?;
    let database = dynoxide::Database::new(&database.to_string_lossy())
        .map_err(|error| failed(error.into()))?;
    Ok((queues, Database(database)))
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Creates the file if necessary, and lets only its owner read and write it. SQLite creates
/// its additional files with the same permissions.
#[cfg(unix)]
fn make_private(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(file: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .map(|_| ())
}
