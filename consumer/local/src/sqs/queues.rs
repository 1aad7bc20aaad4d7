//! All queues: their names, the lock around them, and who waits for them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::arn;
use super::clock::{Clock, Millis};
use super::error::{Kind, Refusal, invalid_value};
use super::journal::{Change, Journal};
use super::moves::Task;
use super::persist::{OpenError, Store};
use super::queue::{Queue, Receive, Seq, Slot};
use super::settings::{Settings, Texts};

/// How long the name of a deleted queue stays taken, as on AWS.
const NAME_TAKEN_FOR: Millis = 60_000;

/// Why a queue cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// SQS would refuse the name or an attribute.
    #[error("cannot create the queue: {0}")]
    Refused(String),
    /// The file of queues cannot be written.
    #[error("cannot store the queue")]
    NotStored,
}

/// The queues of one endpoint: a cheap handle, of which all clones are equal.
///
/// The file of [`open`](Self::open) is released when the last handle is
/// dropped.
#[derive(Debug, Clone)]
pub struct Queues {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    store: Option<Store>,
}

/// What the lock protects.
#[derive(Debug, Default)]
pub(super) struct State {
    queues: BTreeMap<String, Entry>,
    /// Deleted queues' names, until they can be used again.
    deleted: HashMap<String, Millis>,
    pub(super) tasks: Vec<Task>,
    last_seq: Seq,
}

#[derive(Debug)]
struct Entry {
    queue: Queue,
    /// Woken when a receiver that found nothing should look again.
    wake: watch::Sender<()>,
}

impl Queues {
    /// Queues that end with the process.
    pub fn memory() -> Self {
        let clock = Clock::start();
        let last_seq = first_seq(clock.now());
        Self::with(
            clock,
            None,
            State {
                last_seq,
                ..State::default()
            },
        )
    }

