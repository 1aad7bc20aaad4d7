//! `domain-events schema check`, as people and CI run it.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    reason = "clippy allows unwrap in tests, but not in their shared functions"
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The output of a program with one event.
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
    fs::create_dir_all(&folder).expect("a new folder");
    folder
}

/// Runs the command in `folder` with `input`.
fn check(folder: &Path, arguments: &[&str], input: &str) -> Output {
    check_in(&[], folder, arguments, input)
}

fn check_in(
    environment: &[(&str, &str)],
    folder: &Path,
    arguments: &[&str],
    input: &str,
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_domain-events"))
        .args(["schema", "check"])
        .args(arguments)
        .env_remove("CI")
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The command may exit without reading its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn lock_is_written_only_with_update() {
    let folder = folder("kept");
    let first = document(&["order_id", "customer"]).to_string();

    let missing = check(&folder, &[], &first);
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("there is no events.lock"));

    let written = check(&folder, &["--update"], &first);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert!(check(&folder, &["-"], &first).status.success());

    let removed = document(&["order_id"]).to_string();
    for arguments in [&[][..], &["--update"]] {
        let broken = check(&folder, arguments, &removed);
        assert_eq!(broken.status.code(), Some(1));
        let error = text(&broken.stderr);
        let expected = "ORDER_PLACED version 1, at /Data/customer: the field was removed\n  \
                        breaks: old readers, new readers";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn document_is_a_file_and_lock_is_anywhere() {
    let folder = folder("file");
    fs::write(folder.join("now.json"), document(&["order_id"]).to_string()).expect("written");
    let lock = ["--lock", "agreed.json"];
    let update = check(&folder, &[lock[0], lock[1], "--update", "now.json"], "");
    assert!(update.status.success(), "{}", text(&update.stderr));
    let kept = check(&folder, &[lock[0], lock[1], "now.json"], "");
    assert!(kept.status.success());
    let note = "stored examples were not read";
    assert!(text(&kept.stdout).contains(note), "{}", text(&kept.stdout));
}

#[test]
fn program_is_run_with_the_path_of_the_lock() {
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
        "audiences": ["StoredHistory"], "remedies": [],
    }]);
    fs::write(folder.join("now.json"), now.to_string()).expect("written");
    let script = r#"test -f "$EVENTS_LOCK_SAMPLES" && cat now.json"#;
    let unread = check(&folder, &["--", "sh", "-c", script], "");
    assert_eq!(unread.status.code(), Some(1));
    assert!(text(&unread.stderr).contains("it cannot be read\n  breaks: stored history"));
}

#[test]
fn failure_of_the_program_says_which_step_failed() {
    let folder = folder("failures");
    let error = |arguments: &[&str]| {
        let output = check(&folder, arguments, "");
        assert_eq!(output.status.code(), Some(3));
        text(&output.stderr)
    };
    let not_started = error(&["--", "./no-such-program"]);
    let expected = "./no-such-program cannot be started; check that it is installed";
    assert!(not_started.contains(expected), "{not_started}");
    assert!(not_started.contains("No such file"), "{not_started}");

    let failed = error(&["--", "sh", "-c", "exit 3"]);
    assert!(
        failed.contains("sh failed with exit status: 3; run it alone"),
        "{failed}"
    );

    let no_document = error(&["--", "echo", "hello"]);
    let expected = "the output of echo is not a document of events: ";
    assert!(no_document.contains(expected), "{no_document}");
    assert!(no_document.contains("print_document"), "{no_document}");
}

#[test]
fn failure_of_a_file_names_the_file() {
    let folder = folder("files");
    let document = document(&["order_id"]).to_string();
    let error = |arguments: &[&str], input: &str| {
        let output = check(&folder, arguments, input);
        assert!(matches!(output.status.code(), Some(2 | 3)));
        text(&output.stderr)
    };
    let no_document = error(&[], "hello");
    assert!(
        no_document.contains("the input is not a document of events: "),
        "{no_document}"
    );

    let missing = error(&["missing.json"], "");
    assert!(
        missing.contains("cannot open missing.json: No such file"),
        "{missing}"
    );

    fs::write(folder.join("events.lock"), "<<<<<<< HEAD").expect("written");
    let no_lock = error(&[], &document);
    assert!(
        no_lock.contains("events.lock is not a lock of events: "),
        "{no_lock}"
    );
    assert!(no_lock.contains("merge conflict"), "{no_lock}");

    let unreadable = error(&["--lock", "."], &document);
    assert!(
        unreadable.contains(". cannot be read; check the path"),
        "{unreadable}"
    );

    let unwritable = error(&["--lock", "no/folder/events.lock", "--update"], &document);
    let expected = "no/folder/events.lock cannot be written; check the folder";
    assert!(unwritable.contains(expected), "{unwritable}");
}

#[test]
fn strict_check_refuses_an_unlocked_event() {
    let folder = folder("strict");
    let mut now = document(&["order_id"]);
    let update = check(&folder, &["--update"], &now.to_string());
    assert!(update.status.success());
    let events = &mut now["program"]["events"];
    events["ORDER_PAID"] = events["ORDER_PLACED"].clone();
    let now = now.to_string();

    let lenient = check(&folder, &[], &now);
    assert!(lenient.status.success());
    assert!(text(&lenient.stdout).contains("ORDER_PAID is new to the lock"));

    let strict = check(&folder, &["--locked"], &now);
    let in_ci = check_in(&[("CI", "true")], &folder, &[], &now);
    for output in [strict, in_ci] {
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        let expected = "events.lock is out of date: ORDER_PAID is not in the lock; write it with";
        assert!(error.contains(expected), "{error}");
    }
    let not_ci = check_in(&[("CI", "false")], &folder, &[], &now);
    assert!(not_ci.status.success());

    let update = check_in(&[("CI", "true")], &folder, &["--update"], &now);
    assert!(update.status.success(), "{}", text(&update.stderr));
    assert!(check(&folder, &["--locked"], &now).status.success());
}

#[test]
fn form_that_was_replaced_is_still_compared() {
    let folder = folder("forms");
    let with = |required: &[&str]| {
        let mut document = document(&["order_id", "customer"]);
        let data = &mut document["program"]["events"]["ORDER_PLACED"]["versions"]["1"]["data"];
        data["required"] = json!(required);
        document
    };
    let mut lenient = with(&["order_id", "customer"]);
    let reads = with(&["order_id"]);
    let reads = &reads["program"]["events"]["ORDER_PLACED"]["versions"]["1"]["data"];
    lenient["program"]["events"]["ORDER_PLACED"]["versions"]["1"]["reads"] = reads.clone();
    for accepted in [with(&["order_id"]), lenient] {
        let update = check(&folder, &["--update"], &accepted.to_string());
        assert!(update.status.success(), "{}", text(&update.stderr));
    }
    let strict = with(&["order_id", "customer"]).to_string();
    let broken = check(&folder, &["--update"], &strict);
    assert_eq!(broken.status.code(), Some(1));
    let error = text(&broken.stderr);
    assert!(
        error.contains("at /Data/customer: the field is required now"),
        "{error}"
    );
}
