//! The identity of a request.

use std::fmt;

/// The identity of a request: 128 bits of the hash of its content, written as a UUID.
///
/// Pipelines, stages or records that hash the same bytes for the same endpoint share one answer. The fields of a
/// request that are hashed are chosen in `mistral/wire/identity.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The identity of a body sent to an endpoint.
    pub fn of(endpoint: &str, body: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(endpoint.as_bytes());
        // A separator that is in neither, so that no other pair hashes the same bytes.
        hasher.update(&[0]);
        hasher.update(body);
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// The identity of another sample of the same request, which has a separate answer.
    #[must_use]
    pub fn sample(self, number: i64) -> Self {
        Self::of("sample", &[&self.0[..], &number.to_le_bytes()[..]].concat())
    }

    /// Parses the output of `Display`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        let mut id = [0; 16];
        if digits.len() != 32 {
            return None;
        }
        for (at, pair) in digits.chunks_exact(2).enumerate() {
            id[at] = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_of_endpoint_and_body_and_can_be_read_back() {
        let id = RequestId::of("/v1/chat/completions", b"{}");
        assert_eq!(RequestId::parse(&id.to_string()), Some(id));
        assert_ne!(id, RequestId::of("/v1/chat/completions", b"{ }"));
        assert_ne!(id, RequestId::of("/v1/chat/completion", b"s{}"));
        assert_eq!(id.to_string().len(), 36);
        assert_eq!(RequestId::parse("no"), None);
    }
}
