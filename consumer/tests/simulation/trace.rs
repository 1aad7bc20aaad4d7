//! What happened in a run, as one hash and, on demand, as text.

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

    /// Adds a step, with the hash of what is too long for a line.
    pub(crate) fn step(&self, line: &str, content: u64) {
        let at = virtual_time::elapsed();
        let mut steps = self.steps.lock().unwrap();
        steps.count += 1;
        (at, line, content).hash(&mut steps.hasher);
        if self.keeps_lines {
            let line = format!("{:>10.3} s  {line} [{content:016x}]", at.as_secs_f64());
            steps.lines.push(line);
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
pub(crate) fn content(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match serde_json::from_slice(body) {
        Ok(json) => hash_json(&json, &mut hasher),
        // A body that was cut off.
        Err(_) => body.len().hash(&mut hasher),
    }
    hasher.finish()
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
