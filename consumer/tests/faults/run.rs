//! One run: first with faults, then without them, then the check of the result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use clap::ValueEnum as _;
use domain_events_local::{Options, Stack};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::lambda;
use crate::model::{self, DeadLetter, Findings, Violation};
use crate::plan::{Plan, Profile, Shared, random};
use crate::processes::{Count, Order, Role, Slot};
use crate::producer::Style;
use crate::proxy::Proxy;
use crate::runtime_api::RuntimeApi;
use crate::table::Watch;

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) fifo: bool,
    /// How long producers emit events, and faults and kills happen.
    pub(crate) time: Duration,
    /// Events per second of each producer.
    pub(crate) rate: u64,
}

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) findings: Findings,
    pub(crate) shared: Arc<Shared>,
    pub(crate) count: Count,
    pub(crate) watch: Watch,
    pub(crate) took: Duration,
    /// The folder of the journals and logs.
    pub(crate) folder: PathBuf,
}

const PRODUCERS: [Style; 6] = [
    Style::Plain,
    Style::Packed,
    Style::Spooled,
    Style::Impatient,
    Style::Foreign,
    Style::Foreign,
];
/// The timing of the faults. Even a run of ten seconds contains a stop.
const PROFILE: Profile = Profile {
    between_stops: 3_000..12_000,
    stop: 300..3_000,
    delay: 1..400,
};
const WORKERS: usize = 2;
/// The number of concurrent instances of the function.
const FUNCTIONS: usize = 2;
/// The most memory that a process may use, in KiB.
const MAX_MEMORY: u64 = 256 * 1024;
/// How long the queue may take to become empty after the last fault: at least this time, and
/// longer if the queue was filled for a long time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(180);
const DRAIN_TIMEOUT_FACTOR: u32 = 3;

