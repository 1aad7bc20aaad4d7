//! Exact JSON numbers: a number is a sequence of decimal digits, and never a float.

/// DynamoDB's limits for a number (developer guide, "Data types: Number").
const MAX_DIGITS: usize = 38;
const MAX_EXPONENT: i64 = 126;
const MIN_EXPONENT: i64 = -129;
/// Zeros after the digits of a whole number, or after the point, before an exponent is
/// used instead.
#[cfg(feature = "store")]
const MAX_ZEROS: i64 = 20;
/// The digits of the largest `u128` and of the smallest `i128`.
const MAX_WHOLE_DIGITS: i64 = 39;

/// [`Number::size`] of an integer that fits into 64 bits and is written as digits. Most
/// numbers are, and this is faster than [`Number::parse`].
#[inline]
pub(crate) fn integer_size(lexeme: &str) -> usize {
    let (negative, digits) = match lexeme.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let zeros = digits.iter().rev().take_while(|b| **b == b'0').count();
    1 + (digits.len() - zeros).div_ceil(2) + usize::from(negative)
}

/// Returns true if `text` is a whole number of up to 18 digits and nothing else. Most numbers
/// are, and their text is the same in JSON and in an item.
#[cfg(feature = "store")]
pub(crate) fn is_short_integer(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', rest @ ..] => rest.is_empty(),
        digits => (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
    }
}

/// A JSON number: `0.d₁d₂…dₙ × 10^exponent`. The digits d₁ and dₙ are not zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    negative: bool,
    int: &'a [u8],
    frac: &'a [u8],
    digits: usize,
    exponent: i64,
}

impl<'a> Number<'a> {
    /// Parses a number that follows the grammar of JSON, as
    /// [`super::reader::Reader`] returns it.
    pub(crate) fn parse(lexeme: &'a str) -> Self {
        let bytes = lexeme.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (mantissa, written_exponent) = match memchr::memchr2(b'e', b'E', bytes) {
            Some(e) => (&bytes[..e], exponent(&bytes[e + 1..])),
            None => (bytes, 0),
        };
        let (int, frac) = match memchr::memchr(b'.', mantissa) {
            Some(dot) => (&mantissa[..dot], &mantissa[dot + 1..]),
            None => (mantissa, &mantissa[..0]),
        };
        let zeros = |b: &&u8| **b == b'0';
        let all = int.len() + frac.len();
        let leading = int.iter().chain(frac).take_while(zeros).count();
        let trailing = frac
            .iter()
            .rev()
            .chain(int.iter().rev())
            .take_while(zeros)
            .count();
        Self {
            negative: negative && leading < all,
            int,
            frac,
            digits: all.saturating_sub(leading + trailing),
            exponent: written_exponent.saturating_add(int.len() as i64 - leading as i64),
        }
    }

    /// Returns the bytes that DynamoDB counts for the number: one byte, one byte for every two
    /// significant digits on each side of the point, and one byte for a minus sign.
    pub(crate) fn size(&self) -> usize {
        let before = self.exponent.clamp(0, self.digits as i64) as usize;
        let after = self.digits - before;
        1 + before.div_ceil(2) + after.div_ceil(2) + usize::from(self.negative)
    }

    /// Returns why DynamoDB cannot store the number, or `None` if it can.
    pub(crate) fn not_storable(&self) -> Option<String> {
        if self.digits == 0 {
            None
        } else if self.digits > MAX_DIGITS {
            let digits = self.digits;
            Some(format!(
                "found a number of {digits} significant digits; DynamoDB holds at most 38, so send it as a string"
            ))
        } else if !(MIN_EXPONENT..=MAX_EXPONENT).contains(&self.exponent) {
            Some(
                "found a number outside DynamoDB's range, 1e-130 to 9.99e125 in magnitude; send it as a string"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// Returns the absolute value times 10^`scale`, if that is a whole number.
    fn scaled(&self, scale: i64) -> Result<u128, NotWhole> {
        if self.digits == 0 {
            return Ok(0);
        }
        // The number of zeros after the last significant digit.
        let zeros = self
            .exponent
            .saturating_sub(self.digits as i64)
            .saturating_add(scale);
        if zeros.saturating_add(self.digits as i64) > MAX_WHOLE_DIGITS {
            return Err(NotWhole::TooLarge);
        }
        if zeros < 0 {
            return Err(NotWhole::Fraction);
        }
        let mut value: u128 = 0;
        for digit in self.significant_digits().chain((0..zeros).map(|_| b'0')) {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u128::from(digit - b'0')))
                .ok_or(NotWhole::TooLarge)?;
        }
        Ok(value)
    }

    /// Returns the value in billionths.
    pub(crate) fn nanos(&self) -> Result<u64, NotNanos> {
        if self.negative {
            return Err(NotNanos::Negative);
        }
        let nanos = self.scaled(9).map_err(|why| match why {
            NotWhole::Fraction => NotNanos::TooFine,
            NotWhole::TooLarge => NotNanos::TooLarge,
        })?;
        nanos.try_into().map_err(|_| NotNanos::TooLarge)
    }

    /// Returns the value, if it is a whole number that fits into a `u16`.
    pub(crate) fn as_u16(&self) -> Option<u16> {
        self.as_u128().and_then(|v| v.try_into().ok())
    }

    /// Returns the value, if it is a whole number that fits into a `u128`.
    pub(crate) fn as_u128(&self) -> Option<u128> {
        if self.negative {
            return None;
        }
        self.scaled(0).ok()
    }

    /// Returns the value, if it is a whole number that fits into an `i128`.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        let value = self.scaled(0).ok()?;
        match self.negative {
            true => 0_i128.checked_sub_unsigned(value),
            false => value.try_into().ok(),
        }
    }

