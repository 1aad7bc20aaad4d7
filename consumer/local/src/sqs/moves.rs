//! Message move tasks: from a dead-letter queue back, or elsewhere.

use super::arn;
use super::clock::Millis;
use super::error::{Kind, Refusal};
use super::journal::Journal;
use super::queues::State;

/// How many finished tasks are remembered for each source queue.
const REMEMBERED: usize = 10;

/// The move of the messages a dead-letter queue had when the task began.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) handle: String,
    pub(super) source: String,
    /// Where to, or back to where each message came from.
    pub(super) destination: Option<String>,
    pub(super) per_second: Option<u32>,
    pub(super) status: Status,
    pub(super) moved: usize,
    pub(super) to_move: usize,
    pub(super) started_at: Millis,
    pub(super) failure: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Cancelling,
    Cancelled,
    Completed,
    Failed,
}

impl Status {
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

impl State {
    /// Notes a task that begins.
    ///
    /// # Errors
    ///
    /// If the source has a task under way, or is no dead-letter queue.
    pub(super) fn start_task(&mut self, task: Task) -> Result<(), Refusal> {
        let is_source = |settings: &super::settings::Settings| {
            let redrive = settings.redrive.as_ref();
            redrive.is_some_and(|redrive| redrive.target == task.source)
        };
        if !self
            .names_after("")
            .any(|(_, settings)| is_source(settings))
        {
            return Err(Kind::InvalidParameterValue
                .because("Source queue must be configured as a Dead Letter Queue."));
        }
        let same = |other: &&mut Task| other.source == task.source;
        let under_way = |status| matches!(status, Status::Running | Status::Cancelling);
        if self
            .tasks
            .iter_mut()
            .any(|other| same(&other) && under_way(other.status))
        {
            return Err(Kind::InvalidParameterValue.because(
                "There is already a task running. Only one active task is allowed for a source queue \
                 arn at a given time.",
            ));
        }
        if self.tasks.iter_mut().filter(same).count() >= REMEMBERED
            && let Some(oldest) = self
                .tasks
                .iter()
                .position(|other| other.source == task.source)
        {
            self.tasks.remove(oldest);
        }
        self.tasks.push(task);
        Ok(())
    }

    /// Moves up to `most` messages of a task; whether it goes on.
    pub(super) fn move_some(
        &mut self,
        handle: &str,
        most: usize,
        now: Millis,
        journal: &mut Journal,
    ) -> bool {
        let Some(at) = self.tasks.iter().position(|task| task.handle == handle) else {
            return false;
        };
        let mut task = self.tasks[at].clone();
        if task.status == Status::Running {
            task.status = self.step(&mut task, most, now, journal);
        } else if task.status == Status::Cancelling {
            task.status = Status::Cancelled;
        }
        let goes_on = task.status == Status::Running;
        self.tasks[at] = task;
        goes_on
    }

    fn step(&mut self, task: &mut Task, most: usize, now: Millis, journal: &mut Journal) -> Status {
        let most = most.min(task.to_move - task.moved);
        let Ok(source) = self.queue(&task.source, now, journal) else {
            return fail(task, "SourceQueueDoesNotExist");
        };
        let mut slots = source.take_out(now, most, journal).into_iter();
        if slots.len() == 0 {
            return Status::Completed;
        }
        while let Some(slot) = slots.next() {
            let origin = slot.message.dead_letter_source.as_deref();
            let origin = origin.and_then(arn::queue_name);
            let destination = task.destination.as_deref().or(origin);
            let failure = match destination.map(ToOwned::to_owned) {
                None => "CouldNotDetermineMessageSource",
                Some(destination) if self.contains(&destination) => {
                    let seq = self.next_seq();
                    if let Ok(queue) = self.queue(&destination, now, journal) {
                        queue.renew(now, seq, &slot.message, journal);
                    }
                    self.wake(&destination);
                    task.moved += 1;
                    continue;
                }
                Some(_) => "DestinationQueueDoesNotExist",
            };
            if let Ok(source) = self.queue(&task.source, now, journal) {
                for slot in std::iter::once(slot).chain(slots) {
                    source.put_back(now, slot, journal);
                }
            }
            self.wake(&task.source);
            return fail(task, failure);
        }
        Status::Running
    }
}

fn fail(task: &mut Task, reason: &'static str) -> Status {
    task.failure = Some(reason);
    Status::Failed
}
