//! How fast connections of each client come: a client and the time in, yes or no out. A table of one
//! size for ever, which holds hashes and no address; it never refuses a client for what others do.

use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::Client;

/// A client may save up the connections of so many seconds, and so make them at once.
const BURST: Duration = Duration::from_secs(3);

/// Places that a client's bucket may be in. All are looked at, so few; and so many that chance
/// alone hardly fills them.
const WAYS: usize = 8;

/// At 20 connections a second a stranger's bucket is full again after 50 ms, so that this is
/// enough for 80,000 strangers a second, in 64 KB.
const SETS: NonZeroU16 = NonZeroU16::new(512).unwrap();

/// The buckets of clients that are not full. No entry needs to be taken out: a bucket is in use
/// until a moment, and after it the place is free.
#[derive(Debug)]
pub(super) struct Rates {
    /// Keyed by chance, so that nobody can choose whose place he takes.
    hasher: RandomState,
    /// None until the first connection that has a limit.
    sets: Vec<[Bucket; WAYS]>,
}

/// A token bucket, as the moment at which it will be full: that alone says what is in it, at any
/// rate.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Two clients with the same hash would share a bucket; of 64 bits, that does not happen.
    client: u64,
    /// Nanoseconds, as the time that [`Rates::admit`] is given.
    full_at: u64,
}

// === impl Rates ===

