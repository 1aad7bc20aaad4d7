//! The invariants that must hold at the end of a run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use clap::ValueEnum;
use domain_events::{Decoded, EntityId, EventStore, Timestamp};
use futures::TryStreamExt as _;
use serde_json::Value;

use crate::events::{AccountEvent, Origin, conversation};
use crate::journal::{Entry, Foreign, Journal};

/// The events of the producers by outcome, and the violated invariants.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) accepted: u64,
    pub(crate) spooled: u64,
    pub(crate) failed: u64,
    /// Events whose `emit` failed and that are in the table nevertheless, because only the
    /// response to the request was lost.
    pub(crate) failed_but_stored: u64,
    /// Events whose producer was killed before it knew the outcome.
    pub(crate) unknown: u64,
    pub(crate) invalid: u64,
    pub(crate) rejected: u64,
    /// Violations by kind: their number and an example.
    pub(crate) violations: BTreeMap<Violation, (u64, String)>,
}

/// A violated invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Violation {
    Lost,
    Doubled,
    Altered,
    /// An item was changed or removed after it was written.
    Rewritten,
    /// A history is not in the order in which a producer emitted its events.
    Disordered,
    /// No producer emitted the item.
    Invented,
    /// An invalid event is in the table, or it is not in the dead-letter queue with its
    /// reason.
    NotRejected,
    /// A valid event is in the dead-letter queue.
    WronglyRejected,
    /// A process ended unexpectedly or used too much memory, or the queue was not empty at
    /// the end.
    Broken,
}

impl Violation {
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

impl Findings {
    pub(crate) fn violation(&mut self, violation: Violation, example: impl FnOnce() -> String) {
        self.violations
            .entry(violation)
            .or_insert_with(|| (0, example()))
            .0 += 1;
    }
}

/// An event according to the journal of its producer.
#[derive(Debug, Default)]
struct Claim {
    foreign: Option<Foreign>,
    receipt: Option<(String, String)>,
    accepted: bool,
    failed: bool,
    found: u64,
}

/// A dead letter: its body and its rejection code.
pub(crate) type DeadLetter = (String, String);

/// The name of a producer, and its journal.
pub(crate) type ProducerJournal = (String, Vec<Entry>);

/// Compares the journals of the producers with the histories of `entities` and with the
/// dead letters.
pub(crate) async fn check(
    seed: u64,
    journals: impl IntoIterator<Item = ProducerJournal>,
    store: &EventStore,
    entities: impl IntoIterator<Item = &str>,
    dead_letters: &[DeadLetter],
) -> Findings {
    let mut findings = Findings::default();
    let mut claims = claims(journals, &mut findings);
    for entity in entities {
        let id: EntityId = entity.parse().unwrap();
        let events: Vec<Decoded<AccountEvent>> =
            match store.history(&id).decode().try_collect().await {
                Ok(events) => events,
                Err(error) => {
                    findings.violation(Violation::Altered, || format!("{entity}: {error}"));
                    continue;
                }
            };
        let mut last: HashMap<String, (Timestamp, u64)> = HashMap::new();
        for decoded in events {
            let stored = decoded.stored().envelope().clone();
            let Some(event) = decoded.known() else {
                findings.violation(Violation::Invented, || format!("{stored:?}"));
                continue;
            };
            let origin = event.origin().clone();
            let Some(claim) = claims.get_mut(&origin) else {
                findings.violation(Violation::Invented, || format!("{origin:?}"));
                continue;
            };
            claim.found += 1;
            if let Some(difference) = difference(seed, claim, &event, &stored) {
                findings.violation(Violation::Altered, || format!("{origin:?}: {difference}"));
            }
            let now = (stored.timestamp(), origin.number);
            let before = last.insert(origin.producer.clone(), now);
            // The timestamps of foreign producers are whole seconds, without an order
            // within a second.
            if before.is_some_and(|before| now.0 < before.0 || now.0 > before.0 && now.1 < before.1)
            {
                findings.violation(Violation::Disordered, || {
                    format!("{origin:?} is after {before:?}")
                });
            }
        }
    }
    let letters: BTreeSet<&DeadLetter> = dead_letters.iter().collect();
    let mut expected: BTreeSet<&DeadLetter> = BTreeSet::new();
    for (origin, claim) in &claims {
        findings.account(origin, claim, &letters);
        expected.extend(
            claim
                .foreign
                .iter()
                .filter_map(|foreign| foreign.broken.as_ref()),
        );
    }
    findings.rejected = dead_letters.len() as u64;
    for letter in letters.difference(&expected) {
        findings.violation(Violation::WronglyRejected, || format!("{letter:?}"));
    }
    findings
}

impl Findings {
    /// Compares the journal entry of one event with the table, after the whole table has been
    /// read.
    fn account(&mut self, origin: &Origin, claim: &Claim, letters: &BTreeSet<&DeadLetter>) {
        if let Some(broken) = claim
            .foreign
            .as_ref()
            .and_then(|foreign| foreign.broken.as_ref())
        {
            self.invalid += 1;
            if claim.found > 0 || claim.accepted && !letters.contains(broken) {
                self.violation(Violation::NotRejected, || format!("{origin:?}: {broken:?}"));
            }
            return;
        }
        match (claim.accepted, claim.failed) {
            (true, _) => self.accepted += 1,
            (false, true) => {
                self.failed += 1;
                self.failed_but_stored += claim.found.min(1);
            }
            (false, false) => self.unknown += 1,
        }
        if claim.accepted && claim.found == 0 {
            self.violation(Violation::Lost, || {
                format!("{origin:?} {:?}", claim.receipt)
            });
        }
        if claim.found > 1 {
            self.violation(Violation::Doubled, || {
                format!("{origin:?} is stored {} times", claim.found)
            });
        }
    }
}

/// The journals in a folder.
pub(crate) fn journals(folder: &Path) -> impl Iterator<Item = ProducerJournal> {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let journals = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "journal")
    });
    journals.map(|path| {
        let producer = path.file_stem().unwrap().to_string_lossy().into_owned();
        (producer, Journal::read(&path))
    })
}

