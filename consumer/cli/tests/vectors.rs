//! The vectors for other languages match the fixtures, and the command agrees with the
//! vectors.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use domain_events_cli::vectors::{Expected, Header, VERSION, Vector};
use serde_json::Value;

/// Message groups of ids: `docs/wire-format.md`, "FIFO queues".
const GROUPS: [(&str, &str); 5] = [
    ("order-1", "order-1"),
    ("a#b/c~!", "a#b/c~!"),
    ("order 1", "521e8722-c493-5cf0-aa52-8e39e87eccda"),
    ("Ünï", "25cefd24-798b-5e5b-aa30-beda8239f245"),
    ("emoji 🦀", "f34ef420-8466-5601-9180-4f1f5351835a"),
];
/// A body above this size is written in parts.
const LONG: usize = 2_000;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn vectors_file() -> PathBuf {
    repository().join("docs/vectors.jsonl")
}

/// The vectors that follow from the fixtures.
fn of_fixtures() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for file in ["accept", "reject", "hostile"] {
        let path = repository().join(format!("sdk/tests/fixtures/{file}.jsonl"));
        for line in fs::read_to_string(path).unwrap().lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let mut vector: Vector = serde_json::from_value(case.clone()).unwrap();
            match file {
                "accept" => vector.expect = Some(Expected::Message("accept".to_owned())),
                "reject" => {
                    let text = |name: &str| case[name].as_str().unwrap();
                    let verdict = format!("{} {}", text("code"), text("at"));
                    vector.expect = Some(Expected::Message(verdict.trim_end().to_owned()));
                }
                _ => {}
            }
            if vector.body.as_ref().is_some_and(|body| body.len() > LONG) {
                vector.parts = vector.body.take().map(|body| parts(&body));
            }
            vectors.push(vector);
        }
    }
    let long = ("x".repeat(129), "bf8230d6-9943-5434-b8a9-b88639f5a694");
    let groups = GROUPS
        .iter()
        .map(|(text, group)| ((*text).to_owned(), *group));
    for (text, group) in groups.chain([long]) {
        vectors.push(Vector {
            name: format!("message group of an id of {} bytes", text.len()),
            text: Some(text),
            group: Some(group.to_owned()),
            ..Vector::default()
        });
    }
    vectors
}

/// Splits `body`, so that each long run of one character is a separate part.
fn parts(body: &str) -> Vec<(String, usize)> {
    let mut parts: Vec<(String, usize)> = Vec::new();
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(c).len();
        let times = run / c.len_utf8();
        if times >= 64 {
            parts.push((c.to_string(), times));
        } else {
            match parts.last_mut() {
                Some((text, 1)) => text.push_str(&rest[..run]),
                _ => parts.push((rest[..run].to_owned(), 1)),
            }
        }
        rest = &rest[run..];
    }
    parts
}

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .arg("check")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn vectors_are_those_of_the_fixtures() {
    let header = Header {
        vectors: "domain-events".to_owned(),
        version: VERSION,
    };
    let mut text = serde_json::to_string(&header).unwrap() + "\n";
    for vector in of_fixtures() {
        text += &(serde_json::to_string(&vector).unwrap() + "\n");
    }
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(vectors_file(), &text).unwrap();
    }
    let same = fs::read_to_string(vectors_file()).unwrap() == text;
    assert!(
        same,
        "docs/vectors.jsonl differs from the fixtures; run this test with UPDATE_VECTORS=1, and commit the file"
    );
}

#[test]
fn command_agrees_with_every_vector() {
    let output = check(&["--vectors", vectors_file().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(
        text,
        format!("{} vectors of version 1, 0 differ\n", of_fixtures().len())
    );
}

#[test]
fn difference_is_printed_with_both_verdicts() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors.jsonl");
    let header = r#"{"vectors":"domain-events","version":1}"#;
    let vectors = [
        r#"{"name":"text","body":"hello","expect":"accept"}"#,
        r#"{"name":"group","text":"a b","group":"a b"}"#,
        r#"{"name":"same","body":"hello","expect":"NOT_JSON"}"#,
    ];
    fs::write(&file, format!("{header}\n{}\n", vectors.join("\n"))).unwrap();
    let path = file.to_str().unwrap();
    let output = check(&["--vectors", path]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("line 2, text: expected accept, found NOT_JSON\n"),
        "{text}"
    );
    assert!(
        text.contains("line 3, group: expected a b, found "),
        "{text}"
    );
    assert!(
        text.ends_with("3 vectors of version 1, 2 differ\n"),
        "{text}"
    );

    let output = check(&["--vectors", path, "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["found"], serde_json::json!(["NOT_JSON"]));

    for (content, expected) in [
        ("", "it is empty"),
        (
            "{\"vectors\":\"domain-events\",\"version\":2}\n",
            "update it",
        ),
        (
            &format!("{header}\n{{\"name\":\"x\"}}\n"),
            "line 2 is not a vector",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let output = check(&["--vectors", path]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}
