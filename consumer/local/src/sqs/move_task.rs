//! A message move task: moves the messages of a dead-letter queue to another queue.

use super::clock::Millis;

/// Moves the messages that a dead-letter queue contained when the task began.
#[derive(Debug, Clone)]
pub(super) struct MoveTask {
    pub(super) handle: String,
    pub(super) source: String,
    /// The target queue; `None` means the queue that each message came from.
    pub(super) destination: Option<String>,
    pub(super) per_second: Option<u32>,
    pub(super) status: TaskStatus,
    pub(super) moved: usize,
    pub(super) to_move: usize,
    pub(super) started_at: Millis,
    pub(super) failure: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskStatus {
    Running,
    Cancelling,
    Cancelled,
    Completed,
    Failed,
}

impl TaskStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}
