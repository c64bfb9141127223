//! What has been measured, by figure, relay and round, and who was refused.

use std::collections::BTreeMap;
use std::io;

use crate::figure::{Figure, Work};
use crate::relay::Kind;

/// One round of one figure.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// How fast the machine itself was, where that was looked at.
    pub mood: Option<f64>,
    /// The values of the figure's columns.
    pub values: BTreeMap<Kind, Vec<f64>>,
}

#[derive(Debug, Default)]
pub struct Results {
    /// By the name of the figure.
    pub rounds: BTreeMap<&'static str, Vec<Round>>,
    /// Of whom no figure is shown, and why.
    pub refused: Vec<Refusal>,
    /// Measurements that went wrong, and why.
    pub failed: Vec<(&'static str, Kind, String)>,
}

#[derive(Debug)]
pub struct Refusal {
    pub kind: Kind,
    pub tls: bool,
    pub why: String,
}

impl Results {
    pub fn refuse(&mut self, kind: Kind, tls: bool, error: &io::Error) {
        let why = error.to_string();
        self.refused.push(Refusal { kind, tls, why });
    }

    /// Whether a relay was refused anything.
    pub fn is_refused(&self, kind: Kind) -> bool {
        self.refused.iter().any(|refusal| refusal.kind == kind)
    }

    /// Whether a relay may be measured so.
    pub fn allow(&self, kind: Kind, work: Work) -> bool {
        work.suits(kind)
            && !self
                .refused
                .iter()
                .any(|refusal| refusal.kind == kind && refusal.tls == work.is_tls())
    }

    /// Whether honest transfers keep half of their speed beside every flood.
    pub fn holds_in_floods(&self, figures: &[&Figure]) -> bool {
        let mut floods = figures
            .iter()
            .filter(|figure| matches!(figure.work, Work::Flood(_)));
        floods.all(|figure| {
            let kept = self.median(figure.name, Kind::Waproxy, 0);
            kept.is_none_or(|kept| kept >= 50.0)
        })
    }

    /// The median of a column.
    pub fn median(&self, figure: &str, kind: Kind, column: usize) -> Option<f64> {
        median(self.column(figure, kind, column))
    }

    /// The median of what two relays have to each other, each time in the same round.
    pub fn ratio(&self, figure: &str, of: Kind, to: Kind, column: usize) -> Option<f64> {
        let rounds = self.rounds.get(figure)?.iter();
        median(rounds.filter_map(|round| {
            let value = |kind| round.values.get(&kind)?.get(column).copied();
            Some(value(of)? / value(to)?)
        }))
    }

    fn column(&self, figure: &str, kind: Kind, column: usize) -> impl Iterator<Item = f64> {
        let rounds = self.rounds.get(figure).into_iter().flatten();
        rounds.filter_map(move |round| round.values.get(&kind)?.get(column).copied())
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some(f64::midpoint(
            *values.get(middle.checked_sub(1)?)?,
            values[middle],
        ))
    }
}
