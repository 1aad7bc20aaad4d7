//! Passes the commit to the program, which prints it with its version.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

fn main() {
    // In a checkout, git knows the commit; in a published package, cargo has recorded it.
    let commit = git(&["rev-parse", "--short=12", "HEAD"])
        .or_else(recorded)
        .unwrap_or_else(|| "unknown commit".to_owned());
    println!("cargo::rustc-env=DOMAIN_EVENTS_COMMIT={commit}");
    println!("cargo::rerun-if-changed=build.rs");
    // Git appends to this file with every commit and checkout.
    if let Some(log) =
        git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists())
    {
        println!("cargo::rerun-if-changed={log}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn recorded() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, after) = text.split_once("\"sha1\": \"")?;
    after.get(..12).map(str::to_owned)
}
