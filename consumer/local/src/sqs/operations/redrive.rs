//! Message move tasks: start, list, cancel, and run.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Endpoint;
use crate::sqs::arn::{self, queue_arn};
use crate::sqs::error::{ErrorCode, SqsError, missing};
use crate::sqs::limits::check_range;
use crate::sqs::move_task::{MoveTask, TaskStatus};
use crate::sqs::protocol::{
    CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask, TaskCancelled, TaskHandle,
    TaskResult, Tasks,
};
use crate::sqs::queues::Queues;

/// The number of messages that one step moves if the request sets no rate.
const MAX_STEP: u32 = 100;

impl Endpoint {
    pub(super) async fn start_message_move_task(
        &self,
        request: StartMessageMoveTask,
    ) -> Result<TaskHandle, SqsError> {
        let source = existing_queue("SourceArn", request.source_arn.as_deref())?;
        let destination = request.destination_arn.as_deref();
        let destination = destination
            .map(|arn| existing_queue("DestinationArn", Some(arn)))
            .transpose()?;
        let per_second = check_range(
            "MaxNumberOfMessagesPerSecond",
            request.max_number_of_messages_per_second,
            1..=500,
        )?;
        let per_second = per_second.and_then(|rate| u32::try_from(rate).ok());
        let handle = uuid::Uuid::new_v4().simple().to_string();
        let started = self.queues.write(|account, now, changes| {
            let no_queue = |_| no_resource("SourceArn");
            let queue = account.queue(source, now, changes).map_err(no_queue)?;
            let (to_move, fifo) = (queue.counts().visible, queue.settings.fifo);
            if let Some(destination) = destination {
                let no_queue = |_| no_resource("DestinationArn");
                let queue = account.queue(destination, now, changes).map_err(no_queue)?;
                if queue.settings.fifo != fifo || destination == source {
                    return Err(ErrorCode::InvalidParameterValue.error(
                        "The destination must be another queue of the same type as the source.",
                    ));
                }
            }
            account.start_task(MoveTask {
                handle: handle.clone(),
                source: source.to_owned(),
                destination: destination.map(str::to_owned),
                per_second,
                status: TaskStatus::Running,
                moved: 0,
                to_move,
                started_at: now,
                failure: None,
            })
        });
        started.await?;
        let queues = self.queues.clone();
        tokio::spawn(run_move_task(
            queues,
            handle.clone(),
            per_second,
            self.stopping.clone(),
        ));
        Ok(TaskHandle {
            task_handle: handle,
        })
    }

    pub(super) async fn list_message_move_tasks(
        &self,
        request: ListMessageMoveTasks,
    ) -> Result<Tasks, SqsError> {
        let source = existing_queue("SourceArn", request.source_arn.as_deref())?;
        let max = check_range("MaxResults", request.max_results, 1..=10)?;
        let max = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(1);
        self.queues.read(|account| {
            account
                .settings(source)
                .map_err(|_| no_resource("SourceArn"))?;
            let tasks = account
                .tasks
                .iter()
                .rev()
                .filter(|task| task.source == source);
            Ok(Tasks {
                results: tasks.take(max).map(result).collect(),
            })
        })
    }

    pub(super) async fn cancel_message_move_task(
        &self,
        request: CancelMessageMoveTask,
    ) -> Result<TaskCancelled, SqsError> {
        let handle = request.task_handle.ok_or_else(|| missing("TaskHandle"))?;
        let cancelled = self.queues.write(|account, _, _| {
            let task = account.tasks.iter_mut().find(|task| task.handle == handle);
            let task =
                task.ok_or_else(|| ErrorCode::ResourceNotFound.error("MoveTask does not exist."))?;
            if task.status != TaskStatus::Running {
                return Err(
                    ErrorCode::UnsupportedOperation.error("Only active tasks can be cancelled.")
                );
            }
            task.status = TaskStatus::Cancelling;
            Ok(TaskCancelled {
                approximate_number_of_messages_moved: task.moved,
            })
        });
        cancelled.await
    }
}

/// Moves messages until the task or the server ends.
async fn run_move_task(
    queues: Queues,
    handle: String,
    per_second: Option<u32>,
    stopping: CancellationToken,
) {
    // The task makes about ten steps per second, so that the rate is even.
    let step_size = per_second.map_or(MAX_STEP, |rate| rate.div_ceil(10));
    let pause = per_second.map_or(Duration::ZERO, |rate| {
        Duration::from_secs(1) * step_size / rate
    });
    let max = usize::try_from(step_size).unwrap_or(usize::MAX);
    loop {
        let step =
            queues.write(|account, now, changes| Ok(account.move_some(&handle, max, now, changes)));
        match step.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, "a message move task ended early");
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => return,
        }
    }
}

fn result(task: &MoveTask) -> TaskResult {
    let running = task.status == TaskStatus::Running;
    TaskResult {
        // SQS returns the handle only while the task can be cancelled.
        task_handle: running.then(|| task.handle.clone()),
        status: task.status.name(),
        source_arn: queue_arn(&task.source),
        destination_arn: task.destination.as_deref().map(queue_arn),
        max_number_of_messages_per_second: task.per_second,
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: task.to_move,
        failure_reason: task.failure,
        started_timestamp: task.started_at,
    }
}

fn existing_queue<'a>(parameter: &str, arn: Option<&'a str>) -> Result<&'a str, SqsError> {
    let arn = arn.ok_or_else(|| missing(parameter))?;
    arn::queue_name(arn).ok_or_else(|| no_resource(parameter))
}

fn no_resource(parameter: &str) -> SqsError {
    ErrorCode::ResourceNotFound.error(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}
