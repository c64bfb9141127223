//! Periods and hours of a budget by the router's own time, in seconds since 1970 as its clock shows
//! them. Knows nothing of zones.

use time::{Date, Month, OffsetDateTime};

use crate::config::{Budget, Hours, Period};

const DAY: i64 = 24 * 60 * 60;

/// The number of the period in which `local` is.
pub(super) fn number(budget: &Budget, local: i64) -> i64 {
    match budget.period {
        Period::Day => local.div_euclid(DAY),
        Period::Month => {
            // As if it began on the first.
            let date = date(local.saturating_sub(later(budget)));
            let months = i64::from(date.year()).saturating_mul(12);
            months
                .saturating_add(u8::from(date.month()).into())
                .saturating_sub(1)
        }
    }
}

/// When a period begins.
pub(super) fn begin(budget: &Budget, number: i64) -> i64 {
    match budget.period {
        Period::Day => number.saturating_mul(DAY),
        Period::Month => {
            let year = i32::try_from(number.div_euclid(12)).unwrap_or(i32::MAX);
            let months = u8::try_from(number.rem_euclid(12)).unwrap_or(0);
            let month = Month::January.nth_next(months);
            let first = Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX);
            let first = first.midnight().assume_utc().unix_timestamp();
            first.saturating_add(later(budget))
        }
    }
}

/// Whether connections are carried at `local`.
pub(super) fn is_open(budget: &Budget, local: i64) -> bool {
    let today = local.div_euclid(DAY);
    // What began yesterday may go on.
    let parts = [today.saturating_sub(1), today].map(|day| part(budget, day));
    let mut parts = parts.into_iter().flatten();
    parts.any(|(from, to)| from <= local && local < to)
}

/// When they are carried next.
pub(super) fn next_open(budget: &Budget, local: i64) -> i64 {
    let today = local.div_euclid(DAY);
    let days = (0..=7).map(|days| today.saturating_add(days));
    let mut begins = days
        .filter_map(|day| part(budget, day))
        .map(|(from, _)| from);
    begins.find(|from| *from > local).unwrap_or(local)
}

/// A moment, for people.
pub(super) fn text(local: i64) -> String {
    let (date, minutes) = (date(local), local.rem_euclid(DAY) / 60);
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// The part of a day in which connections are carried, if it is one of the days.
fn part(budget: &Budget, day: i64) -> Option<(i64, i64)> {
    // The first day of 1970 was a Thursday.
    let weekday = u8::try_from(day.saturating_add(3).rem_euclid(7)).ok()?;
    let Hours { from, minutes } = budget.hours.unwrap_or(Hours::ALL);
    let seconds = |minutes: u16| i64::from(minutes).saturating_mul(60);
    let from = day.saturating_mul(DAY).saturating_add(seconds(from));
    let to = from.saturating_add(seconds(minutes));
    budget.weekdays.has(weekday).then_some((from, to))
}

/// How much later than on the first a month begins.
fn later(budget: &Budget) -> i64 {
    i64::from(budget.reset_day)
        .saturating_sub(1)
        .saturating_mul(DAY)
}

fn date(local: i64) -> Date {
    let time = OffsetDateTime::from_unix_timestamp(local);
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).date()
}
