//! The relays of the harness. They run in separate processes and in the services.

use std::time::Duration;

use domain_events::{Emitter, Sdk};
use domain_events_outbox::{AnyOutbox, Backlog, OutboxRows, Page, PageRequest, Relay, RowsError};
use tokio::io::AsyncReadExt as _;

use crate::Mistake;
use crate::database::Database;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    database: String,
    #[arg(long)]
    mistake: Option<Mistake>,
}

/// A relay process: it ends when its standard input ends.
pub(crate) async fn run(options: Options) {
    let sdk = sdk().await;
    let outbox = Database::open(&options.database).await.outbox();
    let relay = relay(&sdk, outbox, options.mistake);
    let report = relay.run(end_of_input()).await;
    println!("{report:?}");
    let _ = sdk.shutdown(Duration::from_secs(5)).await;
}

pub(crate) async fn sdk() -> Sdk {
    let queue = std::env::var("EVENT_QUEUE_URL").unwrap();
    Sdk::builder(queue, Emitter::system("shop").unwrap())
        // The publisher makes few attempts, because the relay also retries after a delay.
        .max_attempts(2)
        .build()
        .await
        .unwrap()
}

/// Creates a relay with shorter intervals than the defaults, so that a short run has many
/// sweeps.
pub(crate) fn relay(sdk: &Sdk, outbox: AnyOutbox, mistake: Option<Mistake>) -> Relay {
    let outbox = match mistake {
        Some(Mistake::DeleteBeforeSend) => AnyOutbox::new(DeletesFirst(outbox)),
        _ => outbox,
    };
    Relay::builder(sdk.clone(), outbox)
        .sweep_interval(Duration::from_millis(100))
        .grace(Duration::from_millis(300))
        .measure_interval(Duration::from_secs(1))
        .stop_timeout(Duration::from_secs(10))
        .build()
}

/// Waits for the end of standard input, which the harness closes to stop a process.
pub(crate) async fn end_of_input() {
    let mut rest = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
}

/// Rows with the deliberate mistake `delete-before-send`.
struct DeletesFirst(AnyOutbox);

impl OutboxRows for DeletesFirst {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        let page = self.0.page(request).await?;
        let ids = page.rows.iter().map(|row| row.event_id.clone()).collect();
        self.0.delete(ids).await?;
        Ok(page)
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        self.0.delete(event_ids).await
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        self.0.backlog().await
    }
}
