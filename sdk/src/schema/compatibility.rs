//! Compares the events of a program with a lock.

use serde_json::Value;

use super::Events;
use super::fault::{Fault, Incompatibility};
use super::incompatibility::incompatibilities;
use super::lock::{Lock, LockedEvent, LockedVersion};
use super::report::{Audience, BreakingChange, Report};
use crate::event::EventId;
use crate::wire;

/// Compares names, versions and schemas.
pub(super) fn compare(lock: &Lock, current: &Lock) -> Report {
    let mut report = Report::default();
    for (name, locked) in &lock.events {
        let version = locked.version();
        let lost = |what: String, remedy: String| BreakingChange {
            event_type: name.clone(),
            version,
            pointer: String::new(),
            what,
            audiences: vec![Audience::NewReaders, Audience::StoredHistory],
            remedies: vec![remedy],
        };
        let Some(now) = current.current_name(name) else {
            report.push(lost(
                "the event was removed".to_owned(),
                format!(
                    "keep its type for reading; or, if the event has another name now, \
                     write `#[event(alias = \"{name}\")]` there"
                ),
            ));
            continue;
        };
        let event = &current.events[now];
        if now != name {
            report.note(format!(
                "{name} is written as {now} now, which old readers do not know: release the readers first"
            ));
        }
        for alias in &locked.aliases {
            if current.current_name(alias).is_none() {
                report.push(lost(
                    format!("its former name {alias} is not read any more"),
                    format!("restore `#[event(alias = \"{alias}\")]`"),
                ));
            }
        }
        if event.version() < version {
            report.push(lost(
                format!("the version was {version} and is {} now", event.version()),
                format!(
                    "continue with version {}, and `upcast_from` version {version}",
                    version + 1
                ),
            ));
            continue;
        }
        if event.version() > version {
            report.note(format!(
                "{now} has version {} now, which old readers refuse: release the readers first",
                event.version()
            ));
        }
        for (version, locked) in &locked.versions {
            if let Some(current) = event.versions.get(version) {
                compare_version(name, *version, locked, current, &mut report);
            }
        }
    }
    note_new_events(lock, current, &mut report);
    report
}

fn note_new_events(lock: &Lock, current: &Lock, report: &mut Report) {
    for (name, event) in &current.events {
        let locked = lock.events.get(name);
        let is_known = |version| {
            locked.is_some_and(|locked: &LockedEvent| locked.versions.contains_key(version))
        };
        if !event.versions.keys().all(is_known) {
            report.note(format!("{name} is new to the lock"));
        }
    }
}

/// Compares every form in which a version was written with the schema that is read now.
fn compare_version(
    name: &str,
    version: u16,
    locked: &LockedVersion,
    current: &LockedVersion,
    report: &mut Report,
) {
    let unread = incompatibilities(&locked.data, locked.reads());
    let forward: Vec<_> = incompatibilities(&current.data, locked.reads())
        .into_iter()
        .filter(|found| found.fault != Fault::Dropped && !unread.contains(found))
        .collect();
    let mut broken = Vec::new();
    for form in locked.forms() {
        for reader in current.forms() {
            broken.extend(no_longer_read(form, reader.reads()));
        }
    }
    for found in &broken {
        let breaks_old = forward.iter().any(|other| other.pointer == found.pointer);
        let mut audiences = match found.fault {
            // The event is still read, but without the field.
            Fault::Dropped => vec![Audience::NewReaders],
            _ => vec![Audience::NewReaders, Audience::StoredHistory],
        };
        if breaks_old {
            audiences.insert(0, Audience::OldReaders);
        }
        report.push(BreakingChange {
            event_type: name.to_owned(),
            version,
            pointer: format!("/Data{}", found.pointer),
            what: found.fault.to_string(),
            audiences,
            remedies: remedies(version, found),
        });
    }
    let is_broken = |pointer: &str| broken.iter().any(|other| other.pointer == pointer);
    for found in forward.iter().filter(|found| !is_broken(&found.pointer)) {
        report.note(format!(
            "{name} version {version}, at /Data{}: old readers do not know everything that is written there now: \
             release the readers first",
            found.pointer
        ));
    }
    for field in &locked.pii {
        if !current.pii.contains(field) {
            report.note(format!(
                "{name} version {version}: `{field}` is not marked as personal data any more"
            ));
        }
    }
}

