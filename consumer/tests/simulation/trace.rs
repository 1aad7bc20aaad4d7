//! Records the steps of a run as one hash and, on demand, as text.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use serde_json::Value;

use crate::virtual_time;

/// Every observable step of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    steps: Mutex<Steps>,
    keeps_lines: bool,
}

#[derive(Debug)]
struct Steps {
    // `DefaultHasher::new` has fixed keys.
    hasher: DefaultHasher,
    count: u64,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        let steps = Steps {
            hasher: DefaultHasher::new(),
            count: 0,
            lines: Vec::new(),
        };
        Self {
            steps: Mutex::new(steps),
            keeps_lines,
        }
    }

    /// Adds a step, with the body that was sent or received.
    pub(crate) fn step(&self, line: &str, body: &[u8]) {
        let at = virtual_time::elapsed();
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let content = content(json.as_ref(), body);
        let mut steps = self.steps.lock().unwrap();
        steps.count += 1;
        (at, line, content).hash(&mut steps.hasher);
        if self.keeps_lines {
            let mut events = BTreeSet::new();
            collect_events(&json.unwrap_or_default(), &mut events);
            let events: Vec<String> = events.into_iter().collect();
            steps.lines.push(format!(
                "{:>10.3} s  {line} [{content:016x}] {}",
                at.as_secs_f64(),
                events.join(" ")
            ));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.steps.lock().unwrap().hasher.finish()
    }

    pub(crate) fn count(&self) -> u64 {
        self.steps.lock().unwrap().count
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.steps.into_inner().unwrap().lines
    }
}

/// The hash of a body. Maps have no order: the AWS SDK keeps the attributes of items in
/// hash maps, so it sends them in a different order in each process.
fn content(json: Option<&Value>, body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match json {
        Some(json) => hash_json(json, &mut hasher),
        // The body is truncated, so it is not JSON.
        None => body.len().hash(&mut hasher),
    }
    hasher.finish()
}

/// Collects the producers and numbers of the events in a body. The events are in the message
/// bodies of SQS and in the attributes of DynamoDB.
fn collect_events(json: &Value, events: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            let number = members.get("number").map(|n| n.get("N").unwrap_or(n));
            let producer = members.get("producer").map(|p| p.get("S").unwrap_or(p));
            if let (Some(Value::String(producer)), Some(number)) = (producer, number) {
                let number = number.as_str().map_or(number.to_string(), str::to_owned);
                events.insert(format!("{producer}/{number}"));
            }
            members.values().for_each(|m| collect_events(m, events));
        }
        Value::Array(members) => members.iter().for_each(|m| collect_events(m, events)),
        Value::String(text) if text.starts_with(['{', '[']) => {
            if let Ok(json) = serde_json::from_str(text) {
                collect_events(&json, events);
            }
        }
        _ => {}
    }
}

fn hash_json(json: &Value, hasher: &mut DefaultHasher) {
    match json {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            members.len().hash(hasher);
            for (name, value) in members {
                name.hash(hasher);
                hash_json(value, hasher);
            }
        }
        Value::Array(members) => {
            members.len().hash(hasher);
            members.iter().for_each(|member| hash_json(member, hasher));
        }
        scalar => scalar.to_string().hash(hasher),
    }
}
