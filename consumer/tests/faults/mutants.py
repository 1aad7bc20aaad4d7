#!/usr/bin/env python3
"""Tests the harness, or the simulation, with mutants of the code.

    consumer/tests/faults/mutants.py [seconds]
    consumer/tests/faults/mutants.py simulation
    consumer/tests/faults/mutants.py check

The script copies the sources to the target folder and adds mutants: mistakes that lose,
duplicate or change events. An environment variable selects one of them. Without a mutant,
the harness must pass. With each mutant, it must fail and find the expected violation. The
exit code is 1 if the harness misses a mutant, or if a mutant no longer fits the sources.
`check` only tests that the mutants can be made and compile.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
COPY = TARGET / "mutants"

SWITCH = """
#[doc(hidden)]
pub fn mutated(mutant: &str) -> bool {
    std::env::var("DOMAIN_EVENTS_MUTANT").is_ok_and(|name| name == mutant)
}
"""

# Each mutant has a name, a description, a file, the original text, the mutated text, and
# violations. The harness must find at least one of these violations.
MUTANTS = [
    (
        "unconditional",
        "the insert is not conditional: it overwrites the item under its key",
        "sdk/src/store/dynamodb.rs",
        "        let count = items.len();\n",
        """        let count = items.len();
        if crate::mutated("unconditional") {
            let mut outcomes = Vec::new();
            for item in items {
                let values = format!("[{}]", item.parameters);
                let values: Vec<&serde_json::value::RawValue> =
                    serde_json::from_str(&values).unwrap_or_default();
                let names = item.names.split(":?").map(|name| name.trim_matches([',', '\\'']));
                let members: Vec<String> = names
                    .zip(values)
                    .map(|(name, value)| format!("\\"{name}\\":{value}"))
                    .collect();
                let members = members.join(",");
                let body = format!("{{\\"TableName\\":\\"{}\\",\\"Item\\":{{{members}}}}}", self.table);
                let put = self.client.put_item().table_name(&self.table);
                let put = put.set_item(Some(Default::default())).customize();
                let put = put.interceptor(RequestBody::new(body.into_bytes()));
                outcomes.push(match put.send().await {
                    Ok(_) => InsertOutcome::Inserted,
                    Err(error) => InsertOutcome::Failed(self.error(Operation::Insert, &error).into()),
                });
            }
            return outcomes;
        }
""",
        "lost,rewritten",
    ),
    (
        "partial",
        "partial failures are ignored: HTTP 200 counts as success",
        "sdk/src/store/dynamodb.rs",
        ".map_or(InsertOutcome::Inserted, |e| self.outcome(e))",
        """.filter(|_| !crate::mutated("partial"))
                        .map_or(InsertOutcome::Inserted, |e| self.outcome(e))""",
        "lost",
    ),
    (
        "early",
        "messages are acknowledged before their events are stored",
        "consumer/src/hosts/worker.rs",
        "        let handling = self.handler.handle(&records, Some(deadline));\n",
        """        if domain_events::mutated("early") {
            self.delete(&messages.iter().collect::<Vec<_>>()).await;
        }
        let handling = self.handler.handle(&records, Some(deadline));
""",
        "lost,not-rejected",
    ),
    (
        "letters",
        "partial failures of the dead-letter queue are ignored",
        "consumer/src/dead_letters.rs",
        "            match failed.get(&*id) {\n",
        """            match failed.get(&*id) {
                _ if domain_events::mutated("letters") => Ok(()),
""",
        "not-rejected",
    ),
    (
        "tie",
        "there is no tie-break: an event whose key exists counts as a duplicate",
        "sdk/src/store/append.rs",
        "        if event.attempt == MAX_TIE_BREAKS {\n",
        """        if crate::mutated("tie") {
            event.outcome = Some(Ok(AppendOutcome::Duplicate));
        } else if event.attempt == MAX_TIE_BREAKS {
""",
        "lost",
    ),
    (
        "identity",
        "a retry has another identity: each attempt is another event",
        "sdk/src/publisher/buffer/pending.rs",
        "        if self.body.is_empty() {\n",
        """        if self.body.is_empty() {
            if crate::mutated("identity") {
                let envelope = self.envelope.clone();
                let (timestamp, id) = (envelope.timestamp(), envelope.event_id());
                let id = crate::EventId::new(format!("{id}+"));
                self.envelope = envelope.stamped(timestamp, id.unwrap_or_else(|_| crate::EventId::random()));
            }
""",
        "doubled",
    ),
    (
        "spool",
        "the spool deletes its events before SQS has accepted them",
        "sdk/src/publisher/spool/drain.rs",
        "        let mut sending = Vec::new();\n        for event in events {\n",
        """        let mut sending = Vec::new();
        if crate::mutated("spool") {
            let early = RoundOutcomes {
                sent: events.iter().map(|event| event.position).collect(),
                ..RoundOutcomes::default()
            };
            let (reply, done) = oneshot::channel();
            let _ = self.commands.send(Command::Remove(early, self.event_sender.clone(), reply));
            let _ = done.await;
        }
        for event in events {
""",
        "lost",
    ),
    (
        "failed",
        "messages whose events could not be stored are acknowledged",
        "consumer/src/report.rs",
        "        self.failed.push(record.message_id.clone());\n",
        """        if !domain_events::mutated("failed") {
            self.failed.push(record.message_id.clone());
        }
""",
        "lost,not-rejected",
    ),
]

# The first seeds of a standard queue and of a FIFO queue, and how many.
SIMULATION = ["--seed", "2", "--seeds", "200"]


def copy_sources():
    """Copies the sources, committed or not."""
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
    """Shares the built crates of other projects with the copy, but none of this project."""
    for folder, copy in (("deps", os.link), ("build", os.link), (".fingerprint", shutil.copy2)):
        source, copied = TARGET / "debug" / folder, COPY / "target" / "debug" / folder
        if copied.exists() or not source.exists():
            continue
        def ours(_, names):
            return [n for n in names if n.startswith(("domain_events", "domain-events", "libdomain_events"))]
        shutil.copytree(source, copied, copy_function=copy, ignore=ours)


def mutate():
    files = {}
    for name, _, file, before, after, _ in MUTANTS:
        text = files.get(file) or (ROOT / file).read_text()
        if text.count(before) != 1:
            sys.exit(f"{name}: {file} contains {before.strip()!r} {text.count(before)} times, expected once")
        files[file] = text.replace(before, after)
    files["sdk/src/lib.rs"] = (ROOT / "sdk/src/lib.rs").read_text() + SWITCH
    for file, text in files.items():
        (COPY / "source" / file).write_text(text)


def harness(mutant, expect, seconds):
    if seconds == "simulation":
        # Without a mutant, fewer seeds are enough.
        test = ["simulation", "--", *SIMULATION] if mutant else ["simulation", "--", "--seeds", "10"]
    else:
        test = ["faults", "--", "run", "--seconds", seconds, "--queue", "standard", "--seed", "5"]
    command = [
        "cargo", "test", "--quiet", "--workspace", "--all-features",
        "--manifest-path", str(COPY / "source" / "Cargo.toml"), "--target-dir", str(COPY / "target"),
        "--test", *test,
    ]
    if expect:
        command += ["--expect", expect]
    environment = {**os.environ, "DOMAIN_EVENTS_MUTANT": mutant}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if seconds == "simulation":
        found = [line.strip() for line in lines if line.startswith("seed ") and " fails " in line or " times: " in line]
        return done.returncode == 0, " ".join(line.split(" times: ")[0] for line in found), done
    found = [line for line in lines if line.startswith("| **") and not line.endswith("| 0 |")]
    return done.returncode == 0, "; ".join(line.strip("| ").replace("**", "") for line in found[1:]), done


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else "12"
    copy_sources()
    link_dependencies()
    mutate()
    if seconds == "check":
        # The short form: every mistake can still be made, and the copy compiles.
        command = ["cargo", "check", "--quiet", "--workspace", "--all-features", "--tests"]
        paths = ["--manifest-path", str(COPY / "source" / "Cargo.toml"), "--target-dir", str(COPY / "target")]
        done = subprocess.run(command + paths, check=False)
        print(f"{len(MUTANTS)} mutants can be made; the copy {'compiles' if done.returncode == 0 else 'does not compile'}")
        return done.returncode
    failed = 0
    for name, what, _, _, _, expect in [("", "without a mutant", "", "", "", ""), *MUTANTS]:
        ok, found, done = harness(name, expect, seconds)
        failed += not ok
        print(f"{'as expected' if ok else 'MISSED'}: {what}: {found or 'no violation'}", flush=True)
        if not ok:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
    print(f"{len(MUTANTS) + 1 - failed} passed, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
