//! The range and the precision of the numbers that a schema allows.

use std::cmp::Ordering;

use serde_json::Value;

#[derive(Debug, Clone, Copy)]
enum Bound {
    /// A whole number, compared exactly. As `f64`, 2^63 and 2^63 - 1 would be equal.
    Whole(i128),
    Real(f64),
}

impl Bound {
    fn of(value: &Value) -> Option<Self> {
        let whole = value.as_i64().map(i128::from);
        let whole = whole.or(value.as_u64().map(i128::from));
        whole.map(Self::Whole).or(value.as_f64().map(Self::Real))
    }

    fn real(self) -> f64 {
        match self {
            #[allow(
                clippy::cast_precision_loss,
                reason = "only for bounds that are not whole"
            )]
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (one, other) => one.real().total_cmp(&other.real()),
        }
    }
}

/// The minimum and the maximum, and whether the range includes them.
pub(super) struct Range {
    least: (Bound, bool),
    most: (Bound, bool),
}

impl Range {
    /// Returns the range of a schema. `schemars` writes the bounds of small integer types, and
    /// only the `format` of the others.
    pub(super) fn of(schema: &Value) -> Self {
        if let Some(value) = schema.get("const").and_then(Bound::of) {
            return Self::closed(value, value);
        }
        let format = match schema["format"].as_str().unwrap_or_default() {
            "int8" => Self::whole(i8::MIN, i8::MAX),
            "int16" => Self::whole(i16::MIN, i16::MAX),
            "int32" => Self::whole(i32::MIN, i32::MAX),
            "int64" | "int" => Self::whole(i64::MIN, i64::MAX),
            "int128" => Self::whole(i128::MIN, i128::MAX),
            "uint8" => Self::whole(u8::MIN, u8::MAX),
            "uint16" => Self::whole(u16::MIN, u16::MAX),
            "uint32" => Self::whole(u32::MIN, u32::MAX),
            "uint64" | "uint" => Self::whole(u64::MIN, u64::MAX),
            "uint128" => Self::closed(Bound::Whole(0), Bound::Real(2_f64.powi(128))),
            _ => Self::closed(Bound::Real(f64::NEG_INFINITY), Bound::Real(f64::INFINITY)),
        };
        let bound = |inclusive: &str, exclusive: &str| {
            let inclusive = schema.get(inclusive).and_then(Bound::of);
            let exclusive = schema.get(exclusive).and_then(Bound::of);
            inclusive
                .map(|bound| (bound, true))
                .or(exclusive.map(|bound| (bound, false)))
        };
        let mut range = Self {
            least: bound("minimum", "exclusiveMinimum").unwrap_or(format.least),
            most: bound("maximum", "exclusiveMaximum").unwrap_or(format.most),
        };
        if schema["type"] == "integer" {
            if let (Bound::Whole(least), false) = range.least {
                range.least = (Bound::Whole(least.saturating_add(1)), true);
            }
            if let (Bound::Whole(most), false) = range.most {
                range.most = (Bound::Whole(most.saturating_sub(1)), true);
            }
        }
        range
    }

    fn whole(least: impl Into<i128>, most: impl Into<i128>) -> Self {
        Self::closed(Bound::Whole(least.into()), Bound::Whole(most.into()))
    }

    fn closed(least: Bound, most: Bound) -> Self {
        Self {
            least: (least, true),
            most: (most, true),
        }
    }

    pub(super) fn is_within(&self, outer: &Self) -> bool {
        let ends = [
            (self.least, outer.least, Ordering::Greater),
            (self.most, outer.most, Ordering::Less),
        ];
        ends.into_iter()
            .all(|((inner, inner_allowed), (outer, outer_allowed), inside)| {
                let order = inner.compare(outer);
                order == inside || order == Ordering::Equal && (outer_allowed || !inner_allowed)
            })
    }

    /// Returns a whole number in the range, as close to 1 as possible.
    pub(super) fn whole_example(&self) -> i64 {
        let end = |(bound, allowed): (Bound, bool), step: i64| match bound {
            Bound::Whole(whole) => {
                let most = if step > 0 { i64::MIN } else { i64::MAX };
                let whole = i64::try_from(whole).unwrap_or(most);
                whole.saturating_add(if allowed { 0 } else { step })
            }
            #[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
            Bound::Real(real) if step > 0 => real.ceil() as i64,
            #[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
            Bound::Real(real) => real.floor() as i64,
        };
        1.max(end(self.least, 1)).min(end(self.most, -1))
    }

    /// Returns a number inside the range: 1.5 if possible, otherwise the middle of the range or
    /// a number close to its only bound.
    pub(super) fn fraction_example(&self) -> f64 {
        let (least, most) = (self.least.0.real(), self.most.0.real());
        if least < 1.5 && 1.5 < most {
            return 1.5;
        }
        match (least.is_finite(), most.is_finite()) {
            (true, true) => least + (most - least) / 2.0,
            (true, false) => least + 0.5,
            (false, _) => most - 0.5,
        }
    }
}

/// Returns true if the reader reads every number of the writer without rounding it. A reader of
/// floats accepts every number, but rounds it without an error.
pub(super) fn keeps_digits(writer: &Value, reader: &Value) -> bool {
    let bits = |schema: &Value| match schema["format"].as_str() {
        Some("float") => Some(24),
        Some("double") => Some(53),
        _ => None,
    };
    let Some(most) = bits(reader) else {
        return true;
    };
    match bits(writer) {
        Some(written) => written <= most,
        None => Range::of(writer).is_within(&Range::whole(-(1_i64 << most), 1_i64 << most)),
    }
}
