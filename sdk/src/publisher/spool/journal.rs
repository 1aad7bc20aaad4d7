//! The spool's file: events by number, in the order they were given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::error::SpoolError;

/// Group (empty for none) and body of each event, by its number.
type Table = TableDefinition<'static, u64, (&'static str, &'static str)>;

/// How the tables are written. Whoever changes them changes this, and reads the
/// older ones too: a journal may hold events of the version before.
const FORMAT: u64 = 1;
const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("about");

const WAITING: Table = TableDefinition::new("waiting");
/// Events that SQS would never take, kept for whoever looks into it.
const REFUSED: Table = TableDefinition::new("refused");

/// A later version wrote the journal.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} has format {found}, and this program knows format {FORMAT}; nothing was changed in it, so \
     let the version that wrote it send its events", path.display()
)]
struct UnknownFormat {
    path: PathBuf,
    found: u64,
}

/// An event of the journal.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) group: Option<String>,
    pub(super) body: String,
}

/// A database that has each commit on disk before it returns (`fsync`), and
/// that is whole after a crash at any point.
pub(crate) struct Journal {
    path: PathBuf,
    /// `None` after an error: the database takes nothing more until it is
    /// opened again.
    database: Option<Database>,
    next: u64,
}

impl Journal {
    pub(super) fn open(dir: &Path) -> Result<Self, SpoolError> {
        make_folder(dir).map_err(SpoolError::new)?;
        let mut journal = Self {
            path: dir.join("events.redb"),
            database: None,
            next: 0,
        };
        journal.reopen()?;
        Ok(journal)
    }

    fn reopen(&mut self) -> Result<&Database, SpoolError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let database = Database::create(&self.path).map_err(SpoolError::new)?;
                let format = format_of(&database).map_err(SpoolError::new)?;
                if let Some(found) = format.filter(|format| *format != FORMAT) {
                    let path = self.path.clone();
                    return Err(SpoolError::new(UnknownFormat { path, found }));
                }
                let next = prepare(&database).map_err(SpoolError::new)?;
                self.next = self.next.max(next);
                database
            }
        };
        Ok(self.database.insert(database))
    }

    /// Runs one transaction; after an error the database is opened anew.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database, u64) -> Result<T, redb::Error>,
    ) -> Result<T, SpoolError> {
        // Opened first: the next number is read from what is there.
        self.reopen()?;
        let next = self.next;
        let result = work(self.reopen()?, next);
        result.map_err(|error| {
            self.database = None;
            SpoolError::new(error)
        })
    }

    /// Lets go of the file until the next work: after a panic nobody knows what
    /// the database was doing.
    pub(super) fn close(&mut self) {
        self.database = None;
    }

    /// Goes on with another database at the same path.
    #[cfg(test)]
    pub(crate) fn put(&mut self, make: impl FnOnce(&Path) -> Database) {
        self.database = None;
        self.database = Some(make(&self.path));
    }

    /// How many events wait.
    pub(super) fn len(&mut self) -> Result<u64, SpoolError> {
        self.with(|database, _| Ok(database.begin_read()?.open_table(WAITING)?.len()?))
    }

    /// Writes events behind all others: all of them, or none.
    pub(crate) fn append<'a>(
        &mut self,
        events: impl Iterator<Item = (Option<&'a Arc<str>>, &'a str)>,
    ) -> Result<(), SpoolError> {
        self.next = self.with(|database, mut next| {
            let write = database.begin_write()?;
            {
                let mut table = write.open_table(WAITING)?;
                for (group, body) in events {
                    table.insert(next, (group.map_or("", |group| group), body))?;
                    next += 1;
                }
            }
            write.commit()?;
            Ok(next)
        })?;
        Ok(())
    }

    /// The first events, up to `count` of them and, after the first, `bytes`.
    pub(super) fn read(&mut self, count: usize, bytes: usize) -> Result<Vec<Record>, SpoolError> {
        self.with(|database, _| {
            let table = database.begin_read()?.open_table(WAITING)?;
            let (mut records, mut size) = (Vec::new(), 0);
            for entry in table.iter()?.take(count) {
                let (number, value) = entry?;
                let (group, body) = value.value();
                size += body.len();
                if size > bytes && !records.is_empty() {
                    break;
                }
                records.push(Record {
                    number: number.value(),
                    group: Some(group.to_owned()).filter(|group| !group.is_empty()),
                    body: body.to_owned(),
                });
            }
            Ok(records)
        })
    }

    /// Removes events that were sent, and sets aside those that never will be.
    pub(super) fn remove(&mut self, sent: &[u64], refused: &[u64]) -> Result<(), SpoolError> {
        self.with(|database, _| {
            let write = database.begin_write()?;
            {
                let mut waiting = write.open_table(WAITING)?;
                let mut aside = write.open_table(REFUSED)?;
                for number in sent {
                    waiting.remove(number)?;
                }
                for number in refused {
                    if let Some(event) = waiting.remove(number)? {
                        aside.insert(number, event.value())?;
                    }
                }
            }
            write.commit()?;
            Ok(())
        })
    }
}

/// Makes the folder if it is absent: for this user alone, since whole events
/// will lie in it.
fn make_folder(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// The format that the journal says it has; `None` of a new one.
fn format_of(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => Ok(about.get("format")?.map(|format| format.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes what is missing; the number of the next event.
fn prepare(database: &Database) -> Result<u64, redb::Error> {
    let write = database.begin_write()?;
    let next = {
        write.open_table(ABOUT)?.insert("format", FORMAT)?;
        let waiting = write.open_table(WAITING)?;
        let refused = write.open_table(REFUSED)?;
        let next = |entry: Option<u64>| entry.map_or(0, |number| number + 1);
        let of_waiting = waiting.last()?.map(|(number, _)| number.value());
        let of_refused = refused.last()?.map(|(number, _)| number.value());
        next(of_waiting).max(next(of_refused))
    };
    write.commit()?;
    Ok(next)
}
