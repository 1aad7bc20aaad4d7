//! Message move tasks: starting, listing, cancelling, and carrying them out.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Endpoint;
use crate::sqs::arn::{self, queue_arn};
use crate::sqs::error::{Kind, Refusal, missing};
use crate::sqs::limits::check_range;
use crate::sqs::moves::{Status, Task};
use crate::sqs::protocol::{
    CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask, TaskCancelled, TaskHandle,
    TaskResult, Tasks,
};
use crate::sqs::queues::Queues;

/// How many messages are moved at once when no rate is asked for.
const STRIDE: u32 = 100;

impl Endpoint {
    pub(super) async fn start_message_move_task(
        &self,
        request: StartMessageMoveTask,
    ) -> Result<TaskHandle, Refusal> {
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
        let started = self.queues.apply(|state, now, journal| {
            let no_queue = |_| no_resource("SourceArn");
            let queue = state.queue(source, now, journal).map_err(no_queue)?;
            let (to_move, fifo) = (queue.counts().visible, queue.settings.fifo);
            if let Some(destination) = destination {
                let no_queue = |_| no_resource("DestinationArn");
                let queue = state.queue(destination, now, journal).map_err(no_queue)?;
                if queue.settings.fifo != fifo || destination == source {
                    return Err(Kind::InvalidParameterValue.because(
                        "The destination must be another queue of the same type as the source.",
                    ));
                }
            }
            state.start_task(Task {
                handle: handle.clone(),
                source: source.to_owned(),
                destination: destination.map(str::to_owned),
                per_second,
                status: Status::Running,
                moved: 0,
                to_move,
                started_at: now,
                failure: None,
            })
        });
        started.await?;
        let queues = self.queues.clone();
        tokio::spawn(carry_out(
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
    ) -> Result<Tasks, Refusal> {
        let source = existing_queue("SourceArn", request.source_arn.as_deref())?;
        let most = check_range("MaxResults", request.max_results, 1..=10)?;
        let most = most
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(1);
        self.queues.look(|state| {
            state
                .settings(source)
                .map_err(|_| no_resource("SourceArn"))?;
            let tasks = state
                .tasks
                .iter()
                .rev()
                .filter(|task| task.source == source);
            Ok(Tasks {
                results: tasks.take(most).map(result).collect(),
            })
        })
    }

    pub(super) async fn cancel_message_move_task(
        &self,
        request: CancelMessageMoveTask,
    ) -> Result<TaskCancelled, Refusal> {
        let handle = request.task_handle.ok_or_else(|| missing("TaskHandle"))?;
        let cancelled = self.queues.apply(|state, _, _| {
            let task = state.tasks.iter_mut().find(|task| task.handle == handle);
            let task =
                task.ok_or_else(|| Kind::ResourceNotFound.because("Task does not exist."))?;
            if task.status != Status::Running {
                return Err(
                    Kind::UnsupportedOperation.because("Only active tasks can be cancelled.")
                );
            }
            task.status = Status::Cancelling;
            Ok(TaskCancelled {
                approximate_number_of_messages_moved: task.moved,
            })
        });
        cancelled.await
    }
}

/// Moves messages until the task ends or the server does.
async fn carry_out(
    queues: Queues,
    handle: String,
    per_second: Option<u32>,
    stopping: CancellationToken,
) {
    // A rate is kept in about ten steps a second, so that it is even.
    let stride = per_second.map_or(STRIDE, |rate| rate.div_ceil(10));
    let pause = per_second.map_or(Duration::ZERO, |rate| {
        Duration::from_secs(1) * stride / rate
    });
    let most = usize::try_from(stride).unwrap_or(usize::MAX);
    loop {
        let step =
            queues.apply(|state, now, journal| Ok(state.move_some(&handle, most, now, journal)));
        match step.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(refusal) => {
                tracing::error!(%refusal, "a message move task ended early");
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => return,
        }
    }
}

fn result(task: &Task) -> TaskResult {
    let running = task.status == Status::Running;
    TaskResult {
        // SQS tells the handle only while it can be used to cancel.
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

fn existing_queue<'a>(parameter: &str, arn: Option<&'a str>) -> Result<&'a str, Refusal> {
    let arn = arn.ok_or_else(|| missing(parameter))?;
    arn::queue_name(arn).ok_or_else(|| no_resource(parameter))
}

fn no_resource(parameter: &str) -> Refusal {
    Kind::ResourceNotFound.because(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}
