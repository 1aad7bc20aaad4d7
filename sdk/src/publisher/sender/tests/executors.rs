//! The publisher runs on its own thread, independent of the caller's executor.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// A round trip that is longer than a thread of a busy machine waits for its turn, so that
/// it cannot end within a poll.
const SLOW: Duration = Duration::from_millis(200);

fn slow() -> Arc<Fake> {
    Fake::new(|_, messages| (SLOW, Ok(accept_all(messages))))
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Polls `future` without a runtime until it is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..5_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("not done within 5 s");
}

/// Polls `future` once, with the waker of the runtime that drives this function. No time
/// passes, so that the load of the machine does not matter.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) {
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "it is on its way");
        Poll::Ready(())
    })
    .await;
}

#[test]
fn event_outlives_the_runtime_of_its_caller() {
    for fifo in [false, true] {
        // The first attempt fails after the runtime has ended, and the retry follows.
        let fake = Fake::new(|number, messages| match number {
            0 => (SLOW, Ok(vec![refused(false)])),
            _ => (ROUND_TRIP, Ok(accept_all(messages))),
        });
        let first = current_thread();
        let sdk = first.block_on(async { builder(fifo).build_on_thread(fake.clone()) });
        let mut emission = pin!(sdk.emit_envelope(event("a")));
        first.block_on(poll_once(emission.as_mut()));
        drop(first);
        current_thread().block_on(async {
            let outcome = timeout(Duration::from_secs(5), emission).await;
            let _ = outcome.expect("the emit future hangs").unwrap();
            // On a FIFO queue, the next event of the entity is sent after it.
            let next = timeout(Duration::from_secs(5), sdk.emit_envelope(event("a"))).await;
            let _ = next.expect("the emit future hangs").unwrap();
        });
        assert_eq!(fake.accepted(), ["a", "a"]);
    }
}

#[test]
fn request_survives_the_end_of_its_runtime() {
    // The first request hangs until its runtime ends.
    let fake = Fake::new(|number, messages| match number {
        0 => (Duration::from_secs(600), Ok(accept_all(messages))),
        _ => (ROUND_TRIP, Ok(accept_all(messages))),
    });
    let multi_thread = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let sdk = builder(false).build_on_thread(fake.clone());
    let mut emission = pin!(sdk.emit_envelope(event("a")));
    multi_thread.block_on(async {
        let waited = timeout(Duration::from_millis(20), emission.as_mut()).await;
        assert!(waited.is_err(), "the event has no outcome yet");
    });
    drop(multi_thread);
    let _ = block_on(emission).unwrap();
    assert_eq!(fake.accepted(), ["a"]);
}

#[tokio::test]
async fn events_of_one_poll_share_a_request() {
    let fake = Fake::healthy();
    let sdk = builder(false).build_on_thread(fake.clone());
    let emit = |id| sdk.emit_envelope(event(id));
    let (a, b, c) = tokio::join!(emit("a"), emit("b"), emit("c"));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(fake.sizes(), [3]);
}

#[test]
fn event_is_sent_while_its_runtime_is_not_driven() {
    let fake = slow();
    let idle = current_thread();
    let sdk = builder(false).build_on_thread(fake.clone());
    let mut emission = pin!(sdk.emit_envelope(event("a")));
    idle.block_on(poll_once(emission.as_mut()));
    block_on(sdk.flush());
    assert_eq!(fake.accepted(), ["a"]);
}

#[test]
fn publisher_works_without_any_tokio_runtime() {
    let fake = Fake::healthy();
    let sdk = builder(false)
        .linger(Duration::from_millis(1))
        .build_on_thread(fake.clone());
    let _ = block_on(sdk.emit_envelope(event("a"))).unwrap();
    let outcomes = block_on(async {
        let emission = sdk.emit_envelope(event("b"));
        let outcome = emission.await;
        sdk.flush().await;
        outcome
    });
    let _ = outcomes.unwrap();
    let report = block_on(sdk.shutdown(Duration::from_secs(1)));
    assert!(report.is_complete());
    assert_eq!((report.accepted, fake.accepted().len()), (2, 2));
}

#[test]
fn shutdown_deadline_needs_no_tokio_runtime() {
    let fake = Fake::new(|_, messages| (Duration::from_secs(600), Ok(accept_all(messages))));
    let sdk = builder(false).build_on_thread(fake);
    let mut emission = pin!(sdk.emit_envelope(event("a")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(emission.as_mut().poll(&mut context).is_pending());
    let report = block_on(sdk.shutdown(Duration::from_millis(50)));
    assert_eq!(report.unsent.len() + report.undetermined.len(), 1);
    assert!(block_on(emission).is_err());
}

#[test]
fn thread_ends_after_the_last_handle_and_event() {
    let fake = slow();
    let sdk = builder(false).build_on_thread(fake.clone());
    let mut emission = pin!(sdk.emit_envelope(event("a")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(emission.as_mut().poll(&mut context).is_pending());
    drop(sdk);
    let _ = block_on(emission).unwrap();
    // The thread owns the last references to the transport.
    for _ in 0..5_000 {
        if Arc::strong_count(&fake) == 1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the thread still runs after 5 s");
}

#[tokio::test]
async fn handles_and_futures_are_send() {
    fn check<T: Send + Sync + 'static>(_: &T) {}
    let sdk = builder(false).build_on(Fake::healthy()).unwrap();
    check(&sdk);
    let emission = sdk.emit_envelope(event("a"));
    check(&emission);
    let _ = emission.await;
    fn send<T: Send>(_: T) {}
    send(sdk.shutdown(Duration::ZERO));
    send(sdk.flush());
}
