//! Seconds since 1970 in, RFC 3339 out. Never reads a time zone: everything is UTC.

use std::fmt;
use std::time::SystemTime;

/// A second of time, counted from 1970-01-01T00:00:00Z. Shown as RFC 3339, within the years 1970
/// to 9999, which is all that a certificate can say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What the machine's clock says, set or not.
    pub fn now() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self(since.as_secs().cast_signed())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.clamp(0, LAST);
        let (mut day, second) = (seconds / DAY, seconds % DAY);
        let mut year = 1970;
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while day >= days_of_month(month, year) {
            day -= days_of_month(month, year);
            month += 1;
        }
        let (day, hour, minute) = (day + 1, second / 3600, second / 60 % 60);
        let second = second % 60;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

fn days_of_year(year: i64) -> i64 {
    337 + days_of_month(2, year)
}

fn days_of_month(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_around_leap_years_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (94_694_399, "1972-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_785_587_696, "2026-08-01T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
        }
    }

    #[test]
    fn what_no_certificate_can_say_is_the_nearest_that_one_can() {
        assert_eq!(Timestamp(-1).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
