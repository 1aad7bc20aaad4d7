//! What a change breaks, for whom, and the ways out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Events;
use super::compat::{Fault, Incompatibility, incompatibilities};
use super::lock::{Lock, LockedVersion};
use crate::event::EventId;
use crate::wire;

/// Who can no longer read events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reader {
    /// Programs that run the code of before, and receive events of the new code.
    OldReaders,
    /// The new code, receiving events of programs that run the code of before.
    NewReaders,
    /// The new code, reading what was stored.
    StoredHistory,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldReaders => "old readers",
            Self::NewReaders => "new readers",
            Self::StoredHistory => "stored history",
        })
    }
}

/// One change that keeps somebody from reading an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Break {
    /// The event's type, as it is locked.
    pub event_type: String,
    /// Version of its data.
    pub version: u16,
    /// A JSON pointer to the place in the event; empty where all of it is meant.
    pub pointer: String,
    /// What changed.
    pub what: String,
    /// For whom it breaks.
    pub readers: Vec<Reader>,
    /// What can be done instead; one of them is enough.
    pub remedies: Vec<String>,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.event_type, self.version)?;
        if !self.pointer.is_empty() {
            write!(f, ", at {}", self.pointer)?;
        }
        let readers: Vec<_> = self.readers.iter().map(ToString::to_string).collect();
        write!(f, ": {}\n  breaks: {}", self.what, readers.join(", "))?;
        let ways = self.remedies.iter();
        ways.enumerate().try_for_each(|(n, way)| match n {
            0 => write!(f, "\n  instead: {way}"),
            _ => write!(f, "\n  or: {way}"),
        })
    }
}

