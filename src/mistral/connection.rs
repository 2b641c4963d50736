//! How to connect to a server, and how to recognise an account.

use std::fmt;

pub use crate::policy::Timeouts;

/// How to connect to a server.
#[derive(Clone)]
pub struct Connection {
    /// Its address; a trailing `/v1` is optional.
    pub base_url: String,
    /// The API key. It is sent, and shown nowhere.
    pub api_key: String,
    /// The timeouts of requests.
    pub timeouts: Timeouts,
}

impl Connection {
    /// A connection with the default timeouts.
    pub fn new(base_url: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), api_key: api_key.into(), timeouts: Timeouts::default() }
    }
}

impl fmt::Debug for Connection {
    /// Everything but the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("base_url", &self.base_url)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// The address without trailing slashes and version.
pub(super) fn trimmed(base_url: &str) -> &str {
    let base = base_url.trim_end_matches('/');
    base.strip_suffix("/v1").unwrap_or(base).trim_end_matches('/')
}

/// A short fingerprint of an account, to recognise the owner of a job or file.
///
/// 64 bits of a keyed hash: the key cannot be recovered from it, and it does not match hashes made by other programs.
pub fn account(api_key: &str, base_url: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("etl 2026 account fingerprint");
    hasher.update(trimmed(base_url).as_bytes());
    // A separator byte that occurs in neither, so that no other pair gives the same input.
    hasher.update(&[0]);
    hasher.update(api_key.as_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_recognised_and_its_key_is_not_shown() {
        let key = "sk-0123456789abcdef";
        let shown = account(key, "https://api.mistral.ai/");
        assert_eq!(shown.len(), 16);
        assert!(!key.contains(&shown) && shown.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(shown, account(key, "https://api.mistral.ai/v1"));
        assert_ne!(shown, account(key, "https://api.eu.mistral.ai"));
        assert_ne!(shown, account("sk-another", "https://api.mistral.ai"));
        let debug = format!("{:?}", Connection::new(crate::region::BASE_URL, key));
        assert!(!debug.contains("sk-") && debug.contains("api.mistral.ai"), "{debug}");
    }
}
