//! The last thirty days: what was carried on one, and how many people were served, enters when it is
//! over; a record of each leaves. On disk only where the operator wants that, and nothing of clients.

use std::fmt::Write as _;
use std::path::Path;

use crate::control;
use crate::state_file::Record;
use crate::stats::Carried;
use crate::timestamp::date;

/// How many are kept.
const DAYS: usize = 30;

/// Records, oldest first, one a day.
#[derive(Debug)]
pub(super) struct Days {
    records: Vec<Day>,
    /// In the state folder, which backups leave out.
    history: Record,
}

/// A day that is over, or a part of one that was before a restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Day {
    /// Days since 1970, in the router's time zone.
    pub(super) number: i64,
    pub(super) carried: Carried,
    /// An estimate.
    pub(super) people: u32,
}

// === impl Days ===

impl Days {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            records: Vec::new(),
            history: Record::new("history"),
        }
    }

    /// Keeps them in `state_dir` from now on, and takes over what is there; or, where they are not
    /// `wanted` there, removes that.
    pub(super) fn keep(&mut self, state_dir: &Path, wanted: bool) {
        let text = self.history.keep(state_dir, wanted).unwrap_or_default();
        // What is no day is skipped.
        text.lines().filter_map(day).for_each(|day| self.add(day));
    }

    /// Takes a day that is over.
    pub(super) fn add(&mut self, day: Day) {
        let found = self
            .records
            .binary_search_by_key(&day.number, |day| day.number);
        match found.map(|index| self.records.get_mut(index)) {
            Ok(Some(record)) => *record = record.with(day),
            Ok(None) => {}
            Err(index) => self.records.insert(index, day),
        }
        let surplus = self.records.len().saturating_sub(DAYS);
        self.records.drain(..surplus);
    }

    /// The same `day` with the part of it that is recorded.
    pub(super) fn whole(&self, day: Day) -> Day {
        let mut records = self.records.iter();
        let same = records.find(|record| record.number == day.number);
        same.map_or(day, |record| record.with(day))
    }

    /// People of the last seven days; who came on several counts on each. `today` is whole.
    pub(super) fn people_of_week(&self, today: Day) -> u32 {
        let week = today.number.saturating_sub(6)..today.number;
        let records = self.records.iter().filter(|day| week.contains(&day.number));
        records.fold(today.people, |sum, day| sum.saturating_add(day.people))
    }

    /// All, and `today`, which is whole.
    pub(super) fn told(&self, today: Day) -> Vec<control::Day> {
        let told = |day: &Day| control::Day {
            date: date(day.number),
            bytes_up: day.carried.bytes_up,
            bytes_down: day.carried.bytes_down,
            connections: day.carried.connections,
            people: day.people,
        };
        self.with(&today).map(told).collect()
    }

    /// All, with `today` in its place at the end.
    fn with<'a>(&'a self, today: &'a Day) -> impl Iterator<Item = &'a Day> {
        let mut records = self.records.as_slice();
        if let [before @ .., last] = records
            && last.number == today.number
        {
            records = before;
        }
        let surplus = records.len().saturating_sub(DAYS - 1);
        records.iter().skip(surplus).chain([today])
    }

    /// Writes them where they are kept, and `today` with them, once an hour or at the `end`.
    pub(super) fn save(&mut self, today: Day, end: bool) {
        if end || self.history.is_due() {
            let text = self.text(today);
            self.history.write(&text);
        }
    }

    fn text(&self, today: Day) -> String {
        let mut text = String::new();
        for day in self.with(&today) {
            let (carried, kib) = (day.carried, |bytes: u64| bytes / 1024);
            let (up, down) = (kib(carried.bytes_up), kib(carried.bytes_down));
            let (number, connections, people) = (day.number, carried.connections, day.people);
            let _ = writeln!(text, "{number} {up} {down} {connections} {people}");
        }
        text
    }
}

// === impl Day ===

impl Day {
    /// The same day with another part of it. Who is counted in both parts is not known.
    fn with(self, other: Self) -> Self {
        Self {
            number: self.number,
            carried: self.carried.and(other.carried),
            people: self.people.max(other.people),
        }
    }
}

fn day(line: &str) -> Option<Day> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    let mut next = || words.next()?.parse::<u64>().ok();
    Some(Day {
        number,
        carried: Carried {
            bytes_up: next()?.saturating_mul(1024),
            bytes_down: next()?.saturating_mul(1024),
            connections: next()?,
        },
        people: u32::try_from(next()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(number: i64, bytes_up: u64, people: u32) -> Day {
        Day {
            number,
            carried: Carried {
                bytes_up,
                bytes_down: 2 * bytes_up,
                connections: 1,
            },
            people,
        }
    }

    #[test]
    fn thirty_days_are_kept_in_their_order() {
        let mut days = Days::new();
        for number in (0..40).rev() {
            days.add(on(number, 1, 1));
        }
        let numbers: Vec<_> = days.records.iter().map(|day| day.number).collect();
        assert_eq!(numbers, (10..40).collect::<Vec<_>>());
    }

    #[test]
    fn two_parts_of_a_day_are_one() {
        let mut days = Days::new();
        days.add(on(5, 10, 3));
        days.add(on(5, 20, 2));
        assert_eq!(days.records.len(), 1);
        let whole = days.whole(on(5, 1, 7));
        assert_eq!((whole.carried.bytes_up, whole.people), (31, 7));
        assert_eq!(days.told(whole).len(), 1);
        assert_eq!(days.whole(on(6, 1, 7)), on(6, 1, 7));
    }

    #[test]
    fn a_week_is_seven_days_and_ends_today() {
        let mut days = Days::new();
        for number in 0..10 {
            days.add(on(number, 0, 1));
        }
        assert_eq!(days.people_of_week(on(9, 0, 5)), 6 + 5);
        assert_eq!(days.people_of_week(on(20, 0, 5)), 5);
    }

    #[test]
    fn what_is_written_is_read_again_and_the_rest_is_skipped() {
        assert_eq!(
            day("20783 10 20 3 4"),
            Some(on(20783, 10 * 1024, 4)).map(|d| Day {
                carried: Carried {
                    connections: 3,
                    ..d.carried
                },
                ..d
            })
        );
        for line in ["", "x", "1 2 3 4", "1 2 3 4 -5", "1 2 3 4 99999999999"] {
            assert_eq!(day(line), None, "{line}");
        }
    }
}
