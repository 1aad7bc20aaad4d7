//! What must be true in the end, whatever happened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use clap::ValueEnum;
use domain_events::{Decoded, EntityId, EventStore, Timestamp};
use futures::TryStreamExt as _;
use serde_json::Value;

use crate::events::{Happened, Origin};
use crate::journal::{Entry, Foreign, Journal};
use crate::producer::conversation;

/// What the producers said, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) accepted: u64,
    pub(crate) spooled: u64,
    pub(crate) failed: u64,
    /// Failed for the caller, and in the table all the same: a request was carried
    /// out whose answer was lost.
    pub(crate) failed_but_stored: u64,
    /// Given away by a producer that was killed before it had an outcome.
    pub(crate) unknown: u64,
    pub(crate) invalid: u64,
    pub(crate) rejected: u64,
    /// Breaches by kind, with an example of each.
    pub(crate) breaches: BTreeMap<Breach, (u64, String)>,
}

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Breach {
    Lost,
    Doubled,
    Altered,
    /// An item was changed after it had been written, or removed.
    Rewritten,
    /// A history is not in the order in which a producer emitted.
    Disordered,
    /// An item that nobody emitted.
    Invented,
    /// What breaks the contract is in the table, or not in the dead-letter
    /// queue with its reason.
    NotRejected,
    /// What keeps the contract is in the dead-letter queue.
    WronglyRejected,
    /// A process ended by itself, took too much memory, or the queue was not
    /// empty in the end.
    Broken,
}

impl Breach {
    pub(crate) const ALL: [Self; 9] = [
        Self::Lost,
        Self::Doubled,
        Self::Altered,
        Self::Rewritten,
        Self::Disordered,
        Self::Invented,
        Self::NotRejected,
        Self::WronglyRejected,
        Self::Broken,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Altered => "altered",
            Self::Rewritten => "rewritten",
            Self::Disordered => "out of order",
            Self::Invented => "invented",
            Self::NotRejected => "not rejected",
            Self::WronglyRejected => "wrongly rejected",
            Self::Broken => "broken",
        }
    }
}

impl Judgement {
    pub(crate) fn breach(&mut self, breach: Breach, what: impl FnOnce() -> String) {
        self.breaches.entry(breach).or_insert_with(|| (0, what())).0 += 1;
    }
}

/// An event as its producer's journal has it.
#[derive(Debug, Default)]
struct Told {
    foreign: Option<Foreign>,
    receipt: Option<(String, String)>,
    accepted: bool,
    failed: bool,
    found: u64,
}

/// A dead letter: its body and the code of its rejection.
pub(crate) type DeadLetter = (String, String);

/// Compares the journals in `folder` with the histories of `entities`, and with
/// the dead letters.
pub(crate) async fn judge(
    seed: u64,
    folder: &Path,
    store: &EventStore,
    entities: impl IntoIterator<Item = &str>,
    dead_letters: &[DeadLetter],
) -> Judgement {
    let mut judgement = Judgement::default();
    let mut told = read(folder, &mut judgement);
    for entity in entities {
        let id: EntityId = entity.parse().unwrap();
        let events: Vec<Decoded<Happened>> = match store.history(&id).decode().try_collect().await {
            Ok(events) => events,
            Err(error) => {
                judgement.breach(Breach::Altered, || format!("{entity}: {error}"));
                continue;
            }
        };
        let mut last: HashMap<String, (Timestamp, u64)> = HashMap::new();
        for decoded in events {
            let stored = decoded.stored().envelope().clone();
            let Some(event) = decoded.known() else {
                judgement.breach(Breach::Invented, || format!("{stored:?}"));
                continue;
            };
            let origin = event.origin().clone();
            let Some(said) = told.get_mut(&origin) else {
                judgement.breach(Breach::Invented, || format!("{origin:?}"));
                continue;
            };
            said.found += 1;
            if let Some(difference) = difference(seed, said, &event, &stored) {
                judgement.breach(Breach::Altered, || format!("{origin:?}: {difference}"));
            }
            let now = (stored.timestamp(), origin.number);
            let before = last.insert(origin.producer.clone(), now);
            // A foreign producer's whole seconds say nothing within a second.
            if before.is_some_and(|before| now.0 < before.0 || now.0 > before.0 && now.1 < before.1)
            {
                judgement.breach(Breach::Disordered, || {
                    format!("{origin:?} is behind {before:?}")
                });
            }
        }
    }
    let letters: HashSet<&DeadLetter> = dead_letters.iter().collect();
    let mut expected: HashSet<&DeadLetter> = HashSet::new();
    for (origin, told) in &told {
        judgement.account(origin, told, &letters);
        expected.extend(
            told.foreign
                .iter()
                .filter_map(|foreign| foreign.broken.as_ref()),
        );
    }
    judgement.rejected = dead_letters.len() as u64;
    for letter in letters.difference(&expected) {
        judgement.breach(Breach::WronglyRejected, || format!("{letter:?}"));
    }
    judgement
}

