//! The outbox in a SQLite database.

use domain_events::Prepared;
use sqlx::{SqliteConnection, SqlitePool};

use crate::rows::{Backlog, OutboxRows, Page, PageRequest, RowsError};
use crate::sql;

/// Deletes the rows that the index of the primary key finds.
///
/// A healthy outbox is almost empty. If `analyze` or `pragma optimize` has run in this state,
/// SQLite otherwise reads all rows of a backlog in each deletion.
const DELETE_BY_INDEX: &str = "delete from domain_events_outbox \
     indexed by sqlite_autoindex_domain_events_outbox_1 \
     where event_id in (select value from json_each($1))";

/// Deletes the rows of a table that was not created by [`SqliteOutbox::MIGRATION`] and has
/// another index, for example because it is a table `without rowid`.
const DELETE: &str = "delete from domain_events_outbox \
     where event_id in (select value from json_each($1))";

fn is_without_index(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message().starts_with("no such index"))
}

/// The table `domain_events_outbox` of a SQLite database.
///
/// This is a cheap handle that contains a connection pool.
///
/// Begin a transaction that writes with `pool.begin_with("BEGIN IMMEDIATE")`, which acquires
/// the write lock of the database at once. Other transactions acquire the lock at their first
/// write. Such a transaction does not hold the lock when it calls `prepare`, and it fails with
/// `SQLITE_BUSY` if another transaction, for example of a relay, has written in between.
///
/// # Examples
///
/// ```
/// use domain_events::{DomainEvent, Emitter, Sdk};
/// use domain_events_outbox::SqliteOutbox;
/// use serde::Serialize;
/// use sqlx::SqlitePool;
///
/// #[derive(Serialize, DomainEvent)]
/// struct OrderConfirmed {
///     #[event(id)]
///     order_id: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("outbox-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let url = format!("sqlite:{}/orders.db?mode=rwc", folder.display());
/// # let sdk = Sdk::builder("https://sqs.eu-central-1.amazonaws.com/123456789012/events", Emitter::system("shop")?)
/// #     .build().await?;
/// let pool = SqlitePool::connect(&url).await?;
/// let outbox = SqliteOutbox::new(pool.clone());
/// outbox.migrate().await?; // or your own migration with `SqliteOutbox::MIGRATION`
/// sqlx::query("create table orders (id text primary key, state text not null)")
///     .execute(&pool)
///     .await?;
///
/// let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
/// // Call `prepare` after the lock, because it sets the timestamp of the event.
/// let event = sdk.prepare(&OrderConfirmed { order_id: "order-1".into() })?;
/// sqlx::query("insert into orders (id, state) values ('order-1', 'confirmed')")
///     .execute(&mut *transaction)
///     .await?;
/// outbox.put(&mut transaction, &event).await?;
/// transaction.commit().await?; // now both exist
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOutbox {
    pool: SqlitePool,
}

impl SqliteOutbox {
    /// The statements that create the table, for your own migrations. They can be run
    /// repeatedly.
    pub const MIGRATION: &'static str = include_str!("../migrations/sqlite.sql");

    /// Creates a handle to the outbox in the database of `pool`.
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Creates the table if it does not exist.
    ///
    /// # Errors
    ///
    /// The error of the database, for example if its file is read-only.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the table may or may not have been created.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(Self::MIGRATION).execute(&self.pool).await?;
        Ok(())
    }

    /// Writes the message of `event` in your transaction. The relay sends the event only if
    /// the transaction commits.
    ///
    /// `connection` is a transaction (`&mut transaction`) or, if you manage transactions
    /// yourself, a connection.
    ///
    /// # Errors
    ///
    /// The error of the database. A unique violation means that this event is already
    /// in the outbox.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, roll the transaction back.
    pub async fn put(
        &self,
        connection: &mut SqliteConnection,
        event: &Prepared,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("insert into domain_events_outbox (event_id, message) values ($1, $2)")
            .bind(event.event_id().as_str())
            .bind(event.body())
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl OutboxRows for SqliteOutbox {
    fn name(&self) -> &str {
        "the SQLite table domain_events_outbox"
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        // The query has the same structure as for Postgres. A time that SQLite cannot parse
        // counts as very old, so that the row is selected.
        let rows = sqlx::query_as(
            "select event_id, message from ( \
               select event_id, message, \
                 sum(length(cast(message as blob))) over (order by event_id) \
                   - length(cast(message as blob)) as bytes_before \
               from ( \
                 select event_id, message from domain_events_outbox \
                 where event_id > $1 \
                   and abs(julianday('now') - coalesce(julianday(at), 0)) * 86400.0 >= $2 \
                 order by event_id limit $3 \
               ) \
             ) where bytes_before < $4 order by event_id",
        )
        .bind(sql::first_id(&request))
        .bind(request.min_age.as_secs_f64())
        .bind(sql::limit(request.max_rows))
        .bind(sql::limit(request.max_bytes))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| RowsError::new("read the outbox", error))?;
        Ok(sql::page(rows))
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        let failed = "delete rows of the outbox";
        let ids = serde_json::to_string(&event_ids).map_err(|e| RowsError::new(failed, e))?;
        let mut deleted = sqlx::query(DELETE_BY_INDEX)
            .bind(&ids)
            .execute(&self.pool)
            .await;
        if deleted.as_ref().is_err_and(is_without_index) {
            deleted = sqlx::query(DELETE).bind(&ids).execute(&self.pool).await;
        }
        deleted
            .map(drop)
            .map_err(|error| RowsError::new(failed, error))
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        let (rows, oldest) = sqlx::query_as(
            "select count(*), (julianday('now') - min(coalesce(julianday(at), 0))) * 86400.0 \
             from domain_events_outbox",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| RowsError::new("count the outbox", error))?;
        Ok(sql::backlog(rows, oldest))
    }
}
