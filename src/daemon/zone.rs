//! The router's time zone: a text as POSIX has it in, how far its clocks are ahead of UTC at a moment
//! out. Never reads the machine's zone: a jail has none.

use time::{Date, Month, OffsetDateTime};

const DAY: i64 = 24 * 60 * 60;

/// A value of `TZ` that says all itself (POSIX.1-2024, Base Definitions, 8.3). UTC by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Zone {
    /// Seconds ahead of UTC.
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Summer {
    /// Seconds ahead of UTC.
    offset: i64,
    begin: Change,
    end: Change,
}

/// When a year's clocks change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Change {
    day: Day,
    /// Seconds after that day's midnight, as the clock shows them before it changes.
    second: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Day {
    /// The number of a day, from 0.
    Ordinal(i64),
    /// The number of a day, from 1, in years in which nobody counts February 29.
    Julian(i64),
    /// A weekday, from Sunday, of a month's first to fourth week, or the month's last.
    Week(Month, i64, i64),
}

// === impl Zone ===

impl Zone {
    /// None where the text is no such value.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        name(&mut rest)?;
        // Some say `UTC` and mean it.
        let standard = if rest.is_empty() {
            0
        } else {
            seconds(&mut rest)?.checked_neg()?
        };
        let summer = if rest.is_empty() {
            None
        } else {
            Some(Summer::parse(&mut rest, standard)?)
        };
        rest.is_empty().then_some(Self { standard, summer })
    }

    /// Seconds since 1970 when clocks show `local`. Of an hour that comes twice that is the second time,
    /// of one that is left out the hour after.
    pub(super) fn unix(&self, local: i64) -> i64 {
        let near = self.offset(local.saturating_sub(self.standard));
        local.saturating_sub(self.offset(local.saturating_sub(near)))
    }

    /// Seconds ahead of UTC at `unix`, which is seconds since 1970.
    pub(super) fn offset(&self, unix: i64) -> i64 {
        let is_summer = |summer: &&Summer| summer.is_at(unix, self.standard);
        let summer = self.summer.as_ref().filter(is_summer);
        summer.map_or(self.standard, |summer| summer.offset)
    }
}

// === impl Summer ===

impl Summer {
    fn parse(rest: &mut &str, standard: i64) -> Option<Self> {
        name(rest)?;
        let offset = if rest.starts_with([',']) {
            standard.checked_add(60 * 60)?
        } else {
            seconds(rest)?.checked_neg()?
        };
        Some(Self {
            offset,
            begin: Change::parse(rest)?,
            end: Change::parse(rest)?,
        })
    }

    fn is_at(&self, unix: i64, standard: i64) -> bool {
        let local = OffsetDateTime::from_unix_timestamp(unix.saturating_add(standard));
        let Ok(year) = local.map(OffsetDateTime::year) else {
            return false;
        };
        let begin = self.begin.unix(year, standard);
        let end = self.end.unix(year, self.offset);
        if begin < end {
            (begin..end).contains(&unix)
        } else {
            !(end..begin).contains(&unix)
        }
    }
}

// === impl Change ===

impl Change {
    fn parse(rest: &mut &str) -> Option<Self> {
        skip(rest, ',')?;
        let day = Day::parse(rest)?;
        let second = if skip(rest, '/').is_some() {
            seconds(rest)?
        } else {
            2 * 60 * 60
        };
        Some(Self { day, second })
    }

    /// Seconds since 1970, where clocks are `offset` seconds ahead before it.
    fn unix(&self, year: i32, offset: i64) -> i64 {
        let midnight = self.day.number(year).saturating_mul(DAY);
        midnight.saturating_add(self.second).saturating_sub(offset)
    }
}

// === impl Day ===

impl Day {
    fn parse(rest: &mut &str) -> Option<Self> {
        if skip(rest, 'J').is_some() {
            return Some(Self::Julian(number(rest, 1..=365)?));
        }
        if skip(rest, 'M').is_none() {
            return Some(Self::Ordinal(number(rest, 0..=365)?));
        }
        let month = u8::try_from(number(rest, 1..=12)?).ok()?;
        skip(rest, '.')?;
        let week = number(rest, 1..=5)?;
        skip(rest, '.')?;
        let weekday = number(rest, 0..=6)?;
        Some(Self::Week(Month::try_from(month).ok()?, week, weekday))
    }

    /// Days since 1970.
    fn number(&self, year: i32) -> i64 {
        match *self {
            Self::Ordinal(day) => first(year, Month::January).saturating_add(day),
            Self::Julian(day) => {
                let is_after = day > 59 && time::util::is_leap_year(year);
                let first = first(year, Month::January).saturating_add(day);
                first.saturating_sub(i64::from(!is_after))
            }
            Self::Week(month, week, weekday) => {
                let first = first(year, month);
                // 1970 began on a Thursday.
                let until = weekday
                    .saturating_sub(first)
                    .saturating_sub(4)
                    .rem_euclid(7);
                let day = until.saturating_add(week.saturating_sub(1).saturating_mul(7));
                let is_over = day >= month.length(year).into();
                first
                    .saturating_add(day)
                    .saturating_sub(if is_over { 7 } else { 0 })
            }
        }
    }
}

