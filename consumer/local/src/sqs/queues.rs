//! All queues of an endpoint: their names, the lock that protects them, and the long polls
//! that wait for messages.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use uuid::Uuid;

use super::arn;
use super::changes::{Change, ChangeSet};
use super::clock::{Clock, Millis};
use super::error::{ErrorCode, SqsError, invalid_value};
use super::message::{QueuedMessage, Seq};
use super::move_task::MoveTask;
use super::persist::{OpenError, QueueFile};
use super::queue::{Queue, Receive};
use super::settings::{AttributeMap, QueueSettings};

mod move_tasks;

/// How long the name of a deleted queue cannot be used again, as on AWS.
const NAME_REUSE_INTERVAL: Millis = 60_000;

/// Why a queue cannot be created.
///
/// # Examples
///
/// ```
/// use domain_events_local::sqs::{CreateError, Queues};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = Queues::memory().create("orders", [("DelaySeconds", "901")]).await;
/// assert!(matches!(refused, Err(CreateError::Refused(_))));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// SQS does not accept the name or an attribute.
    #[error("cannot create the queue: {0}")]
    Refused(String),
    /// The change cannot be written to the queues' file.
    #[error("cannot store the queue")]
    NotStored,
}

/// The queues of one endpoint. This is a cheap handle: all clones share the queues.
///
/// A file opened by [`open`](Self::open) is closed when the last handle is dropped.
///
/// # Examples
///
/// ```
/// use domain_events_local::sqs::Queues;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queues = Queues::memory();
/// queues.create("orders.fifo", [("ContentBasedDeduplication", "true")]).await?;
/// assert_eq!(queues.messages("orders.fifo"), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Queues {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    account: Mutex<Account>,
    store: Option<QueueFile>,
}

/// The data that the lock protects. It corresponds to the queues of one AWS account in one
/// region.
#[derive(Debug)]
pub(super) struct Account {
    queues: BTreeMap<String, Entry>,
    /// The names of deleted queues, until they can be used again.
    deleted: HashMap<String, Millis>,
    pub(super) tasks: Vec<MoveTask>,
    last_seq: Seq,
    /// The source of message ids.
    ids: fn() -> Uuid,
}

#[derive(Debug)]
struct Entry {
    queue: Queue,
    /// Wakes the waiting long polls, in the order in which they began to wait.
    wake: Arc<Notify>,
}

impl Entry {
    fn new(queue: Queue) -> Self {
        let wake = Arc::default();
        Self { queue, wake }
    }
}

impl Queues {
    /// Creates an empty set of queues in memory. The queues are lost when the process ends.
    pub fn memory() -> Self {
        let clock = Clock::start();
        let account = Account::new(BTreeMap::new(), first_seq(clock.now()));
        Self::with(clock, None, account)
    }

    /// Creates queues in memory for runs that can be repeated exactly. Their clock starts at
    /// `now`, in milliseconds since 1970, and then follows Tokio's clock. Their message ids
    /// come from `ids`.
    #[doc(hidden)]
    pub fn reproducible(now: u64, ids: fn() -> Uuid) -> Self {
        let account = Account {
            ids,
            ..Account::new(BTreeMap::new(), first_seq(now))
        };
        Self::with(Clock::start_at(now), None, account)
    }

