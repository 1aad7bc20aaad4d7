use super::*;

#[test]
fn missing_lock_error_names_the_command() {
    let error = check_lock(lock_path(), &first::events(), Mode::Check).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("EVENTS_LOCK=update cargo test"), "{text}");
}

#[test]
fn file_that_is_not_a_lock_is_refused() {
    let path = lock_path();
    for text in ["", "{}", r#"{"format":2,"events":{}}"#] {
        fs::write(&path, text).unwrap();
        let error = check_lock(&path, &first::events(), Mode::Update).unwrap_err();
        assert!(matches!(error, LockError::Parse { .. }), "{error}");
    }
    let error = check_document("[]", locked(&first::events()), Mode::Check).unwrap_err();
    assert!(matches!(error, LockError::Document { .. }), "{error}");
}

#[test]
fn update_with_breaking_change_writes_nothing() {
    let path = locked(&first::events());
    let before = fs::read_to_string(&path).unwrap();
    let nothing = events![];
    check_lock(&path, &nothing, Mode::Update).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn assert_lock_panics_on_breaking_change() {
    let path = locked(&first::events());
    domain_events::schema::assert_lock(&path, &first::events());
    let panic = std::panic::catch_unwind(|| {
        domain_events::schema::assert_lock(&path, &events![]);
    });
    let text = panic.unwrap_err();
    let text = text.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("SHOP_OPENED version 1: the event was removed"),
        "{text}"
    );
}
