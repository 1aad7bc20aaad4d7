//! The service that the tests share: a stack, a publisher, and an outbox in SQLite.

use std::path::PathBuf;
use std::time::Duration;

use domain_events::{DomainEvent, Emitter, Prepared, Sdk};
use domain_events_local::{Options, Stack};
use domain_events_outbox::sqlx::SqlitePool;
use domain_events_outbox::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use domain_events_outbox::{OutboxRows as _, Relay, RelayBuilder, SqliteOutbox};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
pub(crate) struct OrderPlaced {
    #[event(id)]
    pub(crate) order: String,
    pub(crate) text: String,
}

pub(crate) fn placed(order: &str) -> OrderPlaced {
    OrderPlaced {
        order: order.to_owned(),
        text: "\"1.10\" ü €".to_owned(),
    }
}

/// A service with an outbox.
pub(crate) struct Service {
    pub(crate) stack: Stack,
    pub(crate) sdk: Sdk,
    pub(crate) database: TestDatabase,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let stack = Stack::start(options).await.unwrap();
        let sdk = publisher(&stack).build().await.unwrap();
        let database = TestDatabase::new().await;
        Self {
            stack,
            sdk,
            database,
        }
    }

    pub(crate) fn relay(&self) -> Relay {
        self.relay_builder().build()
    }

    /// Returns the builder of a relay that does not wait for the fast path.
    pub(crate) fn relay_builder(&self) -> RelayBuilder {
        Relay::builder(self.sdk.clone(), self.outbox())
            .grace(Duration::ZERO)
            .sweep_interval(Duration::from_millis(20))
            .measure_interval(Duration::from_millis(20))
    }

    pub(crate) fn outbox(&self) -> SqliteOutbox {
        self.database.outbox.clone()
    }

    /// Commits an event.
    pub(crate) async fn commit(&self, order: &str) -> Prepared {
        let event = self.sdk.prepare(&placed(order)).unwrap();
        let mut transaction = self.database.pool.begin().await.unwrap();
        self.outbox().put(&mut transaction, &event).await.unwrap();
        transaction.commit().await.unwrap();
        event
    }

    /// Commits the events of `count` orders in one transaction.
    pub(crate) async fn commit_many(&self, count: usize) {
        let mut transaction = self.database.pool.begin().await.unwrap();
        for order in 0..count {
            let event = self.sdk.prepare(&placed(&order.to_string())).unwrap();
            self.outbox().put(&mut transaction, &event).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// Inserts a row with any content.
    pub(crate) async fn insert(&self, event_id: &str, message: &str) {
        domain_events_outbox::sqlx::query(
            "insert into domain_events_outbox (event_id, message) values ($1, $2)",
        )
        .bind(event_id)
        .bind(message)
        .execute(&self.database.pool)
        .await
        .unwrap();
    }

    pub(crate) async fn rows(&self) -> u64 {
        self.outbox().backlog().await.unwrap().rows
    }

    pub(crate) async fn no_rows_left(&self) {
        while self.rows().await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the orders of the stored events, in the order of their timestamps.
    pub(crate) async fn stored(&self) -> Vec<String> {
        self.stack.wait_until_drained().await;
        let events = self.stack.events().await.unwrap();
        let order = |event: &domain_events::StoredEvent| event.entity_id().to_string();
        events.iter().map(order).collect()
    }
}

pub(crate) fn publisher(stack: &Stack) -> domain_events::SdkBuilder {
    Sdk::builder(stack.queue_url(), Emitter::system("shop").unwrap())
        .sqs_client(stack.sqs_client())
        .max_attempts(1)
}

/// A SQLite database in a separate folder.
pub(crate) struct TestDatabase {
    folder: PathBuf,
    pub(crate) pool: SqlitePool,
    pub(crate) outbox: SqliteOutbox,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("outbox-it-{}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.join("orders.db"))
            .create_if_missing(true);
        let pool = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap();
        let outbox = SqliteOutbox::new(pool.clone());
        outbox.migrate().await.unwrap();
        Self {
            folder,
            pool,
            outbox,
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
