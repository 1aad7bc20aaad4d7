//! A service process: it changes orders as fast as it can, until it is killed or stopped.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio_util::sync::CancellationToken;

use crate::Mistake;
use crate::database::{Database, Step, WhenToPut, order_id};
use crate::processes::Death;
use crate::relay::{end_of_input, relay, sdk};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    database: String,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    orders: usize,
    #[command(flatten)]
    death: Death,
    #[arg(long)]
    mistake: Option<Mistake>,
}

/// The number of transactions that run at the same time.
const TASKS: u64 = 4;

pub(crate) async fn run(options: Options) {
    let sdk = sdk().await;
    let database = Database::open(&options.database).await;
    let relay = relay(&sdk, database.outbox(), options.mistake, None);
    let fast_path = relay.fast_path();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    let put = match options.mistake {
        Some(Mistake::PutAfterCommit) => WhenToPut::AfterTheCommit,
        _ => WhenToPut::InTheTransaction,
    };
    let death = Arc::new(options.death);
    let mut tasks = tokio::task::JoinSet::new();
    let requests = CancellationToken::new();
    for task in 0..TASKS {
        let (sdk, database, fast_path) = (sdk.clone(), database.clone(), fast_path.clone());
        let (death, requests) = (death.clone(), requests.clone());
        let mut random = Rng::with_seed(options.seed * TASKS + task);
        tasks.spawn(async move {
            let reached = |step| death.reached(step as usize);
            while !requests.is_cancelled() {
                let order = order_id(random.usize(..options.orders));
                match database.change(&sdk, &order, put, &reached).await {
                    Ok(event) => {
                        fast_path.committed(event);
                        reached(Step::HandedOver);
                    }
                    // The transaction had a conflict, or the database is busy.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
    }
    end_of_input().await;
    // A service first ends its requests, then the relay, and then the publisher.
    requests.cancel();
    while tasks.join_next().await.is_some() {}
    stop.cancel();
    println!("{:?}", relay.await.unwrap());
    let _ = sdk.shutdown(Duration::from_secs(5)).await;
}
