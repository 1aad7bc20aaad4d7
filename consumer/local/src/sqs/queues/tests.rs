use super::*;

const NONE: [(&str, &str); 0] = [];

fn redrive_to(name: &str) -> (&'static str, String) {
    let arn = arn::queue_arn(name);
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
    ("RedrivePolicy", policy)
}

#[tokio::test]
async fn queue_name_rules_are_those_of_sqs() {
    let queues = Queues::memory();
    for (name, taken) in [
        ("a", true),
        ("A-z_0", true),
        ("a.fifo", true),
        (&"n".repeat(80), true),
        (&"n".repeat(81), false),
        ("", false),
        (".fifo", false),
        ("a.b", false),
        ("a b", false),
        ("é", false),
    ] {
        assert_eq!(queues.create(name, NONE).await.is_ok(), taken, "{name:?}");
    }
}

#[tokio::test]
async fn dead_letter_queue_must_be_suitable() {
    let queues = Queues::memory();
    queues.create("open", NONE).await.unwrap();
    queues.create("line.fifo", NONE).await.unwrap();
    let deny = [("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)];
    queues.create("closed", deny).await.unwrap();
    for (target, taken) in [
        ("open", true),
        ("missing", false),
        ("line.fifo", false),
        ("closed", false),
        ("source", false),
    ] {
        let outcome = queues.create("source", [redrive_to(target)]).await;
        assert_eq!(outcome.is_ok(), taken, "{target}: {outcome:?}");
    }
}

#[tokio::test]
async fn name_of_deleted_queue_is_blocked_for_a_minute() {
    let queues = Queues::memory();
    queues.create("q", NONE).await.unwrap();
    let recreated = queues.write(|account, now, changes| {
        account.delete("q", now, changes)?;
        let error = account
            .create("q", &AttributeMap::new(), AttributeMap::new(), now, changes)
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::QueueDeletedRecently);
        let later = now + NAME_REUSE_INTERVAL;
        account.create(
            "q",
            &AttributeMap::new(),
            AttributeMap::new(),
            later,
            changes,
        )?;
        account.delete("q", later, changes)
    });
    recreated.await.unwrap();
    queues.create("q", NONE).await.unwrap();
}

#[tokio::test]
async fn existing_queue_needs_same_attributes() {
    let queues = Queues::memory();
    let outcome = queues.write(|account, now, changes| {
        let mut create = |delay: &str| {
            let attributes = AttributeMap::from([("DelaySeconds".to_owned(), delay.to_owned())]);
            account.create("q", &attributes, AttributeMap::new(), now, changes)
        };
        create("1")?;
        create("1")?;
        create("2")
    });
    assert_eq!(outcome.await.unwrap_err().code, ErrorCode::QueueNameExists);
}
