//! One contract suite for the rows of both SQL databases.

use std::collections::BTreeSet;
use std::time::Duration;

use domain_events::{Emitter, Sdk};
use domain_events_outbox::sqlx::postgres::PgPoolOptions;
use domain_events_outbox::sqlx::{self, PgPool, SqlitePool};
use domain_events_outbox::{OutboxRows, Page, PageRequest, PostgresOutbox};

use crate::postgres::PostgresServer;
use crate::service::{TestDatabase, placed};

const ALL: usize = 1_000_000;

async fn sdk() -> Sdk {
    let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    let sdk = Sdk::builder(url, Emitter::system("shop").unwrap());
    sdk.build().await.unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| &*row.event_id).collect()
}

/// The additional statements of a test, for both databases.
trait TestPool {
    async fn execute(&self, sql: &'static str);
    async fn insert(&self, event_id: &str, message: &str, at: &str);
}

macro_rules! test_pool {
    ($pool:ty, $insert:literal) => {
        impl TestPool for $pool {
            async fn execute(&self, sql: &'static str) {
                sqlx::raw_sql(sql).execute(self).await.unwrap();
            }

            async fn insert(&self, event_id: &str, message: &str, at: &str) {
                let insert = sqlx::query($insert).bind(event_id).bind(message).bind(at);
                insert.execute(self).await.unwrap();
            }
        }
    };
}

test_pool!(
    SqlitePool,
    "insert into domain_events_outbox values ($1, $2, $3)"
);
test_pool!(
    PgPool,
    "insert into domain_events_outbox values ($1, $2, $3::timestamptz)"
);

async fn pages_reach_every_row_once(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pool.execute("delete from domain_events_outbox").await;
    let expected: BTreeSet<String> = (0..25).map(|n| format!("event-{n}")).collect();
    for id in &expected {
        pool.insert(id, "{}", "2026-01-01 00:00:00").await;
    }
    let mut found = BTreeSet::new();
    let mut request = PageRequest::first(10, ALL);
    loop {
        let page = outbox.page(request.clone()).await.unwrap();
        assert!(page.rows.len() <= 10);
        for row in page.rows {
            assert!(found.insert(row.event_id), "a row was read twice");
        }
        match page.next {
            Some(cursor) => request = request.after(cursor),
            None => break,
        }
    }
    assert_eq!(found, expected);
}

async fn page_ends_at_its_bytes(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pool.execute("delete from domain_events_outbox").await;
    // The limit counts bytes, not characters.
    let message = "ü".repeat(50);
    for id in ["a", "b", "c", "d"] {
        pool.insert(id, &message, "2026-01-01 00:00:00").await;
    }
    for (bytes, expected) in [(1, 1), (100, 1), (101, 2), (250, 3), (ALL, 4)] {
        let page = outbox.page(PageRequest::first(10, bytes)).await.unwrap();
        assert_eq!(page.rows.len(), expected, "{bytes} bytes");
    }
}

async fn young_rows_are_left_out(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pool.execute("delete from domain_events_outbox").await;
    pool.execute("insert into domain_events_outbox (event_id, message) values ('new', '{}')")
        .await;
    pool.insert("old", "{}", "2026-01-01 00:00:00").await;
    pool.insert("future", "{}", "2190-01-01 00:00:00").await;
    let all = outbox.page(PageRequest::first(10, ALL)).await.unwrap();
    assert_eq!(ids(&all), ["future", "new", "old"]);
    let request = PageRequest::first(10, ALL).min_age(Duration::from_secs(3_600));
    let page = outbox.page(request).await.unwrap();
    // A row must be found even if the clock of its writer was wrong.
    assert_eq!(ids(&page), ["future", "old"]);
}

async fn backlog_has_the_oldest_row(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pool.execute("delete from domain_events_outbox").await;
    let empty = outbox.backlog().await.unwrap();
    assert_eq!((empty.rows, empty.oldest), (0, None));
    pool.insert("future", "{}", "2190-01-01 00:00:00").await;
    let backlog = outbox.backlog().await.unwrap();
    assert_eq!((backlog.rows, backlog.oldest), (1, Some(Duration::ZERO)));
    pool.insert("old", "{}", "2026-01-01 00:00:00").await;
    let backlog = outbox.backlog().await.unwrap();
    assert_eq!(backlog.rows, 2);
    assert!(backlog.oldest.unwrap() > Duration::from_secs(86_400));
}

async fn deleted_rows_may_be_gone(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pool.execute("delete from domain_events_outbox").await;
    let quoted = r#"it's "quoted" \ ü"#;
    for id in ["a", quoted, "c"] {
        pool.insert(id, "{}", "2026-01-01 00:00:00").await;
    }
    let deleted = ["a", quoted, "gone"].map(str::to_owned).to_vec();
    outbox.delete(deleted).await.unwrap();
    outbox.delete(Vec::new()).await.unwrap();
    let left = outbox.page(PageRequest::first(10, ALL)).await.unwrap();
    assert_eq!(ids(&left), ["c"]);
}

async fn contract(pool: &impl TestPool, outbox: &impl OutboxRows) {
    pages_reach_every_row_once(pool, outbox).await;
    page_ends_at_its_bytes(pool, outbox).await;
    young_rows_are_left_out(pool, outbox).await;
    backlog_has_the_oldest_row(pool, outbox).await;
    deleted_rows_may_be_gone(pool, outbox).await;
}

/// This is a macro, because `put` takes a connection whose type depends on the database.
macro_rules! row_exists_only_after_the_commit {
    ($pool:ident, $outbox:ident) => {
        let sdk = sdk().await;
        let event = sdk.prepare(&placed("order-1")).unwrap();
        let mut transaction = $pool.begin().await.unwrap();
        $outbox.put(&mut transaction, &event).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!($outbox.backlog().await.unwrap().rows, 0);

        let mut transaction = $pool.begin().await.unwrap();
        $outbox.put(&mut transaction, &event).await.unwrap();
        transaction.commit().await.unwrap();
        let page = $outbox.page(PageRequest::first(10, ALL)).await.unwrap();
        assert_eq!(ids(&page), [event.event_id().as_str()]);
        assert_eq!(page.rows[0].message, event.body());

        let mut connection = $pool.acquire().await.unwrap();
        let twice = $outbox.put(&mut connection, &event).await.unwrap_err();
        assert!(twice.as_database_error().unwrap().is_unique_violation());
    };
}

#[tokio::test]
async fn sqlite_rows_keep_the_contract() {
    let database = TestDatabase::new().await;
    contract(&database.pool, &database.outbox).await;
}

#[tokio::test]
async fn row_with_unreadable_time_is_sent() {
    let database = TestDatabase::new().await;
    database.pool.insert("a", "{}", "yesterday").await;
    let request = PageRequest::first(10, ALL).min_age(Duration::from_secs(2));
    let page = database.outbox.page(request).await.unwrap();
    assert_eq!(ids(&page), ["a"]);
}

#[tokio::test]
#[ignore = "needs Postgres: .ci/postgres"]
async fn postgres_rows_keep_the_contract() {
    let server = PostgresServer::start();
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let outbox = PostgresOutbox::new(pool.clone());
    // Several services may start, and migrate, at the same time.
    let migrations = (0..8).map(|_| outbox.migrate());
    for migrated in futures::future::join_all(migrations).await {
        migrated.unwrap();
    }
    contract(&pool, &outbox).await;
}

#[tokio::test]
async fn sqlite_row_exists_only_after_the_commit() {
    let database = TestDatabase::new().await;
    let (pool, outbox) = (&database.pool, &database.outbox);
    row_exists_only_after_the_commit!(pool, outbox);
}

#[tokio::test]
#[ignore = "needs Postgres: .ci/postgres"]
async fn postgres_row_exists_only_after_commit() {
    let server = PostgresServer::start();
    let pool = &PgPool::connect(&server.url()).await.unwrap();
    let outbox = &PostgresOutbox::new(pool.clone());
    outbox.migrate().await.unwrap();
    row_exists_only_after_the_commit!(pool, outbox);
}

/// Reads and deletes all rows, page by page. Returns the number of rows.
async fn drain(outbox: &impl OutboxRows) -> i64 {
    let mut drained = 0;
    let mut next = Some(PageRequest::first(1_000, ALL));
    while let Some(request) = next {
        let page = outbox.page(request.clone()).await.unwrap();
        drained += page.rows.len() as i64;
        let ids = page.rows.into_iter().map(|row| row.event_id);
        outbox.delete(ids.collect()).await.unwrap();
        next = page.next.map(|cursor| request.after(cursor));
    }
    drained
}

/// Returns how many rows and index entries the database has read for the statements of all
/// closed connections, once it has counted `deleted` deletions.
async fn entries_read(pool: &PgPool, deleted: i64) -> i64 {
    let counters = "select n_tup_del, cast(seq_tup_read + \
           (select sum(idx_tup_read) from pg_stat_user_indexes where relid = rows.relid) as bigint) \
         from pg_stat_user_tables as rows where relname = 'domain_events_outbox'";
    loop {
        let counted: (i64, i64) = sqlx::query_as(counters).fetch_one(pool).await.unwrap();
        if counted.0 >= deleted {
            return counted.1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs Postgres: .ci/postgres"]
async fn postgres_rows_are_read_once_by_a_drain() {
    let server = PostgresServer::start();
    // The cached plans belong to the connection, so all statements use the same connection.
    let one = PgPoolOptions::new().max_connections(1);
    let pool = one.connect(&server.url()).await.unwrap();
    let outbox = PostgresOutbox::new(pool.clone());
    outbox.migrate().await.unwrap();
    // A relay has run for a while on a table that was almost empty.
    pool.insert("event", "{}", "2026-01-01 00:00:00").await;
    pool.execute("vacuum analyze domain_events_outbox").await;
    for _ in 0..10 {
        outbox.page(PageRequest::first(1_000, ALL)).await.unwrap();
        outbox.delete(vec!["gone".to_owned()]).await.unwrap();
    }
    // An outage has left a backlog.
    pool.execute(
        "insert into domain_events_outbox (event_id, message) \
         select 'event-' || number, '{}' from generate_series(1, 20000) as number",
    )
    .await;
    let drained = drain(&outbox).await;
    assert_eq!(drained, 20_001);
    pool.close().await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let read = entries_read(&pool, drained).await;
    // A page reads a row once, and a deletion once.
    assert!(read <= 3 * drained, "{read} entries for {drained} rows");
}
