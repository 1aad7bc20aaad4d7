//! One run: starts a stack, a database and processes, injects faults, and checks the result.

use std::path::Path;
use std::time::Duration;

use domain_events::{Emitter, Sdk};
use domain_events_local::{Options as StackOptions, Outage, Stack};
use domain_events_outbox::{OutboxRows as _, Relay};
use fastrand::Rng;
use tokio::time::Instant;

use crate::check::{Violation, check};
use crate::database::{Database, Step};
use crate::postgres::PostgresServer;
use crate::processes::{Arguments, Slot};
use crate::{Backend, Options};

const SERVICES: usize = 3;
const RELAYS: usize = 2;
const ORDERS: usize = 40;

pub(crate) async fn run(backend: Backend, options: &Options) -> Vec<Violation> {
    let started = Instant::now();
    let folder = std::env::temp_dir().join(format!("outbox-faults-{}", fastrand::u64(..)));
    std::fs::create_dir(&folder).unwrap();
    let stack = Stack::start(StackOptions::default()).await.unwrap();
    let server = (backend == Backend::Postgres).then(PostgresServer::start);
    let place = match (backend, &server) {
        (_, Some(server)) => server.url(),
        (Backend::Dynamodb, _) => "dynamodb".to_owned(),
        _ => format!("sqlite:{}", folder.join("orders.db").display()),
    };
    let database = match backend {
        Backend::Dynamodb => Database::DynamoDb(stack.dynamodb_client()),
        _ => Database::open(&place).await,
    };
    database.create(ORDERS).await;

    let mut run = Run {
        slots: start(&stack, &folder, &place, options),
        random: Rng::with_seed(options.seed),
        outages: 0,
    };
    run.inject_faults(&stack, &database, options.transactions)
        .await;
    let mut violations = run.stop(&stack, &database).await;

    let changes = database.changes().await;
    let events = stack.events().await.unwrap();
    let stored = events.len();
    violations.extend(check(&changes, events));
    run.print(
        backend,
        options,
        started,
        changes.len(),
        stored,
        &violations,
    );
    stack.stop().await;
    if violations.is_empty() {
        std::fs::remove_dir_all(&folder).unwrap();
    } else {
        println!("the output of the processes is in {}", folder.display());
    }
    let mut kinds: Vec<Violation> = violations.into_iter().map(|(kind, _)| kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

struct Run {
    /// The services, followed by the relays.
    slots: Vec<Slot>,
    random: Rng,
    outages: u64,
}

/// Starts the processes.
fn start(stack: &Stack, folder: &Path, place: &str, options: &Options) -> Vec<Slot> {
    let slot = |role: &'static str, number: usize| {
        let mut shared = vec![role.to_owned(), format!("--database={place}")];
        if let Some(mistake) = options.mistake {
            let mistake = clap::ValueEnum::to_possible_value(&mistake).unwrap();
            shared.push(format!("--mistake={}", mistake.get_name()));
        }
        let seed = options.seed.wrapping_mul(1_000_003) % 1_000_000_007 + number as u64;
        let arguments: Arguments = Box::new(move |incarnation| {
            let mut arguments = shared.clone();
            if role == "service" {
                let seed = seed * 10_000 + u64::from(incarnation);
                let mut random = Rng::with_seed(seed);
                arguments.extend([
                    format!("--seed={seed}"),
                    format!("--orders={ORDERS}"),
                    format!("--die-after-step={}", random.usize(..Step::ALL.len())),
                    format!("--die-after={}", random.u64(1..1_500)),
                ]);
            }
            arguments
        });
        let log = folder.join(format!("{role}-{number}"));
        Slot::start(log, stack.environment(), arguments)
    };
    let services = (0..SERVICES).map(|number| slot("service", number));
    let relays = (0..RELAYS).map(|number| slot("relay", number));
    services.chain(relays).collect()
}

impl Run {
    /// Kills processes and makes SQS unavailable, until enough transactions are committed.
    async fn inject_faults(&mut self, stack: &Stack, database: &Database, transactions: u64) {
        let mut outage: Option<Outage> = None;
        let mut next_kill = Instant::now();
        let mut next_outage = Instant::now() + Duration::from_secs(1);
        while database.committed().await < transactions {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.slots.iter_mut().for_each(Slot::restart_if_ended);
            let now = Instant::now();
            if now >= next_kill {
                let victim = self.random.usize(..self.slots.len());
                self.slots[victim].kill().await;
                next_kill = now + Duration::from_millis(self.random.u64(100..800));
            }
            if now >= next_outage {
                let millis = match outage.take() {
                    Some(_) => self.random.u64(500..3_000),
                    None => {
                        outage = Some(stack.outage());
                        self.outages += 1;
                        self.random.u64(200..2_000)
                    }
                };
                next_outage = now + Duration::from_millis(millis);
            }
        }
    }

    /// Stops all processes, and sends the remaining rows with another relay.
    async fn stop(&mut self, stack: &Stack, database: &Database) -> Vec<(Violation, String)> {
        for slot in &mut self.slots {
            slot.stop().await;
        }
        let failures = self
            .slots
            .iter_mut()
            .flat_map(|slot| slot.failures.drain(..));
        let mut violations: Vec<_> = failures.map(|text| (Violation::Broken, text)).collect();
        let sdk = Sdk::builder(stack.queue_url(), Emitter::system("last-relay").unwrap())
            .sqs_client(stack.sqs_client())
            .build()
            .await
            .unwrap();
        let report = Relay::builder(sdk, database.outbox()).build().sweep().await;
        let left = database.outbox().backlog().await.unwrap().rows;
        if left > 0 || report.failure.is_some() {
            violations.push((
                Violation::Broken,
                format!("{left} rows are left: {report:?}"),
            ));
        }
        stack.wait_until_drained().await;
        if stack.dead_letters() > 0 {
            violations.push((Violation::Broken, "messages were rejected".to_owned()));
        }
        violations
    }

    fn print(
        &self,
        backend: Backend,
        options: &Options,
        started: Instant,
        changes: usize,
        stored: usize,
        violations: &[(Violation, String)],
    ) {
        let killed = |slots: &[Slot]| slots.iter().map(|slot| slot.killed).sum::<u64>();
        let (services, relays) = self.slots.split_at(SERVICES);
        println!(
            "{backend:?}, seed {}: {changes} committed transactions, {stored} events in the \
             table, {} services killed, {} relays killed, {} outages of SQS, {:.1} minutes, {} \
             violations",
            options.seed,
            killed(services),
            killed(relays),
            self.outages,
            started.elapsed().as_secs_f64() / 60.0,
            violations.len()
        );
        for (violation, example) in violations.iter().take(10) {
            println!("  {violation:?}: {example}");
        }
    }
}