    /// Returns true if the shortest text of the float has exactly the digits of this number.
    pub(crate) fn is_exactly(&self, float: f64) -> bool {
        let text = format!("{float:e}");
        let other = Number::parse(&text);
        (self.negative, self.digits, self.exponent)
            == (other.negative, other.digits, other.exponent)
            && self.significant_digits().eq(other.significant_digits())
    }

    /// Returns the canonical text, which is stored in the item. All texts of the same value
    /// have the same canonical text: `0e500` is stored as `0` and `10.0` as `10`. A number with
    /// more than 20 zeros has an exponent.
    #[cfg(feature = "store")]
    pub(crate) fn stored_text(lexeme: &'a str) -> String {
        let mut text = String::new();
        Self::push_stored(&mut text, lexeme);
        text
    }

    /// Appends the [`stored_text`](Self::stored_text).
    #[cfg(feature = "store")]
    pub(crate) fn push_stored(out: &mut String, lexeme: &'a str) {
        if is_short_integer(lexeme) {
            return out.push_str(lexeme);
        }
        let number = Self::parse(lexeme);
        number.push_text(out, lexeme, number.digits as i64 + MAX_ZEROS);
    }

    /// Appends the JSON text for a number in an item. The item may come from any writer.
    ///
    /// A whole number of up to 39 digits, which is every `i128` and `u128`, is written as
    /// digits, because readers do not accept an exponent in an integer.
    #[cfg(feature = "store")]
    pub(crate) fn push_read(out: &mut String, lexeme: &'a str) {
        Self::parse(lexeme).push_text(out, lexeme, MAX_WHOLE_DIGITS);
    }

    /// Appends the canonical text, in which a whole number of more than `max_whole` digits
    /// has an exponent.
    #[cfg(feature = "store")]
    fn push_text(&self, out: &mut String, lexeme: &str, max_whole: i64) {
        // Most numbers already have this form: whole, without an exponent, and not too long.
        let len = lexeme.len() as i64;
        if self.exponent == len && len <= max_whole && lexeme.bytes().all(|b| b.is_ascii_digit()) {
            return out.push_str(lexeme);
        }
        if self.digits == 0 {
            return out.push('0');
        }
        let count = self.digits as i64;
        if self.negative {
            out.push('-');
        }
        let zeros = |text: &mut String, n: i64| text.extend((0..n).map(|_| '0'));
        let mut digits = self.significant_digits().map(char::from);
        match self.exponent {
            whole if (count..=max_whole).contains(&whole) => {
                out.extend(digits);
                zeros(out, whole - count);
            }
            before if (1..count).contains(&before) => {
                out.extend(digits.by_ref().take(before as usize));
                out.push('.');
                out.extend(digits);
            }
            fraction if (-MAX_ZEROS..=0).contains(&fraction) => {
                out.push_str("0.");
                zeros(out, -fraction);
                out.extend(digits);
            }
            exponent => {
                out.extend(digits);
                out.push_str(&format!("E{}", exponent - count));
            }
        }
    }

    fn significant_digits(&self) -> impl Iterator<Item = u8> {
        self.int
            .iter()
            .chain(self.frac)
            .copied()
            .skip_while(|b| *b == b'0')
            .take(self.digits)
    }
}

/// Why a number is not a whole number that fits into 128 bits.
enum NotWhole {
    Fraction,
    TooLarge,
}

/// Why a number is not a count of nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotNanos {
    Negative,
    TooLarge,
    TooFine,
}