/// What changed between a lock and a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What somebody can no longer read.
    pub breaks: Vec<Break>,
    /// Changes that the lock does not know yet, and what to take care of when
    /// they are released.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everybody can go on reading.
    pub fn is_compatible(&self) -> bool {
        self.breaks.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.breaks {
            writeln!(f, "{one}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

/// Compares a program with what was locked, by names, versions and schemas.
pub(super) fn compare(lock: &Lock, current: &Lock) -> Report {
    let mut report = Report::default();
    for (name, locked) in &lock.events {
        let version = locked.version();
        let lost = |what: String, way: String| Break {
            event_type: name.clone(),
            version,
            pointer: String::new(),
            what,
            readers: vec![Reader::NewReaders, Reader::StoredHistory],
            remedies: vec![way],
        };
        let Some(now) = current.current_name(name) else {
            report.breaks.push(lost(
                "the event is gone".to_owned(),
                format!(
                    "keep it for reading; or, if it has another name now, write `#[event(alias = \"{name}\")]` there"
                ),
            ));
            continue;
        };
        let event = &current.events[now];
        if now != name {
            report.notes.push(format!(
                "{name} is written as {now} now, which old readers do not know: release the readers first"
            ));
        }
        for alias in &locked.aliases {
            if current.current_name(alias).is_none() {
                report.breaks.push(lost(
                    format!("its former name {alias} is not read any more"),
                    format!("put `#[event(alias = \"{alias}\")]` back"),
                ));
            }
        }
        if event.version() < version {
            report.breaks.push(lost(
                format!("the version was {version} and is {} now", event.version()),
                format!(
                    "go on to version {}, `upcast_from` version {version}",
                    version + 1
                ),
            ));
            continue;
        }
        if event.version() > version {
            report.notes.push(format!(
                "{now} has version {} now, which old readers refuse: release the readers first",
                event.version()
            ));
        }
        for (version, locked) in &locked.versions {
            if let Some(current) = event.versions.get(version) {
                changes(name, *version, locked, current, &mut report);
            }
        }
    }
    for (name, event) in &current.events {
        let known = |event_type: &String, version: &u16| {
            let locked = lock.events.get(event_type);
            locked.is_some_and(|locked| locked.versions.contains_key(version))
        };
        if event.versions.keys().any(|version| !known(name, version)) {
            report.notes.push(format!("{name} is new to the lock"));
        }
    }
    report
}

/// What changed within one version.
fn changes(
    name: &str,
    version: u16,
    locked: &LockedVersion,
    current: &LockedVersion,
    report: &mut Report,
) {
    // What was never read is not broken by a change, unless even less is read now:
    // a fault says where, not how much.
    let unread = incompatibilities(&locked.data, locked.reads());
    let less = incompatibilities(locked.reads(), current.reads());
    let mut backward = incompatibilities(&locked.data, current.reads());
    backward.retain(|misread| {
        !unread.contains(misread) || less.iter().any(|other| other.pointer == misread.pointer)
    });
    let forward: Vec<_> = incompatibilities(&current.data, locked.reads())
        .into_iter()
        .filter(|misread| misread.fault != Fault::Dropped && !unread.contains(misread))
        .collect();
    for misread in &backward {
        let hurts_old = forward.iter().any(|other| other.pointer == misread.pointer);
        let mut readers = match misread.fault {
            // It is read, but without what stood there.
            Fault::Dropped => vec![Reader::NewReaders],
            _ => vec![Reader::NewReaders, Reader::StoredHistory],
        };
        if hurts_old {
            readers.insert(0, Reader::OldReaders);
        }
        report.breaks.push(Break {
            event_type: name.to_owned(),
            version,
            pointer: format!("/Data{}", misread.pointer),
            what: misread.fault.to_string(),
            readers,
            remedies: remedies(version, misread),
        });
    }
    let mut pointers: Vec<_> = forward.iter().map(|misread| &misread.pointer).collect();
    pointers.retain(|pointer| !backward.iter().any(|other| other.pointer == **pointer));
    pointers.dedup();
    for pointer in pointers {
        report.notes.push(format!(
            "{name} version {version}, at /Data{pointer}: old readers do not know all that is written there now: \
             release the readers first"
        ));
    }
    for field in &locked.pii {
        if !current.pii.contains(field) {
            report.notes.push(format!(
                "{name} version {version}: `{field}` is not marked as personal data any more"
            ));
        }
    }
}

fn remedies(version: u16, misread: &Incompatibility) -> Vec<String> {
    let field = misread.pointer.rsplit('/').next().unwrap_or_default();
    let keep = match misread.fault {
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
    };
    let mut ways = vec![keep];
    if matches!(
        misread.fault,
        Fault::Required | Fault::Dropped | Fault::Refused
    ) {
        ways.push(
            "if it is a rename that `#[serde(alias = …)]` reads, which no schema tells, and no old reader is left: \
             rename the field in the lock's schemas by hand; its example stays, and shows that it is read"
                .to_owned(),
        );
    }
    let next = version + 1;
    ways.push(format!(
        "make it `#[event(version = {next}, upcast_from = …)]`, and keep the type of version {version} for reading"
    ));
    ways
}

/// Reads every stored example as the code of today does.
pub(super) fn read_samples(lock: &Lock, events: &Events) -> Vec<Break> {
    let mut breaks = Vec::new();
    for (name, event) in &lock.events {
        for (version, locked) in &event.versions {
            if let Err(reason) = read_sample(&locked.sample.to_string(), *version, events) {
                breaks.push(Break {
                    event_type: name.clone(),
                    version: *version,
                    pointer: String::new(),
                    what: format!("the stored example cannot be read: {reason}"),
                    readers: vec![Reader::NewReaders, Reader::StoredHistory],
                    remedies: vec![
                        "read it again: by a default, an alias, or `upcast_from` that version"
                            .to_owned(),
                    ],
                });
            }
        }
    }
    breaks
}

fn read_sample(body: &str, version: u16, events: &Events) -> Result<(), String> {
    let mut decoded =
        wire::decode(body, &EventId::from_static("sample")).map_err(|error| error.to_string())?;
    let envelope = decoded
        .remove(0)
        .outcome
        .map_err(|error| error.to_string())?;
    for described in &events.all {
        let definition = &described.definition;
        if definition.version() >= version && definition.matches(envelope.event_type()) {
            (described.read)(&envelope).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Versions that are read by today's code, and of which there is no example.
pub(super) fn without_sample(lock: &Lock, current: &Lock, events: &Events) -> Vec<Break> {
    let mut breaks = Vec::new();
    for described in events.distinct() {
        let mut next = described.definition.older();
        while let Some(older) = next {
            let name = older.event_type().into_string();
            let version = older.version();
            let known = |lock: &Lock| {
                let mut locked = lock.events.values();
                locked.any(|event| {
                    let version = event.versions.get(&version);
                    let sample = version.and_then(|version| version.sample["EventType"].as_str());
                    sample == Some(&name)
                })
            };
            if !known(lock) && !known(current) {
                breaks.push(Break {
                    event_type: name,
                    version,
                    pointer: String::new(),
                    what: "there is no stored example of it, so nothing shows that it is read"
                        .to_owned(),
                    readers: vec![Reader::StoredHistory],
                    remedies: vec![
                        "list its type in `events!` beside the others, and update the lock"
                            .to_owned(),
                    ],
                });
            }
            next = older.older();
        }
    }
    breaks
}