pub(crate) async fn run(setting: Setting) -> Outcome {
    let started = Instant::now();
    let folder = folder(setting);
    let stack = stack(setting.fifo).await;
    let shared: Arc<Shared> = Arc::default();
    let plan = |endpoint| {
        let mut plan = Plan::new(setting.seed, endpoint, setting.fifo, &PROFILE, &shared);
        move |request: &mut _| plan.fault(request)
    };
    let sqs = Proxy::start(&stack.sqs_endpoint(), plan("SQS")).await;
    let dynamodb = Proxy::start(&stack.dynamodb_endpoint(), plan("DynamoDB")).await;
    let mut environment = stack.environment();
    for (name, value) in &mut environment {
        match *name {
            "AWS_ENDPOINT_URL_SQS" => *value = sqs.url(),
            "AWS_ENDPOINT_URL_DYNAMODB" => *value = dynamodb.url(),
            _ => {}
        }
    }
    let count: Arc<Mutex<Count>> = Arc::default();
    let producers: Vec<Slot> = (0..PRODUCERS.len())
        .map(|index| producer(setting, index, &folder, &environment, &count))
        .collect();
    let mut consumers: Vec<Slot> = (0..WORKERS)
        .map(|index| worker(index, &folder, &environment, &count))
        .collect();
    let mut mappings = JoinSet::new();
    let responses: Arc<AtomicU64> = Arc::default();
    for index in 0..FUNCTIONS {
        let api = Arc::new(RuntimeApi::start().await);
        consumers.push(function(index, &api, &folder, &environment, &count));
        let client = client_at(&stack, &sqs.url());
        let (queue_url, responses) = (stack.queue_url(), Arc::clone(&responses));
        mappings.spawn(async move { lambda::poll(&api, &client, &queue_url, &responses).await });
    }
    let (stop_watch, stop) = oneshot::channel();
    let client = stack.dynamodb_client();
    let table = stack.table();
    let watch = tokio::spawn(async move { Watch::default().run(client, table, stop).await });

    disturb(setting, &producers, &consumers).await;
    shared.calm.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.finish().await;
    }
    let drained = drained(
        &stack,
        DRAIN_TIMEOUT.max(setting.time * DRAIN_TIMEOUT_FACTOR),
    )
    .await;
    // An event source mapping ends only if the function sends an invalid response.
    let ended = mappings.try_join_next();
    mappings.shutdown().await;
    for consumer in consumers {
        consumer.finish().await;
    }
    stop_watch.send(()).unwrap();
    let watch = watch.await.unwrap();

    let letters = dead_letters(&stack).await;
    let store = stack.store();
    let mut findings = model::check(
        setting.seed,
        model::journals(&folder),
        &store,
        watch.entities(),
        &letters,
    )
    .await;
    for change in &watch.changes {
        findings.violation(Violation::Rewritten, || change.clone());
    }
    if !drained {
        // Messages that are still in the queue are not lost.
        findings.violations.remove(&Violation::Lost);
        findings.violations.remove(&Violation::NotRejected);
        findings.violation(Violation::Broken, || {
            "the queue did not become empty".to_owned()
        });
    }
    if let Some(ended) = ended {
        findings.violation(Violation::Broken, || format!("a mapping ended: {ended:?}"));
    }
    let (faults, letter_batches) = {
        let tally = shared.tally.lock().unwrap();
        (tally.faults.len() as u64, tally.letter_batches)
    };
    let happened = [
        (findings.accepted, "no event was accepted"),
        (findings.failed, "no emit failed"),
        (findings.invalid, "no event was invalid"),
        (watch.items() as u64, "the table is empty"),
        (watch.scans, "the table was not scanned"),
        (faults, "there were no faults"),
        (letter_batches, "no batch had two rejected messages"),
        (
            responses.load(Ordering::Relaxed),
            "the function sent no response",
        ),
    ];
    for (_, what) in happened.iter().filter(|(count, _)| *count == 0) {
        findings.violation(Violation::Broken, || (*what).to_owned());
    }
    let count = std::mem::take(&mut *count.lock().unwrap());
    for ended in &count.ended {
        findings.violation(Violation::Broken, || ended.clone());
    }
    let memory = count.producer_memory.max(count.consumer_memory);
    if memory > MAX_MEMORY {
        findings.violation(Violation::Broken, || format!("a process used {memory} KiB"));
    }
    stack.stop().await;
    Outcome {
        findings,
        shared,
        count,
        watch,
        took: started.elapsed(),
        folder,
    }
}