impl Judgement {
    /// One event, when all of the table has been read.
    fn account(&mut self, origin: &Origin, told: &Told, letters: &HashSet<&DeadLetter>) {
        if let Some(broken) = told
            .foreign
            .as_ref()
            .and_then(|foreign| foreign.broken.as_ref())
        {
            self.invalid += 1;
            if told.found > 0 || told.accepted && !letters.contains(broken) {
                self.breach(Breach::NotRejected, || format!("{origin:?}: {broken:?}"));
            }
            return;
        }
        match (told.accepted, told.failed) {
            (true, _) => self.accepted += 1,
            (false, true) => {
                self.failed += 1;
                self.failed_but_stored += told.found.min(1);
            }
            (false, false) => self.unknown += 1,
        }
        if told.accepted && told.found == 0 {
            self.breach(Breach::Lost, || format!("{origin:?} {:?}", told.receipt));
        }
        if told.found > 1 {
            self.breach(Breach::Doubled, || {
                format!("{origin:?} is there {} times", told.found)
            });
        }
    }
}

/// Every event that a journal speaks of.
fn read(folder: &Path, judgement: &mut Judgement) -> HashMap<Origin, Told> {
    let mut told: HashMap<Origin, Told> = HashMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "journal")
        {
            continue;
        }
        let producer = path.file_stem().unwrap().to_string_lossy().into_owned();
        for entry in Journal::read(&path) {
            let (Entry::Begin { number, .. }
            | Entry::Accepted { number, .. }
            | Entry::Failed { number, .. }) = entry;
            let told = told
                .entry(Origin {
                    producer: producer.clone(),
                    number,
                })
                .or_default();
            match entry {
                Entry::Begin { foreign, .. } => told.foreign = foreign,
                Entry::Accepted {
                    receipt, spooled, ..
                } => {
                    told.receipt = receipt;
                    told.accepted = true;
                    judgement.spooled += u64::from(spooled);
                }
                Entry::Failed { .. } => told.failed = true,
            }
        }
    }
    told
}

/// How a stored event differs from what was emitted.
fn difference(
    seed: u64,
    told: &Told,
    event: &Happened,
    stored: &domain_events::Envelope,
) -> Option<String> {
    let origin = event.origin();
    let emitted = Happened::of(seed, origin.clone());
    if *event != emitted {
        return Some(format!("{event:?} is not {emitted:?}"));
    }
    let extra: Vec<_> = stored.extra_fields().collect();
    let talk = conversation(&origin.producer, origin.number);
    let talk = talk
        .as_ref()
        .map(|(correlation, causation)| (&**correlation, &**causation));
    let stored_talk = stored.correlation_id().map(|id| id.as_str());
    let stored_talk = stored_talk.zip(stored.causation_id().map(|id| id.as_str()));
    let version = if matches!(emitted, Happened::Closed { .. }) {
        2
    } else {
        1
    };
    let data: Value = serde_json::from_str(stored.data().unwrap_or("null")).unwrap();
    let (identity, timestamp, extras) = match (&told.foreign, &told.receipt) {
        (Some(foreign), _) => (
            Some(&foreign.event_id),
            Some(foreign.timestamp.to_string()),
            vec![("Region", r#""eu""#)],
        ),
        (None, Some((id, timestamp))) => (Some(id), Some(timestamp.clone()), Vec::new()),
        (None, None) => (None, None, Vec::new()),
    };
    let kept = [
        (stored.entity_id().as_str() == emitted.account(), "ID"),
        (
            stored.emitter().id().as_str() == origin.producer,
            "EmitterId",
        ),
        (stored.emitter().kind().as_str() == "SYSTEM", "EmitterType"),
        (
            identity.is_none_or(|id| stored.event_id().as_str() == id),
            "EventId",
        ),
        (
            timestamp.is_none_or(|at| stored.timestamp().to_string() == at),
            "Timestamp",
        ),
        (extra == extras, "a field of its own"),
        (stored_talk == talk, "CorrelationId or CausationId"),
        (stored.version() == version, "Version"),
        (stored.trace_parent().is_none(), "TraceParent"),
        (data == emitted.foreign(0, None)["Data"], "Data"),
    ];
    let wrong = kept.into_iter().find(|(kept, _)| !kept);
    wrong.map(|(_, name)| format!("{name} is not what was emitted: {stored:?}, told {told:?}"))
}