    /// The queues in the file at `path`, which is created if it is absent.
    ///
    /// Queues, messages, receive counts, visibility deadlines and
    /// deduplication ids survive the end of the process, also by `SIGKILL`; a
    /// crash of the operating system may undo the last moments. Move tasks and
    /// receive attempts are not kept.
    ///
    /// # Errors
    ///
    /// If the file is in use, was written by a later version, or cannot be
    /// read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let clock = Clock::start();
        let now = clock.now();
        let (store, loaded) = Store::open(path.as_ref(), now)?;
        let queues = loaded.queues.into_iter().map(|queue| {
            let entry = Entry {
                queue,
                wake: watch::Sender::new(()),
            };
            (entry.queue.name.clone(), entry)
        });
        let state = State {
            queues: queues.collect(),
            last_seq: loaded.last_seq.max(first_seq(now)),
            ..State::default()
        };
        Ok(Self::with(clock, Some(store), state))
    }

    fn with(clock: Clock, store: Option<Store>, state: State) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                state: Mutex::new(state),
                store,
            }),
        }
    }

    /// Makes sure that there is a queue `name` with these attributes: creates
    /// it, or sets them on the one that is there. A queue whose name ends in
    /// `.fifo` is a FIFO queue.
    ///
    /// # Errors
    ///
    /// [`CreateError::Refused`] with the words of SQS if the name or an
    /// attribute is not allowed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the queue back.
    pub async fn create<N, V>(
        &self,
        name: &str,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), CreateError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut attributes: Texts = attributes
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        if name.ends_with(".fifo") {
            attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        let outcome = self.apply(|state, now, journal| {
            state.deleted.remove(name);
            if state.queues.contains_key(name) {
                attributes.remove("FifoQueue");
                state.set_attributes(name, &attributes, now, journal)
            } else {
                state.create(name, &attributes, Texts::new(), now, journal)
            }
        });
        outcome.await.map_err(|refusal| match refusal.kind {
            Kind::InternalFailure => CreateError::NotStored,
            _ => CreateError::Refused(refusal.message),
        })
    }

    /// How many messages the queue `name` holds: those that can be received,
    /// those that a consumer has, and those that are delayed. 0 if there is no
    /// such queue.
    pub fn messages(&self, name: &str) -> usize {
        let state = self.shared.lock();
        let entry = state.queues.get(name);
        entry.map_or(0, |entry| entry.queue.messages())
    }

    /// Looks at what no change of a message can alter.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Does something to the queues, and returns once it is stored.
    pub(super) async fn apply<T>(
        &self,
        act: impl FnOnce(&mut State, Millis, &mut Journal) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (outcome, commit) = {
            let mut state = self.shared.lock();
            let mut journal = Journal::new();
            let outcome = act(&mut state, self.shared.clock.now(), &mut journal);
            // Handed over under the lock, so that the file sees the changes in
            // the order in which they happened. Also if there are none: what
            // this request saw of others must be safe before it is answered.
            let commit = self
                .shared
                .store
                .as_ref()
                .map(|store| store.commit(journal));
            (outcome, commit)
        };
        if let Some(commit) = commit
            && commit.await != Ok(true)
        {
            return Err(Kind::InternalFailure.because("The queues' file cannot be written."));
        }
        outcome
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug in one request; the messages of the
        // others are still there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The queue `name`, as it is now.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub(super) fn queue(
        &mut self,
        name: &str,
        now: Millis,
        journal: &mut Journal,
    ) -> Result<&mut Queue, Refusal> {
        let entry = self.queues.get_mut(name).ok_or_else(no_queue)?;
        entry.queue.advance(now, journal);
        Ok(&mut entry.queue)
    }

    /// The settings of the queue `name`.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub(super) fn settings(&self, name: &str) -> Result<Arc<Settings>, Refusal> {
        let entry = self.queues.get(name).ok_or_else(no_queue)?;
        Ok(Arc::clone(&entry.queue.settings))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.queues.contains_key(name)
    }

    /// The names after `after` in order.
    pub(super) fn names_after(&self, after: &str) -> impl Iterator<Item = (&str, &Settings)> {
        let bounds = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let entries = self.queues.range::<str, _>(bounds);
        entries.map(|(name, entry)| (name.as_str(), &*entry.queue.settings))
    }

    /// The number of the next message or queue.
    pub(super) fn next_seq(&mut self) -> Seq {
        self.last_seq += 1;
        self.last_seq
    }

    /// Lets those who wait at the queue look again.
    pub(super) fn wake(&self, name: &str) {
        if let Some(entry) = self.queues.get(name) {
            entry.wake.send_replace(());
        }
    }

    /// Is told of every [`wake`](Self::wake) from now on.
    pub(super) fn watch(&self, name: &str) -> Result<watch::Receiver<()>, Refusal> {
        let entry = self.queues.get(name).ok_or_else(no_queue)?;
        Ok(entry.wake.subscribe())
    }

    /// Creates a queue, unless there is one like it.
    pub(super) fn create(
        &mut self,
        name: &str,
        attributes: &Texts,
        tags: Texts,
        now: Millis,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        check_name(name, attributes)?;
        if let Some(entry) = self.queues.get(name) {
            return match entry.queue.settings.differs_from(attributes)? {
                None => Ok(()),
                Some(attribute) => Err(Kind::QueueNameExists.because(format!(
                    "A queue already exists with the same name and a different value for attribute {attribute}"
                ))),
            };
        }
        self.deleted.retain(|_, at| *at + NAME_TAKEN_FOR > now);
        if self.deleted.contains_key(name) {
            return Err(Kind::QueueDeletedRecently.because(
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            ));
        }
        let settings = Settings::new(attributes)?;
        self.check_redrive(name, &settings)?;
        let queue = Queue::new(self.next_seq(), name.to_owned(), settings, tags, now);
        queue.save(journal);
        let wake = watch::Sender::new(());
        self.queues.insert(name.to_owned(), Entry { queue, wake });
        Ok(())
    }

    pub(super) fn set_attributes(
        &mut self,
        name: &str,
        attributes: &Texts,
        now: Millis,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        let settings = self.queue(name, now, journal)?.settings.with(attributes)?;
        if attributes.contains_key("RedrivePolicy") {
            self.check_redrive(name, &settings)?;
        }
        self.queue(name, now, journal)?.set(now, settings, journal);
        self.wake(name);
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        name: &str,
        now: Millis,
        journal: &mut Journal,
    ) -> Result<(), Refusal> {
        // Dropping the entry wakes those who wait at the queue.
        let entry = self.queues.remove(name).ok_or_else(no_queue)?;
        journal.push(Change::QueueDeleted { id: entry.queue.id });
        self.deleted.insert(name.to_owned(), now);
        Ok(())
    }

    /// Receives from a queue, and moves what was received too often to its
    /// dead-letter queue. While there is no such queue, nothing is given up.
    pub(super) fn receive(
        &mut self,
        name: &str,
        request: &Receive,
        now: Millis,
        journal: &mut Journal,
    ) -> Result<Vec<Slot>, Refusal> {
        let redrive = self.queue(name, now, journal)?.settings.redrive.clone();
        let target = redrive.map(|redrive| redrive.target);
        let target = target.filter(|target| self.contains(target));
        let queue = self.queue(name, now, journal)?;
        let taken = queue.receive(now, request, target.is_some(), journal)?;
        if let Some(target) = target.filter(|_| !taken.dead.is_empty()) {
            let source = arn::queue_arn(name);
            for slot in taken.dead {
                let seq = self.next_seq();
                let queue = self.queue(&target, now, journal)?;
                queue.bury(now, seq, slot, &source, journal);
            }
            self.wake(&target);
        }
        Ok(taken.delivered)
    }

    /// Checks that a queue's dead-letter queue is there, is of the same type,
    /// and lets itself be used.
    fn check_redrive(&self, name: &str, settings: &Settings) -> Result<(), Refusal> {
        let Some(redrive) = &settings.redrive else {
            return Ok(());
        };
        let text = settings
            .texts()
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

/// The numbers go on where an earlier process cannot have been: a million for
/// each millisecond since 1970, which no endpoint hands out.
fn first_seq(now: Millis) -> Seq {
    now << 20
}

fn no_queue() -> Refusal {
    Kind::QueueDoesNotExist.because("The specified queue does not exist.")
}

fn check_name(name: &str, attributes: &Texts) -> Result<(), Refusal> {
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
    Err(Kind::InvalidParameterValue.because(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
         must end with .fifo suffix and be 1 to 80 in length"
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

#[cfg(test)]
mod tests;
