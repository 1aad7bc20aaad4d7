use super::*;

order! { removed: #[event(alias = "ORDER_MADE")] {
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { renamed: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    remark: Option<String>,
} }
order! { renamed_in_rust_only: #[event(alias = "ORDER_MADE")] {
    #[serde(rename = "total")]
    cents: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { renamed_with_alias: #[event(alias = "ORDER_MADE")] {
    #[serde(alias = "total")]
    sum: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { newly_required: #[event(alias = "ORDER_MADE")] {
    total: u32,
    currency: String,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { with_defaults: #[event(alias = "ORDER_MADE")] {
    total: u32,
    #[serde(default)]
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { of_another_type: #[event(alias = "ORDER_MADE")] {
    total: String,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { narrower: #[event(alias = "ORDER_MADE")] {
    total: u8,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { wider: #[event(alias = "ORDER_MADE")] {
    total: i64,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }
order! { changed_inside: #[event(alias = "ORDER_MADE")] {
    total: u32,
    payment: first::Payment,
    lines: Vec<Line>,
    note: Option<String>,
}
pub(crate) struct Line { article: u32, amount: u32, unit: String } }

order! { only_written: #[event(alias = "ORDER_MADE")] {
    #[serde(skip_deserializing)]
    total: u32,
    payment: first::Payment,
    lines: Vec<first::Line>,
    note: Option<String>,
} }

#[test]
fn write_only_field_breaks_if_it_was_read() {
    let what = "the field was removed";
    breaks_once(
        &first::events(),
        &only_written::events(),
        "/Data/total",
        what,
        &[Audience::NewReaders],
    );
    assert_eq!(
        passes(&only_written::events(), &only_written::events()),
        [""; 0]
    );
}

#[test]
fn removed_field_breaks() {
    let removed = removed::events();
    let what = "the field was removed";
    let audiences = &[Audience::OldReaders, Audience::NewReaders];
    breaks_once(&first::events(), &removed, "/Data/total", what, audiences);
}

#[test]
fn renamed_field_breaks_without_serde_rename() {
    let what = "the field was removed";
    let renamed = breaks(&first::events(), &renamed::events());
    assert_eq!(renamed.len(), 1);
    assert_eq!(renamed[0].pointer, "/Data/note");
    assert_eq!(renamed[0].what, what);
    assert_eq!(
        renamed[0].remedies,
        [
            "keep the field; if it has another name now, write `#[serde(rename = \"note\")]`",
            "if `#[serde(alias = …)]` reads the former name, which no schema can say, and no old reader is left: \
             rename the field in the lock's schemas by hand; the examples keep the former name, and the check reads them",
            "make it `#[event(version = 2, upcast_from = …)]`, and keep the type of version 1 for reading",
        ]
    );
    passes(&first::events(), &renamed_in_rust_only::events());
}

#[test]
fn renamed_field_with_alias_is_accepted_by_hand() {
    let path = locked(&first::events());
    let now = renamed_with_alias::events();
    let Err(LockError::Incompatible { report, .. }) = check_lock(&path, &now, Mode::Update) else {
        panic!("the alias is not part of the schema, so the check must refuse the change");
    };
    for found in &report.breaking_changes {
        assert!(found.remedies[1].contains("alias"), "{found}");
    }
    // Rename the field everywhere except in the example, which is the only `"total": 1`.
    let lock = fs::read_to_string(&path).unwrap();
    let lock = lock.replace("\"total\"", "\"sum\"");
    let lock = lock.replace("\"sum\": 1", "\"total\": 1");
    fs::write(&path, &lock).unwrap();
    assert!(lock.contains("\"sum\"") && lock.contains("\"total\": 1"));
    check_lock(&path, &now, Mode::Check).unwrap();
    let without = first::events();
    assert!(check_lock(&path, &without, Mode::Check).is_err());
}

#[test]
fn new_field_passes_only_with_a_default() {
    let what = "the field is required now";
    breaks_once(
        &first::events(),
        &newly_required::events(),
        "/Data/currency",
        what,
        NEW,
    );
    assert_eq!(passes(&first::events(), &with_defaults::events()), [""; 0]);
}

#[test]
fn field_of_another_type_breaks() {
    let what = "the type was integer (uint32) and is string now";
    breaks_once(
        &first::events(),
        &of_another_type::events(),
        "/Data/total",
        what,
        NEW_AND_OLD,
    );
}

#[test]
fn narrower_field_breaks_and_wider_passes() {
    let what = "the range is narrower now";
    breaks_once(
        &first::events(),
        &narrower::events(),
        "/Data/total",
        what,
        NEW,
    );
    let notes = passes(&first::events(), &wider::events());
    assert_eq!(
        notes,
        [
            "ORDER_PLACED version 1, at /Data/total: old readers do not know everything that is written there now: release the readers first"
        ]
    );
}

#[test]
fn nested_field_breaks_at_its_pointer() {
    let found = breaks(&first::events(), &changed_inside::events());
    let pointers: Vec<_> = found.iter().map(|one| &*one.pointer).collect();
    assert_eq!(pointers, ["/Data/lines/*/unit", "/Data/lines/*/article"]);
}