/// Returns the incompatibilities between the data that was written in `form` and the data that
/// is read now.
///
/// If the program that wrote the form could not read a value either, the incompatibility is not
/// a change, unless the current program reads even fewer values: an incompatibility shows the
/// position of a value that is not read, but not which values are affected.
fn no_longer_read(form: &LockedVersion, reads: &Value) -> Vec<Incompatibility> {
    let unread = incompatibilities(&form.data, form.reads());
    let mut found = incompatibilities(&form.data, reads);
    if unread.is_empty() {
        return found;
    }
    let less = incompatibilities(form.reads(), reads);
    found.retain(|found| {
        !unread.contains(found) || less.iter().any(|other| other.pointer == found.pointer)
    });
    found
}

fn remedies(version: u16, found: &Incompatibility) -> Vec<String> {
    let field = found.pointer.rsplit('/').next().unwrap_or_default();
    let field = field.replace("~1", "/").replace("~0", "~");
    let keep = match found.fault {
        Fault::Required => {
            "give the field a default: `#[serde(default)]`, or an `Option`".to_owned()
        }
        Fault::Dropped | Fault::Refused => format!(
            "keep the field; if it has another name now, write `#[serde(rename = \"{field}\")]`"
        ),
        Fault::Type { .. } => {
            "keep the type, and put the new one into a new field with a default".to_owned()
        }
        Fault::Value(_) => "keep the value for reading".to_owned(),
        Fault::Narrower(_) => "keep it as wide as it was".to_owned(),
        Fault::Rule(_) | Fault::TooDeep => "keep the schema as it was".to_owned(),
    };
    let mut remedies = vec![keep];
    if matches!(
        found.fault,
        Fault::Required | Fault::Dropped | Fault::Refused
    ) {
        remedies.push(
            "if `#[serde(alias = …)]` reads the former name, which no schema can say, and no old reader is left: \
             rename the field in the lock's schemas by hand; the examples keep the former name, and the check reads them"
                .to_owned(),
        );
    }
    let next = version.saturating_add(1);
    remedies.push(format!(
        "make it `#[event(version = {next}, upcast_from = …)]`, and keep the type of version {version} for reading"
    ));
    remedies
}

/// Reads every example in the lock with the current types.
pub(super) fn read_examples(lock: &Lock, events: &Events) -> Vec<BreakingChange> {
    let mut broken = Vec::new();
    for (name, event) in &lock.events {
        for (version, locked) in &event.versions {
            let examples = locked.forms().flat_map(LockedVersion::examples);
            let reasons =
                examples.filter_map(|example| read(&example.to_string(), *version, events).err());
            for reason in reasons {
                let change = BreakingChange {
                    event_type: name.clone(),
                    version: *version,
                    pointer: String::new(),
                    what: format!("a stored example cannot be read: {reason}"),
                    audiences: vec![Audience::NewReaders, Audience::StoredHistory],
                    remedies: vec![
                        "read it: with a default, with an alias, or with `upcast_from` that version"
                            .to_owned(),
                    ],
                };
                if !broken.contains(&change) {
                    broken.push(change);
                }
            }
        }
    }
    broken
}

fn read(body: &str, version: u16, events: &Events) -> Result<(), String> {
    let mut decoded =
        wire::decode(body, &EventId::from_static("example")).map_err(|error| error.to_string())?;
    let envelope = decoded
        .remove(0)
        .outcome
        .map_err(|error| error.to_string())?;
    for described in &events.all {
        let definition = &described.definition;
        let is_read = definition.write_only_variant().is_none();
        if is_read && definition.version() >= version && definition.matches(envelope.event_type()) {
            (described.read)(&envelope).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Returns the versions that the program reads and for which the lock has no example. The check
/// cannot show that these versions are readable.
pub(super) fn without_example(lock: &Lock, current: &Lock, events: &Events) -> Vec<BreakingChange> {
    let mut missing = Vec::new();
    for described in events.distinct() {
        let mut next = described.definition.older();
        while let Some(older) = next {
            let name = older.event_type().into_string();
            let version = older.version();
            let is_known = |lock: &Lock| {
                let versions = lock
                    .events
                    .values()
                    .filter_map(|event| event.versions.get(&version));
                let mut examples = versions
                    .flat_map(LockedVersion::forms)
                    .flat_map(LockedVersion::examples);
                examples.any(|example| example["EventType"] == name.as_str())
            };
            if !is_known(lock) && !is_known(current) {
                missing.push(BreakingChange {
                    event_type: name,
                    version,
                    pointer: String::new(),
                    what: "there is no stored example of it, so nothing shows that it is read"
                        .to_owned(),
                    audiences: vec![Audience::StoredHistory],
                    remedies: vec![
                        "list its type in `events!` beside the others, and update the lock"
                            .to_owned(),
                    ],
                });
            }
            next = older.older();
        }
    }
    missing
}
