//! The SQL tables: writes changes, and reads the queues at the start.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Loaded, OpenError};
use crate::sqs::changes::{Change, ChangeSet, DeduplicationKey, Original};
use crate::sqs::clock::Millis;
use crate::sqs::message::{Delivery, DeliveryState, QueuedMessage, Seq};
use crate::sqs::queue::Queue;
use crate::sqs::settings::QueueSettings;

/// The format of the file, which SQLite stores as `user_version`.
const FORMAT: i64 = 1;

/// The tables. A message never changes and may be large, while its delivery is small and
/// changes often. They are in two tables, so that a receive does not write the body again.
const TABLES: &str = "
    CREATE TABLE queues (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        attributes TEXT NOT NULL,
        tags TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE INDEX messages_of_queue ON messages (queue);
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        receives INTEGER NOT NULL,
        first_received_at INTEGER,
        retained_from INTEGER NOT NULL,
        received_at INTEGER,
        visible_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE deduplication (
        queue INTEGER NOT NULL,
        in_group TEXT NOT NULL,
        id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (queue, in_group, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deduplication_by_age ON deduplication (queue, at);
";

/// Creates the tables in a new file, and takes the file's lock.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        FORMAT => {}
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        found => {
            return Err(OpenError::Format {
                found,
                known: FORMAT,
            });
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Writes changes in one transaction.
pub(super) fn apply(connection: &mut Connection, changes: &ChangeSet) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for change in changes {
        apply_one(&transaction, change)?;
    }
    transaction.commit()
}

fn apply_one(to: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        to.prepare_cached(sql)?.execute(values).map(|_| ())
    };
    match change {
        Change::QueueSaved {
            id,
            name,
            attributes,
            tags,
            created_at,
            modified_at,
        } => run(
            "INSERT OR REPLACE INTO queues (id, name, attributes, tags, created_at, modified_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                id,
                name,
                json(attributes)?,
                json(tags)?,
                created_at,
                modified_at
            ],
        ),
        Change::QueueDeleted { id } => {
            run("DELETE FROM queues WHERE id = ?1", params![id])?;
            run("DELETE FROM deduplication WHERE queue = ?1", params![id])?;
            apply_one(to, &Change::Purged { queue: *id })
        }
        Change::Purged { queue } => {
            run(
                "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM messages WHERE queue = ?1)",
                params![queue],
            )?;
            run("DELETE FROM messages WHERE queue = ?1", params![queue])
        }
        Change::Added {
            queue,
            seq,
            message,
            delivery,
        } => {
            run(
                "INSERT INTO messages (seq, queue, message) VALUES (?1, ?2, ?3)",
                params![seq, queue, json(&**message)?],
            )?;
            save_delivery(to, *seq, delivery)
        }
        Change::DeliveryChanged { seq, delivery } => save_delivery(to, *seq, delivery),
        Change::Removed { seq } => {
            run("DELETE FROM deliveries WHERE seq = ?1", params![seq])?;
            run("DELETE FROM messages WHERE seq = ?1", params![seq])
        }
        Change::DeduplicationIdUsed {
            queue,
            key,
            original,
            at,
        } => run(
            "INSERT OR REPLACE INTO deduplication (queue, in_group, id, message_id, seq, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            // The name of a group is never empty.
            params![
                queue,
                key.group.as_deref().unwrap_or_default(),
                key.id,
                original.message_id,
                original.seq,
                at
            ],
        ),
        Change::DeduplicationIdsExpired { queue, until } => run(
            "DELETE FROM deduplication WHERE queue = ?1 AND at <= ?2",
            params![queue, until],
        ),
    }
}

fn save_delivery(to: &Transaction<'_>, seq: Seq, delivery: &Delivery) -> rusqlite::Result<()> {
    let (received_at, visible_at) = match delivery.state {
        DeliveryState::Ready { since } => (None, since),
        DeliveryState::Delayed { until } => (None, until),
        DeliveryState::InFlight { received_at, until } => (Some(received_at), until),
    };
    to.prepare_cached(
        "INSERT OR REPLACE INTO deliveries
             (seq, receives, first_received_at, retained_from, received_at, visible_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        seq,
        delivery.receives,
        delivery.first_received_at,
        delivery.retained_from,
        received_at,
        visible_at
    ])
    .map(|_| ())
}

/// Reads all queues and messages.
pub(super) fn load(from: &Connection, now: Millis) -> Result<Loaded, OpenError> {
    let mut queues: HashMap<u64, Queue> = HashMap::new();
    let mut last_seq = 0;
    let mut statement =
        from.prepare("SELECT id, name, attributes, tags, created_at, modified_at FROM queues")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let attributes = read(&row.get::<_, String>(2)?)?;
        let settings = QueueSettings::new(&attributes)
            .map_err(|error| OpenError::Damaged(error.to_string()))?;
        let tags = read(&row.get::<_, String>(3)?)?;
        let mut queue = Queue::new(id, row.get(1)?, settings, tags, row.get(4)?);
        queue.modified_at = row.get(5)?;
        last_seq = last_seq.max(id);
        queues.insert(id, queue);
    }
    let mut statement = from.prepare(
        "SELECT seq, queue, message, receives, first_received_at, retained_from, received_at, visible_at
         FROM messages JOIN deliveries USING (seq) ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        last_seq = last_seq.max(seq);
        let Some(queue) = queues.get_mut(&row.get(1)?) else {
            return Err(OpenError::Damaged(
                "a message belongs to a queue that does not exist".to_owned(),
            ));
        };
        let visible_at = row.get(7)?;
        let received_at: Option<Millis> = row.get(6)?;
        let state = match received_at {
            Some(received_at) => DeliveryState::InFlight {
                received_at,
                until: visible_at,
            },
            None if visible_at > now => DeliveryState::Delayed { until: visible_at },
            None => DeliveryState::Ready { since: visible_at },
        };
        queue.restore(QueuedMessage {
            seq,
            message: Arc::new(read(&row.get::<_, String>(2)?)?),
            delivery: Delivery {
                receives: row.get(3)?,
                first_received_at: row.get(4)?,
                retained_from: row.get(5)?,
                state,
            },
        });
    }
    let mut statement = from.prepare(
        "SELECT queue, in_group, id, message_id, seq, at FROM deduplication ORDER BY at",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(4)?;
        last_seq = last_seq.max(seq);
        let Some(queue) = queues.get_mut(&row.get(0)?) else {
            continue;
        };
        let group: String = row.get(1)?;
        let key = DeduplicationKey {
            group: Some(group).filter(|group| !group.is_empty()),
            id: row.get(2)?,
        };
        let original = Original {
            message_id: row.get(3)?,
            seq,
        };
        queue.restore_duplicate(row.get(5)?, key, original);
    }
    Ok(Loaded {
        queues: queues.into_values().collect(),
        last_seq,
    })
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, OpenError> {
    serde_json::from_str(text).map_err(|error| OpenError::Damaged(error.to_string()))
}
