//! One run: first with faults, then without them, then the check of the result.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain_events_consumer::hosts::worker::Worker;
use domain_events_consumer::{DeadLetterQueue, Handler};
use domain_events_local::create_table;
use domain_events_local::sqs::{Queues, queue_arn};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::endpoints::Endpoints;
use crate::model::{self, DeadLetter, Findings, Violation};
use crate::network::Network;
use crate::plan::{Allowed, Plan, Profile, Shared, random};
use crate::process::Process;
use crate::producers::{self, Style};
use crate::table::Watch;
use crate::trace::Trace;
use crate::virtual_time;
use crate::world::{TABLE, World};

/// The settings that determine a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) events: u64,
    pub(crate) kills: bool,
    pub(crate) allowed: Allowed,
}

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) findings: Findings,
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) stored: usize,
    pub(crate) ties: usize,
    /// The number of injected faults and killed processes.
    pub(crate) faults: u64,
    pub(crate) kills: u64,
    /// The duration of the run in virtual time.
    pub(crate) took: Duration,
    pub(crate) lines: Vec<String>,
}

const PROFILE: Profile = Profile {
    between_stops: 5_000..60_000,
    stop: 2_000..200_000,
    // Some delays are longer than the timeouts of the clients.
    delay: 1..15_000,
};
const WORKERS: usize = 2;
const POLLERS: usize = 2;
/// The time between two kills, in milliseconds.
const BETWEEN_KILLS: std::ops::Range<u64> = 500..10_000;
/// How long the queue may take to become empty after the last fault.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3_600);
/// The time between two checks. It is shorter than the visibility timeout of a message that
/// has failed often, which is 256 seconds.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const BETWEEN_SCANS: Duration = Duration::from_secs(60);

/// Runs a setting on this thread.
pub(crate) fn run(setting: &Setting, keeps_lines: bool) -> Outcome {
    // This generator determines the jitter of the backoffs, here and in the AWS SDK.
    fastrand::seed(setting.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let folder = Folder::new();
    let trace = Trace::new(keeps_lines);
    runtime.block_on(simulate(setting, trace, &folder.0))
}

async fn simulate(setting: &Setting, trace: Trace, folder: &Path) -> Outcome {
    virtual_time::start();
    let fifo = setting.seed % 2 == 1;
    let shared = Arc::new(Shared {
        allowed: setting.allowed.clone(),
        ..Shared::default()
    });
    let queues = Queues::reproducible(millis(virtual_time::since_epoch()), message_id);
    let plan = |endpoint| Plan::new(setting.seed, endpoint, fifo, &PROFILE, &shared);
    let plans = [plan("SQS"), plan("DynamoDB")];
    let endpoints = Endpoints::new(queues.clone());
    let network = Arc::new(Network::new(setting.seed, endpoints, plans, trace));
    let folder = folder.to_owned();
    let world = World::new(setting.seed, fifo, setting.events, network, folder);
    let world = Arc::new(world);
    set_up(&world, &queues).await;

    let observer = world.dynamodb(None);
    let mut watch = Watch::default();
    let stop = CancellationToken::new();
    let mut slots: Vec<Slot> = (0..Style::ALL.len())
        .map(|index| Slot::start(&world, Role::Producer(index), &stop))
        .collect();
    slots.extend((0..WORKERS).map(|index| Slot::start(&world, Role::Worker(index), &stop)));
    let kills = disturb(setting, &world, &mut slots, &stop, &mut watch).await;
    shared.calm.store(true, Ordering::Relaxed);

    let queue = world.queue("events");
    let drained = timeout(DRAIN_TIMEOUT, async {
        let is_producer = |slot: &&Slot| matches!(slot.role, Role::Producer(_));
        while queues.messages(&queue) > 0
            || !slots
                .iter()
                .filter(is_producer)
                .all(|slot| slot.process.is_finished())
        {
            sleep(POLL_INTERVAL).await;
        }
    });
    let drained = drained.await.is_ok();
    stop.cancel();
    let workers = slots
        .iter()
        .filter(|slot| matches!(slot.role, Role::Worker(_)));
    for slot in workers {
        while !slot.process.is_finished() {
            sleep(POLL_INTERVAL).await;
        }
    }
    let took = virtual_time::elapsed();
    slots.iter().for_each(|slot| slot.process.kill());
    world.network.end();
    // The tasks are dropped now.
    sleep(POLL_INTERVAL).await;

    watch.scan(&observer, TABLE).await;
    let letters = dead_letters(&world).await;
    let store = world.store(None);
    let journals = world.take_journals();
    let mut findings =
        model::check(setting.seed, journals, &store, watch.entities(), &letters).await;
    for change in &watch.changes {
        findings.violation(Violation::Rewritten, || change.clone());
    }
    if !drained {
        findings.violations.remove(&Violation::Lost);
        findings.violations.remove(&Violation::NotRejected);
        findings.violation(Violation::Broken, || {
            "the queue did not become empty".to_owned()
        });
    }
    world.add_broken(&mut findings);
    let faults = shared.injected.load(Ordering::Relaxed);
    let (stored, ties) = (watch.items(), watch.ties());
    let (hash, steps) = (world.network.trace.hash(), world.network.trace.count());
    drop((slots, store, observer));
    let lines = Arc::try_unwrap(world).ok().map(|world| world.network);
    let lines = lines.and_then(Arc::into_inner);
    Outcome {
        findings,
        hash,
        steps,
        stored,
        ties,
        faults,
        kills,
        took,
        lines: lines.map_or_else(Vec::new, |network| network.trace.into_lines()),
    }
}

/// Creates the table and the queues. The queue has a very high `maxReceiveCount`, so that only
/// invalid messages may reach the dead-letter queue.
async fn set_up(world: &World, queues: &Queues) {
    let letters = world.queue("events-dead-letters");
    let redrive = format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1000}}"#,
        queue_arn(&letters)
    );
    let retention = [("MessageRetentionPeriod", "1209600")];
    queues.create(&letters, retention).await.unwrap();
    let attributes = [("VisibilityTimeout", "60"), ("RedrivePolicy", &*redrive)];
    let queue = world.queue("events");
    queues.create(&queue, attributes).await.unwrap();
    create_table(&world.dynamodb(None), TABLE).await.unwrap();
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Producer(usize),
    Worker(usize),
}

