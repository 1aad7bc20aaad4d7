//! The invariants that must hold at the end of a run.

use std::collections::{BTreeMap, HashMap};

use clap::ValueEnum;
use domain_events::StoredEvent;

use crate::database::OrderChanged;

/// A violated invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Violation {
    /// A committed change has no event.
    Lost,
    /// A committed change has several events.
    StoredTwice,
    /// An event has no committed change.
    Invented,
    /// An event differs from its change.
    Altered,
    /// The history of an order does not have the order of its commits.
    OutOfOrder,
    /// A process ended unexpectedly, a message was rejected, or a row is left in the outbox.
    Broken,
}

/// Returns the violations, each with an example. `events` are in the order of their
/// timestamps.
pub(crate) fn check(
    changes: &HashMap<String, OrderChanged>,
    events: Vec<StoredEvent>,
) -> Vec<(Violation, String)> {
    let mut violations = Vec::new();
    let mut stored: HashMap<String, u64> = HashMap::new();
    let mut last_version: BTreeMap<String, i64> = BTreeMap::new();
    for event in events {
        let id = event.envelope().event_id().to_string();
        let decoded = event.decode::<OrderChanged>().ok().flatten();
        let count = stored.entry(id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            violations.push((Violation::StoredTwice, id.clone()));
        }
        match changes.get(&id) {
            None => violations.push((Violation::Invented, id)),
            Some(change) if decoded.as_ref() != Some(change) => {
                violations.push((Violation::Altered, id));
            }
            Some(change) => {
                let last = last_version.insert(change.order.clone(), change.version);
                if last.is_some_and(|last| last >= change.version) {
                    violations.push((Violation::OutOfOrder, format!("{change:?} after {last:?}")));
                }
            }
        }
    }
    let lost = changes.iter().filter(|(id, _)| !stored.contains_key(*id));
    violations.extend(lost.map(|(id, change)| (Violation::Lost, format!("{id}: {change:?}"))));
    violations
}