/// The number of a month's first day since 1970.
fn first(year: i32, month: Month) -> i64 {
    let first = Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX);
    first
        .midnight()
        .assume_utc()
        .unix_timestamp()
        .div_euclid(DAY)
}

/// Takes a name of three letters or more, or anything in angle brackets.
fn name(rest: &mut &str) -> Option<()> {
    let (name, after) = if skip(rest, '<').is_some() {
        rest.split_once('>')?
    } else {
        let end = rest.find(|letter: char| !letter.is_ascii_alphabetic());
        rest.split_at(end.unwrap_or(rest.len()))
    };
    *rest = after;
    (name.len() >= 3).then_some(())
}

/// Takes `[+-]hh[:mm[:ss]]`.
fn seconds(rest: &mut &str) -> Option<i64> {
    let is_negative = skip(rest, '-').is_some();
    if !is_negative {
        skip(rest, '+');
    }
    // A week, which GNU's library allows, too.
    let mut seconds = number(rest, 0..=167)?.checked_mul(60 * 60)?;
    for unit in [60, 1] {
        if skip(rest, ':').is_none() {
            break;
        }
        let more = number(rest, 0..=59)?.checked_mul(unit)?;
        seconds = seconds.checked_add(more)?;
    }
    if is_negative {
        seconds.checked_neg()
    } else {
        Some(seconds)
    }
}

/// Takes digits.
fn number(rest: &mut &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    let number = digits.parse().ok()?;
    range.contains(&number).then_some(number)
}

/// Takes `what`, if that comes next.
fn skip(rest: &mut &str, what: char) -> Option<()> {
    *rest = rest.strip_prefix(what)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// What the C library says, by way of `date`.
    fn by_date(zone: &str, times: &[i64]) -> Vec<String> {
        let mut date = Command::new("date")
            .args(["-f", "-", "+%::z"])
            .env("TZ", zone)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = String::new();
        for time in times {
            writeln!(input, "@{time}").unwrap();
        }
        let mut stdin = date.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = date.wait_with_output().unwrap();
        writer.join().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        output.lines().map(str::to_owned).collect()
    }

    fn text(offset: i64) -> String {
        let sign = if offset < 0 { '-' } else { '+' };
        let seconds = offset.unsigned_abs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60)
    }

    #[test]
    fn clocks_change_when_those_of_other_programs_do() {
        // From 1999 to 2099, each time another time of day.
        let times: Vec<_> = (0..4_000).map(|n| 915_148_800 + n * 800_003).collect();
        for zone in [
            "UTC0",
            "GMT0BST,M3.5.0/1,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "EST5EDT,M3.2.0,M11.1.0",
            "<+0330>-3:30",
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            "AEST-10AEDT,M10.1.0,M4.1.0/3",
            "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
            "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
            "IST-2IDT,M3.4.4/26,M10.5.0",
            "IST-1GMT0,M10.5.0,M3.5.0/1",
            "<+0330>-3:30<+0430>,J79/24,J263/24",
            "AAA+1:02:03BBB-4,59/1:30,J60/2",
        ] {
            let read = Zone::parse(zone).unwrap();
            let ours: Vec<_> = times.iter().map(|time| text(read.offset(*time))).collect();
            let theirs = by_date(zone, &times);
            assert_eq!(theirs.len(), times.len(), "{zone}");
            for ((time, ours), theirs) in times.iter().zip(&ours).zip(&theirs) {
                assert_eq!(ours, theirs, "{zone} at {time}");
            }
        }
    }

    #[test]
    fn a_change_is_at_its_second() {
        let berlin = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-03-29 and 2026-10-25, 01:00 UTC.
        for (change, before, after) in [(1_774_746_000, 3600, 7200), (1_792_890_000, 7200, 3600)] {
            assert_eq!(berlin.offset(change - 1), before);
            assert_eq!(berlin.offset(change), after);
            for unix in [
                change - 7_200,
                change - 3_601,
                change + 3_600,
                change + 7_200,
            ] {
                assert_eq!(berlin.unix(unix + berlin.offset(unix)), unix);
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_none() {
        assert_eq!(Zone::parse("UTC"), Some(Zone::default()));
        for text in [
            "",
            "X",
            "+0100",
            "<+01",
            ":Europe/Berlin",
            "Europe/Berlin",
            "CET-1x",
            "CET-1CEST",
            "CET-999",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0/3 ",
            "CET-1CEST,J0,J9",
            "CET-1CEST,366,1",
            "CET-1:60",
            "CET-1CEST,M3.5.0/,M10.5.0",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
        let berlin = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for unix in [i64::MIN, i64::MAX] {
            assert_eq!(berlin.offset(unix), 3600);
        }
    }
}
