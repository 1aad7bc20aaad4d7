//! Finds the shortest trace that still fails.

use std::collections::BTreeSet;

use crate::model::Violation;
use crate::plan::Kind;
use crate::run::{Outcome, Setting, run_guarded};

/// The maximum number of lines that are printed.
const MAX_LINES: usize = 400;

/// The kinds of faults that are omitted, one after the other.
const KINDS: [Kind; 15] = [
    Kind::Delayed,
    Kind::CutBefore,
    Kind::CutAfter,
    Kind::Truncated,
    Kind::SentTwice,
    Kind::Status500,
    Kind::Status503,
    Kind::Throttled,
    Kind::PartlyRefused,
    Kind::PartlyDenied,
    Kind::DeliveredAgain,
    Kind::Reordered,
    Kind::HeldBack,
    Kind::VisibleEarly,
    Kind::Stopped,
];

/// Finds the smallest run that still has one of `violations`, and prints its trace.
pub(crate) fn print(setting: Setting, violations: BTreeSet<Violation>) {
    let fails = |setting: &Setting| {
        let outcome = run_guarded(setting, false);
        let mut found = outcome.findings.violations.keys();
        found
            .any(|violation| violations.contains(violation))
            .then_some(outcome)
    };
    let (setting, outcome) = shortest(setting, fails);
    println!(
        "the shortest run that fails has {} events, {} faults and {} kills, without {:?}:",
        setting.events, outcome.faults, outcome.kills, setting.allowed.without
    );
    for (violation, (_, example)) in &outcome.findings.violations {
        println!("  {}: {example}", violation.name());
    }
    let lines = run_guarded(&setting, true).lines;
    for line in lines.iter().take(MAX_LINES) {
        println!("{line}");
    }
    if lines.len() > MAX_LINES {
        println!("… and {} more", lines.len() - MAX_LINES);
    }
}

/// Omits everything that a run does not need in order to fail: kills, kinds of faults, events,
/// and the faults after the last necessary fault.
fn shortest(
    mut setting: Setting,
    fails: impl Fn(&Setting) -> Option<Outcome>,
) -> (Setting, Outcome) {
    let mut outcome = run_guarded(&setting, false);
    let mut attempt = |setting: &mut Setting, change: &dyn Fn(&mut Setting)| {
        let mut smaller = setting.clone();
        change(&mut smaller);
        let failed = fails(&smaller);
        let still = failed.is_some();
        if let Some(failed) = failed {
            *setting = smaller;
            outcome = failed;
        }
        still
    };
    while setting.events > 1 && attempt(&mut setting, &|smaller| smaller.events /= 2) {}
    attempt(&mut setting, &|smaller| smaller.kills = false);
    for kind in KINDS {
        attempt(&mut setting, &|smaller| {
            smaller.allowed.without.insert(kind);
        });
    }
    while setting.events > 1 && attempt(&mut setting, &|smaller| smaller.events /= 2) {}
    while setting.events > 1 && attempt(&mut setting, &|smaller| smaller.events -= 1) {}
    if attempt(&mut setting, &|smaller| smaller.allowed.first = Some(0)) {
        return (setting, outcome);
    }
    // The run fails with all faults. It is assumed to pass without faults.
    let (mut too_few, mut enough) = (0, None);
    for _ in 0..32 {
        let upper = enough.unwrap_or_else(|| (too_few + 1) * 4);
        let first = match enough {
            Some(enough) if enough - too_few <= 1 => break,
            Some(enough) => (too_few + enough) / 2,
            None => upper,
        };
        match attempt(&mut setting, &|smaller| smaller.allowed.first = Some(first)) {
            true => enough = Some(first),
            false => too_few = first,
        }
    }
    (setting, outcome)
}
