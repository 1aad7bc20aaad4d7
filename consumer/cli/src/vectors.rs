//! `check --vectors`: compares a file of conformance vectors with this program's verdicts.
//!
//! The file `docs/vectors.jsonl` contains the vectors of the contract, for producers and
//! validators in other languages; `docs/other-languages.md` describes its format.

use std::io::{BufRead, Write};

use domain_events::__internals::group_name;
use domain_events::{EventId, InvalidEvent, wire};
use serde::{Deserialize, Serialize};

use crate::output::{json_line, line_of, printable};
use crate::{Failure, Format, Outcome};

/// The version of the vectors that this program knows.
pub const VERSION: u32 = 1;

/// The first line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// What the file contains: `domain-events`.
    pub vectors: String,
    /// Version of the contract.
    pub version: u32,
}

/// One line of the file: a message and its verdict, or a text and its message group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Vector {
    /// A description of the vector.
    pub name: String,
    /// The body of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A long body, as a list of texts with the number of repetitions of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<(String, usize)>>,
    /// A body that is not text, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// The verdict on the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expected>,
    /// An `ID` or `EventId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message group id or deduplication id of `text` on a FIFO queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The verdict on a message, or on each of its events. A verdict is `accept`, or a code that is
/// followed by a JSON pointer if the pointer is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// The verdict on the message.
    Message(String),
    /// The verdict on each event of an array, in order.
    Events(Vec<Repeated>),
}

/// The verdict on one event, or on several consecutive events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Repeated {
    /// The verdict on one event.
    Once(String),
    /// The same verdict on this number of events.
    Times(String, usize),
}

impl Expected {
    /// Returns one verdict for each event, or one verdict for the message.
    pub fn verdicts(&self) -> Vec<String> {
        match self {
            Self::Message(verdict) => vec![verdict.clone()],
            Self::Events(each) => each
                .iter()
                .flat_map(|verdict| match verdict {
                    Repeated::Once(verdict) => vec![verdict.clone()],
                    Repeated::Times(verdict, times) => vec![verdict.clone(); *times],
                })
                .collect(),
        }
    }
}

impl Vector {
    /// Returns the body of the message, if the vector contains a message.
    ///
    /// # Errors
    ///
    /// A sentence if the hexadecimal digits are malformed.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, &'static str> {
        if let Some(hex) = &self.hex {
            let byte = |pair: &[u8]| {
                let pair = std::str::from_utf8(pair).ok()?;
                u8::from_str_radix(pair, 16).ok()
            };
            let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
            return bytes.map(Some).ok_or("\"hex\" is not a list of bytes");
        }
        let parts = self.parts.as_ref().map(|parts| {
            let parts = parts.iter().map(|(text, times)| text.repeat(*times));
            parts.collect::<String>().into_bytes()
        });
        Ok(parts.or_else(|| self.body.clone().map(String::into_bytes)))
    }
}

/// Returns the verdicts of this program on a message.
pub fn verdicts(body: &[u8]) -> Vec<String> {
    // The body of an SQS message is text, so the consumer never receives other bytes.
    let Ok(body) = std::str::from_utf8(body) else {
        return vec!["NOT_JSON".to_owned()];
    };
    let refusal = |error: &InvalidEvent| {
        let text = format!("{} {}", error.code(), error.pointer());
        text.trim_end_matches(' ').to_owned()
    };
    match wire::decode(body, &EventId::from_static("message")) {
        Err(error) => vec![refusal(&error)],
        Ok(events) => events
            .iter()
            .map(|event| match &event.outcome {
                Ok(_) => "accept".to_owned(),
                Err(error) => refusal(error),
            })
            .collect(),
    }
}

/// A vector for which the verdict of this program differs from the file.
#[derive(Debug, Serialize)]
struct Difference<'a> {
    line: u64,
    name: &'a str,
    expected: &'a [String],
    found: &'a [String],
}

/// Compares each vector of `input` with this program's verdict, and prints the differences.
///
/// # Errors
///
/// `input` cannot be read or is not a file of vectors, or `out` cannot be written.
pub fn compare<R: BufRead, W: Write>(
    input: R,
    out: &mut W,
    format: Format,
) -> Result<Outcome, Failure> {
    let mut lines = (1_u64..).zip(input.lines());
    let header = match lines.next() {
        Some((_, line)) => parse::<Header>(1, line)?,
        None => return Err(not_vectors(1, "it is empty")),
    };
    if header.version > VERSION {
        return Err(Failure::Usage(format!(
            "the vectors have version {}, and this program knows version {VERSION}; update it, or take older vectors",
            header.version
        )));
    }
    let (mut count, mut different) = (0_u64, 0_u64);
    for (number, line) in lines {
        let vector: Vector = parse(number, line)?;
        let body = vector.bytes().map_err(|why| not_vectors(number, why))?;
        let (expected, found) = match (&body, &vector.expect, &vector.text, &vector.group) {
            (Some(body), Some(expect), None, None) => (expect.verdicts(), verdicts(body)),
            (None, None, Some(text), Some(group)) => {
                (vec![group.clone()], vec![group_name(text).to_string()])
            }
            _ => {
                let why = "a vector has a body and \"expect\", or \"text\" and \"group\"";
                return Err(not_vectors(number, why));
            }
        };
        count += 1;
        if expected != found {
            different += 1;
            let name = &vector.name;
            match format {
                Format::Json => json_line(
                    out,
                    &Difference {
                        line: number,
                        name,
                        expected: &expected,
                        found: &found,
                    },
                )?,
                Format::Text => line_of(
                    out,
                    &format!(
                        "line {number}, {}: expected {}, found {}",
                        printable(name),
                        printable(&expected.join(", ")),
                        printable(&found.join(", "))
                    ),
                )?,
            }
        }
    }
    if format == Format::Text {
        line_of(
            out,
            &format!(
                "{count} vectors of version {}, {different} differ",
                header.version
            ),
        )?;
    }
    Ok(match different {
        0 => Outcome::Done,
        _ => Outcome::Found,
    })
}

fn parse<T: for<'de> Deserialize<'de>>(
    number: u64,
    line: std::io::Result<String>,
) -> Result<T, Failure> {
    let line = line.map_err(|e| Failure::environment(format!("reading line {number}"), &e))?;
    serde_json::from_str(&line).map_err(|e| not_vectors(number, &e.to_string()))
}

fn not_vectors(line: u64, why: &str) -> Failure {
    Failure::Usage(format!(
        "line {line} is not a vector: {why}; docs/other-languages.md describes the format"
    ))
}
