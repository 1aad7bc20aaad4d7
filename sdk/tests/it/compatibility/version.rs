use super::*;

point_in_time! { second: [Measured]
    #[derive(DomainEvent)]
    #[event(version = 2, upcast_from = first_of_two::Measured)]
    pub(crate) struct Measured {
        #[event(id)]
        pub(super) sensor: String,
        pub(super) celsius: f64,
    }
}
point_in_time! { first_of_two: [Measured]
    #[derive(DomainEvent)]
    pub(crate) struct Measured {
        #[event(id)]
        pub(super) sensor: String,
        pub(super) fahrenheit: f64,
    }
}
point_in_time! { without_upcast: [Measured]
    #[derive(DomainEvent)]
    #[event(version = 2, oldest)]
    pub(crate) struct Measured {
        #[event(id)]
        sensor: String,
        celsius: f64,
    }
}
point_in_time! { renamed: [first_of_two::Measured, TemperatureMeasured]
    #[derive(DomainEvent)]
    #[event(alias = "MEASURED", version = 2, upcast_from = first_of_two::Measured)]
    pub(crate) struct TemperatureMeasured {
        #[event(id)]
        sensor: String,
    }
}
impl From<first_of_two::Measured> for renamed::TemperatureMeasured {
    fn from(old: first_of_two::Measured) -> Self {
        serde_json::from_value(serde_json::json!({"sensor": old.sensor})).unwrap()
    }
}
point_in_time! { both: [first_of_two::Measured, second::Measured] }

impl From<first_of_two::Measured> for second::Measured {
    fn from(old: first_of_two::Measured) -> Self {
        Self {
            sensor: old.sensor,
            celsius: (old.fahrenheit - 32.0) / 1.8,
        }
    }
}

#[test]
fn new_version_passes_only_with_an_upcast() {
    let notes = passes(&first_of_two::events(), &second::events());
    assert_eq!(notes.len(), 2, "{notes:?}");
    let what = "a stored example cannot be read: a stored MEASURED has version 1, \
                and no upcast from version 1 to 2 is defined";
    breaks_once(
        &first_of_two::events(),
        &without_upcast::events(),
        "",
        what,
        NEW,
    );
}

#[test]
fn new_version_under_another_name_passes() {
    let notes = passes(&first_of_two::events(), &renamed::events());
    let expected = "MEASURED is written as TEMPERATURE_MEASURED now, which old readers do not know: \
                    release the readers first";
    assert_eq!(notes[0], expected);
    assert_eq!(passes(&renamed::events(), &renamed::events()), [""; 0]);
}

#[test]
fn lower_version_breaks() {
    let what = "the version was 2 and is 1 now";
    breaks_once(&both::events(), &first_of_two::events(), "", what, NEW);
}

#[test]
fn old_version_keeps_its_stored_example() {
    let path = locked(&first_of_two::events());
    let before = fs::read_to_string(&path).unwrap();
    check_lock(&path, &second::events(), Mode::Update).unwrap();
    let lock: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let before: serde_json::Value = serde_json::from_str(&before).unwrap();
    let version = |lock: &serde_json::Value, version: &str| {
        lock["events"]["MEASURED"]["versions"][version].clone()
    };
    assert_eq!(version(&lock, "1"), version(&before, "1"));
    assert_eq!(version(&lock, "2")["sample"]["Version"], 2);
}

#[test]
fn old_version_without_example_breaks() {
    let path = lock_path();
    let error = check_lock(&path, &second::events(), Mode::Update).unwrap_err();
    let text = "MEASURED version 1: there is no stored example of it";
    assert!(error.to_string().contains(text), "{error}");
    check_lock(&path, &both::events(), Mode::Update).unwrap();
    check_lock(&path, &second::events(), Mode::Check).unwrap();
}
