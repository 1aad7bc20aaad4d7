//! A service that changes orders. It writes the state and the event in one transaction, on each
//! supported database.

use std::collections::HashMap;
use std::error::Error;
use std::str::FromStr as _;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, TransactWriteItem, Update,
};
use domain_events::{DomainEvent, Prepared, Sdk};
use domain_events_local::create_outbox_table;
use domain_events_outbox::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use domain_events_outbox::sqlx::{self, PgPool, SqlitePool};
use domain_events_outbox::{
    AnyOutbox, DynamoDbOutbox, OutboxPut as _, PostgresOutbox, SqliteOutbox,
};
use serde::{Deserialize, Serialize};

const ORDERS: &str = "orders";
const CHANGES: &str = "changes";
const OUTBOX: &str = "outbox";

/// The event of every transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
pub(crate) struct OrderChanged {
    #[event(id)]
    pub(crate) order: String,
    /// The version of the order after the change.
    pub(crate) version: i64,
}

/// The steps of a transaction. A service can be killed after each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begun,
    Locked,
    Prepared,
    StateWritten,
    MessageWritten,
    Committed,
    HandedOver,
}

impl Step {
    pub(crate) const ALL: [Self; 7] = [
        Self::Begun,
        Self::Locked,
        Self::Prepared,
        Self::StateWritten,
        Self::MessageWritten,
        Self::Committed,
        Self::HandedOver,
    ];
}

/// When the service writes the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenToPut {
    InTheTransaction,
    /// A deliberate mistake.
    AfterTheCommit,
}

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The database of the service.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool, SqliteOutbox),
    Postgres(PgPool, PostgresOutbox),
    DynamoDb(aws_sdk_dynamodb::Client),
}

/// This is a macro, because both SQL databases need the same steps with different types.
macro_rules! transaction {
    ($begin:expr, $pool:expr, $outbox:expr, $sdk:expr, $order:expr, $put:expr, $reached:expr) => {{
        let mut transaction = $begin.await?;
        $reached(Step::Begun);
        // This statement locks the order.
        let (version,): (i64,) = sqlx::query_as(
            "update orders set version = version + 1 where id = $1 returning version",
        )
        .bind($order)
        .fetch_one(&mut *transaction)
        .await?;
        $reached(Step::Locked);
        let event = $sdk.prepare(&OrderChanged {
            order: $order.to_owned(),
            version,
        })?;
        $reached(Step::Prepared);
        sqlx::query("insert into changes (event_id, order_id, version) values ($1, $2, $3)")
            .bind(event.event_id().as_str())
            .bind($order)
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        $reached(Step::StateWritten);
        if $put == WhenToPut::InTheTransaction {
            $outbox.put(&mut transaction, &event).await?;
            $reached(Step::MessageWritten);
            transaction.commit().await?;
            $reached(Step::Committed);
        } else {
            transaction.commit().await?;
            $reached(Step::Committed);
            $outbox.put(&mut *$pool.acquire().await?, &event).await?;
            $reached(Step::MessageWritten);
        }
        Ok(event)
    }};
}