impl Rates {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            sets: Vec::new(),
        }
    }

    /// Whether `client` may have a connection more at `now`, where `rate` a second are allowed. One
    /// that is turned away costs the client nothing.
    pub(super) fn admit(&mut self, client: Client, rate: NonZeroU32, now: Duration) -> bool {
        let now = nanoseconds(now);
        let token = 1_000_000_000 / NonZeroU64::from(rate);
        let client = self.hasher.hash_one(client);
        if self.sets.is_empty() {
            self.sets = vec![[Bucket::default(); WAYS]; SETS.get().into()];
        }
        let index = usize::try_from(client % NonZeroU64::from(SETS)).unwrap_or_default();
        let set = self.sets.get_mut(index).into_iter().flatten();
        // Where every place is taken, who loses his gains: his bucket counts as full. So it is the
        // one who gains least, and never a reason to refuse anybody.
        let nearest = set.min_by_key(|bucket| (bucket.client != client, bucket.full_at));
        let Some(bucket) = nearest else {
            return true;
        };
        let before = if bucket.client == client {
            bucket.full_at.max(now)
        } else {
            now
        };
        let full_at = before.saturating_add(token);
        if full_at.saturating_sub(now) > nanoseconds(BURST) {
            return false;
        }
        *bucket = Bucket { client, full_at };
        true
    }

    /// Forgets whose buckets are full again at `now`: that they came is nobody's business.
    pub(super) fn forget(&mut self, now: Duration) {
        let now = nanoseconds(now);
        for bucket in self.sets.iter_mut().flatten() {
            if bucket.full_at <= now {
                *bucket = Bucket::default();
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    // 584 years.
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWENTY: NonZeroU32 = NonZeroU32::new(20).unwrap();

    #[test]
    fn a_burst_is_three_seconds_worth_and_then_the_rate_holds() {
        for rate in [1, 3, 7, 20, 1_000] {
            let (mut rates, rate) = (Rates::new(), NonZeroU32::new(rate).unwrap());
            let mut at = |now| {
                (0..10_000)
                    .take_while(|_| rates.admit(Client(1), rate, now))
                    .count()
            };
            let rate = rate.get() as usize;
            let start = Duration::from_secs(5);
            assert_eq!(at(start), 3 * rate);
            assert_eq!(at(start + Duration::from_secs(1)), rate);
            assert_eq!(at(start + Duration::from_secs(3)), 2 * rate);
            assert_eq!(at(start + Duration::from_secs(100)), 3 * rate);
        }
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let mut rates = Rates::new();
        let mut admit = |millis| rates.admit(Client(1), TWENTY, Duration::from_millis(millis));
        assert_eq!((0..1_000).filter(|_| admit(0)).count(), 60);
        assert!(!admit(49));
        assert!(admit(50));
    }

    #[test]
    fn a_reload_changes_the_rate_of_clients_that_are_known() {
        let mut rates = Rates::new();
        let mut admit = |rate, now| {
            let rate = NonZeroU32::new(rate).unwrap();
            rates.admit(Client(1), rate, Duration::from_secs(now))
        };
        assert_eq!((0..100).filter(|_| admit(1, 0)).count(), 3);
        assert_eq!((0..100).filter(|_| admit(20, 1)).count(), 20);
    }

    #[test]
    fn an_honest_client_among_strangers_is_never_refused_below_its_rate() {
        let mut rates = Rates::new();
        for stranger in 0..100_000_u64 {
            // All of them within a second, half of them as fast as they can.
            let now = Duration::from_micros(stranger * 10);
            for _ in 0..=stranger % 2 * 60 {
                rates.admit(Client(!stranger), TWENTY, now);
            }
            if stranger % 5_000 == 0 {
                assert!(rates.admit(Client(1), TWENTY, now), "at {now:?}");
            }
        }
    }

    #[test]
    fn who_came_a_while_ago_is_forgotten() {
        let mut rates = Rates::new();
        let known = |rates: &Rates| {
            let buckets = rates.sets.iter().flatten();
            buckets.filter(|bucket| bucket.client != 0).count()
        };
        for client in 1..=300 {
            rates.admit(Client(client), TWENTY, Duration::from_millis(client));
        }
        rates.forget(Duration::from_millis(200));
        assert_eq!(known(&rates), 150);
        rates.forget(Duration::from_secs(1));
        assert_eq!(known(&rates), 0);
        // And who has used up what he may is not.
        let now = Duration::from_secs(2);
        while rates.admit(Client(1), TWENTY, now) {}
        rates.forget(now);
        assert!(!rates.admit(Client(1), TWENTY, now));
    }

    #[test]
    fn a_flooder_among_a_few_thousand_others_stays_refused() {
        let mut rates = Rates::new();
        let flood = |rates: &mut Rates, now| {
            (0..100)
                .filter(|_| rates.admit(Client(1), TWENTY, now))
                .count()
        };
        assert_eq!(flood(&mut rates, Duration::ZERO), 60);
        for stranger in 0..10_000 {
            rates.admit(Client(!stranger), TWENTY, Duration::from_micros(stranger));
        }
        assert_eq!(flood(&mut rates, Duration::from_millis(10)), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_table_never_grows_whatever_comes(
            clients in prop::collection::vec((any::<u64>(), 1..=27_500_u32, any::<u64>()), 1..5_000)
        ) {
            let mut rates = Rates::new();
            for (client, rate, now) in clients {
                let rate = NonZeroU32::new(rate).unwrap();
                rates.admit(Client(client), rate, Duration::from_nanos(now));
                prop_assert_eq!(rates.sets.len(), usize::from(SETS.get()));
            }
            prop_assert!(size_of_val(&*rates.sets) <= 64 * 1024);
        }

        #[test]
        fn no_client_gets_more_than_burst_and_rate(
            pauses in prop::collection::vec(0..200_u64, 1..2_000), rate in 1..100_u32
        ) {
            let (mut rates, rate) = (Rates::new(), NonZeroU32::new(rate).unwrap());
            let (mut now, mut admitted) = (0, 0);
            for pause in pauses {
                now += pause;
                let time = Duration::from_millis(now);
                admitted += u64::from(rates.admit(Client(1), rate, time));
            }
            let most = u64::from(rate.get()) * (3_000 + now) / 1_000;
            prop_assert!(admitted <= most + 1, "{} of {}", admitted, most);
        }
    }
}
