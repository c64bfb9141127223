//! How much of the volunteer's line the proxy may take, and when: amounts, hours and days of the
//! section `budget`. Reads no clock.

use std::fmt::{self, Display, Formatter};
use std::num::{NonZeroU32, NonZeroU64};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// What the section `budget` says. `None` is no limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Bytes on the line in a period, in both directions together, as a provider counts them.
    pub bytes: Option<Bytes>,
    /// How long they must last.
    pub period: Period,
    /// The day of the month with which a month begins, 1 to 28.
    pub reset_day: u8,
    /// Mbit/s that all connections may take of the line together, in each of its directions.
    pub rate: Option<NonZeroU32>,
    /// Whether the rate gives way where the home needs the line.
    pub family_first: bool,
    /// The part of the day in which connections are carried.
    pub hours: Option<Hours>,
    /// The days on which that part begins.
    pub weekdays: Weekdays,
}

/// Bytes of a budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bytes(pub NonZeroU64);

/// What a budget of bytes is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From one day of a month to that of the next.
    Month,
}

/// Part of a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hours {
    /// When it begins, in minutes since midnight.
    pub from: u16,
    /// How many minutes it lasts, up to a whole day.
    pub minutes: u16,
}

/// Days of the week: a bit each, the lowest is Monday.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Weekdays(pub u8);

/// A day of the week, from 0, Monday.
#[derive(Clone, Copy)]
pub(super) struct Day(u8);

// === impl Budget ===

impl Default for Budget {
    /// None at all.
    fn default() -> Self {
        Self {
            bytes: None,
            period: Period::Month,
            reset_day: 1,
            rate: None,
            family_first: false,
            hours: None,
            weekdays: Weekdays::ALL,
        }
    }
}

// === impl Bytes ===

/// As providers count.
const UNITS: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

impl Bytes {
    pub(super) fn new(number: u32, unit: &str) -> Option<Self> {
        let mut units = UNITS.iter();
        let (_, size) = units.find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
        let bytes = size.checked_mul(number.into())?;
        NonZeroU64::new(bytes).map(Self)
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, size)| self.0.get().is_multiple_of(*size));
        let (unit, size) = whole.unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0.get().checked_div(*size).unwrap_or(0))
    }
}

// === impl Period ===

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Month => "month",
        })
    }
}

// === impl Hours ===

impl Hours {
    /// A whole day.
    pub const ALL: Self = Self {
        from: 0,
        minutes: DAY,
    };

    /// From one time to another, each in hours and minutes; where both are the same, a whole day.
    pub(super) fn new(from: (u16, u16), to: (u16, u16)) -> Option<Self> {
        let minutes = |(hours, minutes): (u16, u16)| {
            let total = hours.checked_mul(60)?.checked_add(minutes)?;
            (minutes < 60 && total <= DAY).then_some(total)
        };
        let (from, to) = (minutes(from)?, minutes(to)?);
        let to = if to > from { to } else { to.checked_add(DAY)? };
        (from < DAY).then_some(Self {
            from,
            minutes: to.saturating_sub(from).min(DAY),
        })
    }
}

impl Display for Hours {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let to = self.from.saturating_add(self.minutes);
        let to = if to > DAY { to.saturating_sub(DAY) } else { to };
        let (from, to) = ((self.from / 60, self.from % 60), (to / 60, to % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

// === impl Weekdays ===

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// Whether a day is among them; 0 is Monday.
    pub fn has(self, day: u8) -> bool {
        self.0 & Day(day).bit() != 0
    }

    /// Their names, from Monday on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let days = Day::ALL.into_iter().filter(move |day| self.has(day.0));
        days.map(Day::name)
    }
}

/// None are all.
impl From<Vec<Day>> for Weekdays {
    fn from(days: Vec<Day>) -> Self {
        match days.into_iter().fold(0, |bits, day| bits | day.bit()) {
            0 => Self::ALL,
            bits => Self(bits),
        }
    }
}

// === impl Day ===

impl Day {
    pub(super) const ALL: [Self; 7] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
    ];

    pub(super) fn name(self) -> &'static str {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    fn bit(self) -> u8 {
        1_u8.checked_shl(self.0.into()).unwrap_or(0)
    }
}
