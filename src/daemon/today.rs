//! What was carried since midnight: the clock and what was carried since the start enter, today's
//! part leaves. Clocks of routers jump: that makes a new day at most.

use std::path::Path;

use super::handed::handed;
use super::zone::Zone;
use crate::stats::Carried;

const DAY: i64 = 24 * 60 * 60;

/// The local day.
#[derive(Debug)]
pub(super) struct Today {
    /// The router's.
    zone: Zone,
    /// Days since 1970, as the clock was at the last look; none before the first.
    day: Option<i64>,
    /// When the day was seen to begin, in seconds since the start.
    begin: u64,
    /// What had been carried until then.
    before: Carried,
}

// === impl Today ===

impl Today {
    /// Of a daemon that starts now.
    pub(super) fn new() -> Self {
        Self {
            zone: Zone::default(),
            day: None,
            begin: 0,
            before: Carried::default(),
        }
    }

    /// Follows the time zone that the init script handed over beside the `configuration`.
    pub(super) fn follow_zone(&mut self, configuration: Option<&Path>) {
        let text = handed(configuration, "zone");
        let text = text.trim();
        let zone = Zone::parse(text);
        if zone.is_none() && !text.is_empty() {
            log::warn!("the time zone {text:?} is not understood: days and hours are those of UTC");
        }
        self.zone = zone.unwrap_or_default();
    }

    /// The router's zone.
    pub(super) fn zone(&self) -> Zone {
        self.zone
    }

    /// Looks at the clock: `unix` seconds since 1970 in UTC, `uptime` seconds since the start and
    /// `carried` since then.
    ///
    /// A clock that is set shows another day too. But if the day that it shows began before what is
    /// counted as today did, then all of that is today's, and goes on: so a router that starts in
    /// 1970 loses nothing when it learns the time.
    ///
    /// Whether a day has begun.
    pub(super) fn look(&mut self, unix: i64, uptime: u64, carried: Carried) -> bool {
        let local = unix.saturating_add(self.zone.offset(unix));
        let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let before = self.day.replace(day);
        let counted = uptime.saturating_sub(self.begin);
        let begins = before.is_some_and(|before| before != day) && counted > second.unsigned_abs();
        if begins {
            self.begin = uptime;
            self.before = carried;
        }
        begins
    }

    /// The number of the day since 1970, as the clock was at the last look.
    pub(super) fn number(&self) -> i64 {
        self.day.unwrap_or_default()
    }

    /// Today's part of what was `carried` since the start.
    pub(super) fn of(&self, carried: Carried) -> Carried {
        carried.since(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of some day, UTC.
    const MIDNIGHT: i64 = 20_000 * DAY;

    fn bytes(bytes_up: u64) -> Carried {
        Carried {
            bytes_up,
            ..Carried::default()
        }
    }

    /// What is today's after each look of (clock, uptime, bytes carried).
    fn days<const N: usize>(today: &mut Today, looks: [(i64, u64, u64); N]) -> [u64; N] {
        looks.map(|(unix, uptime, carried)| {
            today.look(unix, uptime, bytes(carried));
            today.of(bytes(carried)).bytes_up
        })
    }

    #[test]
    fn a_day_begins_at_midnight() {
        let days = days(
            &mut Today::new(),
            [
                (MIDNIGHT - 3600, 5, 10),
                (MIDNIGHT - 1, 3604, 100),
                (MIDNIGHT + 4, 3609, 101),
                (MIDNIGHT + 9, 3614, 107),
                (MIDNIGHT + DAY - 1, 90_004, 200),
                (MIDNIGHT + DAY, 90_005, 200),
            ],
        );
        assert_eq!(days, [10, 100, 0, 6, 99, 0]);
    }

    #[test]
    fn midnight_is_the_routers() {
        let mut today = Today::new();
        today.zone = Zone::parse("<-0330>3:30").unwrap();
        let midnight = MIDNIGHT + 7 * 1800;
        let looks = [
            (MIDNIGHT - 100, 5, 1),
            (MIDNIGHT + 100, 205, 2),
            (midnight - 1, 12_704, 3),
            (midnight, 12_705, 4),
        ];
        assert_eq!(days(&mut today, looks), [1, 2, 3, 0]);
    }

    #[test]
    fn a_clock_that_is_set_after_the_start_costs_nothing() {
        let days = days(
            &mut Today::new(),
            [
                (10, 5, 10),
                (15, 10, 20),
                (MIDNIGHT + 1000, 15, 30),
                (MIDNIGHT + 1005, 20, 40),
            ],
        );
        assert_eq!(days, [10, 20, 30, 40]);
    }

    #[test]
    fn a_clock_that_is_set_past_midnight_begins_a_day() {
        let days = days(
            &mut Today::new(),
            [
                (10, 5, 10),
                (7200, 7195, 20),
                (MIDNIGHT + 1000, 7200, 30),
                (MIDNIGHT + 1005, 7205, 40),
            ],
        );
        assert_eq!(days, [10, 20, 0, 10]);
    }

    #[test]
    fn a_clock_that_goes_back_never_makes_less_than_nothing() {
        let days = days(
            &mut Today::new(),
            [
                (MIDNIGHT - 5, 5000, 10),
                (MIDNIGHT, 5005, 20),
                // Corrected by three seconds, over midnight and again over it.
                (MIDNIGHT - 3, 5007, 22),
                (MIDNIGHT + 2, 5012, 23),
                // Within the day.
                (MIDNIGHT + 50_000, 55_000, 50),
                (MIDNIGHT + 49_000, 55_005, 60),
                // To before 1970 and back.
                (-5, 55_010, 70),
                (MIDNIGHT + 49_010, 55_015, 80),
            ],
        );
        assert_eq!(days, [10, 0, 2, 0, 27, 37, 47, 0]);
    }
}
