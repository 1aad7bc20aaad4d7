use super::*;

#[test]
fn that_is_missing_says_how_to_write_it() {
    let error = check_lock(lock_path(), &first::events(), Mode::Check).unwrap_err();
    let told = format!("{error:?}");
    assert!(told.contains("EVENTS_LOCK=update cargo test"), "{told}");
}

#[test]
fn that_is_none_is_refused() {
    let path = lock_path();
    for text in ["", "{}", r#"{"format":2,"events":{}}"#] {
        fs::write(&path, text).unwrap();
        let error = check_lock(&path, &first::events(), Mode::Update).unwrap_err();
        assert!(matches!(error, LockError::Malformed { .. }), "{error}");
    }
    let error = check_document("[]", locked(&first::events()), Mode::Check).unwrap_err();
    assert!(matches!(error, LockError::Malformed { .. }), "{error}");
}

#[test]
fn is_not_written_over_something_that_breaks() {
    let path = locked(&first::events());
    let before = fs::read_to_string(&path).unwrap();
    let nothing = events![];
    check_lock(&path, &nothing, Mode::Update).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn is_kept_by_the_test_helper() {
    let path = locked(&first::events());
    domain_events::schema::assert_lock(&path, &first::events());
    let panic = std::panic::catch_unwind(|| {
        domain_events::schema::assert_lock(&path, &events![]);
    });
    let told = panic.unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    assert!(
        told.contains("SHOP_OPENED version 1: the event is gone"),
        "{told}"
    );
}
