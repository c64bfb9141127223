//! The relay between two [`Peer`]s that speak, take, end, leave and reset in any order, and the rules
//! that must hold after every step. Where nothing wakes the relay, nothing may be left for it to do.

mod peer;
mod sockets;

use std::cell::Ref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use self::peer::{Handle, Peer};
use super::{End, LINE, Patience, Pause, Relay};
use crate::deadline;
use crate::side::READ;
use crate::stats::Counters;

const PATIENCE: Patience = Patience {
    idle: 9,
    half_close: 4,
    drain: 3,
};

/// Polls after which a relay that still wants more is taken to spin.
const MANY: usize = 20_000;

/// What happens next, at the side of the client or the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The peer says so many bytes more.
    Say(bool, usize),
    /// The peer has room for so many bytes more.
    Take(bool, usize),
    /// A read from now on brings no more than this at once.
    Bite(bool, usize),
    /// The peer says that it will say no more.
    End(bool),
    /// The peer ends and is gone: what it is sent from now on it answers with a reset.
    Leave(bool),
    /// The peer resets the connection.
    Reset(bool),
    /// The runtime gets around to what was woken.
    Run,
    /// The relay is polled though nothing woke it.
    Poll,
    /// A second passes.
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let many = prop_oneof![1..9usize, 1..5_000usize, READ - 1..3 * READ];
    let side = any::<bool>;
    let step = prop_oneof![
        6 => (side(), many.clone()).prop_map(|(side, n)| Step::Say(side, n)),
        6 => (side(), many.clone()).prop_map(|(side, n)| Step::Take(side, n)),
        2 => (side(), prop_oneof![64..4_096usize, Just(READ)]).prop_map(|(side, n)| Step::Bite(side, n)),
        2 => side().prop_map(Step::End),
        1 => side().prop_map(Step::Leave),
        1 => side().prop_map(Step::Reset),
        9 => Just(Step::Run),
        1 => Just(Step::Poll),
        3 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn whatever_peers_do_what_they_said_arrives_and_how_they_left(steps in steps()) {
        let _line = carrying();
        let mut stage = Stage::new();
        stage.play_all(steps);
        stage.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_peers_do_a_pause_ends_it_and_no_part_looks_like_all(
        (before, after) in (steps(), steps()),
    ) {
        let line = Line(USE.write().unwrap_or_else(PoisonError::into_inner));
        let mut stage = Stage::new();
        stage.play_all(before);
        stage.pause(&line);
        stage.play_all(after);
        stage.finish();
    }
}

/// All relays are on one line: who pauses it must be alone with it.
static USE: RwLock<()> = RwLock::new(());

fn carrying() -> impl Sized {
    USE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The line for oneself; carries again after that.
struct Line<'a>(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>);

impl Drop for Line<'_> {
    fn drop(&mut self) {
        LINE.set_pause(None);
    }
}

/// A relay, its peers, and a runtime with nothing else to do.
struct Stage {
    relay: Option<Relay<Handle, Handle>>,
    client: Handle,
    upstream: Handle,
    counters: Rc<Counters>,
    woken: Arc<Woken>,
    waker: Waker,
    /// Seconds since anything moved that the relay can see.
    quiet: u32,
    paused: bool,
    end: Option<End>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Stage {
    fn new() -> Self {
        let (client, upstream) = (Handle::default(), Handle::default());
        let counters = Rc::new(Counters::default());
        let relay = Relay::new(
            client.clone(),
            upstream.clone(),
            PATIENCE,
            Rc::clone(&counters),
        );
        let woken = Arc::new(Woken(true.into()));
        Self {
            relay: Some(relay),
            client,
            upstream,
            counters,
            waker: Arc::clone(&woken).into(),
            woken,
            quiet: 0,
            paused: false,
            end: None,
        }
    }

    fn play_all(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.play(step);
        }
    }

    /// With room for all of it, all of it arrives, and then it is over for want of more.
    fn finish(&mut self) {
        self.run();
        for side in [true, false] {
            self.play(Step::Take(side, usize::MAX / 4));
        }
        self.run();
        for _ in 0..3 * PATIENCE.idle {
            self.play(Step::Tick);
            self.run();
        }
        assert!(self.end.is_some(), "never ends");
    }

    /// Nothing may be carried from now on.
    fn pause(&mut self, _: &Line<'_>) {
        LINE.set_pause(Some(Pause::Budget));
        deadline::wake_all();
        self.paused = true;
        let sent = |stage: &Self| {
            let sides = [&stage.client, &stage.upstream];
            sides.map(|side| side.0.borrow().sent)
        };
        let before = sent(self);
        // What a side sent before it reset the connection is carried even so: it is not much.
        let stops = self.relay.as_ref().is_some_and(|relay| {
            let flows = [relay.up.flow, relay.down.flow];
            relay.gone.is_none() && flows.iter().any(|flow| flow.is_read())
        });
        if stops {
            self.quiet = 0;
        }
        self.run();
        assert!(!stops || sent(self) == before, "carries on");
    }

    fn play(&mut self, step: Step) {
        let side = |is_client| {
            if is_client {
                &self.client
            } else {
                &self.upstream
            }
        };
        match step {
            Step::Say(at, n) => side(at).0.borrow_mut().say(n),
            Step::Take(at, n) => side(at).0.borrow_mut().take(n),
            Step::Bite(at, n) => side(at).0.borrow_mut().bite = n,
            Step::End(at) => side(at).0.borrow_mut().end(),
            Step::Leave(at) => side(at).0.borrow_mut().leave(),
            Step::Reset(at) => side(at).0.borrow_mut().reset(),
            Step::Run => self.run(),
            Step::Poll => self.poll(),
            Step::Tick => {
                // Time passes only where the runtime keeps up.
                self.run();
                self.quiet += 1;
                deadline::tick();
                self.run();
            }
        }
    }

    /// Polls for as long as something wakes, as a runtime does.
    fn run(&mut self) {
        for _ in 0..MANY {
            if !self.woken.0.swap(false, Ordering::Relaxed) {
                return self.check_nothing_is_left();
            }
            self.poll();
        }
        panic!("spins");
    }

    fn poll(&mut self) {
        let before = self.seen();
        let Some(relay) = &mut self.relay else {
            return;
        };
        let polled = Pin::new(relay).poll(&mut Context::from_waker(&self.waker));
        self.check_always();
        if let Poll::Ready(end) = polled {
            self.check_end(end);
            self.end = Some(end);
            self.relay = None;
        } else if before != self.seen() {
            self.quiet = 0;
        }
    }

    /// What moved, as far as a relay can tell.
    fn seen(&self) -> impl PartialEq + use<> {
        [&self.client, &self.upstream].map(|side| side.0.borrow().seen())
    }

    fn directions(&self) -> [(Ref<'_, Peer>, Ref<'_, Peer>, u64); 2] {
        let (client, upstream) = (&self.client.0, &self.upstream.0);
        [
            (
                client.borrow(),
                upstream.borrow(),
                self.counters.bytes_up.value(),
            ),
            (
                upstream.borrow(),
                client.borrow(),
                self.counters.bytes_down.value(),
            ),
        ]
    }

    fn check_always(&self) {
        for (source, sink, counted) in self.directions() {
            assert!(source.said.starts_with(&sink.taken), "not what was said");
            assert!(sink.kept.len() <= READ, "keeps more than one read");
            assert_eq!(counted, sink.sent as u64, "counts what was not sent");
            if sink.finished {
                assert!(source.ended || self.paused, "ends what has not ended");
                let all = sink.gone() || sink.taken == source.said;
                let cut = self.paused && sink.kept.is_empty();
                assert!(all || cut, "ends before all that was said");
            }
        }
    }

    /// Where nothing wakes it, each direction waits for its peers.
    fn check_nothing_is_left(&self) {
        let Some(relay) = &self.relay else {
            return;
        };
        if relay.paused.is_some() {
            return self.check_paused();
        }
        for (source, sink, _) in self.directions() {
            if source.was_reset && !source.ended {
                assert!(source.noticed, "does not notice a reset");
                assert!(sink.is_full(), "does not carry a reset over");
            }
            if sink.told {
                assert!(source.is_heard() || source.is_full(), "does not listen on");
            }
            if source.gone() || sink.gone() {
                continue;
            }
            assert!(sink.kept.is_empty() || sink.is_full(), "does not send on");
            if sink.kept.is_empty() {
                assert!(source.is_heard(), "does not read on");
                assert!(sink.finished || !source.ended, "does not carry an end over");
            }
        }
        assert!(self.quiet <= self.patience(), "waits {} s", self.quiet);
    }

    /// Both sides are told of the end, the client is still listened to, and not for long.
    fn check_paused(&self) {
        let (client, upstream) = (self.client.0.borrow(), self.upstream.0.borrow());
        for sink in [&client, &upstream] {
            let is_told = sink.finished || sink.is_full() || sink.gone();
            assert!(is_told, "is not told of a pause");
        }
        if upstream.finished && !client.gone() {
            assert!(client.is_heard(), "is not heard out");
        }
        assert!(
            self.quiet <= u32::from(PATIENCE.drain),
            "waits {} s",
            self.quiet
        );
    }

    /// How long nothing may move.
    fn patience(&self) -> u32 {
        let (client, upstream) = (self.client.0.borrow(), self.upstream.0.borrow());
        let sides = [&client, &upstream];
        let is_reset = sides.iter().any(|side| side.was_reset && !side.ended);
        // It takes slowly, or is not sent any more what the other may still say.
        let is_slow = sides.iter().any(|side| side.is_full()) || upstream.told;
        let is_half = sides.iter().any(|side| side.finished);
        if is_reset || is_half && !is_slow {
            u32::from(PATIENCE.half_close)
        } else {
            PATIENCE.idle
        }
    }

    fn check_end(&self, end: End) {
        match end {
            End::Closed => self.check_closed(),
            End::HalfCloseTimeout | End::IdleTimeout => self.check_timeout(end),
            End::Paused(_) => self.check_end_of_pause(),
            End::ResetByClient => self.check_reset(&self.client, &self.upstream),
            End::ResetByUpstream => self.check_reset(&self.upstream, &self.client),
        }
    }

    fn check_closed(&self) {
        let mut told = false;
        for (source, sink, _) in self.directions() {
            assert!(source.ended, "closed before both have ended");
            let whole = sink.gone() || sink.taken == source.said;
            assert!(whole && !sink.got_reset, "a part of it closed like all");
            told |= sink.finished || sink.gone();
        }
        assert!(told, "does not carry the first end over");
    }

    fn check_end_of_pause(&self) {
        assert!(self.paused, "nobody pauses it");
        for (_, sink, _) in self.directions() {
            let whole = sink.gone() || sink.kept.is_empty() || sink.got_reset;
            assert!(whole, "a part looks like all");
        }
        let is_over = self.client.0.borrow().ended;
        assert!(
            is_over || self.quiet > u32::from(PATIENCE.drain),
            "does not wait"
        );
    }

    fn check_reset(&self, from: &Handle, to: &Handle) {
        let (from, to) = (from.0.borrow(), to.0.borrow());
        assert!(from.was_reset, "reset by who has not");
        assert!(to.got_reset && !from.got_reset, "is not carried over");
        let stuck = !to.kept.is_empty() && self.quiet > u32::from(PATIENCE.half_close);
        let arrived = to.gone() || to.taken == from.said;
        assert!(
            arrived || stuck || self.paused,
            "reset before all that was said"
        );
    }

    fn check_timeout(&self, end: End) {
        let patience = if end == End::IdleTimeout {
            PATIENCE.idle
        } else {
            u32::from(PATIENCE.half_close)
        };
        assert!(self.quiet > patience, "{end:?} after {} s", self.quiet);
        let mut ended = false;
        for (source, sink, _) in self.directions() {
            let whole = sink.kept.is_empty() || sink.got_reset;
            assert!(whole, "a part looks like all");
            let idle = end == End::IdleTimeout;
            assert!(!idle || !sink.finished, "idle after an end");
            ended |= source.ended;
        }
        assert!(ended || end == End::IdleTimeout, "half-closed by nobody");
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
