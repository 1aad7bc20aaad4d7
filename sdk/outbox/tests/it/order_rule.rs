//! Tests of the order rule: call `prepare` after the transaction has locked the entity.

use domain_events::{Prepared, Sdk};
use domain_events_outbox::sqlx::{self, PgPool, Postgres, Transaction};
use domain_events_outbox::{PostgresOutbox, Relay};

use crate::postgres::PostgresServer;
use crate::service::{OrderPlaced, publisher};

/// A transaction of a service that uses Postgres.
struct Change<'a> {
    sdk: &'a Sdk,
    outbox: &'a PostgresOutbox,
    transaction: Transaction<'static, Postgres>,
}

impl Change<'_> {
    fn prepare(&self, text: &str) -> Prepared {
        let event = OrderPlaced {
            order: "order-1".to_owned(),
            text: text.to_owned(),
        };
        self.sdk.prepare(&event).unwrap()
    }

    async fn lock(&mut self) {
        sqlx::query("select id from orders where id = 'order-1' for update")
            .fetch_one(&mut *self.transaction)
            .await
            .unwrap();
    }

    async fn commit(mut self, event: &Prepared) {
        let text = event.body().to_owned();
        sqlx::query("insert into commits (event) values ($1)")
            .bind(text)
            .execute(&mut *self.transaction)
            .await
            .unwrap();
        self.outbox.put(&mut self.transaction, event).await.unwrap();
        self.transaction.commit().await.unwrap();
    }
}

/// Runs two transactions that change one order. The second waits for the lock of the first.
/// Returns the texts of the events in the order of the commits, and in the order of the
/// history.
async fn two_changes(second_prepares_first: bool) -> (Vec<String>, Vec<String>) {
    let server = PostgresServer::start();
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let outbox = PostgresOutbox::new(pool.clone());
    outbox.migrate().await.unwrap();
    let tables = "create table orders (id text primary key);
        insert into orders values ('order-1');
        create table commits (number bigserial primary key, event text)";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    let stack = domain_events_local::Stack::start(domain_events_local::Options::default());
    let stack = stack.await.unwrap();
    let sdk = publisher(&stack).build().await.unwrap();
    let begin = async || Change {
        sdk: &sdk,
        outbox: &outbox,
        transaction: pool.begin().await.unwrap(),
    };

    let (mut first, mut second) = (begin().await, begin().await);
    first.lock().await;
    let early = second_prepares_first.then(|| second.prepare("second"));
    let finish_second = async {
        second.lock().await; // waits until the first transaction has committed
        let event = early.unwrap_or_else(|| second.prepare("second"));
        second.commit(&event).await;
    };
    let finish_first = async {
        // Wait until the second transaction is waiting for the lock.
        let waiting = "select count(*) from pg_locks where not granted";
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&pool)
            .await
            .unwrap()
            == 0
        {
            tokio::task::yield_now().await;
        }
        let event = first.prepare("first");
        first.commit(&event).await;
    };
    tokio::join!(finish_second, finish_first);

    let report = Relay::builder(sdk, outbox).build().sweep().await;
    assert_eq!(report.sent, 2, "{report:?}");
    stack.wait_until_drained().await;
    let history = stack.events().await.unwrap();
    let history = history.iter().map(|event| {
        let event: OrderPlaced = event.decode().unwrap().unwrap();
        event.text
    });
    let commits = sqlx::query_scalar::<_, String>(
        "select event::json -> 'Data' ->> 'text' from commits order by number",
    );
    let commits = commits.fetch_all(&pool).await.unwrap();
    (commits, history.collect())
}

#[tokio::test]
#[ignore = "needs Postgres: .ci/postgres"]
async fn prepare_after_lock_keeps_commit_order() {
    let (commits, history) = two_changes(false).await;
    assert_eq!(commits, ["first", "second"]);
    assert_eq!(history, commits);
}

#[tokio::test]
#[ignore = "needs Postgres: .ci/postgres"]
async fn prepare_before_lock_reverses_history() {
    let (commits, history) = two_changes(true).await;
    assert_eq!(commits, ["first", "second"]);
    assert_eq!(
        history,
        ["second", "first"],
        "without the rule, the history is not in the order of the commits"
    );
}
