//! Looking at letters, and correcting them.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::edit;
use super::folder::{Folder, Letter};
use crate::output::{json_line, line_of, printable};
use crate::{Failure, Format};

/// How much of a body `show` prints before the offending value.
const CONTEXT: usize = 60;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    letter: &'a Letter,
    body: &'a str,
    body_file: String,
}

/// Prints a line per letter.
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
            Format::Text => line_of(out, &format!("{id}  {}", summary(&letter)))?,
        }
    }
    if format == Format::Text {
        line_of(
            out,
            &format!("{} letters in {}", ids.len(), folder.path().display()),
        )?;
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
    let place = letter
        .attribute("RejectionPointer")
        .and_then(|pointer| edit::find(&body, pointer));
    if let Some(place) = place {
        let start = body.floor_char_boundary(place.start.saturating_sub(CONTEXT));
        let before = printable(&body[start..place.start]);
        let value = printable(&body[place]);
        line_of(out, &format!("\n…{before}{value}"))?;
        let marks = "^".repeat(value.chars().count().max(1));
        line_of(
            out,
            &format!(" {}{marks}", " ".repeat(before.chars().count())),
        )?;
    }
    Ok(())
}

/// Replaces the value at `pointer` in the body of a letter. `value` is JSON; a text that is
/// not JSON is taken as a string.
///
/// # Errors
///
/// There is no such letter, the pointer leads nowhere, or the file cannot be written.
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

fn shown<'a>(folder: &Folder, letter: &'a Letter, body: &'a str) -> Shown<'a> {
    Shown {
        letter,
        body,
        body_file: folder.body_path(&letter.message_id).display().to_string(),
    }
}

fn summary(letter: &Letter) -> String {
    let pointer = letter.attribute("RejectionPointer").unwrap_or_default();
    match letter.attribute("RejectionCode") {
        Some(code) => printable(format!("{code} {pointer}").trim_end()),
        None => {
            "moved by SQS after too many attempts; the consumer's log has the reason".to_owned()
        }
    }
}
