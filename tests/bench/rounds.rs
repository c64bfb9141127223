//! Measures every relay in turn, round after round: what the machine does to one it does to all.

use std::io;

use crate::figure::{Figure, Work};
use crate::relay::{Kind, Relay};
use crate::results::{Results, Round, median};
use crate::seat::Seat;
use crate::site::Site;
use crate::work::connections::{Handshake, connections};

pub struct Rounds<'a> {
    site: &'a Site,
    count: usize,
    /// For [`Work::is_moody`]: connections without a relay, before each round.
    gauge: Relay,
}

impl<'a> Rounds<'a> {
    pub fn new(site: &'a Site, count: usize) -> io::Result<Self> {
        let gauge = Relay::start(Kind::Direct, &site.parts)?;
        Ok(Self { site, count, gauge })
    }

    pub fn run(
        &self,
        figures: &[&'static Figure],
        seats: &mut [Seat],
        results: &mut Results,
    ) -> io::Result<()> {
        for figure in figures {
            let count = if figure.work.is_memory() {
                1
            } else {
                self.count
            };
            for number in 0..count {
                eprintln!("{}: round {} of {count}", figure.name, number + 1);
                let round = self.round(figure, number, seats, results)?;
                results.rounds.entry(figure.name).or_default().push(round);
            }
            if figure.work.is_moody() {
                self.again(figure, seats, results)?;
            }
        }
        Ok(())
    }

    /// Runs those rounds again in which the machine was not itself, though not for ever.
    fn again(
        &self,
        figure: &'static Figure,
        seats: &mut [Seat],
        results: &mut Results,
    ) -> io::Result<()> {
        for _ in 0..self.count {
            let rounds = &results.rounds[figure.name];
            let moods = || rounds.iter().filter_map(|round| round.mood);
            let Some(usual) = median(moods()) else {
                return Ok(());
            };
            let off = |mood: f64| (mood / usual - 1.0).abs();
            let Some(odd) = moods().position(|mood| off(mood) > 0.1) else {
                return Ok(());
            };
            eprintln!(
                "{}: round {} again, the machine was moody",
                figure.name,
                odd + 1
            );
            let round = self.round(figure, odd, seats, results)?;
            let rounds = results.rounds.entry(figure.name).or_default();
            rounds[odd] = round;
        }
        eprintln!("{}: the machine stays moody", figure.name);
        Ok(())
    }

    fn round(
        &self,
        figure: &'static Figure,
        number: usize,
        seats: &mut [Seat],
        results: &mut Results,
    ) -> io::Result<Round> {
        let mut round = Round::default();
        if figure.work.is_moody() {
            let count = self.site.amounts.connections;
            let upstream = &self.site.upstream;
            let plain = connections(&self.gauge, upstream, &Handshake::None, count)?;
            round.mood = Some(plain.a_second());
        }
        if figure.work.is_memory() {
            seats.iter_mut().for_each(Seat::vacate);
        }
        // Nobody is always the first after the pause.
        let first = number % seats.len().max(1);
        seats.rotate_left(first);
        for seat in seats.iter_mut() {
            if !results.allow(seat.kind, figure.work) {
                continue;
            }
            match self.measure(figure.work, seat) {
                Ok(values) => {
                    round.values.insert(seat.kind, values);
                }
                Err(error) => {
                    let why = format!("{}: {error}; {}", figure.name, seat.obituary());
                    eprintln!("{}: {why}", seat.kind.title());
                    results.failed.push((figure.name, seat.kind, why));
                    seat.vacate();
                }
            }
        }
        seats.rotate_right(first);
        Ok(round)
    }

    fn measure(&self, work: Work, seat: &mut Seat) -> io::Result<Vec<f64>> {
        let measured = work.measure(self.site, seat.relay(self.site)?);
        if work.is_memory() && measured.is_ok() {
            seat.vacate();
        }
        measured
    }
}