    /// Opens the queues in the file at `path`. The file is created if it does not exist.
    ///
    /// Queues, messages, receive counts, visibility timeouts and deduplication ids
    /// survive the end of the process, even after `SIGKILL`. A crash of the operating
    /// system may lose the most recent changes. Move tasks and receive request attempt
    /// ids are not kept. On Unix, a new file can be read and written by its owner only.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file is in use, was written by a later version, or cannot
    /// be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let clock = Clock::start();
        let now = clock.now();
        let (store, loaded) = QueueFile::open(path.as_ref(), now)?;
        let queues = loaded.queues.into_iter().map(|queue| {
            let entry = Entry::new(queue);
            (entry.queue.name.clone(), entry)
        });
        let account = Account::new(queues.collect(), loaded.last_seq.max(first_seq(now)));
        Ok(Self::with(clock, Some(store), account))
    }

    fn with(clock: Clock, store: Option<QueueFile>, account: Account) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                account: Mutex::new(account),
                store,
            }),
        }
    }

    /// Creates the queue `name` with these attributes, or sets the attributes if the
    /// queue exists. A queue whose name ends in `.fifo` is a FIFO queue.
    ///
    /// # Errors
    ///
    /// [`CreateError::Refused`], with the message that SQS uses, if the name or an
    /// attribute is not allowed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not undo the creation.
    pub async fn create<N, V>(
        &self,
        name: &str,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), CreateError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut attributes: AttributeMap = attributes
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        if name.ends_with(".fifo") {
            attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        let outcome = self.write(|account, now, changes| {
            account.deleted.remove(name);
            if account.queues.contains_key(name) {
                attributes.remove("FifoQueue");
                account.set_attributes(name, &attributes, now, changes)
            } else {
                account.create(name, &attributes, AttributeMap::new(), now, changes)
            }
        });
        outcome.await.map_err(|error| match error.code {
            ErrorCode::InternalFailure => CreateError::NotStored,
            _ => CreateError::Refused(error.message),
        })
    }

    /// Returns the number of messages in the queue `name`: visible, in flight and delayed.
    /// It is 0 if the queue does not exist.
    pub fn messages(&self, name: &str) -> usize {
        let account = self.shared.lock();
        let entry = account.queues.get(name);
        entry.map_or(0, |entry| entry.queue.messages())
    }

    /// Reads the settings and tasks of the queues. To read messages, use
    /// [`write`](Self::write), which first applies the effects of time.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Account) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Runs `act` on the queues under the lock, and returns once its changes are stored.
    pub(super) async fn write<T>(
        &self,
        act: impl FnOnce(&mut Account, Millis, &mut ChangeSet) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let (outcome, commit) = {
            let mut account = self.shared.lock();
            let mut changes = ChangeSet::new();
            let outcome = act(&mut account, self.shared.clock.now(), &mut changes);
            // The changes are passed on under the lock, so that the file receives them in
            // the order in which they were made. This is necessary even if there are no
            // changes: the request may have read changes of other requests, and the endpoint
            // must not respond before those changes are stored.
            let commit = self
                .shared
                .store
                .as_ref()
                .map(|store| store.commit(changes));
            (outcome, commit)
        };
        if let Some(commit) = commit
            && commit.await != Ok(true)
        {
            return Err(ErrorCode::InternalFailure
                .error("The endpoint cannot write the file of its queues."));
        }
        outcome
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Account> {
        // A panic under the lock is a fault of one request and must not make all queues
        // unusable.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn new(queues: BTreeMap<String, Entry>, last_seq: Seq) -> Self {
        Self {
            queues,
            deleted: HashMap::new(),
            tasks: Vec::new(),
            last_seq,
            ids: Uuid::new_v4,
        }
    }

    /// Returns the id for a new message.
    pub(super) fn new_message_id(&self) -> String {
        (self.ids)().to_string()
    }

    /// Returns the queue `name`, after the effects of time up to `now` have been applied.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub(super) fn queue(
        &mut self,
        name: &str,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<&mut Queue, SqsError> {
        let entry = self.queues.get_mut(name).ok_or_else(no_queue)?;
        entry.queue.advance(now, changes);
        Ok(&mut entry.queue)
    }

    /// Returns the settings of the queue `name`.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub(super) fn settings(&self, name: &str) -> Result<Arc<QueueSettings>, SqsError> {
        let entry = self.queues.get(name).ok_or_else(no_queue)?;
        Ok(Arc::clone(&entry.queue.settings))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.queues.contains_key(name)
    }

    /// Returns the queues whose names follow `after`, in the order of their names.
    pub(super) fn names_after(&self, after: &str) -> impl Iterator<Item = (&str, &QueueSettings)> {
        let bounds = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let entries = self.queues.range::<str, _>(bounds);
        entries.map(|(name, entry)| (name.as_str(), &*entry.queue.settings))
    }

    /// Returns the next sequence number, for a message or a queue.
    pub(super) fn next_seq(&mut self) -> Seq {
        self.last_seq += 1;
        self.last_seq
    }

    /// Wakes the long polls on a queue, so that they check the queue again.
    pub(super) fn wake(&self, name: &str) {
        if let Some(entry) = self.queues.get(name) {
            entry.wake.notify_waiters();
        }
    }

    /// Completes at the next [`wake`](Self::wake) of the queue after this call, or when
    /// the queue is deleted.
    pub(super) fn woken(&self, name: &str) -> Result<OwnedNotified, SqsError> {
        let entry = self.queues.get(name).ok_or_else(no_queue)?;
        Ok(Arc::clone(&entry.wake).notified_owned())
    }

    /// Creates a queue. The call has no effect if a queue with this name and these attributes
    /// exists.
    pub(super) fn create(
        &mut self,
        name: &str,
        attributes: &AttributeMap,
        tags: AttributeMap,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<(), SqsError> {
        check_name(name, attributes)?;
        if let Some(entry) = self.queues.get(name) {
            return match entry.queue.settings.differs_from(attributes)? {
                None => Ok(()),
                Some(attribute) => Err(ErrorCode::QueueNameExists.error(format!(
                    "A queue already exists with the same name and a different value for attribute {attribute}"
                ))),
            };
        }
        self.deleted.retain(|_, at| *at + NAME_REUSE_INTERVAL > now);
        if self.deleted.contains_key(name) {
            return Err(ErrorCode::QueueDeletedRecently.error(
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            ));
        }
        let settings = QueueSettings::new(attributes)?;
        self.check_redrive(name, &settings)?;
        let queue = Queue::new(self.next_seq(), name.to_owned(), settings, tags, now);
        queue.save(changes);
        self.queues.insert(name.to_owned(), Entry::new(queue));
        Ok(())
    }

    pub(super) fn set_attributes(
        &mut self,
        name: &str,
        attributes: &AttributeMap,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<(), SqsError> {
        let settings = self.queue(name, now, changes)?.settings.with(attributes)?;
        if attributes.contains_key("RedrivePolicy") {
            self.check_redrive(name, &settings)?;
        }
        self.queue(name, now, changes)?.set(now, settings, changes);
        self.wake(name);
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        name: &str,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<(), SqsError> {
        let entry = self.queues.remove(name).ok_or_else(no_queue)?;
        entry.wake.notify_waiters();
        changes.push(Change::QueueDeleted { id: entry.queue.id });
        self.deleted.insert(name.to_owned(), now);
        Ok(())
    }

    /// Receives from a queue, and moves messages that were received too often to its
    /// dead-letter queue. If that queue does not exist, no message is moved.
    pub(super) fn receive(
        &mut self,
        name: &str,
        request: &Receive,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<Vec<QueuedMessage>, SqsError> {
        let redrive = self.queue(name, now, changes)?.settings.redrive.clone();
        let target = redrive.map(|redrive| redrive.target);
        let target = target.filter(|target| self.contains(target));
        let queue = self.queue(name, now, changes)?;
        let taken = queue.receive(now, request, target.is_some(), changes)?;
        if let Some(target) = target.filter(|_| !taken.dead.is_empty()) {
            let source = arn::queue_arn(name);
            for queued in taken.dead {
                let seq = self.next_seq();
                let queue = self.queue(&target, now, changes)?;
                queue.accept_dead_letter(now, seq, queued, &source, changes);
            }
            self.wake(&target);
        }
        Ok(taken.delivered)
    }

    /// Checks that the dead-letter queue exists, has the same type, and allows `name` as
    /// a source.
    fn check_redrive(&self, name: &str, settings: &QueueSettings) -> Result<(), SqsError> {
        let Some(redrive) = &settings.redrive else {
            return Ok(());
        };
        let text = settings
            .attributes()
            .get("RedrivePolicy")
            .map_or("", String::as_str);
        let refused = |reason| Err(invalid_value(text, "RedrivePolicy", reason));
        let Some(entry) = self.queues.get(&redrive.target) else {
            return refused("Dead letter target does not exist.");
        };
        let target = &entry.queue.settings;
        if redrive.target == name {
            refused("A queue cannot be its own dead-letter queue.")
        } else if target.fifo != settings.fifo {
            refused("Dead-letter queue must be same type of queue as the source.")
        } else if !target.redrive_allow.permits(name) {
            refused("Dead letter target does not allow this queue as a source.")
        } else {
            Ok(())
        }
    }
}

/// Returns the first sequence number of a process. It is greater than every number that an
/// earlier process can have used: the number is a million per millisecond since 1970, and no
/// endpoint uses that many.
fn first_seq(now: Millis) -> Seq {
    now << 20
}

fn no_queue() -> SqsError {
    ErrorCode::QueueDoesNotExist.error("The specified queue does not exist.")
}

fn check_name(name: &str, attributes: &AttributeMap) -> Result<(), SqsError> {
    let fifo = attributes
        .get("FifoQueue")
        .is_some_and(|value| value == "true");
    let stem = if fifo {
        name.strip_suffix(".fifo")
    } else {
        Some(name)
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let good = |stem: &str| !stem.is_empty() && name.len() <= 80 && stem.bytes().all(allowed);
    if stem.is_some_and(good) {
        return Ok(());
    }
    Err(ErrorCode::InvalidParameterValue.error(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
         must end with .fifo suffix and be 1 to 80 in length"
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

#[cfg(test)]
mod tests;
