//! `rejected list`, `show` and `set`: print letters, and correct them.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::folder::{Folder, Letter};
use super::{edit, faults};
use crate::output::{counted, json_line, line_of, printable};
use crate::{Failure, Format};

/// The number of characters that `show` prints before the offending value.
const CONTEXT: usize = 60;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    letter: &'a Letter,
    body: &'a str,
    body_file: String,
}

/// Prints one line for each letter: its id, and why it was rejected.
///
/// # Errors
///
/// The folder cannot be read.
pub fn list<W: Write>(folder: &Path, out: &mut W, format: Format) -> Result<(), Failure> {
    let folder = Folder::open(folder)?;
    let ids = folder.ids()?;
    for id in &ids {
        let (letter, body) = folder.read(id)?;
        match format {
            Format::Json => json_line(out, &shown(&folder, &letter, &body))?,
            Format::Text => {
                let reason = letter.attribute("RejectionReason").map(printable);
                let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
                line_of(out, &format!("{id}  {}{reason}", summary(&letter)))?;
            }
        }
    }
    if format == Format::Text {
        let messages = counted(ids.len() as u64, "message");
        line_of(out, &format!("{messages} in {}", folder.path().display()))?;
    }
    Ok(())
}

/// Prints a letter with its body, and marks the offending value.
///
/// # Errors
///
/// There is no such letter.
pub fn show<W: Write>(folder: &Path, id: &str, out: &mut W, format: Format) -> Result<(), Failure> {
    let folder = Folder::open(folder)?;
    let id = folder.only(id)?;
    let (letter, body) = folder.read(&id)?;
    if format == Format::Json {
        return json_line(out, &shown(&folder, &letter, &body));
    }
    line_of(out, &format!("{id}  {}", summary(&letter)))?;
    for (name, value) in &letter.attributes {
        line_of(out, &format!("  {}: {}", printable(name), printable(value)))?;
    }
    line_of(out, &format!("  file: {}", folder.body_path(&id).display()))?;
    line_of(out, &printable(&body))?;
    for pointer in faults::pointers(&letter, &body)? {
        mark(out, &body, &pointer)?;
    }
    Ok(())
}

/// Replaces the value at `pointer` in the body of a letter. `value` is JSON. If it is not valid
/// JSON, it becomes a string.
///
/// # Errors
///
/// There is no such letter, its body has no value at the pointer, or the file cannot be
/// written.
pub fn set(folder: &Path, id: &str, pointer: &str, value: &str) -> Result<(), Failure> {
    let folder = Folder::open(folder)?;
    let id = folder.only(id)?;
    let (_, body) = folder.read(&id)?;
    let value = match edit::is_json(value) {
        true => value.to_owned(),
        false => serde_json::to_string(value)
            .map_err(|e| Failure::environment("encoding the value", &e))?,
    };
    let edited = edit::set(&body, pointer, &value).map_err(|error| {
        Failure::Usage(format!(
            "cannot set {pointer} in {}: {error}",
            folder.body_path(&id).display()
        ))
    })?;
    folder.write_body(&id, &edited)
}

/// Replaces values in the same way as [`set`]. Each pair is a pointer and a value. If `wanted`
/// contains ids, the values are replaced in these letters. If it is empty, each value is
/// replaced in the letters that have a fault at the pointer. Returns the number of changed
/// letters.
///
/// # Errors
///
/// The errors of [`set`], or no letter has a fault at a pointer. The letters before the one
/// with the error have been changed.
pub fn set_all(folder: &Path, wanted: &[String], values: &[(&str, &str)]) -> Result<u64, Failure> {
    let letters = Folder::open(folder)?;
    let mut changed = 0;
    for id in letters.select(wanted)? {
        let (letter, body) = letters.read(&id)?;
        let wrong = faults::pointers(&letter, &body)?;
        let mut is_changed = false;
        for (pointer, value) in values {
            if !wanted.is_empty() || wrong.iter().any(|wrong| wrong == pointer) {
                set(folder, &id, pointer, value)?;
                is_changed = true;
            }
        }
        changed += u64::from(is_changed);
    }
    if changed == 0 {
        let pointers: Vec<&str> = values.iter().map(|(pointer, _)| *pointer).collect();
        return Err(Failure::Usage(format!(
            "no message in {} is wrong at {}, so nothing was changed and nothing was sent; `domain-events rejected list {}` prints where each message is wrong",
            folder.display(),
            pointers.join(" or "),
            folder.display()
        )));
    }
    Ok(changed)
}

/// Prints the value at `pointer` with the text before it, and marks the value.
fn mark<W: Write>(out: &mut W, body: &str, pointer: &str) -> Result<(), Failure> {
    let Some(range) = edit::find(body, pointer).filter(|_| !pointer.is_empty()) else {
        return Ok(());
    };
    let start = body.floor_char_boundary(range.start.saturating_sub(CONTEXT));
    let before = printable(&body[start..range.start]);
    let value = printable(&body[range]);
    line_of(out, "")?;
    line_of(out, &format!("…{before}{value}"))?;
    let marks = "^".repeat(value.chars().count().max(1));
    let indent = " ".repeat(before.chars().count());
    line_of(out, &format!(" {indent}{marks} {}", printable(pointer)))
}

fn shown<'a>(folder: &Folder, letter: &'a Letter, body: &'a str) -> Shown<'a> {
    Shown {
        letter,
        body,
        body_file: folder.body_path(&letter.message_id).display().to_string(),
    }
}

fn summary(letter: &Letter) -> String {
    let at = match letter.attribute("RejectionPointer") {
        Some(pointer) => format!(" at {pointer}"),
        None => String::new(),
    };
    match letter.attribute("RejectionCode") {
        Some(code) => printable(&format!("{code}{at}")),
        None => {
            "moved by SQS after too many receives; the consumer's log has the reason".to_owned()
        }
    }
}
