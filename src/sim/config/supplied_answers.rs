//! Answers supplied by a test or a rehearsal instead of generated ones. Main type: [`SuppliedAnswers`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::sim::state::identity::{Identity, identity};

/// Answers by request. Clones share them, so that they can be added while requests are in flight.
#[derive(Clone, Default)]
pub struct SuppliedAnswers(Arc<Mutex<HashMap<Identity, String>>>);

impl SuppliedAnswers {
    /// Sets the answer to a body sent to an endpoint: the text of a chat, the JSON of another result.
    pub fn set(&self, endpoint: &str, body: &[u8], answer: String) {
        let Ok(request) = serde_json::from_slice::<Value>(body) else { return };
        // Nothing panics while holding the lock.
        if let Ok(mut answers) = self.0.lock() {
            answers.insert(identity(endpoint, &request), answer);
        }
    }

    pub(crate) fn get(&self, identity: &Identity) -> Option<String> {
        self.0.lock().ok()?.get(identity).cloned()
    }
}

impl fmt::Debug for SuppliedAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answers")
    }
}
