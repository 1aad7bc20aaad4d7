//! One run: the whole road under faults, then calm, then the judgement.

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
use crate::model::{self, Breach, DeadLetter, Judgement};
use crate::plan::{Plan, Shared, random};
use crate::processes::{Count, Order, Place, Role};
use crate::producer::Style;
use crate::proxy::Proxy;
use crate::runtime_api::RuntimeApi;
use crate::table::Watch;

/// What one run is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) fifo: bool,
    /// How long events are emitted, and faults and kills happen.
    pub(crate) time: Duration,
    /// Events a second of each producer.
    pub(crate) rate: u64,
}

/// What one run was.
pub(crate) struct Outcome {
    pub(crate) judgement: Judgement,
    pub(crate) shared: Arc<Shared>,
    pub(crate) count: Count,
    pub(crate) watch: Watch,
    pub(crate) took: Duration,
    /// Journals and logs.
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
const WORKERS: usize = 2;
/// Concurrent instances of the function.
const FUNCTIONS: usize = 2;
/// The most memory that a process may take, in KiB.
const MAX_MEMORY: u64 = 256 * 1024;
/// How long the queue may take to become empty once there are no faults, at least,
/// and as a multiple of the time in which it was filled.
const MAX_DRAIN: Duration = Duration::from_secs(180);
const MAX_DRAIN_TIMES: u32 = 3;

pub(crate) async fn run(setting: Setting) -> Outcome {
    let started = Instant::now();
    let folder = folder(setting);
    let stack = stack(setting.fifo).await;
    let shared: Arc<Shared> = Arc::default();
    let plan = |endpoint| {
        let mut plan = Plan::new(setting.seed, endpoint, setting.fifo, &shared);
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
    let producers: Vec<Place> = (0..PRODUCERS.len())
        .map(|index| producer(setting, index, &folder, &environment, &count))
        .collect();
    let mut consumers: Vec<Place> = (0..WORKERS)
        .map(|index| worker(index, &folder, &environment, &count))
        .collect();
    let mut mappings = JoinSet::new();
    let answers: Arc<AtomicU64> = Arc::default();
    for index in 0..FUNCTIONS {
        let api = Arc::new(RuntimeApi::start().await);
        consumers.push(function(index, &api, &folder, &environment, &count));
        let client = client_at(&stack, &sqs.url());
        let (queue_url, answers) = (stack.queue_url(), Arc::clone(&answers));
        mappings.spawn(async move { lambda::poll(&api, &client, &queue_url, &answers).await });
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
    let drained = drained(&stack, MAX_DRAIN.max(setting.time * MAX_DRAIN_TIMES)).await;
    // They poll for ever, unless the function answers what it never should.
    let ended = mappings.try_join_next();
    mappings.shutdown().await;
    for consumer in consumers {
        consumer.finish().await;
    }
    stop_watch.send(()).unwrap();
    let watch = watch.await.unwrap();

    let letters = dead_letters(&stack).await;
    let store = stack.store();
    let mut judgement =
        model::judge(setting.seed, &folder, &store, watch.entities(), &letters).await;
    for change in &watch.changes {
        judgement.breach(Breach::Rewritten, || change.clone());
    }
    if !drained {
        // What still waits is not lost.
        judgement.breaches.remove(&Breach::Lost);
        judgement.breaches.remove(&Breach::NotRejected);
        judgement.breach(Breach::Broken, || {
            "the queue does not become empty".to_owned()
        });
    }
    if let Some(ended) = ended {
        judgement.breach(Breach::Broken, || format!("a mapping ended: {ended:?}"));
    }
    let happened = [
        (judgement.accepted, "no event was accepted"),
        (judgement.failed, "no emit failed"),
        (judgement.invalid, "no event breaks the contract"),
        (watch.items() as u64, "the table is empty"),
        (watch.scans, "the table was not scanned"),
        (
            shared.tally.lock().unwrap().faults.len() as u64,
            "there were no faults",
        ),
        (
            answers.load(Ordering::Relaxed),
            "the function answered nothing",
        ),
    ];
    for (_, what) in happened.iter().filter(|(count, _)| *count == 0) {
        judgement.breach(Breach::Broken, || (*what).to_owned());
    }
    let count = std::mem::take(&mut *count.lock().unwrap());
    for ended in &count.ended {
        judgement.breach(Breach::Broken, || ended.clone());
    }
    let memory = count.producer_memory.max(count.consumer_memory);
    if memory > MAX_MEMORY {
        judgement.breach(Breach::Broken, || format!("a process took {memory} KiB"));
    }
    stack.stop().await;
    Outcome {
        judgement,
        shared,
        count,
        watch,
        took: started.elapsed(),
        folder,
    }
}

/// An empty folder for this run, under the target folder.
fn folder(setting: Setting) -> PathBuf {
    let kind = if setting.fifo { "fifo" } else { "standard" };
    let name = format!("faults-{}-{kind}", setting.seed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Endpoints, with a queue whose messages come again however often they were
/// delivered: only what breaks the contract may end as a dead letter.
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
) -> Place {
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
    Place::start(Role::Producer, log, start, count)
}

fn worker(
    index: usize,
    folder: &Path,
    environment: &Environment,
    count: &Arc<Mutex<Count>>,
) -> Place {
    let environment = environment.clone();
    let start = Box::new(move |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("worker").envs(environment.clone());
        command.env("EVENT_WORKER_POLLERS", "4");
        command
    });
    Place::start(
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
) -> Place {
    let (api, environment) = (Arc::clone(api), environment.clone());
    let start = Box::new(move |_| {
        let mut command = api.function();
        command.envs(environment.clone());
        // A build that is broken on purpose is broken here as well.
        command.envs(
            std::env::var_os("DOMAIN_EVENTS_SABOTAGE").map(|how| ("DOMAIN_EVENTS_SABOTAGE", how)),
        );
        command
    });
    let log = folder.join(format!("function-{index}"));
    Place::start(Role::Function, log, start, count)
}

/// A client of the queue behind the proxy.
fn client_at(stack: &Stack, url: &str) -> aws_sdk_sqs::Client {
    let config = stack.sqs_client().config().to_builder().endpoint_url(url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Kills and freezes processes for as long as the run lasts.
async fn disturb(setting: Setting, producers: &[Place], consumers: &[Place]) {
    let end = Instant::now() + setting.time;
    let mut random = random((setting.seed, "kills"));
    loop {
        let pause = Duration::from_millis(random.u64(300..1_500));
        if Instant::now() + pause > end {
            return tokio::time::sleep_until(end).await;
        }
        tokio::time::sleep(pause).await;
        let place = match random.bool() {
            true => &producers[random.usize(..producers.len())],
            false => &consumers[random.usize(..consumers.len())],
        };
        place
            .order(match random.u8(0..4) {
                0 => Order::Freeze(Duration::from_millis(random.u64(500..5_000))),
                _ => Order::Kill,
            })
            .await;
    }
}

/// Waits until the queue is empty, and tells how far it is.
async fn drained(stack: &Stack, most: Duration) -> bool {
    let tell = async {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            println!("the queue drains: {} messages left", stack.messages());
        }
    };
    tokio::select! {
        () = stack.wait_until_drained() => true,
        () = tokio::time::sleep(most) => false,
        () = tell => false,
    }
}

/// Takes all dead letters.
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
            let told = ["RejectionReason", "OriginalMessageId"].map(text);
            let code = text("RejectionCode").filter(|_| told.iter().all(Option::is_some));
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
