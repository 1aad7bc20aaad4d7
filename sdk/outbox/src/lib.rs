//! The transactional outbox for domain events: a service commits its state and the event
//! in one transaction, and a relay sends the committed events to SQS.
//!
//! Without an outbox, a process that ends between the commit and `emit` leaves a state change
//! without its event. With an outbox, either both exist or neither:
//!
//! 1. The service prepares the event ([`Sdk::prepare`](domain_events::Sdk::prepare)) and
//!    writes its message into the table of the outbox, in the transaction that changes the
//!    state: [`PostgresOutbox::put`], [`SqliteOutbox::put`].
//! 2. After the commit, the [`Relay`] sends the message and deletes the row. If the process
//!    ends first, another relay finds the row in its next sweep.
//!
//! The message contains the identity and the timestamp of the event. An event that is sent
//! twice is therefore stored once, so relays need no locks, and any number of relays may run.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use domain_events::DomainEvent;
//! use domain_events_outbox::{Relay, SqliteOutbox};
//! use serde::Serialize;
//! use sqlx::SqlitePool;
//!
//! #[derive(Serialize, DomainEvent)]
//! struct OrderPaid {
//!     #[event(id)]
//!     order_id: u64,
//! }
//!
//! # let folder = std::env::temp_dir().join(format!("outbox-page-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let url = format!("sqlite:{}/orders.db?mode=rwc", folder.display());
//! # let recorder = domain_events::testing::Recorder::new();
//! # let sdk = recorder.sdk(domain_events::Emitter::system("shop")?);
//! let pool = SqlitePool::connect(&url).await?;
//! let outbox = SqliteOutbox::new(pool.clone());
//! outbox.migrate().await?;
//!
//! let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
//! let event = sdk.prepare(&OrderPaid { order_id: 7 })?;
//! // … change the state of the order …
//! outbox.put(&mut transaction, &event).await?;
//! transaction.commit().await?;
//!
//! // Usually a task that runs as long as the service: `Relay::run`.
//! let report = Relay::builder(sdk, outbox).build().sweep().await;
//! assert_eq!(report.sent, 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # CALL `prepare` AFTER THE TRANSACTION HAS LOCKED THE ENTITY
//!
//! THE TIMESTAMP OF AN EVENT IS THE TIME OF `prepare`, AND A HISTORY IS ORDERED BY THESE
//! TIMESTAMPS. IF A TRANSACTION PREPARES ITS EVENT AND THEN WAITS FOR THE ROW LOCK, THE
//! TRANSACTION THAT HOLDS THE LOCK COMMITS FIRST WITH A LATER TIMESTAMP, AND THE HISTORY
//! SHOWS THE TWO CHANGES IN THE WRONG ORDER. Lock first (`select … for update`; on SQLite
//! `begin immediate`), then call `prepare`.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `postgres` | [`PostgresOutbox`], through sqlx |
//! | `postgres-tls` | `postgres`, with TLS: sqlx's `tls-rustls-aws-lc-rs` |
//! | `sqlite` | [`SqliteOutbox`], through sqlx |
//! | `dynamodb` | [`DynamoDbOutbox`] and [`OutboxPut`] |
//! | `cloudwatch` | [`cloudwatch::metric_line`], the metric as a log line |
//! | `metrics` | the gauges and the counter of the [`Relay`], through the `metrics` facade |
//!
//! To use another database or library, implement [`OutboxRows`] in about fifty lines.

#![forbid(unsafe_code)]

mod any;
#[cfg(feature = "cloudwatch")]
pub mod cloudwatch;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "postgres")]
mod postgres;
mod relay;
mod rows;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

/// The program in `docs/outbox.md`, compiled as it is printed there.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../../../docs/outbox.md")]
mod guide {}

pub use any::AnyOutbox;
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDbOutbox, OutboxPut};
#[cfg(feature = "postgres")]
pub use postgres::PostgresOutbox;
pub use relay::{Delivery, DeliveryError, FastPath, Relay, RelayBuilder, RelayReport, RelayStatus};
pub use rows::{Backlog, Cursor, OutboxRows, Page, PageRequest, Row, RowsError};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteOutbox;
/// The version of sqlx that the SQL outboxes use.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[doc(no_inline)]
pub use sqlx;
