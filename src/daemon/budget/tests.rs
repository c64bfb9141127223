use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::config::{Bytes, Hours, Period, Weekdays};

const DAY: i64 = 86_400;

/// Seconds since 1970 of a date in November 2026, and an hour. The 23rd was a Monday.
fn at(day: i64, hour: i64) -> i64 {
    20_758 * DAY + (day - 1) * DAY + hour * 3_600
}

fn hours(from: u16, minutes: u16, weekdays: u8) -> Budget {
    Budget {
        hours: Some(Hours { from, minutes }),
        weekdays: Weekdays(weekdays),
        ..Budget::default()
    }
}

#[test]
fn hours_may_go_past_midnight_and_belong_to_the_day_they_begin_on() {
    // From 22 to 6, on Fridays and Saturdays.
    let night = hours(22 * 60, 8 * 60, 0b011_0000);
    for (day, hour, open) in [
        (26, 23, false),
        (27, 5, false),
        (27, 22, true),
        (28, 5, true),
        (28, 6, false),
        (28, 21, false),
        (29, 5, true),
        (29, 22, false),
    ] {
        assert_eq!(is_open(&night, at(day, hour)), open, "{day} {hour}");
    }
    assert_eq!(next_open(&night, at(23, 12)), at(27, 22));
    assert_eq!(next_open(&night, at(27, 22)), at(28, 22));
    assert_eq!(next_open(&night, at(29, 6)), at(34, 22));
}

#[test]
fn without_hours_it_is_always_open_and_on_days_alone_from_midnight_on() {
    assert!((0..24).all(|hour| is_open(&Budget::default(), at(1, hour))));
    let sunday = hours(0, 1_440, 0b100_0000);
    assert!(!is_open(&sunday, at(28, 23)) && is_open(&sunday, at(29, 0)));
    assert_eq!(next_open(&sunday, at(29, 12)), at(36, 0));
}

#[test]
fn a_month_begins_on_its_day() {
    let month = Budget {
        reset_day: 15,
        ..Budget::default()
    };
    let (before, after) = (number(&month, at(14, 23)), number(&month, at(15, 0)));
    assert_eq!(before + 1, after);
    assert_eq!(begin(&month, after), at(15, 0));
    assert_eq!(begin(&month, after + 1), at(45, 0));
    assert_eq!(calendar::text(begin(&month, after + 2)), "2027-01-15 00:00");
    let first = Budget::default();
    let number = number(&first, at(30, 23));
    assert_eq!(
        calendar::text(begin(&first, number + 1)),
        "2026-12-01 00:00"
    );
}

/// Bytes used after each look of (clock, uptime, bytes carried in all).
fn used<const N: usize>(budget: &Budget, looks: [(i64, u64, u64); N]) -> [u64; N] {
    let mut used = Used::default();
    let mut before = Look::default();
    looks.map(|(unix, uptime, bytes_up)| {
        let carried = Carried {
            bytes_up,
            ..Carried::default()
        };
        let now = Look {
            unix,
            uptime,
            carried,
            ..Look::default()
        };
        used.count(budget, before, now);
        before = now;
        used.bytes()
    })
}

#[test]
fn each_byte_counts_twice_and_a_new_month_begins_with_none() {
    let looks = [
        (at(30, 0), 5, 10),
        (at(30, 23), 23 * 3_600 + 5, 100),
        (at(31, 0), 86_405, 100),
        (at(31, 1), 90_005, 107),
    ];
    assert_eq!(used(&Budget::default(), looks), [20, 200, 0, 14]);
}

#[test]
fn a_clock_that_is_set_makes_no_budget_new() {
    let looks = [
        (10, 5, 10),
        (at(30, 23), 10, 20),
        // Years on, and back, and again.
        (at(700, 0), 15, 30),
        (at(30, 23), 20, 40),
        (at(31, 1), 25, 50),
        (at(30, 23), 30, 60),
        // And time that passes.
        (at(31, 0), 3_630, 70),
    ];
    assert_eq!(
        used(&Budget::default(), looks),
        [20, 40, 60, 80, 100, 120, 0]
    );
}

