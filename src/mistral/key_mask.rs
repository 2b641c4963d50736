//! Removes the API key from server responses: servers quote what they refuse. Main type: [`KeyMask`].

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use memchr::memmem;

/// The replacement for the key.
const MASK: &str = "[the API key]";

/// A shorter key is not a secret, and would occur in ordinary words.
const SHORTEST: usize = 8;

/// A shorter key is not removed from answers, which are paid: local servers accept any word as a key.
const SHORTEST_IN_ANSWERS: usize = 16;

/// An API key to remove from texts.
#[derive(Clone)]
pub(super) struct KeyMask(Arc<str>);

impl KeyMask {
    pub(super) fn new(key: &str) -> Self {
        Self(key.into())
    }

    /// The text without the key.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.0.len() >= SHORTEST && text.contains(&*self.0) {
            true => Cow::Owned(text.replace(&*self.0, MASK)),
            false => Cow::Borrowed(text),
        }
    }

    /// The body of an answer without the key.
    pub(super) fn body(&self, bytes: Bytes) -> Bytes {
        let key = self.0.as_bytes();
        if key.len() < SHORTEST_IN_ANSWERS || memmem::find(&bytes, key).is_none() {
            return bytes;
        }
        let mut masked = Vec::with_capacity(bytes.len());
        let mut copied = 0;
        for at in memmem::find_iter(&bytes, key) {
            masked.extend_from_slice(&bytes[copied..at]);
            masked.extend_from_slice(MASK.as_bytes());
            copied = at + key.len();
        }
        masked.extend_from_slice(&bytes[copied..]);
        masked.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_removed_and_a_short_key_stays() {
        let mask = KeyMask::new("abcdefgh");
        assert_eq!(mask.text("abcdefgh, abcdefg: abcdefghi"), "[the API key], abcdefg: [the API key]i");
        let mask = KeyMask::new("abcdefgh-01234567");
        let body = mask.body(Bytes::from_static(b"\xFFabcdefgh-01234567abcdefgh-01234567\xFE"));
        assert_eq!(&body[..], b"\xFF[the API key][the API key]\xFE");
        assert_eq!(mask.body(Bytes::from_static(b"none")), "none");
        assert_eq!(KeyMask::new("anything").body(Bytes::from_static(b"anything goes")), "anything goes");
        assert_eq!(KeyMask::new("test").text("a test"), "a test");
    }
}
