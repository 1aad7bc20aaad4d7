//! `events.lock`: every form in which the events of a program were ever written.

use std::collections::BTreeMap;
use std::iter;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::keywords::{bare, sorted};
use super::{Events, SchemaError, example, incompatibility, reference};
use crate::event::definition::EventDefinition;

/// The format of the lock. There has been no other format.
const FORMAT: u16 = 1;

/// The maximum number of examples of one form in the lock.
const MAX_EXAMPLES: usize = 8;

/// The contents of the file. A program prints its events in the same format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

/// The form in which a version of an event is written, and its earlier forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LockedVersion {
    /// The schema of the data that is written.
    pub(super) data: Value,
    /// The schema of the data that the same program reads, if it differs from `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reads: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pii: Vec<String>,
    /// An example with all fields. Null if the event is only read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) sample: Value,
    /// More examples, which differ from `sample` in their fields or keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) examples: Vec<Value>,
    /// Earlier forms of the same version. Stored events may have these forms, so a form is
    /// never removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) earlier: Vec<Self>,
}

impl LockedVersion {
    pub(super) fn reads(&self) -> &Value {
        self.reads.as_ref().unwrap_or(&self.data)
    }

    /// Returns this form and the earlier forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = &Self> {
        iter::once(self).chain(&self.earlier)
    }

    /// Returns all examples of this form.
    pub(super) fn examples(&self) -> impl Iterator<Item = &Value> {
        let sample = Some(&self.sample).filter(|sample| !sample.is_null());
        sample.into_iter().chain(&self.examples)
    }

    /// Adds a form of the same version. If the form is known, adds only its examples.
    fn remember(&mut self, form: &Self) {
        let known = if self.data == form.data {
            Some(&mut *self)
        } else {
            self.earlier
                .iter_mut()
                .find(|known| known.data == form.data)
        };
        let Some(known) = known else {
            self.earlier.push(Self {
                earlier: Vec::new(),
                ..form.clone()
            });
            return;
        };
        let mut examples: Vec<Value> = Vec::new();
        // The examples that were stored first stay first.
        for example in form.examples().chain(known.examples()) {
            if !examples.iter().any(|other| shape(other) == shape(example)) {
                examples.push(example.clone());
            }
        }
        let mut examples = examples.into_iter();
        known.sample = examples.next().unwrap_or_default();
        known.examples = examples.collect();
    }
}

impl LockedEvent {
    /// Returns the version that is written.
    pub(super) fn version(&self) -> u16 {
        self.versions.keys().next_back().copied().unwrap_or(1)
    }
}

impl Lock {
    /// Returns the events of the program as they are now.
    pub(super) fn of(events: &Events) -> Result<Self, SchemaError> {
        let mut lock = Self {
            format: FORMAT,
            ..Self::default()
        };
        let mut problems = Vec::new();
        for described in &events.all {
            let definition = &described.definition;
            let (data, reads) = match described.readable_schemas() {
                Ok((None, None)) => continue,
                Ok(schemas) => schemas,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let examples = match data.as_ref().map(|_| example::all(described)) {
                Some(Ok(examples)) => of_different_shape(examples),
                Some(Err(problem)) => {
                    problems.push(problem);
                    continue;
                }
                None => Vec::new(),
            };
            let data = bare(&data.unwrap_or(Value::Bool(false)));
            let reads = bare(&reads.unwrap_or(Value::Bool(false)));
            let mut examples = examples.into_iter();
            let form = LockedVersion {
                reads: (reads != data).then_some(reads),
                data,
                pii: owned(definition.pii()),
                sample: examples.next().unwrap_or_default(),
                examples: examples.collect(),
                earlier: Vec::new(),
            };
            let event = lock
                .events
                .entry(current_name(definition, events))
                .or_default();
            let version = event.versions.entry(definition.version());
            version
                .and_modify(|version| version.remember(&form))
                .or_insert(form);
            if event.version() == definition.version() {
                event.aliases = aliases(definition);
            }
        }
        if problems.is_empty() {
            Ok(lock)
        } else {
            problems.dedup();
            Err(SchemaError { problems })
        }
    }

    /// Parses and validates a lock.
    ///
    /// # Errors
    ///
    /// The reason why the text is not a lock.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        lock.validate()?;
        Ok(lock)
    }

