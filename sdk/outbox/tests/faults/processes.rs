//! The processes of a run. A process that ends is restarted until the end of the run.

use std::fs::File;
use std::os::unix::process::{ExitStatusExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
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

/// Returns the arguments of the n-th process of a slot.
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
