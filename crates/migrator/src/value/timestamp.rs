use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::SqlValue;

/// 1990-01-01 and 2100-01-01, in seconds: what is outside is no time of a store of knowledge, but a counter, a zero
/// that stands for never, or a mistake.
const SENSIBLE: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// Reads a time; `None` if it is none, or not a sensible one.
///
/// Numbers, also written as texts, are seconds since 1970, or milli-, micro- or nanoseconds, by their size. Texts are
/// ISO 8601. One without an offset is of `zone`, unless SQLite itself wrote it: `2026-01-31 12:00:00`, with a space and
/// whole seconds, is what `CURRENT_TIMESTAMP` gives, in UTC.
pub fn parse_timestamp(value: &SqlValue, zone: &TimeZone) -> Option<Timestamp> {
    let time = match value {
        SqlValue::Integer(number) => of_integer(*number),
        SqlValue::Real(number) => of_real(*number),
        SqlValue::Text(text) => of_text(text.trim(), zone),
        _ => None,
    };
    time.filter(|time| SENSIBLE.contains(&time.as_second()))
}

fn of_integer(number: i64) -> Option<Timestamp> {
    match number {
        ..100_000_000_000 => Timestamp::from_second(number).ok(),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millisecond(number).ok(),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_microsecond(number).ok(),
        _ => Timestamp::from_nanosecond(i128::from(number)).ok(),
    }
}

fn of_real(number: f64) -> Option<Timestamp> {
    if !number.is_finite() || number.abs() >= 1e18 {
        return None;
    }
    if number >= 1e11 {
        return of_integer(number as i64);
    }
    // A double of this size is exact to a quarter of a microsecond; digits beyond are noise.
    let micros = SignedDuration::from_micros((number * 1e6).round() as i64);
    Timestamp::from_duration(micros).ok()
}

fn of_text(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if text.len() > 64 {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return of_integer(number);
    }
    if let Ok(number) = text.parse::<f64>() {
        return of_real(number);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // With an offset, jiff says, it is no civil time; with the name of a zone it would be neither.
    let civil: DateTime = text.parse().ok()?;
    let of_sqlite = text.len() == 19 && text.as_bytes()[10] == b' ';
    let zone = if of_sqlite { &TimeZone::UTC } else { zone };
    civil.to_zoned(zone.clone()).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use jiff::tz::offset;
    use proptest::prelude::*;

    use super::*;

    fn read(value: &SqlValue) -> Option<String> {
        let zone = TimeZone::fixed(offset(2));
        parse_timestamp(value, &zone).map(|time| time.to_string())
    }

    fn text(text: &str) -> Option<String> {
        read(&SqlValue::Text(text.to_owned()))
    }

    #[test]
    fn numbers_of_every_usual_unit_are_times() {
        let expected = Some("2026-01-31T12:00:00Z".to_owned());
        let seconds = 1_769_860_800;
        for number in [seconds, seconds * 1000, seconds * 1_000_000, seconds * 1_000_000_000] {
            assert_eq!(read(&SqlValue::Integer(number)), expected);
            assert_eq!(text(&number.to_string()), expected);
        }
        assert_eq!(read(&SqlValue::Real(1_769_860_800.25)).unwrap(), "2026-01-31T12:00:00.25Z");
        assert_eq!(text("1769860800.25").unwrap(), "2026-01-31T12:00:00.25Z");
    }

    #[test]
    fn a_text_without_an_offset_is_local_unless_sqlite_wrote_it() {
        assert_eq!(text("2026-01-31T12:00:00Z").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(text("2026-01-31 12:00:00+01:00").unwrap(), "2026-01-31T11:00:00Z");
        assert_eq!(text("2026-01-31T12:00:00").unwrap(), "2026-01-31T10:00:00Z");
        assert_eq!(text("2026-01-31 12:00:00.5").unwrap(), "2026-01-31T10:00:00.5Z");
        assert_eq!(text("2026-01-31 12:00:00").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(text("2026-01-31").unwrap(), "2026-01-30T22:00:00Z");
    }

    #[test]
    fn what_is_no_sensible_time_is_none() {
        for value in [
            SqlValue::Null,
            SqlValue::Integer(0),
            SqlValue::Integer(i64::MIN),
            SqlValue::Integer(i64::MAX),
            SqlValue::Real(f64::NAN),
            SqlValue::Real(f64::INFINITY),
            SqlValue::Real(-1e300),
            SqlValue::Real(2_461_072.0),
            SqlValue::Blob(vec![1, 2]),
        ] {
            assert_eq!(read(&value), None, "{value:?}");
        }
        for bad in
            ["", "never", "NaN", "inf", "31.01.2026", "2026-13-01", "9999-01-01", "0", "1970-01-01T00:00:00Z"]
        {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(bits in any::<u64>(), text in any::<String>(), dates in "[0-9T:+. Z-]{0,40}") {
            for value in [
                SqlValue::Integer(bits as i64),
                SqlValue::Real(f64::from_bits(bits)),
                SqlValue::Text(text.clone()),
                SqlValue::Text(dates.clone()),
            ] {
                if let Some(time) = parse_timestamp(&value, &TimeZone::UTC) {
                    prop_assert!(SENSIBLE.contains(&time.as_second()));
                }
            }
        }

        #[test]
        fn seconds_come_back(second in SENSIBLE) {
            let time = parse_timestamp(&SqlValue::Integer(second), &TimeZone::UTC).unwrap();
            prop_assert_eq!(time.as_second(), second);
            let written = parse_timestamp(&SqlValue::Text(time.to_string()), &TimeZone::UTC);
            prop_assert_eq!(written, Some(time));
        }
    }
}
