//! The processes of a run. A process that ends is restarted until the end of the run.

use std::fs::File;
use std::os::unix::process::{ExitStatusExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};

const SIGKILL: i32 = 9;
/// How long a process may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends this process when the harness ends. If the harness was killed, this process notices
/// that it has another parent process.
pub(crate) fn exit_with_the_harness() {
    let harness = parent_id();
    std::thread::spawn(move || {
        while parent_id() == harness {
            std::thread::sleep(Duration::from_millis(200));
        }
        std::process::exit(1);
    });
}

/// The step at which a process kills itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Death {
    /// The number of the step.
    #[arg(long = "die-at-step")]
    step: usize,
    /// How often the process reaches the step until it dies.
    #[arg(long = "die-after")]
    after: u64,
    #[arg(skip)]
    reached: AtomicU64,
}

impl Death {
    /// Kills this process if it dies now.
    pub(crate) fn reached(&self, step: usize) {
        if step == self.step && self.reached.fetch_add(1, Ordering::SeqCst) + 1 == self.after {
            kill_this_process();
        }
    }
}

/// SIGKILL, which the standard library cannot send.
fn kill_this_process() {
    let this = std::process::id().to_string();
    let _ = std::process::Command::new("kill")
        .args(["-KILL", &this])
        .status();
    loop {
        std::thread::park();
    }
}

/// The arguments of the n-th process of a slot.
pub(crate) type Arguments = Box<dyn FnMut(u32) -> Vec<String>>;

/// A slot in which one process runs at a time.
pub(crate) struct Slot {
    log: PathBuf,
    environment: Vec<(&'static str, String)>,
    arguments: Arguments,
    started: u32,
    child: Child,
    /// The number of processes that the harness killed or that killed themselves.
    pub(crate) killed: u64,
    /// Descriptions of the processes that ended in another way.
    pub(crate) failures: Vec<String>,
}

impl Slot {
    pub(crate) fn start(
        log: PathBuf,
        environment: Vec<(&'static str, String)>,
        mut arguments: Arguments,
    ) -> Self {
        let child = spawn(&log, &environment, 0, arguments(0));
        Self {
            log,
            environment,
            arguments,
            started: 1,
            child,
            killed: 0,
            failures: Vec::new(),
        }
    }

    /// Kills the process.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
        self.restart_if_ended();
    }

    /// Starts a new process if the process has ended.
    pub(crate) fn restart_if_ended(&mut self) {
        let Some(status) = self.child.try_wait().unwrap() else {
            return;
        };
        self.note(status);
        let arguments = (self.arguments)(self.started);
        self.child = spawn(&self.log, &self.environment, self.started, arguments);
        self.started += 1;
    }

    /// Stops the process and waits for its end.
    pub(crate) async fn stop(&mut self) {
        drop(self.child.stdin.take());
        match tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) => {
                let status = status.unwrap();
                if !status.success() {
                    self.note(status);
                }
            }
            Err(_) => self
                .failures
                .push(format!("{}: did not stop", self.log.display())),
        }
    }

    fn note(&mut self, status: ExitStatus) {
        if status.signal() == Some(SIGKILL) {
            self.killed += 1;
        } else {
            self.failures
                .push(format!("{}: ended with {status}", self.log.display()));
        }
    }
}

/// Starts this program again, with an output file next to `log`.
fn spawn(
    log: &Path,
    environment: &[(&'static str, String)],
    number: u32,
    arguments: Vec<String>,
) -> Child {
    let file = File::create(log.with_extension(format!("{number}.log"))).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
