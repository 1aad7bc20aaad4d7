//! `check`: the consumer's verdict on each line of a file, without a network.

use std::io::{BufRead, Write};

use domain_events::{EventId, InvalidEvent, wire};
use serde::Serialize;

use crate::output::{json_line, line_of};
use crate::{Failure, Format, Outcome};

/// The verdict on one event of one line.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    line: u64,
    /// The index of the event, if the line is a packed message.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The number of checked events.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Valid events.
    pub valid: u64,
    /// Invalid events and messages.
    pub invalid: u64,
}

/// Checks each line of `input` as the body of one message, and prints every problem.
/// Empty lines are ignored. The JSON format also contains valid events.
///
/// # Errors
///
/// `input` cannot be read, or `out` not written.
pub fn check<R: BufRead, W: Write>(
    input: R,
    out: &mut W,
    format: Format,
) -> Result<(Outcome, Counts), Failure> {
    let mut counts = Counts::default();
    // The identity of events that have no `EventId`. It is not printed.
    let message_id = EventId::from_static("message");
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let line = line.map_err(|e| Failure::environment(format!("reading line {number}"), &e))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut report =
            |index: Option<usize>, result: Result<&domain_events::Envelope, &InvalidEvent>| {
                print(out, format, &mut counts, number, index, result, true)?;
                // An event with several faults is printed on several lines, but counts as one
                // invalid event.
                let others = result.err().map(InvalidEvent::others).unwrap_or_default();
                others.iter().try_for_each(|other| {
                    print(out, format, &mut counts, number, index, Err(other), false)
                })
            };
        let Ok(body) = std::str::from_utf8(&line) else {
            counts.invalid += 1;
            not_utf8(out, format, number)?;
            continue;
        };
        match wire::decode(body, &message_id) {
            Err(error) => report(None, Err(&error))?,
            Ok(events) => {
                let packed = body.trim_start().starts_with('[');
                for (index, event) in events.iter().enumerate() {
                    report(packed.then_some(index), event.outcome.as_ref())?;
                }
            }
        }
    }
    if format == Format::Text {
        let Counts { valid, invalid } = counts;
        line_of(out, &format!("{valid} valid, {invalid} invalid"))?;
    }
    let outcome = if counts.invalid == 0 {
        Outcome::Done
    } else {
        Outcome::Found
    };
    Ok((outcome, counts))
}

fn print<W: Write>(
    out: &mut W,
    format: Format,
    counts: &mut Counts,
    line: u64,
    index: Option<usize>,
    result: Result<&domain_events::Envelope, &InvalidEvent>,
    count: bool,
) -> Result<(), Failure> {
    let verdict = match result {
        Ok(envelope) => {
            counts.valid += 1;
            Verdict {
                line,
                index,
                verdict: "valid",
                event_type: Some(envelope.event_type().as_str()),
                id: Some(envelope.entity_id().as_str()),
                code: None,
                pointer: None,
                reason: None,
            }
        }
        Err(error) => {
            if count {
                counts.invalid += 1;
            }
            Verdict {
                line,
                index,
                verdict: "invalid",
                event_type: None,
                id: None,
                code: Some(error.code().as_str()),
                pointer: Some(error.pointer()).filter(|pointer| !pointer.is_empty()),
                reason: Some(error.reason()),
            }
        }
    };
    match format {
        Format::Json => json_line(out, &verdict),
        Format::Text => match verdict.code {
            None => Ok(()),
            Some(code) => {
                let event = index.map_or(String::new(), |index| format!(", event {index}"));
                let at = verdict.pointer.map_or(String::new(), |pointer| {
                    format!(" at {}", crate::output::printable(pointer))
                });
                let reason = verdict.reason.unwrap_or_default();
                line_of(out, &format!("line {line}{event}: {code}{at}: {reason}"))
            }
        },
    }
}

fn not_utf8<W: Write>(out: &mut W, format: Format, line: u64) -> Result<(), Failure> {
    let reason = "the line is not UTF-8, so it cannot be the body of an SQS message";
    match format {
        Format::Json => json_line(
            out,
            &Verdict {
                line,
                index: None,
                verdict: "invalid",
                event_type: None,
                id: None,
                code: Some("NOT_JSON"),
                pointer: None,
                reason: Some(reason),
            },
        ),
        Format::Text => line_of(out, &format!("line {line}: NOT_JSON: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str =
        r#"{"Timestamp":1,"EventType":"A","ID":"7","EmitterId":"x","EmitterType":"USER"}"#;

    fn run(input: &str, format: Format) -> (Outcome, String) {
        let mut out = Vec::new();
        let (outcome, _) = check(input.as_bytes(), &mut out, format).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn valid_lines_print_only_the_sum() {
        let (outcome, text) = run(&format!("{VALID}\n\n{VALID}"), Format::Text);
        assert_eq!((outcome, &*text), (Outcome::Done, "2 valid, 0 invalid\n"));
    }

    #[test]
    fn every_invalid_line_is_reported() {
        let input = format!("nonsense\n{VALID}\n[{VALID},{{}}]");
        let (outcome, text) = run(&input, Format::Text);
        assert_eq!(outcome, Outcome::Found);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("line 1: NOT_JSON: "), "{text}");
        assert!(
            lines[1].starts_with("line 3, event 1: MISSING_FIELD"),
            "{text}"
        );
        assert_eq!(lines.last(), Some(&"2 valid, 2 invalid"));
    }

    #[test]
    fn every_fault_of_an_event_has_a_line() {
        let (_, text) = run(r#"{"Timestamp":"now","EventType":"a b"}"#, Format::Text);
        for expected in [
            "line 1: WRONG_TYPE at /Timestamp: ",
            "line 1: INVALID_VALUE at /EventType: ",
            "line 1: MISSING_FIELD at /ID: ",
            "0 valid, 1 invalid",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn json_has_one_object_per_event() {
        let (_, text) = run(&format!("[{VALID},7]"), Format::Json);
        let objects: Vec<serde_json::Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(objects[0]["verdict"], "valid");
        assert_eq!(objects[1]["code"], "NOT_AN_EVENT");
        assert_eq!(objects[1]["index"], 1);
    }
}
