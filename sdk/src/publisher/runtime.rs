//! The thread that sends.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a Tokio runtime, owned by one publisher.
///
/// The publisher's tasks and connections live in it, so an event that was submitted
/// is sent whatever happens to the runtime of its caller, and `emit` can be awaited
/// on any executor. The thread sleeps while there is nothing to send, and ends when
/// the value is dropped, which must be after the last task.
#[derive(Debug)]
pub(crate) struct PublisherThread {
    handle: Handle,
    /// Dropping it ends the thread.
    _alive: Option<oneshot::Sender<()>>,
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
        })
    }

    /// The runtime of the caller, whose clock a test can pause.
    #[cfg(test)]
    pub(crate) fn of_caller() -> Self {
        Self {
            handle: Handle::current(),
            _alive: None,
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
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

    /// Runs `future` on the thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future aborts the task.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
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
        AbortOnDrop(self.handle.spawn(future)).await
    }
}
