//! Starts, kills, pauses and restarts the processes of a run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What happens to a process.
#[derive(Debug)]
pub(crate) enum Order {
    /// SIGKILL, and a new process in the same slot.
    Kill,
    /// SIGSTOP, and SIGCONT after this time. The process does not notice.
    Pause(Duration),
    /// The end of standard input, or SIGTERM. The process finishes its work.
    Finish,
}

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Worker,
    /// Lambda ends a function without a signal.
    Function,
}

/// Counts of what happened to all processes.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) producers_killed: u64,
    pub(crate) consumers_killed: u64,
    pub(crate) paused: u64,
    /// The peak memory of any process, in KiB.
    pub(crate) producer_memory: u64,
    pub(crate) consumer_memory: u64,
    /// The processes that ended unexpectedly, with their exit status.
    pub(crate) ended: Vec<String>,
}

/// Returns the command that starts the n-th process of a slot.
pub(crate) type Start = Box<dyn FnMut(u32) -> Command + Send>;

/// A slot in which one process runs at a time.
pub(crate) struct Slot {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Slot {
    /// Starts the first process. The processes print to files next to `log`.
    pub(crate) fn start(role: Role, log: PathBuf, start: Start, count: &Arc<Mutex<Count>>) -> Self {
        let (orders, inbox) = mpsc::channel(1);
        let supervisor = Supervisor {
            role,
            log,
            start,
            inbox,
            count: Arc::clone(count),
        };
        Self {
            orders,
            task: tokio::spawn(supervisor.run()),
        }
    }

    /// Queues an order. The slot executes its orders one after the other.
    pub(crate) async fn order(&self, order: Order) {
        // A slot whose process has finished accepts no order.
        let _ = self.orders.send(order).await;
    }

    /// Waits until the process has finished.
    pub(crate) async fn finish(self) {
        self.order(Order::Finish).await;
        self.task.await.unwrap();
    }
}

struct Supervisor {
    role: Role,
    log: PathBuf,
    start: Start,
    inbox: mpsc::Receiver<Order>,
    count: Arc<Mutex<Count>>,
}

impl Supervisor {
    async fn run(mut self) {
        for incarnation in 0.. {
            let mut child = self.spawn(incarnation);
            if self.supervise(&mut child).await {
                return;
            }
        }
    }

    fn spawn(&mut self, incarnation: u32) -> Child {
        let log = |end: &str| -> Stdio {
            let path = self.log.with_extension(format!("{incarnation}.{end}"));
            File::create(path).unwrap().into()
        };
        (self.start)(incarnation)
            .stdin(Stdio::piped())
            .stdout(log("out"))
            .stderr(log("err"))
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Executes orders until the process ends. Returns true if the slot must not start another
    /// process.
    async fn supervise(&mut self, child: &mut Child) -> bool {
        // Waiting for a child closes its standard input.
        let mut input = child.stdin.take();
        loop {
            self.measure(child);
            let order = tokio::select! {
                status = child.wait() => {
                    self.ended(status.unwrap());
                    return false;
                }
                order = self.inbox.recv() => order,
                () = tokio::time::sleep(Duration::from_millis(500)) => continue,
            };
            match order {
                Some(Order::Kill) => {
                    child.kill().await.unwrap();
                    let mut count = self.count.lock().unwrap();
                    match self.role {
                        Role::Producer => count.producers_killed += 1,
                        Role::Worker | Role::Function => count.consumers_killed += 1,
                    }
                    return false;
                }
                Some(Order::Pause(time)) => {
                    pause(child, time).await;
                    self.count.lock().unwrap().paused += 1;
                }
                Some(Order::Finish) | None => {
                    match self.role {
                        Role::Producer => drop(input.take()),
                        Role::Worker => signal(child, "TERM").await,
                        Role::Function => {
                            child.kill().await.unwrap();
                            return true;
                        }
                    }
                    let end = tokio::time::timeout(Duration::from_secs(120), child.wait()).await;
                    match end {
                        Ok(status) if status.as_ref().is_ok_and(ExitStatus::success) => {}
                        Ok(status) => self.ended(status.unwrap()),
                        Err(_) => self
                            .count
                            .lock()
                            .unwrap()
                            .ended
                            .push(format!("{}: did not end", self.log.display())),
                    }
                    return true;
                }
            }
        }
    }

    fn ended(&self, status: ExitStatus) {
        let what = format!("{}: ended unexpectedly: {status}", self.log.display());
        self.count.lock().unwrap().ended.push(what);
    }

    fn measure(&self, child: &Child) {
        let Some(memory) = child.id().and_then(peak_memory) else {
            return;
        };
        let mut count = self.count.lock().unwrap();
        let peak = match self.role {
            Role::Producer => &mut count.producer_memory,
            Role::Worker | Role::Function => &mut count.consumer_memory,
        };
        *peak = memory.max(*peak);
    }
}

/// Stops a process and later continues it. A shell does both, so that the process continues
/// even if the harness is killed in the meantime.
async fn pause(child: &Child, time: Duration) {
    if let Some(id) = child.id() {
        let script = r#"kill -STOP "$1"; sleep "$2"; kill -CONT "$1""#;
        let _ = Command::new("sh")
            .args(["-c", script, "sh", &id.to_string()])
            .arg(time.as_secs_f64().to_string())
            .status()
            .await;
    }
}

/// Sends a signal with the command `kill`, because the standard library cannot send it.
async fn signal(child: &Child, signal: &str) {
    if let Some(id) = child.id() {
        let _ = Command::new("kill")
            .args([&format!("-{signal}"), &id.to_string()])
            .status()
            .await;
    }
}

/// Returns `VmHWM` of the process in KiB, if the operating system provides it.
fn peak_memory(process: u32) -> Option<u64> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"))
            .ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
