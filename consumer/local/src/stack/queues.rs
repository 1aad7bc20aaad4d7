//! The queues of a stack.

use super::StartError;
use crate::sqs;

pub(super) const QUEUE: &str = "events";
pub(super) const DEAD_LETTER_QUEUE: &str = "events-dead-letters";

pub(super) fn queue_name(name: &str, fifo: bool) -> String {
    if fifo {
        format!("{name}.fifo")
    } else {
        name.to_owned()
    }
}

/// Creates the queues like the Terraform module, with two differences: the visibility timeout
/// is shorter, and a message is moved to the dead-letter queue after fewer receives, so that a
/// developer does not have to wait for an hour to see it there.
pub(super) async fn create_queues(queues: &sqs::Queues, fifo: bool) -> Result<(), StartError> {
    let failed = |source: sqs::CreateError| StartError::Create {
        object: "the queues",
        source: source.into(),
    };
    let dead_letters = queue_name(DEAD_LETTER_QUEUE, fifo);
    let redrive = format!(
        r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":5}}"#,
        sqs::queue_arn(&dead_letters)
    );
    let fifo_attributes: &[(&str, &str)] = if fifo {
        &[
            ("FifoQueue", "true"),
            ("DeduplicationScope", "messageGroup"),
            ("FifoThroughputLimit", "perMessageGroupId"),
        ]
    } else {
        &[]
    };
    let two_weeks = [("MessageRetentionPeriod", "1209600")];
    queues
        .create(
            &dead_letters,
            two_weeks.iter().chain(fifo_attributes).copied(),
        )
        .await
        .map_err(failed)?;
    let attributes = [("VisibilityTimeout", "60"), ("RedrivePolicy", &*redrive)];
    queues
        .create(
            &queue_name(QUEUE, fifo),
            attributes.iter().chain(fifo_attributes).copied(),
        )
        .await
        .map_err(failed)?;
    Ok(())
}
