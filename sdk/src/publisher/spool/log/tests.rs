//! The log on a real disk: which events survive damage, and which files stay in the folder.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// A folder that is deleted when the value is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("spool-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> SpoolLog {
        self.open_as(SpoolDamage::SetAside).unwrap()
    }

    fn open_as(&self, damage: SpoolDamage) -> Result<SpoolLog, SpoolError> {
        SpoolLog::open(&self.0, damage, |_| {})
    }

    /// The names of the files, sorted, without the lock file.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "lock").collect();
        names.sort();
        names
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:012}.events"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn append(log: &mut SpoolLog, bodies: &[&str]) {
    let (count, error) = log.append(bodies.iter().map(|body| (Some("group"), *body)));
    assert!(count == bodies.len() && error.is_none(), "{error:?}");
}

fn all(log: &mut SpoolLog) -> Vec<String> {
    let events = log.read(usize::MAX, usize::MAX).unwrap();
    events.into_iter().map(|event| event.body).collect()
}

fn positions(log: &mut SpoolLog) -> Vec<RecordPosition> {
    let events = log.read(usize::MAX, usize::MAX).unwrap();
    events.into_iter().map(|event| event.position).collect()
}

const THREE_EVENTS: [&str; 3] = ["first", "second é", "third"];

/// A folder with one segment that contains three events, and the content of the segment.
fn folder_with_three_events(name: &str) -> (Temporary, Vec<u8>) {
    let folder = Temporary::new(name);
    append(&mut folder.open(), &THREE_EVENTS);
    let bytes = fs::read(folder.segment(1)).unwrap();
    (folder, bytes)
}

#[test]
fn append_after_a_seal_starts_a_segment() {
    let folder = Temporary::new("seal");
    let mut log = folder.open();
    append(&mut log, &["a"]);
    log.seal();
    append(&mut log, &["b"]);
    assert_eq!(
        folder.names(),
        ["000000000001.events", "000000000002.events"]
    );
    assert_eq!(all(&mut log), ["a", "b"]);
}

#[test]
fn events_survive_a_restart_in_order() {
    let folder = Temporary::new("restart");
    let mut groups = Vec::new();
    append(&mut folder.open(), &["a", "b"]);
    append(&mut folder.open(), &["c"]);
    let mut log = SpoolLog::open(&folder.0, SpoolDamage::Refuse, |group| {
        groups.push(group.map(str::to_owned));
    })
    .unwrap();
    assert_eq!(groups, vec![Some("group".to_owned()); 3]);
    append(&mut log, &["d"]);
    assert_eq!((log.len(), log.damaged()), (4, 0));
    assert_eq!(all(&mut log), ["a", "b", "c", "d"]);
    let some: Vec<String> = log
        .read(3, 2 * 30)
        .unwrap()
        .into_iter()
        .map(|e| e.body)
        .collect();
    assert_eq!(some, ["a", "b"], "the limit of bytes");
    assert_eq!(log.read(3, usize::MAX).unwrap().len(), 3);
    assert_eq!(
        log.read(3, 0).unwrap().len(),
        1,
        "the first event is always read"
    );
}

#[test]
fn sent_events_are_not_read_again() {
    let folder = Temporary::new("sent");
    let mut log = folder.open();
    append(&mut log, &["a", "b", "c"]);
    let all_positions = positions(&mut log);
    log.remove(&all_positions[..2], &[]);
    assert_eq!(all(&mut log), ["c"]);
    drop(log);
    let mut log = folder.open();
    assert_eq!(all(&mut log), ["c"], "also after a restart");
    let last = positions(&mut log);
    log.remove(&last, &[]);
    assert_eq!(log.len(), 0);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    append(&mut log, &["d"]);
    assert_eq!(all(&mut log), ["d"]);
}

