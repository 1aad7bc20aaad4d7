//! Starts message move tasks and executes them step by step.

use super::Account;
use crate::sqs::arn;
use crate::sqs::changes::ChangeSet;
use crate::sqs::clock::Millis;
use crate::sqs::error::{ErrorCode, SqsError};
use crate::sqs::move_task::{MoveTask, TaskStatus};
use crate::sqs::settings::QueueSettings;

/// The maximum number of tasks that are listed for each source queue.
const MAX_FINISHED_TASKS: usize = 10;

impl Account {
    /// Adds a new task.
    ///
    /// # Errors
    ///
    /// `InvalidParameterValue` if another task of the source queue is running, or if the
    /// source is not a dead-letter queue.
    pub(in crate::sqs) fn start_task(&mut self, task: MoveTask) -> Result<(), SqsError> {
        let is_source = |settings: &QueueSettings| {
            let redrive = settings.redrive.as_ref();
            redrive.is_some_and(|redrive| redrive.target == task.source)
        };
        if !self
            .names_after("")
            .any(|(_, settings)| is_source(settings))
        {
            return Err(ErrorCode::InvalidParameterValue
                .error("Source queue must be configured as a Dead Letter Queue."));
        }
        let same = |other: &&mut MoveTask| other.source == task.source;
        let under_way = |status| matches!(status, TaskStatus::Running | TaskStatus::Cancelling);
        if self
            .tasks
            .iter_mut()
            .any(|other| same(&other) && under_way(other.status))
        {
            return Err(ErrorCode::InvalidParameterValue.error(
                "There is already a task running. Only one active task is allowed for a source queue \
                 arn at a given time.",
            ));
        }
        if self.tasks.iter_mut().filter(same).count() >= MAX_FINISHED_TASKS
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

    /// Moves up to `max` messages of a task. Returns true if the task continues.
    pub(in crate::sqs) fn move_some(
        &mut self,
        handle: &str,
        max: usize,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> bool {
        let Some(at) = self.tasks.iter().position(|task| task.handle == handle) else {
            return false;
        };
        let mut task = self.tasks[at].clone();
        if task.status == TaskStatus::Running {
            task.status = self.step(&mut task, max, now, changes);
        } else if task.status == TaskStatus::Cancelling {
            task.status = TaskStatus::Cancelled;
        }
        let goes_on = task.status == TaskStatus::Running;
        self.tasks[at] = task;
        goes_on
    }

    fn step(
        &mut self,
        task: &mut MoveTask,
        max: usize,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> TaskStatus {
        let max = max.min(task.to_move - task.moved);
        let Ok(source) = self.queue(&task.source, now, changes) else {
            return fail(task, "SourceQueueDoesNotExist");
        };
        let mut messages = source.take_for_move(now, max, changes).into_iter();
        if messages.len() == 0 {
            return TaskStatus::Completed;
        }
        while let Some(queued) = messages.next() {
            let origin = queued.message.dead_letter_source.as_deref();
            let origin = origin.and_then(arn::queue_name);
            let destination = task.destination.as_deref().or(origin);
            let failure = match destination.map(ToOwned::to_owned) {
                None => "CouldNotDetermineMessageSource",
                Some(destination) if self.contains(&destination) => {
                    let (seq, id) = (self.next_seq(), self.new_message_id());
                    if let Ok(queue) = self.queue(&destination, now, changes) {
                        queue.accept_redriven(now, seq, id, &queued.message, changes);
                    }
                    self.wake(&destination);
                    task.moved += 1;
                    continue;
                }
                Some(_) => "DestinationQueueDoesNotExist",
            };
            if let Ok(source) = self.queue(&task.source, now, changes) {
                for queued in std::iter::once(queued).chain(messages) {
                    source.put_back(now, queued, changes);
                }
            }
            self.wake(&task.source);
            return fail(task, failure);
        }
        TaskStatus::Running
    }
}

fn fail(task: &mut MoveTask, reason: &'static str) -> TaskStatus {
    task.failure = Some(reason);
    TaskStatus::Failed
}
