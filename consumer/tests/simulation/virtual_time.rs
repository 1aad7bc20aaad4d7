//! The virtual time of a run: it has a fixed start and then follows Tokio's paused clock.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use domain_events::Timestamp;
use tokio::time::Instant;

/// The time at which every run begins, in seconds since 1970.
const START: u64 = 1_750_000_000;

thread_local! {
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Starts the time of a run. It must be called on the runtime of the run.
pub(crate) fn start() {
    STARTED.set(Some(Instant::now()));
}

/// The time since the start of the run.
pub(crate) fn elapsed() -> Duration {
    STARTED.get().unwrap().elapsed()
}

/// The time since 1970.
pub(crate) fn since_epoch() -> Duration {
    Duration::from_secs(START) + elapsed()
}

/// Returns the time that the consumers write as `StoredAt`.
pub(crate) fn timestamp() -> Timestamp {
    Timestamp::from_nanos(u64::try_from(since_epoch().as_nanos()).unwrap()).unwrap()
}

/// The time with which the AWS clients sign requests.
#[derive(Debug)]
pub(crate) struct SigningTime;

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + since_epoch()
    }
}