#[test]
fn refused_event_is_set_aside_not_deleted() {
    let folder = Temporary::new("refused");
    let mut log = folder.open();
    append(&mut log, &["a", "b"]);
    let both = positions(&mut log);
    log.remove(&[], &both[..1]);
    drop(log);
    // The mark is on disk: after a restart, the event is neither sent nor deleted.
    let mut log = folder.open();
    assert_eq!(all(&mut log), ["b"]);
    let last = positions(&mut log);
    log.remove(&last, &[]);
    assert_eq!(log.damaged(), 0);
    drop(log);
    assert_eq!(folder.open().len(), 0);
    let names = folder.names();
    assert!(
        names.len() == 1 && names[0].starts_with("000000000001.events.set-aside-2"),
        "{names:?}"
    );
    let kept = fs::read(folder.0.join(&names[0])).unwrap();
    let marks: Vec<(Mark, String)> = record::regions(&kept)
        .map(|(_, region)| match region {
            record::Region::Record(record) => (record.mark, record.body.to_owned()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (Mark::Refused, "a".to_owned()),
        (Mark::Sent, "b".to_owned()),
    ];
    assert_eq!(marks, expected);
    // The number of the segment is not used again.
    append(&mut folder.open(), &["c"]);
    assert!(folder.segment(2).exists());
}

#[test]
fn large_log_spans_segments_and_empties() {
    let folder = Temporary::new("large");
    let mut log = folder.open();
    let body = "x".repeat(100_000);
    let bodies = vec![body.as_str(); 50];
    append(&mut log, &bodies);
    append(&mut log, &[&"y".repeat(1_048_576)]);
    assert!(
        (5..8).contains(&folder.names().len()),
        "{:?}",
        folder.names()
    );
    drop(log);
    let mut log = folder.open();
    assert_eq!(log.len(), 51);
    for left in (0..51).rev() {
        let first = log.read(1, usize::MAX).unwrap();
        log.remove(&[first[0].position], &[]);
        assert_eq!(log.len(), left);
    }
    assert!(folder.names().is_empty());
}

#[test]
fn flipped_byte_costs_one_record_and_is_counted() {
    let (folder, bytes) = folder_with_three_events("flipped");
    let starts: Vec<usize> = record::regions(&bytes).map(|(at, _)| at).collect();
    for position in 0..bytes.len() {
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(&folder.0).unwrap();
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x41;
        fs::write(folder.segment(1), &damaged).unwrap();
        let record = starts.iter().rposition(|start| *start <= position);
        let in_mark = record.is_some_and(|r| (4..8).contains(&(position - starts[r])));
        let mut expected = THREE_EVENTS.to_vec();
        if let Some(record) = record.filter(|_| !in_mark) {
            expected.remove(record);
        }
        if !in_mark {
            let error = folder.open_as(SpoolDamage::Refuse).unwrap_err().explain();
            let path = folder.segment(1).display().to_string();
            assert!(
                error.contains(&path) && error.contains("1 damaged"),
                "{error}"
            );
        }
        let mut log = folder.open();
        assert_eq!(all(&mut log), expected, "byte {position}");
        assert_eq!(log.damaged(), u64::from(!in_mark), "byte {position}");
        let rest = positions(&mut log);
        log.remove(&rest, &[]);
        drop(log);
        // The damaged record is still on disk, and is counted once.
        let names = folder.names();
        assert_eq!(names.len(), usize::from(!in_mark), "{names:?}");
        let log = folder.open();
        assert_eq!((log.len(), log.damaged()), (0, 0));
    }
}

#[test]
fn truncated_file_keeps_every_whole_record() {
    let (folder, bytes) = folder_with_three_events("truncated");
    let mut ends: Vec<usize> = record::regions(&bytes).skip(1).map(|(at, _)| at).collect();
    ends.push(bytes.len());
    for length in 0..bytes.len() {
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.segment(1), &bytes[..length]).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count();
        let mut log = folder.open();
        assert_eq!(all(&mut log), THREE_EVENTS[..whole], "{length} bytes");
        // A killed process leaves an incomplete record, but never a file without
        // its header.
        let damaged = u64::from(length < record::HEADER_BYTES);
        assert_eq!(log.damaged(), damaged, "{length} bytes");
        append(&mut log, &["later"]);
        assert_eq!(all(&mut log).last().unwrap(), "later");
        drop(log);
        assert_eq!(folder.open().len(), whole as u64 + 1);
    }
}

#[test]
fn events_before_appended_zeros_are_sent() {
    let (folder, bytes) = folder_with_three_events("extended");
    let file = File::options().write(true).open(folder.segment(1)).unwrap();
    // The file is sparse, and much larger than the part that is read into memory.
    file.set_len(20 * 1024 * 1024 * 1024).unwrap();
    drop(file);
    let mut log = folder.open();
    assert_eq!(all(&mut log), THREE_EVENTS);
    assert_eq!(
        log.damaged(),
        2,
        "the zeros that were read, and the zeros beyond the limit"
    );
    let rest = positions(&mut log);
    log.remove(&rest, &[]);
    assert!(folder.names()[0].contains("set-aside"));
    assert!(bytes.len() < 200);
}

#[test]
fn foreign_file_is_set_aside_unchanged() {
    let folder = Temporary::new("foreign");
    append(&mut folder.open(), &["good"]);
    let foreign = b"not written by a publisher, ".repeat(1_000);
    fs::write(folder.segment(7), &foreign).unwrap();
    fs::write(folder.0.join("notes.txt"), "kept").unwrap();
    let mut log = folder.open();
    assert_eq!(all(&mut log), ["good"]);
    assert_eq!(log.damaged(), 1);
    let names = folder.names();
    assert_eq!(
        (&*names[0], &*names[2]),
        ("000000000001.events", "notes.txt")
    );
    assert!(
        names[1].starts_with("000000000007.events.set-aside-"),
        "{names:?}"
    );
    assert!(fs::read(folder.0.join(&names[1])).unwrap() == foreign);
}

#[test]
fn file_with_another_form_of_number_is_ignored() {
    let folder = Temporary::new("numbers");
    append(&mut folder.open(), &["good"]);
    let bytes = fs::read(folder.segment(1)).unwrap();
    let names = [
        "1.events",
        "+00000000001.events",
        "18446744073709551615.events",
        "0000000000001.events",
        "00000000000x.events",
        "18446744073709551615.events.new",
    ];
    for name in names {
        fs::write(folder.0.join(name), &bytes).unwrap();
    }
    let mut log = folder.open();
    append(&mut log, &["next"]);
    assert_eq!(
        (all(&mut log), log.damaged()),
        (vec!["good".to_owned(), "next".to_owned()], 0)
    );
    assert!(folder.segment(2).exists());
    assert!(names.iter().all(|name| folder.0.join(name).exists()));
}

#[test]
fn file_that_cannot_be_opened_is_renamed() {
    let folder = Temporary::new("unreadable");
    append(&mut folder.open(), &["good"]);
    // The superuser can open every file, but no user can read a folder as a file.
    fs::create_dir(folder.segment(5)).unwrap();
    let error = folder.open_as(SpoolDamage::Refuse).unwrap_err().explain();
    assert!(
        error.contains("000000000005.events: the file cannot be read"),
        "{error}"
    );
    let mut log = folder.open();
    assert_eq!((all(&mut log), log.damaged()), (vec!["good".to_owned()], 1));
    let names = folder.names();
    assert!(
        names[1].starts_with("000000000005.events.set-aside-"),
        "{names:?}"
    );
}

#[test]
fn later_format_is_refused_and_unchanged() {
    let (folder, mut bytes) = folder_with_three_events("later");
    bytes.splice(..record::HEADER_BYTES, record::header_of(2));
    fs::write(folder.segment(1), &bytes).unwrap();
    for damage in [SpoolDamage::SetAside, SpoolDamage::Refuse] {
        let error = folder.open_as(damage).unwrap_err().explain();
        for part in [
            "events: the file has format 2",
            "reads only format 1",
            "was not changed",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
    assert!(fs::read(folder.segment(1)).unwrap() == bytes);
}

#[test]
fn interrupted_creation_leaves_a_usable_folder() {
    let (folder, bytes) = folder_with_three_events("interrupted");
    for length in 0..bytes.len() {
        fs::write(folder.0.join("000000000009.events.new"), &bytes[..length]).unwrap();
        let mut log = folder.open();
        assert_eq!(
            (all(&mut log).len(), log.damaged()),
            (3, 0),
            "{length} bytes"
        );
        assert_eq!(folder.names(), ["000000000001.events"]);
    }
}

#[test]
fn later_damage_spares_the_other_records() {
    let (folder, bytes) = folder_with_three_events("later-damage");
    let mut log = folder.open();
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(folder.segment(1), damaged).unwrap();
    assert_eq!(all(&mut log), THREE_EVENTS[..2]);
    assert_eq!((log.damaged(), log.len()), (1, 2));
    assert_eq!(all(&mut log).len(), 2);
    assert_eq!(log.damaged(), 1, "it is counted once");
    append(&mut log, &["fourth"]);
    fs::remove_file(folder.segment(1)).unwrap();
    assert_eq!(all(&mut log), ["fourth"]);
    assert_eq!(log.damaged(), 3);
}

#[test]
fn failed_write_leaves_no_record() {
    let folder = Temporary::new("failed");
    let mut log = folder.open();
    let fails = |log: &mut SpoolLog| {
        log.writer.fault = Some(|| Err(io::ErrorKind::StorageFull.into()));
        let (count, error) = log.append([(None, "lost")]);
        log.writer.fault = None;
        let error = error.unwrap().explain();
        assert!(count == 0 && error.contains(".events: "), "{error}");
    };
    fails(&mut log);
    assert!(folder.names().is_empty(), "the unfinished file is deleted");
    append(&mut log, &["a"]);
    fails(&mut log);
    append(&mut log, &["b"]);
    assert_eq!(all(&mut log), ["a", "b"]);
    drop(log);
    assert_eq!(all(&mut folder.open()), ["a", "b"]);
}

#[test]
fn full_disk_confirms_the_first_part_of_a_batch() {
    let folder = Temporary::new("part");
    let mut log = folder.open();
    thread_local!(static WRITES: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    log.writer.fault = Some(|| match WRITES.replace(WRITES.get() + 1) {
        0 => Ok(()),
        _ => Err(io::ErrorKind::StorageFull.into()),
    });
    let body = "x".repeat(300_000);
    let (count, error) = log.append(vec![(None, body.as_str()); 10]);
    assert!((2..10).contains(&count) && error.is_some(), "{count}");
    assert_eq!(log.len(), count as u64);
    drop(log);
    assert_eq!(folder.open().len(), count as u64);
}

#[test]
fn second_publisher_on_a_folder_is_refused() {
    let folder = Temporary::new("locked");
    let log = folder.open();
    let error = folder.open_as(SpoolDamage::SetAside).unwrap_err().explain();
    let path = folder.0.display().to_string();
    assert!(
        error.contains(&path) && error.contains("another publisher"),
        "{error}"
    );
    drop(log);
    folder.open();
}

#[test]
fn path_that_is_a_file_is_refused_by_name() {
    let folder = Temporary::new("file");
    fs::write(&folder.0, "").unwrap();
    let error = folder.open_as(SpoolDamage::SetAside).unwrap_err().explain();
    let path = folder.0.display().to_string();
    assert!(
        error.contains("create the spool's folder") && error.contains(&path),
        "{error}"
    );
    fs::remove_file(&folder.0).unwrap();
}

#[cfg(unix)]
#[test]
fn files_and_new_folders_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = Temporary::new("private");
    let inner = folder.0.join("of/a/service");
    append(
        &mut SpoolLog::open(&inner, SpoolDamage::SetAside, |_| {}).unwrap(),
        &["a"],
    );
    for created in [&folder.0, &folder.0.join("of"), &inner] {
        assert_eq!(mode(created), 0o700, "{}", created.display());
    }
    let segment = inner.join("000000000001.events");
    assert_eq!((mode(&segment), mode(&inner.join("lock"))), (0o600, 0o600));
    // An existing folder keeps its mode, and a file that others may read does not.
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&segment, fs::Permissions::from_mode(0o644)).unwrap();
    append(
        &mut SpoolLog::open(&inner, SpoolDamage::SetAside, |_| {}).unwrap(),
        &["b"],
    );
    assert_eq!(mode(&inner), 0o755);
    for file in ["000000000001.events", "000000000002.events"] {
        assert_eq!(mode(&inner.join(file)), 0o600, "{file}");
    }
}

/// A step of a program or of its disk.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<String>),
    /// Remove this number of events from the front. Every third event is refused.
    Remove(usize),
    FailedAppend,
    /// The process is killed after it has written this number of bytes of a record.
    Kill(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec("[a-z]{0,40}", 1..6).prop_map(Step::Append),
        2 => (0usize..6).prop_map(Step::Remove),
        1 => Just(Step::FailedAppend),
        1 => (0usize..60).prop_map(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn log_agrees_with_a_queue_in_memory(steps in prop::collection::vec(step(), 1..25)) {
        let folder = Temporary::new("model");
        let mut log = folder.open();
        let mut model: Vec<String> = Vec::new();
        for step in steps {
            match step {
                Step::Append(bodies) => {
                    append(&mut log, &bodies.iter().map(String::as_str).collect::<Vec<_>>());
                    model.extend(bodies);
                }
                Step::Remove(count) => {
                    let events = log.read(count, usize::MAX).unwrap();
                    prop_assert_eq!(events.len(), count.min(model.len()));
                    let (mut sent, mut refused) = (Vec::new(), Vec::new());
                    for (index, event) in events.into_iter().enumerate() {
                        prop_assert_eq!(&event.body, &model.remove(0));
                        match index % 3 {
                            2 => refused.push(event.position),
                            _ => sent.push(event.position),
                        }
                    }
                    log.remove(&sent, &refused);
                }
                Step::FailedAppend => {
                    log.writer.fault = Some(|| Err(io::ErrorKind::StorageFull.into()));
                    prop_assert_eq!(log.append([(None, "lost")]).0, 0);
                    log.writer.fault = None;
                }
                Step::Kill(bytes) => {
                    let active = log.writer.active();
                    drop(log);
                    if let Some(number) = active {
                        let mut record = Vec::new();
                        record::write(&mut record, None, "never confirmed, and long enough");
                        let written = &record[..bytes.min(record.len() - 1)];
                        let file = File::options().append(true).open(folder.segment(number));
                        file.unwrap().write_all(written).unwrap();
                    }
                    log = folder.open();
                    prop_assert_eq!(log.damaged(), 0);
                }
            }
            prop_assert_eq!(log.len(), model.len() as u64);
            prop_assert_eq!(&all(&mut log), &model);
        }
    }

    /// Several confirmed segments, and damage at one place of one segment.
    #[test]
    fn damaged_folder_sends_all_other_records(
        batches in prop::collection::vec(prop::collection::vec("[a-z]{1,30}", 1..5), 1..5),
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        length in 1usize..50,
    ) {
        let folder = Temporary::new("damaged");
        for batch in &batches {
            append(&mut folder.open(), &batch.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let number = file.index(batches.len());
        let path = folder.segment(number as u64 + 1);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        let damaged = at..(at + length).min(bytes.len());
        let mut expected = batches.clone();
        let regions = record::regions(&bytes).collect::<Vec<_>>().into_iter();
        expected[number] = regions
            .filter_map(|(start, region)| match region {
                record::Region::Record(record) => {
                    let hit = start < damaged.end && damaged.start < start + record.bytes;
                    // Damage to the mark alone does not lose the event.
                    let harmless = damaged.start >= start + 4 && damaged.end <= start + 8;
                    (!hit || harmless).then(|| record.body.to_owned())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        bytes[damaged].iter_mut().for_each(|byte| *byte ^= flip);
        fs::write(&path, &bytes).unwrap();
        let mut log = folder.open();
        prop_assert_eq!(all(&mut log), expected.concat());
    }
}
