//! The outbox in a Postgres database.

use domain_events::Prepared;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::rows::{Backlog, OutboxRows, Page, PageRequest, RowsError};
use crate::sql;

/// The key of the advisory lock (an arbitrary constant) that serializes concurrent migrations.
/// Without a lock, `create table if not exists` fails in one of two concurrent sessions.
const MIGRATION_LOCK: i64 = 0x646f_6d5f_6f75_7462;

/// Begins a transaction whose statements find rows only through the index of the primary key.
///
/// A healthy outbox is almost empty, so the statistics of the table and the cached plans of a
/// connection describe an almost empty table, for which Postgres prefers to read the whole table.
/// After an outage, Postgres would still use this plan: each deletion of 1,000 rows would compare
/// every row of the backlog with 1,000 identities, which takes one second for 50,000 rows.
const BEGIN_WITH_INDEX: &str =
    "begin; set local enable_seqscan = off; set local enable_bitmapscan = off";

/// The table `domain_events_outbox` of a Postgres database.
///
/// This is a cheap handle that contains a connection pool. The `search_path` of the connection
/// determines the schema of the table.
///
/// # Examples
///
/// ```no_run
/// use domain_events::{DomainEvent, Sdk};
/// use domain_events_outbox::PostgresOutbox;
/// use sqlx::PgPool;
///
/// # async fn confirm<E: DomainEvent>(pool: PgPool, sdk: Sdk, confirmed: E) -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = PostgresOutbox::new(pool.clone());
/// outbox.migrate().await?; // or your own migration with `PostgresOutbox::MIGRATION`
///
/// let mut transaction = pool.begin().await?;
/// // Lock the entity first, because the timestamp of the event is the time of `prepare`.
/// sqlx::query("select state from orders where id = $1 for update")
///     .bind("order-1")
///     .fetch_one(&mut *transaction)
///     .await?;
/// let event = sdk.prepare(&confirmed)?;
/// sqlx::query("update orders set state = 'confirmed' where id = $1")
///     .bind("order-1")
///     .execute(&mut *transaction)
///     .await?;
/// outbox.put(&mut transaction, &event).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresOutbox {
    pool: PgPool,
}

impl PostgresOutbox {
    /// The statements that create the table, for your own migrations. They can be run
    /// repeatedly.
    pub const MIGRATION: &'static str = include_str!("../migrations/postgres.sql");

    /// Creates a handle to the outbox in the database of `pool`.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// See [`BEGIN_WITH_INDEX`].
    async fn begin_with_index(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(BEGIN_WITH_INDEX).await
    }

    /// Creates the table if it does not exist.
    ///
    /// # Errors
    ///
    /// The error of the database, for example if the role may not create tables.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the table may or may not have been created.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("select pg_advisory_xact_lock($1)")
            .bind(MIGRATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(Self::MIGRATION)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
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
        connection: &mut PgConnection,
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

impl OutboxRows for PostgresOutbox {
    fn name(&self) -> &str {
        "the Postgres table domain_events_outbox"
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        // The page ends when the sum of the message lengths reaches the limit, so that large
        // messages do not fill the memory. The database computes the ages, so they do not
        // depend on the clocks of the relays.
        let failed = |error| RowsError::new("read the outbox", error);
        let mut transaction = self.begin_with_index().await.map_err(failed)?;
        let rows = sqlx::query_as(
            "select event_id, message from ( \
               select event_id, message, \
                 sum(octet_length(message)) over (order by event_id) - octet_length(message) \
                   as bytes_before \
               from ( \
                 select event_id, message from domain_events_outbox \
                 where event_id > $1 \
                   and abs(extract(epoch from clock_timestamp() - at)) >= $2 \
                 order by event_id limit $3 \
               ) as oldest \
             ) as sized where bytes_before < $4 order by event_id",
        )
        .bind(sql::first_id(&request))
        .bind(request.min_age.as_secs_f64())
        .bind(sql::limit(request.max_rows))
        .bind(sql::limit(request.max_bytes))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(sql::page(rows))
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        let failed = |error| RowsError::new("delete rows of the outbox", error);
        let mut transaction = self.begin_with_index().await.map_err(failed)?;
        sqlx::query("delete from domain_events_outbox where event_id = any($1)")
            .bind(event_ids)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        let (rows, oldest) = sqlx::query_as(
            "select count(*), extract(epoch from clock_timestamp() - min(at))::float8 \
             from domain_events_outbox",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| RowsError::new("count the outbox", error))?;
        Ok(sql::backlog(rows, oldest))
    }
}
