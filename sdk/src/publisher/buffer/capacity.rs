//! The limit on the events that the publisher holds.

use tokio::sync::{Semaphore, TryAcquireError};

/// Limits the number and the bytes of the events that have no outcome yet.
#[derive(Debug)]
pub(crate) struct Capacity {
    events: Semaphore,
    bytes: Semaphore,
    max_bytes: u32,
}

/// Why capacity was not acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CapacityError {
    Full,
    Closed,
}

impl Capacity {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        Self {
            events: Semaphore::new(max_events.min(Semaphore::MAX_PERMITS)),
            bytes: Semaphore::new(max_bytes as usize),
            max_bytes,
        }
    }

    /// Returns the number of permits for an event of `bytes`. An event that is larger than the
    /// whole capacity acquires all permits, so it waits until there is no other event.
    fn weight(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.max_bytes)
    }

    pub(crate) fn try_acquire(&self, bytes: usize) -> Result<(), CapacityError> {
        let error = |error| match error {
            TryAcquireError::NoPermits => CapacityError::Full,
            TryAcquireError::Closed => CapacityError::Closed,
        };
        let event = self.events.try_acquire().map_err(error)?;
        let bytes = self
            .bytes
            .try_acquire_many(self.weight(bytes))
            .map_err(error)?;
        event.forget();
        bytes.forget();
        Ok(())
    }

    /// Waits for capacity, in the order of the calls.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases the acquired capacity.
    pub(crate) async fn acquire(&self, bytes: usize) -> Result<(), CapacityError> {
        let closed = |_| CapacityError::Closed;
        let event = self.events.acquire().await.map_err(closed)?;
        let bytes = self.bytes.acquire_many(self.weight(bytes)).await;
        bytes.map_err(closed)?.forget();
        event.forget();
        Ok(())
    }

    /// Releases the capacity of events of these sizes.
    pub(crate) fn release(&self, sizes: impl IntoIterator<Item = usize>) {
        let (mut events, mut bytes) = (0, 0);
        for size in sizes {
            events += 1;
            bytes += self.weight(size) as usize;
        }
        self.bytes.add_permits(bytes);
        self.events.add_permits(events);
    }

    /// Refuses further events. Waiting calls get [`CapacityError::Closed`].
    pub(crate) fn close(&self) {
        self.events.close();
        self.bytes.close();
    }
}
