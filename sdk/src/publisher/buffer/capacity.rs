//! How much the emitter holds at a time.

use tokio::sync::{Semaphore, TryAcquireError};

/// Bounds the events without an outcome, by number and by bytes.
#[derive(Debug)]
pub(crate) struct Room {
    events: Semaphore,
    bytes: Semaphore,
    max_bytes: u32,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Full,
    Closed,
}

impl Room {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        Self {
            events: Semaphore::new(max_events.min(Semaphore::MAX_PERMITS)),
            bytes: Semaphore::new(max_bytes as usize),
            max_bytes,
        }
    }

    /// What an event of `bytes` takes. One that is larger than the whole room
    /// goes in when the room is empty.
    fn weight(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.max_bytes)
    }

    pub(crate) fn try_enter(&self, bytes: usize) -> Result<(), NoRoom> {
        let why = |error| match error {
            TryAcquireError::NoPermits => NoRoom::Full,
            TryAcquireError::Closed => NoRoom::Closed,
        };
        let event = self.events.try_acquire().map_err(why)?;
        let bytes = self
            .bytes
            .try_acquire_many(self.weight(bytes))
            .map_err(why)?;
        event.forget();
        bytes.forget();
        Ok(())
    }

    /// Waits for room, in the order of asking.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives back what it had got.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<(), NoRoom> {
        let event = self.events.acquire().await.map_err(|_| NoRoom::Closed)?;
        let bytes = self.bytes.acquire_many(self.weight(bytes)).await;
        bytes.map_err(|_| NoRoom::Closed)?.forget();
        event.forget();
        Ok(())
    }

    /// Gives back the room of events of these sizes.
    pub(crate) fn leave(&self, sizes: impl IntoIterator<Item = usize>) {
        let (mut events, mut bytes) = (0, 0);
        for size in sizes {
            events += 1;
            bytes += self.weight(size) as usize;
        }
        self.bytes.add_permits(bytes);
        self.events.add_permits(events);
    }

    /// Lets nobody in any more, and sends away who waits.
    pub(crate) fn close(&self) {
        self.events.close();
        self.bytes.close();
    }
}
