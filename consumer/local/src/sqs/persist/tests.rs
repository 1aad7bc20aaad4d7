use std::path::PathBuf;

use super::*;
use crate::sqs::message::{Attributes, Message, QueuedMessage, md5_of_body};
use crate::sqs::queue::Receive;
use crate::sqs::queues::Queues;

/// The file of one test, removed at the end.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        let name = format!("sqs-{}.sqlite", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }

    /// Copies the file without closing it, as a new process would find it after this process
    /// was killed.
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
    let sent = queues.write(|account, now, changes| {
        let seq = account.next_seq();
        let queue = account.queue(name, now, changes)?;
        Ok(queue.send(now, seq, message, None, changes).seq)
    });
    sent.await.unwrap()
}

async fn receive(queues: &Queues, name: &str, visibility: Millis) -> Vec<QueuedMessage> {
    let request = Receive {
        max: 10,
        visibility: Some(visibility),
        attempt: None,
    };
    let received =
        queues.write(|account, now, changes| account.receive(name, &request, now, changes));
    received.await.unwrap()
}

fn bodies(messages: &[QueuedMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.message.body.as_str())
        .collect()
}

const NONE: [(&str, &str); 0] = [];

#[tokio::test]
async fn confirmed_changes_survive_a_kill() {
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
    let deleted = queues.write(|account, now, changes| {
        let queue = account.queue("q", now, changes)?;
        let receipt = crate::sqs::receipt_handle::ReceiptHandle {
            queue: queue.id,
            seq: taken[0].seq,
            receive: 1,
        };
        queue.delete(now, receipt, changes)
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
async fn visibility_timeout_survives_a_restart() {
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
async fn deduplication_and_order_survive_a_restart() {
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
async fn recreating_a_queue_keeps_its_messages() {
    let file = File::new();
    for visibility in ["30", "60"] {
        let queues = Queues::open(&file.0).unwrap();
        queues
            .create("q", [("VisibilityTimeout", visibility)])
            .await
            .unwrap();
        send(&queues, "q", visibility, None).await;
        let settings = queues.read(|account| account.settings("q")).unwrap();
        assert_eq!(settings.attributes()["VisibilityTimeout"], visibility);
    }
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(bodies(&receive(&queues, "q", 0).await), ["30", "60"]);
}

#[tokio::test]
async fn purge_and_deletion_survive_a_restart() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    for name in ["purged", "deleted"] {
        queues.create(name, NONE).await.unwrap();
        send(&queues, name, "x", None).await;
    }
    let emptied = queues.write(|account, now, changes| {
        account.queue("purged", now, changes)?.purge(now, changes);
        account.delete("deleted", now, changes)
    });
    emptied.await.unwrap();
    drop(queues);
    let queues = Queues::open(&file.0).unwrap();
    assert_eq!(receive(&queues, "purged", 0).await.len(), 0);
    assert!(queues.read(|account| account.settings("deleted")).is_err());
}

#[tokio::test]
async fn open_file_is_not_opened_twice() {
    let file = File::new();
    let queues = Queues::open(&file.0).unwrap();
    assert!(matches!(Queues::open(&file.0), Err(OpenError::InUse)));
    drop(queues);
    Queues::open(&file.0).unwrap();
}

#[tokio::test]
async fn file_of_a_later_version_is_refused() {
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
fn unwritten_changes_are_written_first() {
    use crate::sqs::changes::Change;
    use crate::sqs::settings::AttributeMap;

    let saved = |id: u64| {
        vec![Change::QueueSaved {
            id,
            name: id.to_string(),
            attributes: AttributeMap::new(),
            tags: AttributeMap::new(),
            created_at: 0,
            modified_at: 0,
        }]
    };
    let file = File::new();
    let (store, _) = QueueFile::open(&file.0, 0).unwrap();
    // SQLite cannot store this number, so the write fails as on a full disk.
    assert_eq!(store.commit(saved(u64::MAX)).blocking_recv(), Ok(false));
    assert_eq!(store.commit(saved(1)).blocking_recv(), Ok(false));
    assert_eq!(store.commit(ChangeSet::new()).blocking_recv(), Ok(false));
    drop(store);
    let (_store, loaded) = QueueFile::open(&file.0, 0).unwrap();
    assert!(loaded.queues.is_empty());
}
