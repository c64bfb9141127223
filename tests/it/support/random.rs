//! Numbers and bytes that look random and are the same on every run.

/// A small generator (splitmix64); good enough to choose what a test does.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A size from 0 to about `max`, every order of magnitude as likely as any other.
    pub fn size(&mut self, max: u64) -> u64 {
        let bits = u64::from(u64::BITS - max.leading_zeros());
        let magnitude = self.below(bits + 1);
        self.below(1 << magnitude).min(max)
    }

    /// Between `min` and `max` bytes of anything.
    pub fn bytes(&mut self, min: u64, max: u64) -> Vec<u8> {
        let length = min + self.below(max - min + 1);
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        Pattern::new(self.next()).fill(&mut bytes);
        bytes
    }
}

/// An endless stream of bytes that a seed fixes. Comparing with it is stronger than a hash and
/// says where the first wrong byte is.
pub struct Pattern {
    seed: u64,
    offset: u64,
}

impl Pattern {
    pub fn new(seed: u64) -> Self {
        Self::at(seed, 0)
    }

    /// The stream without its first `offset` bytes.
    pub fn at(seed: u64, offset: u64) -> Self {
        Self { seed, offset }
    }

    /// The next bytes of the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let word =
                mix(self.seed.wrapping_add((self.offset / 8).wrapping_mul(STEP))).to_le_bytes();
            let word = &word[usize::try_from(self.offset % 8).unwrap()..];
            let length = word.len().min(rest.len());
            rest[..length].copy_from_slice(&word[..length]);
            self.offset += length as u64;
            rest = &mut rest[length..];
        }
    }

    /// Whether `bytes` are the next bytes of the stream.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        let start = self.offset;
        let mut expected = vec![0; bytes.len()];
        self.fill(&mut expected);
        match bytes
            .iter()
            .zip(&expected)
            .position(|(is, should)| is != should)
        {
            None => Ok(()),
            Some(wrong) => Err(format!("wrong byte at {}", start + wrong as u64)),
        }
    }
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