/// A new folder for this run, under the target folder. Runs of other processes have other
/// folders, even with the same seed.
fn folder(setting: Setting) -> PathBuf {
    let kind = if setting.fifo { "fifo" } else { "standard" };
    let name = format!("faults-{}-{kind}-{}", setting.seed, std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // A process of an earlier run may have had the same id.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Starts endpoints whose queue has a very high `maxReceiveCount`, so that only invalid
/// messages may reach the dead-letter queue.
async fn stack(fifo: bool) -> Stack {
    let options = Options {
        fifo,
        pollers: 0,
        ..Options::default()
    };
    let stack = Stack::start(options).await.unwrap();
    let client = stack.sqs_client();
    let output = client
        .get_queue_attributes()
        .queue_url(stack.queue_url())
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await
        .unwrap();
    let policy = &output.attributes().unwrap()[&QueueAttributeName::RedrivePolicy];
    let mut policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    policy["maxReceiveCount"] = 1_000.into();
    client
        .set_queue_attributes()
        .queue_url(stack.queue_url())
        .attributes(QueueAttributeName::RedrivePolicy, policy.to_string())
        .send()
        .await
        .unwrap();
    stack
}

type Environment = Vec<(&'static str, String)>;

fn producer(
    setting: Setting,
    index: usize,
    folder: &Path,
    environment: &Environment,
    count: &Arc<Mutex<Count>>,
) -> Slot {
    let style = PRODUCERS[index];
    let style_name = style.to_possible_value().unwrap().get_name().to_owned();
    let (folder, environment) = (folder.to_owned(), environment.clone());
    let log = folder.join(format!("producer-{index}"));
    let start = Box::new(move |incarnation| {
        let name = format!("{style_name}-{index}-{incarnation}");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("producer")
            .args(["--style", &style_name, "--name", &name])
            .args(["--seed", &setting.seed.to_string()])
            .args(["--rate", &setting.rate.to_string()])
            .arg("--journal")
            .arg(folder.join(format!("{name}.journal")))
            .arg("--spool")
            .arg(folder.join(format!("spool-{index}")))
            .envs(environment.clone());
        command
    });
    Slot::start(Role::Producer, log, start, count)
}

fn worker(
    index: usize,
    folder: &Path,
    environment: &Environment,
    count: &Arc<Mutex<Count>>,
) -> Slot {
    let environment = environment.clone();
    let start = Box::new(move |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("worker").envs(environment.clone());
        command.env("EVENT_WORKER_POLLERS", "4");
        command
    });
    Slot::start(
        Role::Worker,
        folder.join(format!("worker-{index}")),
        start,
        count,
    )
}

fn function(
    index: usize,
    api: &Arc<RuntimeApi>,
    folder: &Path,
    environment: &Environment,
    count: &Arc<Mutex<Count>>,
) -> Slot {
    let (api, environment) = (Arc::clone(api), environment.clone());
    let start = Box::new(move |_| {
        let mut command = api.function();
        command.envs(environment.clone());
        // This variable selects a mutant of the code.
        command.envs(
            std::env::var_os("DOMAIN_EVENTS_MUTANT").map(|name| ("DOMAIN_EVENTS_MUTANT", name)),
        );
        command
    });
    let log = folder.join(format!("function-{index}"));
    Slot::start(Role::Function, log, start, count)
}

/// Creates a client that reaches the queue through the proxy at `url`.
fn client_at(stack: &Stack, url: &str) -> aws_sdk_sqs::Client {
    let config = stack.sqs_client().config().to_builder().endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Kills and pauses processes until the end of the run.
async fn disturb(setting: Setting, producers: &[Slot], consumers: &[Slot]) {
    let end = Instant::now() + setting.time;
    let mut random = random((setting.seed, "kills"));
    loop {
        let pause = Duration::from_millis(random.u64(300..1_500));
        if Instant::now() + pause > end {
            return tokio::time::sleep_until(end).await;
        }
        tokio::time::sleep(pause).await;
        let slot = match random.bool() {
            true => &producers[random.usize(..producers.len())],
            false => &consumers[random.usize(..consumers.len())],
        };
        slot.order(match random.u8(0..4) {
            0 => Order::Pause(Duration::from_millis(random.u64(500..5_000))),
            _ => Order::Kill,
        })
        .await;
    }
}

/// Waits until the queue is empty, and prints the progress.
async fn drained(stack: &Stack, timeout: Duration) -> bool {
    let progress = async {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            println!("{} messages left in the queue", stack.messages());
        }
    };
    tokio::select! {
        () = stack.wait_until_drained() => true,
        () = tokio::time::sleep(timeout) => false,
        () = progress => false,
    }
}

/// Receives and deletes all dead letters.
async fn dead_letters(stack: &Stack) -> Vec<DeadLetter> {
    let client = stack.sqs_client();
    let url = stack.dead_letter_queue_url();
    let mut letters = Vec::new();
    loop {
        let request = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10);
        let received = request.message_attribute_names("All").send().await.unwrap();
        if received.messages().is_empty() {
            return letters;
        }
        for message in received.messages() {
            let attributes = message.message_attributes();
            let text = |name| attributes?.get(name)?.string_value();
            let others = ["RejectionReason", "OriginalMessageId"].map(text);
            let code = text("RejectionCode").filter(|_| others.iter().all(Option::is_some));
            letters.push((
                message.body().unwrap().to_owned(),
                code.unwrap_or("none").to_owned(),
            ));
            let delete = client.delete_message().queue_url(&url);
            delete
                .receipt_handle(message.receipt_handle().unwrap())
                .send()
                .await
                .unwrap();
        }
    }
}