    /// Checks the format and the references.
    ///
    /// # Errors
    ///
    /// The reason, if the format is unknown or a reference has no target.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "its format is {}; this version of domain-events reads format {FORMAT}",
                self.format
            ));
        }
        for (name, event) in &self.events {
            for (version, locked) in &event.versions {
                let schemas = locked.forms().flat_map(|form| [&form.data, form.reads()]);
                for schema in schemas {
                    let definitions = incompatibility::definitions(schema);
                    reference::collect(schema, &definitions, &mut Map::new()).map_err(
                        |reference| {
                            format!(
                                "the schema of {name} version {version} refers to `{reference}`, \
                                 which is not one of its definitions"
                            )
                        },
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Returns the text of the file. It is sorted, so that it changes only if an event changes.
    pub(super) fn to_text(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        format!("{:#}\n", sorted(value))
    }

    /// Returns the current name of the event that was called `name`.
    pub(super) fn current_name(&self, name: &str) -> Option<&String> {
        let called = |(key, event): &(&String, &LockedEvent)| {
            *key == name || event.aliases.iter().any(|alias| alias == name)
        };
        self.events.iter().find(called).map(|(key, _)| key)
    }

    /// Returns the lock, updated to `current`. Earlier forms and examples are kept.
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
                let Some(now) = event.versions.get_mut(version) else {
                    event.versions.insert(*version, locked.clone());
                    continue;
                };
                locked.forms().for_each(|form| now.remember(form));
            }
        }
        updated
    }

    /// Describes the changes that an update would make.
    pub(super) fn differences(&self, updated: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, event) in &updated.events {
            let Some(locked) = self.events.get(name) else {
                found.push(format!("{name} is not in the lock"));
                continue;
            };
            if locked.aliases != event.aliases {
                found.push(format!("{name} has other aliases"));
            }
            for (version, now) in &event.versions {
                let what = match locked.versions.get(version) {
                    None => "is not in the lock",
                    Some(locked) if locked == now => continue,
                    Some(locked) if locked.data != now.data => "is written in another form",
                    Some(locked) if locked.reads != now.reads => "is read in another form",
                    Some(locked) if locked.pii != now.pii => "marks other fields as personal data",
                    Some(_) => "has examples that the lock does not contain",
                };
                found.push(format!("{name} version {version} {what}"));
            }
        }
        let is_gone = |name: &&String| !updated.events.contains_key(*name);
        let gone = self.events.keys().filter(is_gone);
        found.extend(gone.map(|name| format!("{name} is written under another name")));
        found
    }
}

/// Returns why a text could not be read, without serde_json's message, which quotes the text, which
/// may be any file that was given by mistake.
pub(super) fn unreadable(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => {
            format!("line {line}, column {column}: a field is missing, unknown or of another type")
        }
        Category::Eof => format!("the JSON ends too early, in line {line}"),
        Category::Syntax | Category::Io => format!("line {line}, column {column} is not JSON"),
    }
}

/// Returns the current name of the event. An earlier version may have another name.
fn current_name(definition: &EventDefinition, events: &Events) -> String {
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

fn of_different_shape(examples: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for example in examples {
        if !kept.iter().any(|other| shape(other) == shape(&example)) {
            kept.push(example);
        }
    }
    kept.truncate(MAX_EXAMPLES);
    kept
}

/// Returns the fields, keys and types of a value, without its texts and numbers. A value that
/// changes between runs, such as the current time, is not a new form.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (name.clone(), shape(value)));
            members.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => {
            let mut shapes: Vec<_> = items.iter().map(shape).collect();
            shapes.sort_by_key(ToString::to_string);
            shapes.dedup();
            shapes.into()
        }
        Value::String(_) => "text".into(),
        Value::Number(_) => 1.into(),
        other => other.clone(),
    }
}
