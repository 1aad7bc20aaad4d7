//! Numbers that serde rounds without an error when it reads them.

use super::*;

macro_rules! weighed {
    ($($name:ident: $ty:ty;)*) => {$(
        point_in_time! { $name: [Weighed]
            #[derive(DomainEvent)]
            #[event(id = "scale")]
            pub(crate) struct Weighed { grams: $ty }
        }
    )*};
}

weighed! {
    f32s: f32;
    f64s: f64;
    u16s: u16;
    u32s: u32;
    i64s: i64;
    u64s: u64;
    numbers: serde_json::Number;
}

#[test]
fn number_that_keeps_its_digits_passes() {
    for (before, after) in [
        (f32s::events(), f64s::events()),
        (u16s::events(), f32s::events()),
        (u32s::events(), f64s::events()),
        (u64s::events(), numbers::events()),
        (f64s::events(), numbers::events()),
    ] {
        passes(&before, &after);
    }
}

#[test]
fn number_rounded_by_the_reader_breaks() {
    let precision = "the precision is narrower now";
    for (before, after, what) in [
        (f64s::events(), f32s::events(), precision),
        (numbers::events(), f64s::events(), precision),
        (
            u32s::events(),
            f32s::events(),
            "the type was integer (uint32) and is number (float) now",
        ),
        (
            u64s::events(),
            f64s::events(),
            "the type was integer (uint64) and is number (double) now",
        ),
        (
            i64s::events(),
            f64s::events(),
            "the type was integer (int64) and is number (double) now",
        ),
    ] {
        let found = breaks(&before, &after);
        let text: Vec<_> = found
            .iter()
            .map(|one| (&*one.pointer, &*one.what))
            .collect();
        assert_eq!(text, [("/Data/grams", what)]);
    }
}

/// Declares events with a number that is written as `u64` and read as a narrower type.
macro_rules! counted {
    ($($name:ident: $number:ident, $ty:ty, $read:literal;)*) => {$(
        #[derive(Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(into = "u64", from = $read)]
        pub(crate) struct $number($ty);

        impl From<$number> for u64 {
            fn from(number: $number) -> Self {
                number.0.into()
            }
        }

        impl From<$ty> for $number {
            fn from(number: $ty) -> Self {
                Self(number)
            }
        }

        point_in_time! { $name: [Counted]
            #[derive(DomainEvent)]
            #[event(id = "counter")]
            pub(crate) struct Counted { n: $number }
        }
    )*};
}

counted! {
    read_as_u32: Wide, u32, "u32";
    read_as_u8: Narrow, u8, "u8";
}

#[test]
fn number_read_in_a_narrower_range_breaks() {
    passes(&read_as_u32::events(), &read_as_u32::events());
    let range = "the range is narrower now";
    let found = breaks(&read_as_u32::events(), &read_as_u8::events());
    assert_eq!((&*found[0].pointer, &*found[0].what), ("/Data/n", range));
}
