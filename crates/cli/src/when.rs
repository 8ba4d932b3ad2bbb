//! Times and durations, as people write them.

use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::input::bad;

/// A duration such as `90s`, `5m`, `2h` or `1d`; a number alone counts seconds.
pub(crate) fn duration(what: &'static str, text: &str) -> Result<Duration> {
    let text = text.trim();
    let parsed = text.parse().map(Duration::from_secs).ok().or_else(|| {
        let span: Span = text.parse().ok()?;
        let exact: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(exact).ok()
    });
    parsed.ok_or_else(|| bad(what, format!("{text:?} is not a duration such as 90s, 5m, 2h or 1d")))
}

/// A time, or how long it is from now.
pub(crate) fn ahead(what: &'static str, text: &str) -> Result<Timestamp> {
    moment(what, text, |now, duration| now.checked_add(duration).ok())
}

/// A time, or how long it is ago.
pub(crate) fn ago(what: &'static str, text: &str) -> Result<Timestamp> {
    moment(what, text, |now, duration| now.checked_sub(duration).ok())
}

fn moment(
    what: &'static str,
    text: &str,
    from_now: impl Fn(Timestamp, Duration) -> Option<Timestamp>,
) -> Result<Timestamp> {
    if let Ok(moment) = text.trim().parse() {
        return Ok(moment);
    }
    let parsed = duration(what, text).ok().and_then(|duration| from_now(Timestamp::now(), duration));
    parsed.ok_or_else(|| {
        bad(
            what,
            format!(
                "{text:?} is neither a time such as 2030-01-31T12:00:00Z nor a duration such as 5m or 1d"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{ago, ahead, duration};

    #[test]
    fn durations_are_what_people_write() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("2h", 7200),
            ("1d", 86_400),
            ("1h 30m", 5400),
            ("PT5M", 300),
        ] {
            assert_eq!(duration("it", text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(duration("it", "250ms").unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "soon", "-5m", "-1", "5 parsecs", "1mo", "99999999999999999999d"] {
            let error = duration("the lease", text).unwrap_err().to_string();
            assert!(error.contains("accept the lease") && error.contains("90s, 5m"), "{error}");
        }
    }

    #[test]
    fn times_may_be_given_as_durations_from_now() {
        let time: Timestamp = "2030-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(ahead("it", "2030-01-31T13:00:00+01:00").unwrap(), time);
        assert_eq!(ago("it", "2030-01-31T12:00:00Z").unwrap(), time);
        let now = Timestamp::now();
        assert!(ahead("it", "1d").unwrap() > now && ago("it", "1d").unwrap() < now);
        assert!(ahead("it", "2030-01-31").is_err() && ago("it", "yesterday").is_err());
        assert!(ahead("it", "9999999999d").is_err());
    }
}
