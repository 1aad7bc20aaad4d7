//! JSON numbers, exactly: a number is looked at as decimal digits, never
//! through a float.

/// DynamoDB's limits for a number (developer guide, "Data types: Number").
const MAX_DIGITS: usize = 38;
const MAX_EXPONENT: i64 = 126;
const MIN_EXPONENT: i64 = -129;

/// [`Number::size`] of an integer that fits into 64 bits, as it is usually
/// written. Every event has some, and needs no more of [`Number::parse`].
#[inline]
pub(crate) fn integer_size(lexeme: &str) -> usize {
    let (negative, digits) = match lexeme.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let zeros = digits.iter().rev().take_while(|b| **b == b'0').count();
    1 + (digits.len() - zeros).div_ceil(2) + usize::from(negative)
}

/// A JSON number: `0.d₁d₂…dₙ × 10^exponent`, where d₁ and dₙ are not zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    negative: bool,
    int: &'a [u8],
    frac: &'a [u8],
    digits: usize,
    exponent: i64,
}

impl<'a> Number<'a> {
    /// Reads a number of JSON's grammar, as [`super::json::Reader`] yields it.
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

    /// What DynamoDB counts for it: a byte, and one per two significant digits
    /// on each side of the point; a sign is one more.
    pub(crate) fn size(&self) -> usize {
        let before = self.exponent.clamp(0, self.digits as i64) as usize;
        let after = self.digits - before;
        1 + before.div_ceil(2) + after.div_ceil(2) + usize::from(self.negative)
    }

    /// Why DynamoDB cannot hold it, if so.
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

    /// The value times 10^`scale`, if that is a whole number.
    ///
    /// `Err(true)` if it is none, `Err(false)` if it is negative or too large.
    fn scaled(&self, scale: i64) -> Result<u64, bool> {
        if self.digits == 0 {
            return Ok(0);
        }
        // How many zeros follow the last significant digit.
        let zeros = self
            .exponent
            .saturating_sub(self.digits as i64)
            .saturating_add(scale);
        if self.negative || zeros.saturating_add(self.digits as i64) > 20 {
            return Err(false);
        }
        if zeros < 0 {
            return Err(true);
        }
        let mut value: u64 = 0;
        for digit in self.significant_digits().chain((0..zeros).map(|_| b'0')) {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u64::from(digit - b'0')))
                .ok_or(false)?;
        }
        Ok(value)
    }

    /// The value in billionths.
    pub(crate) fn nanos(&self) -> Result<u64, NotNanos> {
        self.scaled(9)
            .map_err(|too_fine| match (too_fine, self.negative) {
                (_, true) => NotNanos::Negative,
                (true, _) => NotNanos::TooFine,
                (false, _) => NotNanos::TooLarge,
            })
    }

    /// The value, if it is a whole number that a `u16` holds.
    pub(crate) fn as_u16(&self) -> Option<u16> {
        self.scaled(0).ok().and_then(|v| v.try_into().ok())
    }

    /// [`canonical`](Self::canonical) of a text, which it usually is already.
    #[cfg(feature = "store")]
    pub(crate) fn canonical_text(lexeme: &'a str) -> String {
        let plain = lexeme.len() <= MAX_DIGITS && lexeme.bytes().all(|b| b.is_ascii_digit());
        if plain {
            lexeme.to_owned()
        } else {
            Self::parse(lexeme).canonical()
        }
    }

    /// The shortest usual text of the same value, however it was written: `0e500`
    /// is zero, `10.0` is ten, and ten thousand trailing zeros are an exponent.
    #[cfg(feature = "store")]
    pub(crate) fn canonical(&self) -> String {
        /// More zeros than these are told by an exponent.
        const ZEROS: i64 = 20;
        if self.digits == 0 {
            return "0".to_owned();
        }
        let count = self.digits as i64;
        let mut text = String::with_capacity(self.digits + 8);
        if self.negative {
            text.push('-');
        }
        let zeros = |text: &mut String, n: i64| text.extend((0..n).map(|_| '0'));
        let mut digits = self.significant_digits().map(char::from);
        match self.exponent {
            whole if (count..=count + ZEROS).contains(&whole) => {
                text.extend(digits);
                zeros(&mut text, whole - count);
            }
            before if (1..count).contains(&before) => {
                text.extend(digits.by_ref().take(before as usize));
                text.push('.');
                text.extend(digits);
            }
            fraction if (-ZEROS..=0).contains(&fraction) => {
                text.push_str("0.");
                zeros(&mut text, -fraction);
                text.extend(digits);
            }
            exponent => {
                text.extend(digits);
                text.push_str(&format!("E{}", exponent - count));
            }
        }
        text
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

/// Why a number is no count of nanoseconds.
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
        // No number comes near; saturating keeps "absurd" absurd.
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
    fn sizes_are_dynamodbs() {
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
    fn what_dynamodb_cannot_hold_is_known_before_it_is_sent() {
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
    fn canonical_text_has_the_same_value() {
        for (lexeme, canonical) in [
            ("0.0", "0"),
            ("-0e9", "0"),
            ("1.50", "1.5"),
            ("100", "100"),
            ("1e2", "100"),
            ("10.0", "10"),
            ("-12", "-12"),
            ("-12.5e-1", "-1.25"),
            ("0.001", "0.001"),
            ("1e100", "1E100"),
            ("12e-60", "12E-60"),
        ] {
            assert_eq!(Number::parse(lexeme).canonical(), canonical, "{lexeme}");
        }
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
