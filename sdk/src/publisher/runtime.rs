//! The threads and runtimes on which the publisher's tasks run.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a request may wait for the task that submits events to yield.
const BURST_TIMEOUT: Duration = Duration::from_millis(1);

/// A task of a publisher.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns the tasks of a publisher on the current Tokio runtime.
#[derive(Clone)]
pub(crate) struct Executor(pub(crate) Arc<dyn Fn(Task) + Send + Sync>);

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor")
    }
}

/// A thread with a Tokio runtime, owned by one publisher.
///
/// The thread sleeps while there are no tasks, and ends when the value is dropped, which
/// happens after the last task.
///
/// It runs all tasks except requests that are started from a multi-threaded runtime. These
/// requests run on that runtime, because passing events and outcomes between threads costs
/// system calls. A single-threaded runtime never runs a request: as soon as its `block_on`
/// returned, the request would stall, together with the events of other callers in it.
#[derive(Debug)]
pub(crate) struct PublisherThread {
    handle: Handle,
    /// Dropping it ends the thread.
    _alive: Option<oneshot::Sender<()>>,
    /// Spawns the tasks, if there is no thread.
    executor: Option<Executor>,
}

impl PublisherThread {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("domain-events".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(ended);
            })?;
        Ok(Self {
            handle,
            _alive: Some(alive),
            executor: None,
        })
    }

    /// Creates a value without a thread: `executor` spawns the tasks, including the task of the
    /// spool, on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub(crate) fn without_thread(executor: Executor) -> Self {
        Self {
            handle: Handle::current(),
            _alive: None,
            executor: Some(executor),
        }
    }

    /// Uses the runtime of the caller, whose clock a test can pause.
    #[cfg(test)]
    pub(crate) fn of_caller() -> Self {
        Self {
            handle: Handle::current(),
            _alive: None,
            executor: None,
        }
    }

    #[cfg(feature = "spool")]
    pub(crate) fn executor(&self) -> Option<&Executor> {
        self.executor.as_ref()
    }

    /// Runs `task` on the thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            Some(Executor(spawn)) => spawn(Box::pin(task)),
            None => drop(self.handle.spawn(task)),
        }
    }

    /// Runs `task`, which sends requests, on the runtime of the caller if that runtime is
    /// multi-threaded, and otherwise on the thread.
    ///
    /// In both cases, the task starts when the calling task yields, so that the events that a
    /// task submits without yielding are sent in one request.
    pub(crate) fn spawn_worker(&self, task: impl Future<Output = ()> + Send + 'static) {
        match Handle::try_current() {
            _ if self.executor.is_some() => self.spawn(task),
            Ok(caller) if caller.runtime_flavor() == RuntimeFlavor::MultiThread => {
                caller.spawn(task);
            }
            Ok(caller) if caller.id() != self.handle.id() => {
                let (yielded, burst) = oneshot::channel::<()>();
                caller.spawn(async move { drop(yielded) });
                self.handle.spawn(async move {
                    // The timeout is needed because the runtime of the caller may never run its
                    // task.
                    let _ = timeout(BURST_TIMEOUT, burst).await;
                    task.await;
                });
            }
            _ => self.spawn(task),
        }
    }

    /// Runs `future` on the executor of the caller, with the timers of this runtime.
    pub(crate) async fn with_timers<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            let _entered = self.handle.enter();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Runs `future` on the thread. Returns `None` if it panics.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future aborts the task.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        AbortOnDrop(self.handle.spawn(future)).await
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}
