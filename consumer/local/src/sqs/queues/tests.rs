use super::*;

const NONE: [(&str, &str); 0] = [];

fn redrive_to(name: &str) -> (&'static str, String) {
    let arn = arn::queue_arn(name);
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
    ("RedrivePolicy", policy)
}

#[tokio::test]
async fn names_that_are_taken_and_refused() {
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
async fn a_dead_letter_queue_must_be_there_of_the_same_type_and_willing() {
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
async fn a_deleted_queues_name_is_free_for_the_owner_and_later_for_clients() {
    let queues = Queues::memory();
    queues.create("q", NONE).await.unwrap();
    let recreated = queues.apply(|state, now, journal| {
        state.delete("q", now, journal)?;
        let refusal = state
            .create("q", &Texts::new(), Texts::new(), now, journal)
            .unwrap_err();
        assert_eq!(refusal.kind, Kind::QueueDeletedRecently);
        let later = now + NAME_TAKEN_FOR;
        state.create("q", &Texts::new(), Texts::new(), later, journal)?;
        state.delete("q", later, journal)
    });
    recreated.await.unwrap();
    queues.create("q", NONE).await.unwrap();
}

#[tokio::test]
async fn a_queue_is_found_again_only_with_the_same_attributes() {
    let queues = Queues::memory();
    let outcome = queues.apply(|state, now, journal| {
        let mut create = |delay: &str| {
            let attributes = Texts::from([("DelaySeconds".to_owned(), delay.to_owned())]);
            state.create("q", &attributes, Texts::new(), now, journal)
        };
        create("1")?;
        create("1")?;
        create("2")
    });
    assert_eq!(outcome.await.unwrap_err().kind, Kind::QueueNameExists);
}