#[test]
fn a_clock_that_is_always_wrong_keeps_nobody_out_for_ever() {
    let day = Budget {
        period: Period::Day,
        ..Budget::default()
    };
    let looks = [(10, 5, 10), (at(1, 0), 50_000, 20), (at(9, 0), 100_000, 20)];
    assert_eq!(used(&day, looks), [20, 40, 0]);
}

/// Bytes used at first and then, of a day, after `before` and with the clock at `start` and then.
fn used_after_restart<const N: usize>(before: &str, start: i64, clock: [i64; N]) -> [u64; N] {
    let day = Budget {
        period: Period::Day,
        ..Budget::default()
    };
    let look = |unix| Look {
        unix,
        uptime: 5,
        ..Look::default()
    };
    let mut used = Used::default();
    used.count(&day, Look::default(), look(start));
    used.go_on(&day, before, look(start));
    let mut before = look(start);
    clock.map(|unix| {
        used.count(&day, before, look(unix));
        before = look(unix);
        used.bytes()
    })
}

#[test]
fn a_restart_goes_on_with_the_period_that_it_was() {
    let day = at(10, 0) / DAY;
    let before = &format!("0 {day} 1000 60\n");
    assert_eq!(used_after_restart(before, at(10, 9), [at(10, 9)]), [1_000]);
    assert_eq!(used_after_restart(before, at(11, 0), [at(11, 0)]), [0]);
    // The clock of a router stands still while that is off, or begins with 1970.
    for start in [at(10, 8), 10] {
        let set = used_after_restart(before, start, [start, at(10, 9), at(11, 9)]);
        assert_eq!(set, [1_000, 1_000, 1_000], "known only once");
        let set = used_after_restart(before, start, [start, at(11, 9), at(12, 9)]);
        assert_eq!(set, [1_000, 0, 0]);
    }
    // And may be wrong before.
    assert_eq!(used_after_restart(before, at(10, 9), [at(9, 9)]), [1_000]);
}

#[test]
fn a_period_that_ends_by_itself_is_the_last_that_a_restart_knows() {
    let mut used = Used::default();
    let day = Budget {
        period: Period::Day,
        ..Budget::default()
    };
    let look = |unix, uptime, bytes_up| Look {
        unix,
        uptime,
        carried: Carried {
            bytes_up,
            ..Carried::default()
        },
        ..Look::default()
    };
    let text = format!("0 {} 1000 60", at(10, 0) / DAY);
    let start = look(at(10, 23), 0, 0);
    used.count(&day, Look::default(), start);
    used.go_on(&day, &text, start);
    let looks = [
        start,
        look(at(11, 0), 3_600, 0),
        look(at(12, 0), 90_000, 0),
        look(at(12, 1), 93_600, 100),
        // Set back, and on again.
        look(at(11, 23), 93_605, 100),
        look(at(12, 1), 93_610, 100),
    ];
    let mut before = start;
    let bytes = looks.map(|now| {
        used.count(&day, before, now);
        before = now;
        used.bytes()
    });
    assert_eq!(bytes, [1_000, 0, 0, 200, 200, 200]);
}

#[test]
fn another_way_to_count_after_a_restart_makes_nothing_new() {
    let month = number(&Budget::default(), at(10, 0));
    let before = &format!("1 {month} 1000 60\n");
    assert_eq!(used_after_restart(before, at(25, 9), [at(25, 9)]), [1_000]);
}

#[test]
fn what_says_nothing_about_a_period_is_skipped() {
    for text in [
        "",
        "x",
        "0 20000 1",
        "0 20000 -1 5",
        "256 1 1 1",
        "0 1 1e3 1",
    ] {
        assert_eq!(
            used_after_restart(text, at(1, 0), [at(1, 0)]),
            [0],
            "{text}"
        );
    }
}

