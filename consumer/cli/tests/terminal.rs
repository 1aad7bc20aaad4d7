//! The command on a terminal, in a pipe, with a closed pipe and on a full disk.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows the tests, but not what they share"
)]

use std::fs::File;
use std::process::{Output, Stdio};
use std::time::Duration;

use domain_events_local::{Options, Stack};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

const EVENT: &str =
    r#"{"Timestamp":1,"EventType":"EVENT_TEST","ID":"7","EmitterId":"x","EmitterType":"USER"}"#;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command with the variables of the stack and no others.
fn command(program: &str, stack: &Stack) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(stack.environment())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn output(mut command: Command) -> Output {
    let child = command.spawn().unwrap();
    let output = tokio::time::timeout(TIMEOUT, child.wait_with_output());
    output.await.expect("it does not end").unwrap()
}

/// Runs the command on a terminal, and returns all that the terminal received.
async fn on_terminal(stack: &Stack, arguments: &str, variables: &[(&str, &str)]) -> String {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_domain-events"));
    let mut script = command("script", stack);
    script
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped());
    String::from_utf8(output(script).await.stdout).unwrap()
}

/// A stack with an event, and a file with an event.
async fn stack() -> (Stack, String) {
    let stack = Stack::start(Options::default()).await.unwrap();
    let send = stack.sqs_client().send_message();
    let send = send.queue_url(stack.queue_url()).message_body(EVENT);
    send.send().await.unwrap();
    stack.wait_until_drained().await;
    let file = format!("{}/terminal.jsonl", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, EVENT).unwrap();
    (stack, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_or_full_output_is_not_a_panic() {
    let (stack, file) = stack().await;
    for arguments in [
        "history 7",
        "history 7 --json",
        "by-type EVENT_TEST",
        "export",
        "doctor",
        "emit FILE",
        "check FILE",
        "completions zsh",
        "help rejected",
    ] {
        let start = |out: Stdio| {
            let mut command = command(env!("CARGO_BIN_EXE_domain-events"), &stack);
            command
                .args(arguments.split(' ').map(|a| a.replace("FILE", &file)))
                .stdout(out);
            output(command)
        };
        // As with `| head -0`: the reader has ended.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = start(writer.into()).await;
        let text = String::from_utf8(closed.stderr).unwrap();
        assert_eq!((closed.status.code(), &*text), (Some(0), ""), "{arguments}");

        let full = start(File::create("/dev/full").unwrap().into()).await;
        let text = String::from_utf8(full.stderr).unwrap();
        assert!(!text.contains("panicked"), "{arguments}: {text}");
        // clap prints the help, and ignores errors of the output.
        if !arguments.starts_with("help") {
            assert_eq!(full.status.code(), Some(3), "{arguments}: {text}");
            assert!(text.contains("writing to standard output"), "{text}");
        }
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_terminal_gets_progress_and_colors() {
    let (stack, file) = stack().await;
    let emit = format!("emit {file}");
    let shown = on_terminal(&stack, &emit, &[]).await;
    assert!(shown.contains("events accepted"), "{shown:?}");
    let dumb = on_terminal(&stack, &emit, &[("TERM", "dumb")]).await;
    assert_eq!(dumb, "1 accepted, 0 failed\r\n");
    let wrong = on_terminal(&stack, "histroy", &[]).await;
    assert!(wrong.contains("\u{1b}["), "{wrong:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let wrong = on_terminal(&stack, "histroy", &[variable]).await;
        assert!(!wrong.contains('\u{1b}'), "{variable:?}: {wrong:?}");
    }

    let mut piped = command(env!("CARGO_BIN_EXE_domain-events"), &stack);
    piped.args(["emit", &file]).stdout(Stdio::piped());
    let piped = output(piped).await;
    assert_eq!(piped.stdout, b"1 accepted, 0 failed\n");
    assert!(piped.stderr.is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_shows_the_next_steps_on_a_terminal() {
    for (variable, has_colors) in [(("TERM", "xterm"), true), (("NO_COLOR", "1"), false)] {
        let (stack, _) = stack().await;
        let line = format!(
            "{} local --sqs-port 0 --dynamodb-port 0 --page-port 0",
            env!("CARGO_BIN_EXE_domain-events")
        );
        let mut script = command("script", &stack);
        let (name, value) = variable;
        script
            .args(["-qec", &line, "/dev/null"])
            .env(name, value)
            .stdout(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut shown = String::new();
        let mut emitted = false;
        // The next steps, and then the line of an event.
        while !shown.contains("EVENT_TEST") {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(TIMEOUT, out.read(&mut buffer)).await;
            let read = read.expect("the lines never come").unwrap();
            assert!(read > 0, "it ended: {shown}");
            shown.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            if !emitted && shown.contains("Ctrl-C stops the stack") {
                emitted = true;
                emit_to(&shown).await;
            }
        }
        assert!(shown.starts_with("export EVENT_QUEUE_URL="), "{shown}");
        assert!(shown.contains("Web page  http://127.0.0.1:"), "{shown}");
        assert_eq!(shown.contains("\u{1b}["), has_colors, "{shown:?}");
        child.kill().await.unwrap();
        stack.stop().await;
    }
}

/// Sends an event with the variables that `local` printed.
async fn emit_to(shown: &str) {
    let exports = shown.lines().filter_map(|l| l.strip_prefix("export "));
    let mut command = Command::new(env!("CARGO_BIN_EXE_domain-events"));
    command
        .args(["emit", "--type", "EVENT_TEST", "--id", "7"])
        .env_clear()
        .envs(exports.filter_map(|line| line.split_once('=')))
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let emitted = output(command).await;
    assert!(emitted.status.success(), "{emitted:?}");
}
