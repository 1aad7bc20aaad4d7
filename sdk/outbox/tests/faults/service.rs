//! A service process: it changes orders as fast as it can, until it is killed or stopped.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio_util::sync::CancellationToken;

use crate::Mistake;
use crate::database::{Database, Step, WhenToPut, order_id};
use crate::relay::{end_of_input, relay, sdk};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    database: String,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    orders: usize,
    /// The number of the step after which the process kills itself.
    #[arg(long)]
    die_after_step: usize,
    /// How often the process first passes that step.
    #[arg(long)]
    die_after: u64,
    #[arg(long)]
    mistake: Option<Mistake>,
}

/// The number of transactions that run at the same time.
const TASKS: u64 = 4;

pub(crate) async fn run(options: Options) {
    let sdk = sdk().await;
    let database = Database::open(&options.database).await;
    let relay = relay(&sdk, database.outbox(), options.mistake);
    let fast_path = relay.fast_path();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(relay.run(stop.clone().cancelled_owned()));
    let put = match options.mistake {
        Some(Mistake::PutAfterCommit) => WhenToPut::AfterTheCommit,
        _ => WhenToPut::InTheTransaction,
    };
    let deadly = Step::ALL[options.die_after_step];
    let left = Arc::new(AtomicU64::new(options.die_after));
    let mut tasks = tokio::task::JoinSet::new();
    let requests = CancellationToken::new();
    for task in 0..TASKS {
        let (sdk, database, fast_path) = (sdk.clone(), database.clone(), fast_path.clone());
        let (left, requests) = (left.clone(), requests.clone());
        let mut random = Rng::with_seed(options.seed * TASKS + task);
        tasks.spawn(async move {
            let reached = |step| {
                if step == deadly && left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    kill_this_process();
                }
            };
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

/// Sends SIGKILL to this process with the command `kill`, because the standard library cannot
/// send it.
fn kill_this_process() {
    let this = std::process::id().to_string();
    let _ = Command::new("kill").args(["-KILL", &this]).status();
    loop {
        std::thread::park();
    }
}
