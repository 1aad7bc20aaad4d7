//! `events.lock`: what a program's events were when they were last agreed on.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shape::bare;
use super::{Events, SchemaError};
use crate::event::definition::EventDefinition;

/// The only format so far.
const FORMAT: u16 = 1;

/// The file. What a program prints of itself has the same form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) format: u16,
    pub(super) events: BTreeMap<String, LockedEvent>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LockedEvent {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aliases: Vec<String>,
    pub(super) versions: BTreeMap<u16, LockedVersion>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LockedVersion {
    /// Schema of the data that is written.
    pub(super) data: Value,
    /// Schema of the data that is read, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reads: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pii: Vec<String>,
    /// One event as it was stored.
    pub(super) sample: Value,
}

impl LockedVersion {
    pub(super) fn reads(&self) -> &Value {
        self.reads.as_ref().unwrap_or(&self.data)
    }
}

impl LockedEvent {
    /// The version that is written.
    pub(super) fn version(&self) -> u16 {
        self.versions.keys().next_back().copied().unwrap_or(1)
    }
}

impl Lock {
    /// What the program's events are now.
    pub(super) fn of(events: &Events) -> Result<Self, SchemaError> {
        let mut lock = Self {
            format: FORMAT,
            ..Self::default()
        };
        for described in events.distinct() {
            let definition = &described.definition;
            let settings = SchemaSettings::draft2020_12;
            let data = bare(&described.data(settings().for_serialize()));
            let reads = bare(&described.data(settings().for_deserialize()));
            let version = LockedVersion {
                reads: (reads != data).then_some(reads),
                data,
                pii: owned(definition.pii()),
                sample: described.example()?,
            };
            let event = lock
                .events
                .entry(present_name(definition, events))
                .or_default();
            event.versions.insert(definition.version(), version);
            if event.version() == definition.version() {
                event.aliases = aliases(definition);
            }
        }
        Ok(lock)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match lock.format {
            FORMAT => Ok(lock),
            other => Err(format!(
                "its format is {other}, and this version knows {FORMAT}"
            )),
        }
    }

    /// Sorted, so that it changes only where an event does.
    pub(super) fn to_text(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        format!("{:#}\n", sorted(value))
    }

    /// The name under which the events of `name` are written now.
    pub(super) fn current_name(&self, name: &str) -> Option<&String> {
        let called = |(key, event): &(&String, &LockedEvent)| {
            *key == name || event.aliases.iter().any(|alias| alias == name)
        };
        self.events.iter().find(called).map(|(key, _)| key)
    }

    /// The lock brought up to `current`. What was stored stays: versions that are
    /// only read by now, and the examples.
    pub(super) fn updated(&self, current: &Self) -> Self {
        let mut updated = current.clone();
        for (name, locked) in &self.events {
            let Some(event) = current
                .current_name(name)
                .and_then(|name| updated.events.get_mut(name))
            else {
                continue;
            };
            for (version, locked) in &locked.versions {
                let entry = event.versions.entry(*version);
                entry.or_insert_with(|| locked.clone()).sample = locked.sample.clone();
            }
        }
        updated
    }
}

/// The name of the event now: an earlier version may be listed under another.
fn present_name(definition: &EventDefinition, events: &Events) -> String {
    let all = events.all.iter().map(|described| &described.definition);
    let later = all.filter(|other| definition.precedes(other));
    let latest = later.max_by_key(|other| other.version());
    latest.unwrap_or(definition).event_type().into_string()
}

fn aliases(definition: &EventDefinition) -> Vec<String> {
    let mut aliases = owned(definition.aliases());
    aliases.sort();
    aliases
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// In the order of the keys, whatever features `serde_json` was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(object) => {
            let members: BTreeMap<_, _> = object.into_iter().collect();
            let members = members.into_iter().map(|(key, value)| (key, sorted(value)));
            members.collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
