//! An enum of events, folded into a state. `cargo run --bin fold`
//!
//! A fold is for display and reports. A decision that must be made only once needs more:
//! see `docs/decisions.md`.

#![forbid(unsafe_code)]

use std::error::Error;

use domain_events::{Decoded, DomainEvent, Emitter, Sdk};
use domain_events_local::{Options, Stack};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(prefix = "ACCOUNT")] // ACCOUNT_OPENED, ACCOUNT_DEPOSITED, ACCOUNT_WITHDRAWN
enum AccountEvent {
    Opened {
        #[event(id)]
        account: String,
        owner: String,
    },
    Deposited {
        #[event(id)]
        account: String,
        cents: i64,
    },
    Withdrawn {
        #[event(id)]
        account: String,
        cents: i64,
    },
}

#[derive(Debug, Default)]
struct Account {
    owner: Option<String>,
    cents: i64,
    unknown: u32,
}

impl Account {
    fn apply(mut self, event: Decoded<AccountEvent>) -> Self {
        match event.known() {
            Some(AccountEvent::Opened { owner, .. }) => self.owner = Some(owner),
            Some(AccountEvent::Deposited { cents, .. }) => self.cents += cents,
            Some(AccountEvent::Withdrawn { cents, .. }) => self.cents -= cents,
            // A later version of the service may emit a type that this program does not know.
            None => self.unknown += 1,
        }
        self
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = Stack::start(Options::default()).await?;
    let sdk = Sdk::builder(stack.queue_url(), Emitter::system("bank")?);
    let sdk = sdk.sqs_client(stack.sqs_client()).build().await?;

    let account = || "account-7".to_owned();
    sdk.emit(AccountEvent::Opened {
        account: account(),
        owner: "Ada".to_owned(),
    })
    .await?;
    sdk.emit(AccountEvent::Deposited {
        account: account(),
        cents: 10_000,
    })
    .await?;
    sdk.emit(AccountEvent::Withdrawn {
        account: account(),
        cents: 2_550,
    })
    .await?;
    stack.wait_until_drained().await;

    let history = stack.store().history(account());
    let state = history.fold(Account::default(), Account::apply).await?;
    println!(
        "{}: owner {}, balance {}.{:02}, events of unknown types {}",
        account(),
        state.owner.as_deref().unwrap_or("unknown"),
        state.cents / 100,
        state.cents % 100,
        state.unknown,
    );
    stack.stop().await;
    Ok(())
}
