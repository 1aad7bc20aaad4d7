//! Parses times on the command line.

use chrono::{DateTime, Days, Local, NaiveDate, TimeDelta, TimeZone as _, Utc};
use domain_events::Timestamp;

/// Parses a time: `2026-11-24T08:00:00Z`, `2026-11-24` (midnight UTC), `90m`, `36h` or
/// `7d` (so long ago), `today` or `yesterday` (midnight, in this machine's time zone), or
/// seconds since 1970.
///
/// # Errors
///
/// A sentence with these forms.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    let forms = || {
        "expected a time such as 2026-11-24T08:00:00Z, 2026-11-24, 36h, 7d, today, yesterday, or seconds since 1970"
            .to_owned()
    };
    let at = |time: DateTime<Utc>| Timestamp::try_from(time).map_err(|_| forms());
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return at(time.to_utc());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return at(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let midnight = |days| {
        let date = Local::now()
            .date_naive()
            .checked_sub_days(Days::new(days))?;
        Local
            .from_local_datetime(&date.and_time(chrono::NaiveTime::MIN))
            .earliest()
    };
    match text {
        "today" => return at(midnight(0).ok_or_else(forms)?.to_utc()),
        "yesterday" => return at(midnight(1).ok_or_else(forms)?.to_utc()),
        _ => {}
    }
    let ago = |unit: char, seconds: i64| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        TimeDelta::try_seconds(number.checked_mul(seconds)?)
    };
    let ago = ago('m', 60)
        .or_else(|| ago('h', 3600))
        .or_else(|| ago('d', 86_400))
        .or_else(|| ago('s', 1));
    if let Some(ago) = ago {
        return at(Utc::now().checked_sub_signed(ago).ok_or_else(forms)?);
    }
    text.parse().map_err(|_| forms())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_documented_form_is_a_time() {
        assert_eq!(
            parse("2026-11-24T08:00:00Z").unwrap().to_string(),
            "1795507200"
        );
        assert_eq!(parse("2026-11-24").unwrap().to_string(), "1795478400");
        assert_eq!(parse("1596719980.5").unwrap().to_string(), "1596719980.5");
        let nanos = |text| parse(text).unwrap().as_nanos();
        assert!(nanos("7d") < nanos("36h") && nanos("36h") < nanos("90m"));
        assert!(nanos("yesterday") < nanos("today"));
        for wrong in ["", "soon", "2026-13-01", "h", "-5"] {
            assert!(
                parse(wrong).unwrap_err().contains("expected a time"),
                "{wrong}"
            );
        }
    }
}
