//! How many people were served today, roughly: who is served enters, a number leaves. No address can
//! be got back from what is kept, a `HyperLogLog` (Flajolet and others, 2007) of salted hashes.
//!
//! Of a client there remain nine bits of a hash, which say which of 512 registers is his, and how many
//! zeros follow, and that only where no other of the same register had more. The hash is one of his
//! address and of a salt that was drawn at random, is written nowhere, and is forgotten at midnight
//! together with the registers. Who has the registers without the salt knows a number. Who reads the
//! memory of the running daemon has both, for that day: he can try an address, and finds that it may
//! have been served, as some millions of others may that were not.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::{Client, lock};

/// The count is off by 1.04 / √512, or 5 %, as a rule; below a hundred by less than one or two.
const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 9;

/// Who was served today.
pub(super) struct Visits {
    /// None where the machine gives no random numbers: then nobody is counted.
    salt: Mutex<Option<[u8; 16]>>,
    /// The most zeros after the first nine bits of a hash, and one.
    registers: [AtomicU8; REGISTERS],
}

// === impl Visits ===

impl Visits {
    pub(super) fn new() -> Self {
        Self {
            salt: Mutex::new(random()),
            registers: [const { AtomicU8::new(0) }; REGISTERS],
        }
    }

    /// Notes that `client` was served.
    pub(super) fn note(&self, client: Client) {
        let Some(salt) = *lock(&self.salt) else {
            return;
        };
        let mut text = [0; 24];
        let (head, tail) = text.split_at_mut(salt.len());
        head.copy_from_slice(&salt);
        tail.copy_from_slice(&client.0.to_be_bytes());
        let hash = digest(&SHA256, &text);
        let Some(&hash) = hash.as_ref().first_chunk() else {
            return;
        };
        let hash = u64::from_be_bytes(hash);
        let index = usize::try_from(hash >> (u64::BITS - INDEX_BITS)).unwrap_or_default();
        if let Some(register) = self.registers.get(index) {
            let zeros = (hash << INDEX_BITS).leading_zeros();
            let rank = u8::try_from(zeros).unwrap_or(u8::MAX).saturating_add(1);
            register.fetch_max(rank, Relaxed);
        }
    }

    /// How many were, roughly.
    pub(super) fn count(&self) -> u32 {
        let ranks = self.registers.iter().map(|register| register.load(Relaxed));
        estimate(ranks)
    }

    /// Forgets them all.
    pub(super) fn forget(&self) {
        *lock(&self.salt) = random();
        for register in &self.registers {
            register.store(0, Relaxed);
        }
    }
}

impl fmt::Debug for Visits {
    /// Without the salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Visits").field(&self.count()).finish()
    }
}

fn random() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// The number of things that left these ranks, in whole numbers: most routers calculate with others
/// slowly. The two formulas are the paper's, but that what is counted by empty registers is the mean
/// of what it takes to leave so many (a sum of fractions), in place of its logarithm.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "at most 512 terms of at most 2^32 are added, and no divisor is zero"
)]
fn estimate(ranks: impl Iterator<Item = u8>) -> u32 {
    const M: u64 = REGISTERS as u64;
    /// 0.7213 / (1 + 1.079 / m) · m².
    const ALPHA: u64 = 188_687;
    let (mut sum, mut empty) = (0_u64, 0_u64);
    for rank in ranks {
        sum += (1 << 32) >> rank.min(32);
        empty += u64::from(rank == 0);
    }
    let raw = (ALPHA << 32) / sum.max(1);
    let number = if raw <= M * 5 / 2 && empty > 0 {
        let sum: u64 = (empty + 1..=M).map(|full| (M << 16) / full).sum();
        (sum + (1 << 15)) >> 16
    } else {
        raw
    };
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(people: u64) -> u32 {
        let visits = Visits::new();
        for number in 0..people {
            for _ in 0..2 {
                visits.note(Client(0x0505_0000 + number));
            }
        }
        visits.count()
    }

    #[test]
    fn a_few_are_counted_well_and_many_roughly() {
        assert_eq!(count(0), 0);
        assert_eq!(count(1), 1);
        for (people, off) in [
            (10, 3),
            (100, 15),
            (1_000, 250),
            (10_000, 2_500),
            (100_000, 25_000),
        ] {
            let counted = count(people);
            assert!(
                u64::from(counted).abs_diff(people) <= off,
                "{people}: {counted}"
            );
        }
    }

    #[test]
    fn another_day_has_another_salt_and_nobody() {
        let visits = Visits::new();
        let registers = || {
            let ranks = visits
                .registers
                .iter()
                .map(|register| register.load(Relaxed));
            ranks.collect::<Vec<_>>()
        };
        let note = || (0..50).for_each(|number| visits.note(Client(number)));
        note();
        let before = registers();
        visits.forget();
        assert_eq!(visits.count(), 0);
        note();
        assert_ne!(registers(), before);
    }

    #[test]
    fn the_salt_is_not_shown() {
        assert_eq!(format!("{:?}", Visits::new()), "Visits(0)");
    }

    #[test]
    fn full_registers_are_no_more_than_a_number() {
        assert!(estimate([33; REGISTERS].into_iter()) > 1_000_000);
        assert_eq!(estimate([0; REGISTERS].into_iter()), 0);
    }
}
