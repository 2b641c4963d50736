//! Chance that comes out the same each time: draws from a hash.

/// A stream of draws that depends on nothing but what it was made of.
pub(super) struct Dice(blake3::OutputReader);

impl Dice {
    pub(super) fn of(seed: u64, body: &[u8], nth: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&seed.to_le_bytes())
            .update(&nth.to_le_bytes())
            .update(purpose.as_bytes())
            .update(&[0])
            .update(body);
        Self(hasher.finalize_xof())
    }

    /// From 0 up to but not including 1.
    pub(super) fn unit(&mut self) -> f64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 up to but not including `end`; 0 if there is nothing to choose from.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((self.unit() * end as f64) as usize).min(end.saturating_sub(1))
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}
