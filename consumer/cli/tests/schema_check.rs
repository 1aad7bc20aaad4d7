//! `domain-events schema check`, as it is run by hand and by CI.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    reason = "clippy knows the tests, but not what they share"
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// What a program with one event prints of itself.
fn document(fields: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> = fields
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": "string"})))
        .collect();
    let data = json!({"type": "object", "properties": properties, "required": fields});
    json!({"program": {"format": 1, "events": {"ORDER_PLACED": {"versions": {"1": {
        "data": data,
        "sample": {"Timestamp": 1, "EventType": "ORDER_PLACED", "ID": "7", "EmitterId": "x", "EmitterType": "USER"},
    }}}}}})
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder of its own");
    folder
}

/// Runs the command in `folder` with `input`.
fn check(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .args(["schema", "check"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It need not read what it is not asked to.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

fn told(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_lock_is_written_on_request_and_kept_from_then_on() {
    let folder = folder("kept");
    let first = document(&["order_id", "customer"]).to_string();

    let missing = check(&folder, &[], &first);
    assert!(!missing.status.success());
    assert!(told(&missing.stderr).contains("there is no events.lock"));

    let written = check(&folder, &["--update"], &first);
    assert!(written.status.success(), "{}", told(&written.stderr));
    assert!(check(&folder, &["-"], &first).status.success());

    let removed = document(&["order_id"]).to_string();
    for arguments in [&[][..], &["--update"]] {
        let broken = check(&folder, arguments, &removed);
        assert_eq!(broken.status.code(), Some(1));
        let told = told(&broken.stderr);
        let expected = "ORDER_PLACED version 1, at /Data/customer: the field was removed\n  \
                        breaks: old readers, new readers";
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_document_is_a_file_too_and_the_lock_can_be_anywhere() {
    let folder = folder("file");
    fs::write(folder.join("now.json"), document(&["order_id"]).to_string()).expect("written");
    let lock = ["--lock", "agreed.json"];
    let update = check(&folder, &[lock[0], lock[1], "--update", "now.json"], "");
    assert!(update.status.success(), "{}", told(&update.stderr));
    let kept = check(&folder, &[lock[0], lock[1], "now.json"], "");
    assert!(kept.status.success());
    let note = "stored examples were not read";
    assert!(told(&kept.stdout).contains(note), "{}", told(&kept.stdout));
}

#[test]
fn a_program_is_run_and_told_where_the_lock_is() {
    let folder = folder("program");
    let mut now = document(&["order_id"]);
    fs::write(folder.join("now.json"), now.to_string()).expect("written");
    assert!(
        check(&folder, &["--update", "now.json"], "")
            .status
            .success()
    );

    now["unread"] = json!([{
        "event_type": "ORDER_PLACED", "version": 1, "pointer": "", "what": "it cannot be read",
        "readers": ["StoredHistory"], "remedies": [],
    }]);
    fs::write(folder.join("now.json"), now.to_string()).expect("written");
    let script = r#"test -f "$EVENTS_LOCK_SAMPLES" && cat now.json"#;
    let unread = check(&folder, &["--", "sh", "-c", script], "");
    assert_eq!(unread.status.code(), Some(1));
    assert!(told(&unread.stderr).contains("it cannot be read\n  breaks: stored history"));

    let failed = check(&folder, &["--", "sh", "-c", "exit 3"], "");
    assert!(told(&failed.stderr).contains("it ended with exit status: 3"));
}
