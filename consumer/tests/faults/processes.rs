//! The processes of a run: started, killed, frozen, started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is done to a process.
#[derive(Debug)]
pub(crate) enum Order {
    /// SIGKILL, and a new one in its place.
    Kill,
    /// SIGSTOP, and SIGCONT after this time: it goes on in another world, and
    /// does not know.
    Freeze(Duration),
    /// Standard input ends and SIGTERM comes: the process finishes.
    Finish,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Worker,
    /// Lambda does not ask a function to finish.
    Function,
}

/// What was done to all processes.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) producers_killed: u64,
    pub(crate) consumers_killed: u64,
    pub(crate) frozen: u64,
    /// The most memory that one had, in KiB.
    pub(crate) producer_memory: u64,
    pub(crate) consumer_memory: u64,
    /// Processes that ended by themselves, and how.
    pub(crate) ended: Vec<String>,
}

/// How a process is started, as the n-th in its place.
pub(crate) type Start = Box<dyn FnMut(u32) -> Command + Send>;

/// A place for one process at a time.
pub(crate) struct Place {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Place {
    /// Starts the first process. What they print goes to `log`.
    pub(crate) fn start(role: Role, log: PathBuf, start: Start, count: &Arc<Mutex<Count>>) -> Self {
        let (orders, inbox) = mpsc::channel(1);
        let keeper = Keeper {
            role,
            log,
            start,
            inbox,
            count: Arc::clone(count),
        };
        Self {
            orders,
            task: tokio::spawn(keeper.run()),
        }
    }

    /// Gives an order. It waits for the one before.
    pub(crate) async fn order(&self, order: Order) {
        // A place whose process has finished takes none.
        let _ = self.orders.send(order).await;
    }

    /// Waits until the process has finished.
    pub(crate) async fn finish(self) {
        self.order(Order::Finish).await;
        self.task.await.unwrap();
    }
}

struct Keeper {
    role: Role,
    log: PathBuf,
    start: Start,
    inbox: mpsc::Receiver<Order>,
    count: Arc<Mutex<Count>>,
}

impl Keeper {
    async fn run(mut self) {
        for incarnation in 0.. {
            let mut child = self.spawn(incarnation);
            if self.keep(&mut child).await {
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

    /// Looks after a process; true if it was the last one.
    async fn keep(&mut self, child: &mut Child) -> bool {
        // Waiting for a child would close it.
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
                Some(Order::Freeze(time)) => {
                    signal(child, "STOP").await;
                    tokio::time::sleep(time).await;
                    signal(child, "CONT").await;
                    self.count.lock().unwrap().frozen += 1;
                }
                Some(Order::Finish) | None => {
                    drop(input.take());
                    match self.role {
                        Role::Producer => {}
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
                            .push(format!("{}: would not end", self.log.display())),
                    }
                    return true;
                }
            }
        }
    }

    fn ended(&self, status: ExitStatus) {
        let what = format!("{}: ended by itself: {status}", self.log.display());
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

/// The shell's `kill` sends what the standard library cannot.
async fn signal(child: &Child, signal: &str) {
    if let Some(id) = child.id() {
        let _ = Command::new("kill")
            .args([&format!("-{signal}"), &id.to_string()])
            .status()
            .await;
    }
}

/// `VmHWM` in KiB, where the system tells it.
fn peak_memory(process: u32) -> Option<u64> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"))
            .ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