#[test]
fn what_is_written_is_read_again() {
    let day = Budget {
        period: Period::Day,
        ..Budget::default()
    };
    let mut used = Used::default();
    let now = Look {
        unix: at(10, 9),
        uptime: 70,
        carried: Carried {
            bytes_up: 3,
            bytes_down: 4,
            connections: 1,
        },
        ..Look::default()
    };
    used.count(&day, Look::default(), now);
    let text = used.text(&day);
    let number = at(10, 0) / DAY;
    assert_eq!(text, format!("0 {number} 14 70\n"));
    assert_eq!(used_after_restart(&text, at(10, 10), [at(10, 10)]), [14]);
}

#[test]
fn what_is_used_up_comes_back_with_the_next_period_within_the_hours() {
    let mut keeper = Keeper::new();
    keeper.budget = Budget {
        bytes: Some(Bytes(NonZeroU64::new(1_000).unwrap())),
        ..hours(7 * 60, 60, 0x7f)
    };
    keeper.look.unix = at(10, 7);
    assert_eq!(keeper.find_pause(), None);
    keeper
        .used
        .go_on(&keeper.budget, "1 99999 1000 0", Look::default());
    let until = at(31, 7);
    assert_eq!(keeper.find_pause(), Some((Pause::Budget, until)));
    keeper.used = Used::default();
    keeper.look.unix = at(10, 8);
    assert_eq!(keeper.find_pause(), Some((Pause::Hours, at(11, 7))));
    // The router's own time.
    keeper.look.zone = Zone::parse("ONE1").unwrap();
    assert_eq!(keeper.find_pause(), None);
}

#[test]
fn what_comes_back_after_a_change_of_clocks_comes_when_they_say_so() {
    let mut keeper = Keeper::new();
    keeper.budget.period = Period::Month;
    keeper.look = Look {
        // 2026-03-25, 12:00 UTC.
        unix: 1_774_440_000,
        zone: Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        ..Look::default()
    };
    // 2026-03-31, 22:00 UTC.
    assert_eq!(keeper.status().anew_unix, 1_774_994_400);
}

prop_compose! {
    fn any_budget()(
        bytes in option::of(1..5_000_u64),
        is_month in any::<bool>(),
        reset_day in 1..=28_u8,
        hours in option::of((0..1_440_u16, 1..=1_440_u16)),
        weekdays in 1..=0x7f_u8,
    ) -> Budget {
        Budget {
            bytes: bytes.and_then(NonZeroU64::new).map(Bytes),
            period: if is_month { Period::Month } else { Period::Day },
            reset_day,
            hours: hours.map(|(from, minutes)| Hours { from, minutes }),
            weekdays: Weekdays(weekdays),
            ..Budget::default()
        }
    }
}

proptest! {
    #[test]
    fn nobody_is_let_in_until_the_moment_that_was_told_and_then_all_are(
        budget in any_budget(),
        start in at(1, 0)..at(400, 0),
        bytes_up in 0..5_000_u64,
    ) {
        let mut keeper = Keeper { budget, ..Keeper::new() };
        let mut pause_at = |unix: i64, bytes_up: u64| {
            let look = Look {
                unix,
                uptime: (unix - start).unsigned_abs(),
                carried: Carried { bytes_up, ..Carried::default() },
                ..Look::default()
            };
            keeper.used.count(&budget, keeper.look, look);
            keeper.look = look;
            keeper.find_pause()
        };
        pause_at(start, 0);
        let is_used_up = budget.bytes.is_some_and(|bytes| 2 * bytes_up >= bytes.0.get());
        let Some((pause, until)) = pause_at(start, bytes_up) else {
            prop_assert!(!is_used_up && is_open(&budget, start));
            return Ok(());
        };
        prop_assert_eq!(pause == Pause::Budget, is_used_up);
        prop_assert!(is_used_up || !is_open(&budget, start));
        let told = pause_at(until - 1, bytes_up).map(|(_, until)| until);
        prop_assert_eq!(told, Some(until));
        prop_assert_eq!(pause_at(until, bytes_up), None);
    }
}
