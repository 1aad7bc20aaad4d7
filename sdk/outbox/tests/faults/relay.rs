//! The relays of the harness. They run in separate processes and in the services.

use std::time::Duration;

use domain_events::{Emitter, Sdk};
use domain_events_outbox::{AnyOutbox, Backlog, OutboxRows, Page, PageRequest, Relay, RowsError};
use tokio::io::AsyncReadExt as _;

use crate::Mistake;
use crate::database::Database;
use crate::processes::Death;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    database: String,
    #[arg(long)]
    mistake: Option<Mistake>,
    #[command(flatten)]
    death: Death,
}

/// A relay process: it ends when its standard input ends.
pub(crate) async fn run(options: Options) {
    let sdk = sdk().await;
    let outbox = Database::open(&options.database).await.outbox();
    let relay = relay(&sdk, outbox, options.mistake, Some(options.death));
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

/// A relay with shorter times than the defaults, so that a short run has many sweeps.
pub(crate) fn relay(
    sdk: &Sdk,
    rows: AnyOutbox,
    mistake: Option<Mistake>,
    death: Option<Death>,
) -> Relay {
    let outbox = FaultyOutbox {
        rows,
        deletes_first: matches!(mistake, Some(Mistake::DeleteBeforeSend)),
        death,
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

/// The steps of a sweep. A relay process dies after one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SweepStep {
    PageRead,
    MessagesSent,
    RowsDeleted,
}

impl SweepStep {
    pub(crate) const COUNT: usize = 3;
}

/// The outbox of a relay that may die, or that makes the mistake `delete-before-send`.
struct FaultyOutbox {
    rows: AnyOutbox,
    deletes_first: bool,
    death: Option<Death>,
}

impl FaultyOutbox {
    fn reached(&self, step: SweepStep) {
        if let Some(death) = &self.death {
            death.reached(step as usize);
        }
    }
}

impl OutboxRows for FaultyOutbox {
    fn name(&self) -> &str {
        self.rows.name()
    }

    async fn page(&self, request: PageRequest) -> Result<Page, RowsError> {
        let page = self.rows.page(request).await?;
        if !page.rows.is_empty() {
            if self.deletes_first {
                let ids = page.rows.iter().map(|row| row.event_id.clone()).collect();
                self.rows.delete(ids).await?;
            }
            self.reached(SweepStep::PageRead);
        }
        Ok(page)
    }

    async fn delete(&self, event_ids: Vec<String>) -> Result<(), RowsError> {
        self.reached(SweepStep::MessagesSent);
        self.rows.delete(event_ids).await?;
        self.reached(SweepStep::RowsDeleted);
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, RowsError> {
        self.rows.backlog().await
    }
}
