#!/usr/bin/env python3
"""Breaks the code on purpose, in a copy, and sees that the harness notices.

    consumer/tests/faults/mutants.py [seconds]

Five mistakes that lose, double or rewrite events are put into a copy of the
sources under the target folder, behind a variable of the environment. With none
of them set the harness has to pass there; with each it has to fail, and for the
right reason. Ends with 1 if one goes unnoticed, or can no longer be put in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
COPY = TARGET / "sabotage"

SWITCH = """
#[doc(hidden)]
pub fn sabotaged(how: &str) -> bool {
    std::env::var("DOMAIN_EVENTS_SABOTAGE").is_ok_and(|name| name == how)
}
"""

# name, what it is, file, what stands there, what stands there then, and what
# the harness must find.
SABOTAGES = [
    (
        "unconditional",
        "conditional insert off: whatever has the key is overwritten",
        "sdk/src/store/dynamodb.rs",
        "        let count = inserts.len();\n",
        """        let count = inserts.len();
        if crate::sabotaged("unconditional") {
            let mut outcomes = Vec::new();
            for insert in inserts {
                let item = insert.attributes.into_iter().map(|(n, v)| (n.into_owned(), v));
                let put = self.client.put_item().table_name(&self.table);
                outcomes.push(match put.set_item(Some(item.collect())).send().await {
                    Ok(_) => Inserted::New,
                    Err(error) => Inserted::Failed(failed("putting an item", error)),
                });
            }
            return outcomes;
        }
""",
        "lost,rewritten",
    ),
    (
        "partial",
        "partial failures ignored: HTTP 200 is taken for success",
        "sdk/src/store/dynamodb.rs",
        ".map(|r| r.error().map_or(Inserted::New, outcome))",
        """.map(|r| match r.error() {
                        Some(error) if !crate::sabotaged("partial") => outcome(error),
                        _ => Inserted::New,
                    })""",
        "lost",
    ),
    (
        "early",
        "acknowledging before storing",
        "consumer/src/hosts/worker.rs",
        "        let handling = self\n",
        """        if domain_events::sabotaged("early") {
            self.delete(&messages.iter().collect::<Vec<_>>()).await;
        }
        let handling = self
""",
        "lost,not-rejected",
    ),
    (
        "tie",
        "tie-break off: a key that is taken is taken for a duplicate",
        "sdk/src/store/append.rs",
        "        if event.attempt == MAX_TIES {\n",
        """        if crate::sabotaged("tie") {
            event.outcome = Some(Ok(AppendOutcome::Duplicate));
        } else if event.attempt == MAX_TIES {
""",
        "lost",
    ),
    (
        "identity",
        "retry without identity: each attempt is another event",
        "sdk/src/publisher/buffer/pending.rs",
        "        if self.body.is_empty() {\n",
        """        if self.body.is_empty() {
            if crate::sabotaged("identity") {
                let envelope = self.envelope.clone();
                let timestamp = envelope.timestamp();
                self.envelope = envelope.stamped(timestamp, crate::EventId::random());
            }
""",
        "doubled",
    ),
]


def copy_sources():
    """The sources as they stand here, committed or not."""
    shutil.rmtree(COPY / "source", ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (COPY / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / "source" / name)


def link_dependencies():
    """What is built already of other people's crates; of ours, nothing."""
    for folder, copy in (("deps", os.link), ("build", os.link), (".fingerprint", shutil.copy2)):
        source, copied = TARGET / "debug" / folder, COPY / "target" / "debug" / folder
        if copied.exists() or not source.exists():
            continue
        def ours(_, names):
            return [n for n in names if n.startswith(("domain_events", "domain-events", "libdomain_events"))]
        shutil.copytree(source, copied, copy_function=copy, ignore=ours)


def break_it():
    files = {}
    for name, _, file, before, after, _ in SABOTAGES:
        text = files.get(file) or (ROOT / file).read_text()
        if text.count(before) != 1:
            sys.exit(f"{name}: {file} has changed: {before.strip()!r} stands there {text.count(before)} times, not once")
        files[file] = text.replace(before, after)
    files["sdk/src/lib.rs"] = (ROOT / "sdk/src/lib.rs").read_text() + SWITCH
    for file, text in files.items():
        (COPY / "source" / file).write_text(text)


def harness(sabotage, expect, seconds):
    command = [
        "cargo", "test", "--quiet", "--workspace", "--all-features",
        "--manifest-path", str(COPY / "source" / "Cargo.toml"), "--target-dir", str(COPY / "target"),
        "--test", "faults", "--", "run", "--seconds", seconds, "--queue", "standard", "--seed", "5",
    ]
    if expect:
        command += ["--expect", expect]
    environment = {**os.environ, "DOMAIN_EVENTS_SABOTAGE": sabotage}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("| **") and not line.endswith("| 0 |")]
    return done.returncode == 0, "; ".join(line.strip("| ").replace("**", "") for line in found[1:]), done


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else "12"
    copy_sources()
    link_dependencies()
    break_it()
    failed = 0
    for name, what, _, _, _, expect in [("", "not broken", "", "", "", ""), *SABOTAGES]:
        ok, found, done = harness(name, expect, seconds)
        failed += not ok
        print(f"{'as expected' if ok else 'NOT NOTICED'}: {what}: {found or 'nothing wrong'}", flush=True)
        if not ok:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
    print(f"{len(SABOTAGES) + 1 - failed} passed, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
