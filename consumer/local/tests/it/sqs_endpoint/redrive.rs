//! Dead-letter queues and message move tasks.

use aws_sdk_sqs::types::{MessageSystemAttributeName as System, QueueAttributeName as Queue};
use domain_events_local::sqs::queue_arn;

use super::{Endpoint, code, pause, redrive_to, system, text};

#[tokio::test]
async fn dead_letter_keeps_its_message_id() {
    let local = Endpoint::memory().await;
    let dead = local.queue("dead", &[]).await;
    let policy = redrive_to("dead", 2);
    let url = local.queue("q", &[(Queue::RedrivePolicy, &policy)]).await;
    let request = local
        .client
        .send_message()
        .queue_url(&url)
        .message_body("poison");
    request
        .message_attributes("k", text("String", "v"))
        .send()
        .await
        .unwrap();
    let first = local.receive(&url, 0, 0).await.remove(0);
    assert_eq!(local.receive(&url, 0, 0).await.len(), 1);
    assert_eq!(local.receive(&url, 0, 0).await.len(), 0);

    let buried = local.receive(&dead, 30, 0).await.remove(0);
    assert_eq!(buried.message_id(), first.message_id());
    assert_eq!(buried.message_attributes(), first.message_attributes());
    assert_eq!(
        system(&buried, &System::SentTimestamp),
        system(&first, &System::SentTimestamp)
    );
    assert_eq!(
        system(&buried, &System::DeadLetterQueueSourceArn),
        queue_arn("q")
    );
    let request = local
        .client
        .list_dead_letter_source_queues()
        .queue_url(&dead);
    assert_eq!(request.send().await.unwrap().queue_urls(), [url]);
}

#[tokio::test]
async fn move_task_returns_dead_letters() {
    let local = Endpoint::memory().await;
    let dead = local.queue("dead", &[]).await;
    let policy = redrive_to("dead", 1);
    let url = local.queue("q", &[(Queue::RedrivePolicy, &policy)]).await;
    for body in ["1", "2", "3"] {
        local.send(&url, body).await;
    }
    local.receive(&url, 0, 0).await;
    local.receive(&url, 0, 0).await;
    assert_eq!(
        local
            .attribute(&dead, Queue::ApproximateNumberOfMessages)
            .await,
        "3"
    );

    let start = |arn: String| {
        local
            .client
            .start_message_move_task()
            .source_arn(arn)
            .send()
    };
    assert!(
        start(queue_arn("dead"))
            .await
            .unwrap()
            .task_handle()
            .is_some()
    );
    let again = local.receive(&url, 0, 1).await;
    assert_eq!(system(&again[0], &System::ApproximateReceiveCount), "1");
    pause(50).await;
    let request = local
        .client
        .list_message_move_tasks()
        .source_arn(queue_arn("dead"));
    let tasks = request.send().await.unwrap();
    assert_eq!(tasks.results()[0].status(), Some("COMPLETED"));
    assert_eq!(tasks.results()[0].approximate_number_of_messages_moved(), 3);
    assert_eq!(code(start(queue_arn("q")).await), "InvalidParameterValue");
    assert_eq!(
        code(start(queue_arn("none")).await),
        "ResourceNotFoundException"
    );
}