/// A slot for a process. When the process is killed, a new process takes its place.
struct Slot {
    role: Role,
    incarnation: u64,
    process: Process,
}

impl Slot {
    fn start(world: &Arc<World>, role: Role, stop: &CancellationToken) -> Self {
        Self::start_as(world, role, 0, stop)
    }

    fn start_as(
        world: &Arc<World>,
        role: Role,
        incarnation: u64,
        stop: &CancellationToken,
    ) -> Self {
        let name = match role {
            Role::Producer(index) => {
                format!("{}-{index}-{incarnation}", Style::ALL[index].name())
            }
            Role::Worker(index) => format!("worker-{index}-{incarnation}"),
        };
        let process = Process::start(name, &world.panics);
        match role {
            Role::Producer(index) => {
                let style = Style::ALL[index];
                let world = Arc::clone(world);
                process.spawn(producers::run(world, process.clone(), index, style));
            }
            Role::Worker(_) => {
                let worker = worker(world, process.name());
                process.spawn(worker.run(POLLERS, stop.clone()));
            }
        }
        Self {
            role,
            incarnation,
            process,
        }
    }
}

fn worker(world: &World, name: &str) -> Worker {
    let sqs = world.sqs(Some(name));
    let letters = world.queue_url("events-dead-letters");
    let letters = DeadLetterQueue::new(sqs.clone(), letters);
    let handler = Handler::new(world.store(Some(name)), letters);
    Worker::new(sqs, world.queue_url("events"), handler)
}

/// Kills and starts processes, and scans the table, until every event was emitted. Returns
/// the number of kills.
async fn disturb(
    setting: &Setting,
    world: &Arc<World>,
    slots: &mut [Slot],
    stop: &CancellationToken,
    watch: &mut Watch,
) -> u64 {
    let mut random = random((setting.seed, "kills"));
    let observer = world.dynamodb(None);
    let mut scanned = Instant::now();
    let mut kills = 0;
    while world.is_emitting() {
        sleep(Duration::from_millis(random.u64(BETWEEN_KILLS))).await;
        let slot = random.usize(..slots.len());
        let down = Duration::from_millis(random.u64(1..10_000));
        if setting.kills && world.is_emitting() {
            let slot = &mut slots[slot];
            let line = format!("kill {}", slot.process.name());
            world.network.trace.step(&line, &[]);
            slot.process.kill();
            sleep(down).await;
            *slot = Slot::start_as(world, slot.role, slot.incarnation + 1, stop);
            kills += 1;
        }
        if scanned.elapsed() > BETWEEN_SCANS {
            scanned = Instant::now();
            watch.scan(&observer, TABLE).await;
        }
    }
    kills
}

/// Receives all dead letters.
async fn dead_letters(world: &World) -> Vec<DeadLetter> {
    let client = world.sqs(None);
    let url = world.queue_url("events-dead-letters");
    let mut letters = Vec::new();
    loop {
        let request = client.receive_message().queue_url(&url);
        let request = request.max_number_of_messages(10);
        let received = request.message_attribute_names("All").send().await.unwrap();
        if received.messages().is_empty() {
            return letters;
        }
        for message in received.messages() {
            let attributes = message.message_attributes();
            let text = |name| attributes?.get(name)?.string_value();
            let others = ["RejectionReason", "OriginalMessageId"].map(text);
            let code = text("RejectionCode").filter(|_| others.iter().all(Option::is_some));
            let body = message.body().unwrap().to_owned();
            letters.push((body, code.unwrap_or("none").to_owned()));
            // A FIFO queue delivers the next message of a group only after this deletion.
            let delete = client.delete_message().queue_url(&url);
            let delete = delete.receipt_handle(message.receipt_handle().unwrap());
            delete.send().await.unwrap();
        }
    }
}

fn message_id() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// A folder that is removed at the end of the run. It is in memory if the system supports it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = match memory.is_dir() {
            true => memory,
            false => Path::new(env!("CARGO_TARGET_TMPDIR")),
        };
        let name = format!("domain-events-simulation-{}-{number}", std::process::id());
        let folder = parent.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a setting. A panic becomes a violation.
pub(crate) fn run_guarded(setting: &Setting, keeps_lines: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(setting, keeps_lines))).unwrap_or_else(|panic| {
        let mut findings = Findings::default();
        let text = panic.downcast_ref::<String>().cloned();
        findings.violation(Violation::Broken, || {
            text.unwrap_or_else(|| "the simulation panicked".to_owned())
        });
        Outcome {
            findings,
            hash: 0,
            steps: 0,
            stored: 0,
            ties: 0,
            faults: 0,
            kills: 0,
            took: Duration::ZERO,
            lines: Vec::new(),
        }
    })
}
