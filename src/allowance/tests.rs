use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::task::Wake;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limited(rate: u64) -> Allowance {
    let line = Allowance::new();
    line.set_rate(NonZeroU64::new(rate));
    line
}

/// What each of some directions moves that always have more, `turn` bytes at once.
fn moved(line: &Allowance, turns: &[usize], ticks: u32) -> Vec<u64> {
    let cx = &Context::from_waker(Waker::noop());
    let mut moved = vec![(0, None); turns.len()];
    for _ in 0..ticks {
        line.refill(SECOND / 40);
        let mut went_on = true;
        while std::mem::take(&mut went_on) {
            for ((moved, ticket), bytes) in moved.iter_mut().zip(turns) {
                if let Poll::Ready(most) = line.poll_turn(ticket, cx) {
                    let bytes = most.min(*bytes);
                    line.take(bytes, ticket, cx);
                    *moved += bytes as u64;
                    went_on = true;
                }
            }
        }
    }
    moved.into_iter().map(|(moved, _)| moved).collect()
}

#[test]
fn what_passes_is_the_rate_however_many_share_it() {
    for (rate, count) in [(125_000, 1), (2_500_000, 1), (2_500_000, 50), (1 << 30, 3)] {
        let moved = moved(&limited(rate), &vec![TURN; count], 40 * 60);
        let all: u64 = moved.iter().sum();
        let first = (TURN * (count + 1)) as u64;
        assert!(
            all.abs_diff(rate * 60) <= first + rate / 10,
            "{rate} {count}: {all}"
        );
        let (least, most) = (moved.iter().min().unwrap(), moved.iter().max().unwrap());
        assert!(most - least <= 4 * TURN as u64 + most / 1000, "{moved:?}");
    }
}

#[test]
fn who_takes_little_is_not_kept_waiting_by_who_takes_much() {
    let cx = &Context::from_waker(Waker::noop());
    // The lower one lets less than a turn pass in a quarter of a second.
    for rate in [125_000, 250_000] {
        let line = limited(rate);
        let (mut tickets, mut ticket) = ([None; 5], None);
        for tick in 0..800 {
            line.refill(SECOND / 40);
            for ticket in &mut tickets {
                if let Poll::Ready(most) = line.poll_turn(ticket, cx) {
                    line.take(most, ticket, cx);
                }
            }
            // Once all wait for their turn.
            if tick >= 400 {
                let turn = line.poll_turn(&mut ticket, cx);
                assert!(turn.is_ready(), "{rate}: {tick}");
                line.take(100, &mut ticket, cx);
            }
        }
    }
}

#[test]
fn many_who_take_a_turn_each_and_go_hold_the_rate_too() {
    let line = limited(1_000_000);
    let cx = &Context::from_waker(Waker::noop());
    let mut all = 0;
    for _ in 0..400 {
        line.refill(SECOND / 40);
        for _ in 0..1_000 {
            let mut ticket = None;
            if let Poll::Ready(most) = line.poll_turn(&mut ticket, cx) {
                line.take(most, &mut ticket, cx);
                all += most as u64;
            }
        }
    }
    assert!(all <= 10_500_000, "{all}");
}

#[test]
fn who_has_waited_longest_is_called_first() {
    struct Bell(usize, Sender<usize>);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            let _ = self.1.send(self.0);
        }
    }
    let line = limited(TURN as u64);
    let (sender, called) = mpsc::channel();
    let bell = |number| Waker::from(Arc::new(Bell(number, sender.clone())));
    let bells: Vec<_> = (0..5).map(bell).collect();
    let mut tickets = [None; 5];
    for (ticket, bell) in tickets.iter_mut().zip(&bells) {
        line.take(TURN, ticket, &Context::from_waker(bell));
    }
    let mut order = Vec::new();
    for _ in 0..5 + 10 {
        line.refill(SECOND);
        for number in called.try_iter() {
            let (ticket, cx) = (&mut tickets[number], &Context::from_waker(&bells[number]));
            assert!(line.poll_turn(ticket, cx).is_ready(), "{number}");
            line.take(TURN, ticket, cx);
            order.push(number);
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[test]
fn a_turn_that_is_long_over_still_counts() {
    let line = limited(1_000_000);
    let cx = &Context::from_waker(Waker::noop());
    let mut ticket = line.turns().queue(cx);
    moved(&line, &[TURN; 3], 400);
    assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(TURN));

    // There was no limit for a moment, and others wait since.
    let mut ticket = line.turns().queue(cx);
    line.set_rate(None);
    line.set_rate(NonZeroU64::new(1_000_000));
    for _ in 0..3 {
        line.turns().queue(cx);
    }
    assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(TURN));
}

#[test]
fn turns_of_those_who_left_are_soon_forgotten() {
    let line = limited(1_000_000);
    let cx = &Context::from_waker(Waker::noop());
    for _ in 0..100 {
        line.turns().queue(cx);
    }
    moved(&line, &[TURN], 100);
    let all: u64 = moved(&line, &[TURN], 400).iter().sum();
    assert!(all >= 9_900_000, "{all}");
}

#[test]
fn nobody_waits_any_more_once_there_is_no_limit() {
    let line = limited(1);
    let cx = &Context::from_waker(Waker::noop());
    let mut ticket = None;
    line.take(TURN, &mut ticket, cx);
    line.take(TURN, &mut ticket, cx);
    assert!(line.poll_turn(&mut ticket, cx).is_pending());
    line.set_pause(Some(Pause::Hours));
    assert_eq!(line.pause(), Some(Pause::Hours));
    line.set_rate(None);
    line.set_pause(None);
    assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(usize::MAX));
    assert!(line.turns().waiting.is_empty());
}
