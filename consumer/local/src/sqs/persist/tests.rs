use std::path::PathBuf;

use super::*;
use crate::sqs::message::{Attributes, Message, md5_of_body};
use crate::sqs::queue::{Receive, Slot};
use crate::sqs::queues::Queues;

/// A file of its own for one test, removed at the end.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        let name = format!("sqs-{}.sqlite", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }

    /// The file as a process would find it that starts after this one was
    /// killed: nothing has been closed.
    fn after_a_kill(&self) -> Self {
        let copy = Self::new();
        std::fs::copy(&self.0, &copy.0).unwrap();
        std::fs::copy(self.wal(), copy.wal()).unwrap();
        copy
    }

    fn wal(&self) -> PathBuf {
        PathBuf::from(format!("{}-wal", self.0.display()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(self.wal());
    }
}

async fn send(queues: &Queues, name: &str, body: &str, deduplication_id: Option<&str>) -> Seq {
    let message = Message {
        id: uuid::Uuid::new_v4().to_string(),
        body: body.into(),
        md5_of_body: md5_of_body(body),
        attributes: Attributes::new(),
        trace_header: None,
        group: deduplication_id.map(|_| "g".into()),
        deduplication_id: deduplication_id.map(Into::into),
        sent_at: 0,
        dead_letter_source: None,
    };
    let sent = queues.apply(|state, now, journal| {
        let seq = state.next_seq();
        let queue = state.queue(name, now, journal)?;
        Ok(queue.send(now, seq, message, None, journal).seq)
    });
    sent.await.unwrap()
}

async fn receive(queues: &Queues, name: &str, visibility: Millis) -> Vec<Slot> {
    let request = Receive {
        most: 10,
        visibility: Some(visibility),
        attempt: None,
    };
    let received = queues.apply(|state, now, journal| state.receive(name, &request, now, journal));
    received.await.unwrap()
}

fn bodies(slots: &[Slot]) -> Vec<&str> {
    slots
        .iter()
        .map(|slot| slot.message.body.as_str())
        .collect()
}

const NONE: [(&str, &str); 0] = [];

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    queues
        .create("q", [("VisibilityTimeout", "60")])
        .await
        .unwrap();
    for body in ["a", "b", "c"] {
        send(&queues, "q", body, None).await;
    }
    let taken = receive(&queues, "q", 0).await;
    let deleted = queues.apply(|state, now, journal| {
        let queue = state.queue("q", now, journal)?;
        let receipt = crate::sqs::receipt::Receipt {
            queue: queue.id,
            seq: taken[0].seq,
            receive: 1,
        };
        queue.delete(now, receipt, journal)
    });
    deleted.await.unwrap();

    let copy = file.after_a_kill();
    let reopened = Queues::open(&copy.0).unwrap();
    let again = receive(&reopened, "q", 60_000).await;
    assert_eq!(bodies(&again), ["b", "c"]);
    assert_eq!(again[0].delivery.receives, 2);
    assert_eq!(again[0].message.id, taken[1].message.id);
}

#[tokio::test]
async fn messages_in_flight_stay_hidden_until_their_deadline() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    queues.create("q", NONE).await.unwrap();
    send(&queues, "q", "long", None).await;
    receive(&queues, "q", 60_000).await;
    send(&queues, "q", "short", None).await;
    receive(&queues, "q", 1).await;
    drop(queues);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(bodies(&receive(&queues, "q", 60_000).await), ["short"]);
}

#[tokio::test]
async fn deduplication_ids_and_group_order_survive() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    queues.create("q.fifo", NONE).await.unwrap();
    let first = send(&queues, "q.fifo", "1", Some("d1")).await;
    send(&queues, "q.fifo", "2", Some("d2")).await;
    receive(&queues, "q.fifo", 0).await;
    drop(queues);
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(send(&queues, "q.fifo", "other", Some("d1")).await, first);
    let third = send(&queues, "q.fifo", "3", Some("d3")).await;
    assert!(third > first);
    assert_eq!(
        bodies(&receive(&queues, "q.fifo", 0).await),
        ["1", "2", "3"]
    );
}

#[tokio::test]
async fn creating_the_same_queue_again_keeps_its_messages() {
    let file = File::new();
    for visibility in ["30", "60"] {
        let queues = Queues::open(&file.0).unwrap();
        queues
            .create("q", [("VisibilityTimeout", visibility)])
            .await
            .unwrap();
        send(&queues, "q", visibility, None).await;
        let settings = queues.look(|state| state.settings("q")).unwrap();
        assert_eq!(settings.texts()["VisibilityTimeout"], visibility);
    }
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(bodies(&receive(&queues, "q", 0).await), ["30", "60"]);
}

#[tokio::test]
async fn purged_and_deleted_queues_stay_so() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    for name in ["purged", "deleted"] {
        queues.create(name, NONE).await.unwrap();
        send(&queues, name, "x", None).await;
    }
    let emptied = queues.apply(|state, now, journal| {
        state.queue("purged", now, journal)?.purge(now, journal);
        state.delete("deleted", now, journal)
    });
    emptied.await.unwrap();
    drop(queues);
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(receive(&queues, "purged", 0).await.len(), 0);
    assert!(queues.look(|state| state.settings("deleted")).is_err());
}

#[tokio::test]
async fn a_file_that_is_open_is_not_opened_twice() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    assert!(matches!(Queues::open(&file.0), Err(OpenError::InUse)));
    drop(queues);
    Queues::open(&file.0).unwrap();
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused() {
    let file = File::new();
    let connection = Connection::open(&file.0).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let outcome = Queues::open(&file.0);
    assert!(matches!(
        outcome,
        Err(OpenError::Format { found: 2, known: 1 })
    ));
}

#[test]
fn changes_that_could_not_be_written_go_first_next_time() {
    use crate::sqs::journal::Change;
    use crate::sqs::settings::Texts;

    let saved = |id: u64| {
        vec![Change::QueueSaved {
            id,
            name: id.to_string(),
            attributes: Texts::new(),
            tags: Texts::new(),
            created_at: 0,
            modified_at: 0,
        }]
    };
    let file = File::new();
    let (store, _) = Store::open(&file.0, 0).unwrap();
    // A number that SQLite cannot hold stands for a disk that is full.
    assert_eq!(store.commit(saved(u64::MAX)).blocking_recv(), Ok(false));
    assert_eq!(store.commit(saved(1)).blocking_recv(), Ok(false));
    assert_eq!(store.commit(Journal::new()).blocking_recv(), Ok(false));
    drop(store);
    let (_store, loaded) = Store::open(&file.0, 0).unwrap();
    assert!(loaded.queues.is_empty());
}
