use super::*;

point_in_time! { before: [Weighed]
    #[derive(DomainEvent)]
    pub(crate) struct Weighed {
        #[event(id)]
        parcel: String,
        grams: u32,
    }
}
point_in_time! { stricter: [Weighed]
    #[derive(DomainEvent)]
    pub(crate) struct Weighed {
        #[event(id)]
        parcel: String,
        #[serde(deserialize_with = "at_least_ten")]
        #[schemars(example = 10)]
        grams: u32,
    }
}

fn at_least_ten<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0..10 => Err(serde::de::Error::custom("too light")),
        grams => Ok(grams),
    }
}

#[test]
fn example_refused_by_deserialize_with_breaks() {
    let what = "a stored example cannot be read: the data of a stored WEIGHED (version 1) \
                does not fit its type at /Data/grams: the type's own Deserialize refused it";
    breaks_once(&before::events(), &stricter::events(), "", what, NEW);
    passes(&before::events(), &before::events());
}