impl Database {
    /// Opens `sqlite:FILE` or `postgres://…`. With any other `place`, it opens the DynamoDB
    /// endpoint of the environment.
    pub(crate) async fn open(place: &str) -> Self {
        if let Some(file) = place.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::from_str(file)
                .unwrap()
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_secs(20));
            let pool = SqlitePoolOptions::new()
                .connect_with(options)
                .await
                .unwrap();
            Self::Sqlite(pool.clone(), SqliteOutbox::new(pool))
        } else if place.starts_with("postgres") {
            let pool = PgPool::connect(place).await.unwrap();
            Self::Postgres(pool.clone(), PostgresOutbox::new(pool))
        } else {
            let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
            Self::DynamoDb(aws_sdk_dynamodb::Client::new(&config))
        }
    }

    /// Creates the tables, and inserts orders with the version 0.
    pub(crate) async fn create(&self, orders: usize) {
        let tables = "create table orders (id text primary key, version bigint not null);
            create table changes (event_id text primary key, order_id text, version bigint);";
        match self {
            Self::Sqlite(pool, outbox) => {
                outbox.migrate().await.unwrap();
                sqlx::raw_sql(tables).execute(pool).await.unwrap();
                for order in (0..orders).map(order_id) {
                    let insert = sqlx::query("insert into orders values ($1, 0)").bind(order);
                    insert.execute(pool).await.unwrap();
                }
            }
            Self::Postgres(pool, outbox) => {
                outbox.migrate().await.unwrap();
                sqlx::raw_sql(tables).execute(pool).await.unwrap();
                for order in (0..orders).map(order_id) {
                    let insert = sqlx::query("insert into orders values ($1, 0)").bind(order);
                    insert.execute(pool).await.unwrap();
                }
            }
            Self::DynamoDb(client) => {
                create_outbox_table(client, OUTBOX).await.unwrap();
                create_table(client, ORDERS).await;
                create_table(client, CHANGES).await;
                for order in (0..orders).map(order_id) {
                    let item = client
                        .put_item()
                        .table_name(ORDERS)
                        .item("Key", text(&order));
                    item.item("Version", number(0)).send().await.unwrap();
                }
            }
        }
    }

    pub(crate) fn outbox(&self) -> AnyOutbox {
        match self {
            Self::Sqlite(_, outbox) => AnyOutbox::new(outbox.clone()),
            Self::Postgres(_, outbox) => AnyOutbox::new(outbox.clone()),
            Self::DynamoDb(client) => AnyOutbox::new(DynamoDbOutbox::new(client.clone(), OUTBOX)),
        }
    }

    /// Changes an order and writes the event of the change, in one transaction. `reached` is
    /// called after each step.
    pub(crate) async fn change(
        &self,
        sdk: &Sdk,
        order: &str,
        put: WhenToPut,
        reached: &(dyn Fn(Step) + Sync),
    ) -> Result<Prepared, Failure> {
        match self {
            Self::Sqlite(pool, outbox) => {
                let begin = pool.begin_with("BEGIN IMMEDIATE");
                transaction!(begin, pool, outbox, sdk, order, put, reached)
            }
            Self::Postgres(pool, outbox) => {
                transaction!(pool.begin(), pool, outbox, sdk, order, put, reached)
            }
            Self::DynamoDb(client) => change_item(client, sdk, order, put, reached).await,
        }
    }

    /// Returns the committed changes, by the identity of their event.
    pub(crate) async fn changes(&self) -> HashMap<String, OrderChanged> {
        let select = "select event_id, order_id, version from changes";
        let rows: Vec<(String, String, i64)> = match self {
            Self::Sqlite(pool, _) => sqlx::query_as(select).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool, _) => sqlx::query_as(select).fetch_all(pool).await.unwrap(),
            Self::DynamoDb(client) => {
                let items = scan(client, CHANGES).await;
                let row = |item: Item| {
                    let order = item["Order"].as_s().unwrap().clone();
                    (
                        item["Key"].as_s().unwrap().clone(),
                        order,
                        version_of(&item),
                    )
                };
                items.into_iter().map(row).collect()
            }
        };
        rows.into_iter()
            .map(|(event_id, order, version)| (event_id, OrderChanged { order, version }))
            .collect()
    }

    /// Returns the number of committed changes. It is the sum of the versions, which is cheap to
    /// compute.
    pub(crate) async fn committed(&self) -> u64 {
        let select = "select cast(sum(version) as bigint) from orders";
        let sum: i64 = match self {
            Self::Sqlite(pool, _) => sqlx::query_scalar(select).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool, _) => sqlx::query_scalar(select).fetch_one(pool).await.unwrap(),
            Self::DynamoDb(client) => scan(client, ORDERS).await.iter().map(version_of).sum(),
        };
        sum.unsigned_abs()
    }
}

pub(crate) fn order_id(number: usize) -> String {
    format!("order-{number}")
}

type Item = HashMap<String, AttributeValue>;

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn version_of(item: &Item) -> i64 {
    item["Version"].as_n().unwrap().parse().unwrap()
}

/// Changes an order in DynamoDB. A condition on the version replaces the lock.
async fn change_item(
    client: &aws_sdk_dynamodb::Client,
    sdk: &Sdk,
    order: &str,
    put: WhenToPut,
    reached: &(dyn Fn(Step) + Sync),
) -> Result<Prepared, Failure> {
    reached(Step::Begun);
    let read = client.get_item().table_name(ORDERS).consistent_read(true);
    let found = read.key("Key", text(order)).send().await?;
    let read = version_of(found.item().ok_or("the order does not exist")?);
    let version = read + 1;
    reached(Step::Locked);
    let event = sdk.prepare(&OrderChanged {
        order: order.to_owned(),
        version,
    })?;
    reached(Step::Prepared);
    let update = Update::builder()
        .table_name(ORDERS)
        .key("Key", text(order))
        .update_expression("set Version = :new")
        .condition_expression("Version = :read")
        .expression_attribute_values(":new", number(version))
        .expression_attribute_values(":read", number(read))
        .build()?;
    let change = Put::builder()
        .table_name(CHANGES)
        .item("Key", text(event.event_id().as_str()))
        .item("Order", text(order))
        .item("Version", number(version))
        .build()?;
    let state = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().update(update).build())
        .transact_items(TransactWriteItem::builder().put(change).build());
    reached(Step::StateWritten);
    let message = event.outbox_put(OUTBOX);
    if put == WhenToPut::InTheTransaction {
        let transaction = state.transact_items(message);
        reached(Step::MessageWritten);
        transaction.send().await?;
        reached(Step::Committed);
    } else {
        state.send().await?;
        reached(Step::Committed);
        let second = client.transact_write_items().transact_items(message);
        second.send().await?;
        reached(Step::MessageWritten);
    }
    Ok(event)
}

async fn create_table(client: &aws_sdk_dynamodb::Client, name: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name("Key")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder()
        .attribute_name("Key")
        .key_type(KeyType::Hash);
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
}

async fn scan(client: &aws_sdk_dynamodb::Client, table: &str) -> Vec<Item> {
    let scan = client.scan().table_name(table).consistent_read(true);
    let items = scan.into_paginator().items().send();
    items.collect::<Result<_, _>>().await.unwrap()
}