fn exponent(bytes: &[u8]) -> i64 {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let mut value: i64 = 0;
    for digit in digits {
        // A saturated exponent exceeds every limit, just as the exact exponent does.
        value = value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'));
    }
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_has_the_size_dynamodb_counts() {
        for (lexeme, size) in [
            ("0", 1),
            ("-0", 1),
            ("1", 2),
            ("42", 2),
            ("-42", 3),
            ("100", 2),
            ("1596719980", 6),
            ("1596719980.123456", 9),
            ("0.5", 2),
            ("1e100", 2),
        ] {
            assert_eq!(Number::parse(lexeme).size(), size, "{lexeme}");
        }
        for integer in [
            0,
            7,
            10,
            -1,
            -120,
            1_596_719_980,
            1_000_000_007,
            i64::MAX,
            i64::MIN,
        ] {
            let lexeme = integer.to_string();
            assert_eq!(
                integer_size(&lexeme),
                Number::parse(&lexeme).size(),
                "{lexeme}"
            );
        }
    }

    #[test]
    fn number_outside_dynamodb_limits_is_refused() {
        let nines = "9".repeat(38);
        for good in [
            "0",
            "0e500",
            "1e-130",
            "9.9e125",
            &nines,
            &format!("{nines}0000"),
            "-1e125",
            "1.0e-130",
        ] {
            assert_eq!(Number::parse(good).not_storable(), None, "{good}");
        }
        for bad in [
            "1e126",
            "1e-131",
            &"9".repeat(39),
            "0.1e-130",
            "1e99999999999999999999999",
        ] {
            assert!(Number::parse(bad).not_storable().is_some(), "{bad}");
        }
    }

    #[test]
    #[cfg(feature = "store")]
    fn stored_and_read_texts_keep_the_value() {
        for (lexeme, stored, read) in [
            ("0.0", "0", "0"),
            ("-0e9", "0", "0"),
            ("1.50", "1.5", "1.5"),
            ("100", "100", "100"),
            ("1e2", "100", "100"),
            ("10.0", "10", "10"),
            ("-12", "-12", "-12"),
            ("-12.5e-1", "-1.25", "-1.25"),
            ("0.001", "0.001", "0.001"),
            ("1e100", "1E100", "1E100"),
            ("12e-60", "12E-60", "12E-60"),
            ("-5e21", "-5E21", "-5000000000000000000000"),
            ("3E38", "3E38", "300000000000000000000000000000000000000"),
            ("1e39", "1E39", "1E39"),
            // Every text of one value has the same canonical text.
            ("9.919e26", "9919E23", "991900000000000000000000000"),
            ("9919E23", "9919E23", "991900000000000000000000000"),
            (
                "991900000000000000000000000",
                "9919E23",
                "991900000000000000000000000",
            ),
            (
                "-991900000000000000000000000",
                "-9919E23",
                "-991900000000000000000000000",
            ),
            (
                "100000000000000000000",
                "100000000000000000000",
                "100000000000000000000",
            ),
            ("10000000000000000000000", "1E22", "10000000000000000000000"),
        ] {
            assert_eq!(Number::stored_text(lexeme), stored, "{lexeme}");
            let mut text = String::new();
            Number::push_read(&mut text, lexeme);
            assert_eq!(text, read, "{lexeme}");
        }
    }

    #[test]
    fn whole_number_is_read_in_any_notation() {
        for (lexeme, integer) in [
            ("-5E21", Some(-5_000_000_000_000_000_000_000)),
            ("1.0", Some(1)),
            ("-0.0", Some(0)),
            ("120e-1", Some(12)),
            ("1.5", None),
            ("1e39", None),
            ("170141183460469231731687303715884105727", Some(i128::MAX)),
            ("-170141183460469231731687303715884105728", Some(i128::MIN)),
            ("170141183460469231731687303715884105728", None),
        ] {
            assert_eq!(Number::parse(lexeme).as_integer(), integer, "{lexeme}");
        }
        let most = "340282366920938463463374607431768211455";
        assert_eq!(Number::parse(most).as_u128(), Some(u128::MAX));
        assert_eq!(Number::parse("-1").as_u128(), None);
    }

    #[test]
    fn float_is_compared_by_its_digits() {
        assert!(Number::parse("0.10").is_exactly(0.1));
        assert!(Number::parse("1e21").is_exactly(1e21));
        assert!(!Number::parse("0.1000000000000000000001").is_exactly(0.1));
    }

    #[test]
    fn nanoseconds_are_exact() {
        for (lexeme, nanos) in [
            ("0", Ok(0)),
            ("-0.0", Ok(0)),
            ("1.59671998e9", Ok(1_596_719_980_000_000_000)),
            ("9999999999.999999999", Ok(9_999_999_999_999_999_999)),
            ("1.0000000000", Ok(1_000_000_000)),
            ("1.0000000001", Err(NotNanos::TooFine)),
            ("-1", Err(NotNanos::Negative)),
            ("-1e-20", Err(NotNanos::Negative)),
            ("1e-400", Err(NotNanos::TooFine)),
            ("1e400", Err(NotNanos::TooLarge)),
            ("1e9223372036854775807", Err(NotNanos::TooLarge)),
        ] {
            assert_eq!(Number::parse(lexeme).nanos(), nanos, "{lexeme}");
        }
    }
}
