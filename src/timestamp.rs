//! A time in, RFC 3339 out. Never reads a time zone: everything is UTC.

use std::fmt;

use time::{OffsetDateTime, UtcOffset};

/// A time, shown as RFC 3339 in UTC to the second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timestamp(pub OffsetDateTime);

impl Timestamp {
    /// What the machine's clock says, set or not.
    pub fn now() -> Self {
        Self(OffsetDateTime::now_utc())
    }
}

impl fmt::Display for Timestamp {
    // By hand: the formatter of `time` is larger than what it would replace here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.0.to_offset(UtcOffset::UTC);
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        let (hour, minute, second) = utc.to_hms();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// A day by its number since 1970, as `2026-11-25`.
pub fn date(day: i64) -> String {
    let midnight = OffsetDateTime::from_unix_timestamp(day.saturating_mul(24 * 60 * 60));
    let mut text = Timestamp(midnight.unwrap_or(OffsetDateTime::UNIX_EPOCH)).to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(20_782), "2026-11-25");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(i64::MAX), "1970-01-01");
    }

    #[test]
    fn time_is_shown_in_utc() {
        let leap_day = OffsetDateTime::UNIX_EPOCH + Duration::seconds(951_782_400);
        let east = UtcOffset::from_hms(14, 0, 0).expect("an offset");
        assert_eq!(Timestamp(leap_day).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(
            Timestamp(leap_day.to_offset(east)).to_string(),
            "2000-02-29T00:00:00Z"
        );
    }
}
