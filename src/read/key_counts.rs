//! Rows whose key does not identify them: it is NULL, or another row of the file has it. Main types: [`KeyCounts`], and
//! [`KeySet`] while a file is proven.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    iter::Sum,
};

use serde::{Deserialize, Serialize};

/// The rows of files whose key does not identify them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCounts {
    /// Rows with NULL in their key.
    pub missing: u64,
    /// Rows with the key of an earlier row of their file.
    pub repeated: u64,
}

impl Sum for KeyCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, counts| Self {
            missing: sum.missing + counts.missing,
            repeated: sum.repeated + counts.repeated,
        })
    }
}

/// The most keys that are remembered: 16 MB. Rows after these are compared with them only.
const MOST: usize = 1_000_000;

/// The keys of a file so far, as hashes.
#[derive(Default)]
pub(super) struct KeySet {
    seen: HashSet<u64>,
    pub(super) counts: KeyCounts,
}

impl KeySet {
    /// Adds the key of a row by its parts; `None` is NULL.
    pub(super) fn see<T: Hash>(&mut self, parts: impl IntoIterator<Item = Option<T>>) {
        let mut hasher = DefaultHasher::new();
        for part in parts {
            let Some(part) = part else {
                self.counts.missing += 1;
                return;
            };
            part.hash(&mut hasher);
        }
        let key = hasher.finish();
        let is_new = match self.seen.len() < MOST {
            true => self.seen.insert(key),
            false => !self.seen.contains(&key),
        };
        self.counts.repeated += u64::from(!is_new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_counted_by_all_its_parts() {
        let mut keys = KeySet::default();
        for parts in
            [[Some("a"), Some("bc")], [Some("ab"), Some("c")], [Some("a"), Some("bc")], [None, Some("c")]]
        {
            keys.see(parts);
        }
        assert_eq!(keys.counts, KeyCounts { missing: 1, repeated: 1 });
    }
}
