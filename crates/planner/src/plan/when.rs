use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Deserializer, de};

/// A time such as `2030-01-31T12:00:00Z`, or a duration from now such as `90m` or `1d`.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    time(&text).or_else(|| from_now(&text)).map(Some).ok_or_else(|| {
        let expected = "neither a time such as 2030-01-31T12:00:00Z nor a duration such as 90m or 1d";
        de::Error::custom(format_args!("{text:?} is {expected}"))
    })
}

fn time(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

fn from_now(text: &str) -> Option<Timestamp> {
    let span: Span = text.trim().parse().ok()?;
    let duration: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!duration.is_negative()).then(|| Timestamp::now().checked_add(duration).ok())?
}