/// Every event in the journals.
fn claims(
    journals: impl IntoIterator<Item = ProducerJournal>,
    findings: &mut Findings,
) -> BTreeMap<Origin, Claim> {
    let mut claims: BTreeMap<Origin, Claim> = BTreeMap::new();
    for (producer, entries) in journals {
        for entry in entries {
            let (Entry::Begin { number, .. }
            | Entry::Accepted { number, .. }
            | Entry::Failed { number, .. }) = entry;
            let claim = claims
                .entry(Origin {
                    producer: producer.clone(),
                    number,
                })
                .or_default();
            match entry {
                Entry::Begin { foreign, .. } => claim.foreign = foreign,
                Entry::Accepted {
                    receipt, spooled, ..
                } => {
                    claim.receipt = receipt;
                    claim.accepted = true;
                    findings.spooled += u64::from(spooled);
                }
                Entry::Failed { .. } => claim.failed = true,
            }
        }
    }
    claims
}

/// Returns how a stored event differs from the emitted event.
fn difference(
    seed: u64,
    claim: &Claim,
    event: &AccountEvent,
    stored: &domain_events::Envelope,
) -> Option<String> {
    let origin = event.origin();
    let emitted = AccountEvent::of(seed, origin.clone());
    if *event != emitted {
        return Some(format!("{event:?} is not {emitted:?}"));
    }
    let extra: Vec<_> = stored.extra_fields().collect();
    let context = conversation(&origin.producer, origin.number);
    let context = context
        .as_ref()
        .map(|(correlation, causation)| (&**correlation, &**causation));
    let stored_context = stored.correlation_id().map(|id| id.as_str());
    let stored_context = stored_context.zip(stored.causation_id().map(|id| id.as_str()));
    let version = if matches!(emitted, AccountEvent::Closed { .. }) {
        2
    } else {
        1
    };
    let data: Value = serde_json::from_str(stored.data().unwrap_or("null")).unwrap();
    let (identity, timestamp, extras) = match (&claim.foreign, &claim.receipt) {
        (Some(foreign), _) => (
            Some(&foreign.event_id),
            Some(foreign.timestamp.to_string()),
            vec![("Region", r#""eu""#)],
        ),
        (None, Some((id, timestamp))) => (Some(id), Some(timestamp.clone()), Vec::new()),
        (None, None) => (None, None, Vec::new()),
    };
    let equal = [
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
        (extra == extras, "an additional field"),
        (stored_context == context, "CorrelationId or CausationId"),
        (stored.version() == version, "Version"),
        (stored.trace_parent().is_none(), "TraceParent"),
        (data == emitted.foreign(0, None)["Data"], "Data"),
    ];
    let wrong = equal.into_iter().find(|(equal, _)| !equal);
    wrong.map(|(_, name)| {
        format!("{name} differs from the emitted event: {stored:?}, journal {claim:?}")
    })
}
