//! Answers that a test or a rehearsal writes out, instead of those that are made up. Main type: [`GivenAnswers`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::sim::state::identity::{Identity, identity};

/// Answers by request. Clones share them, so that they can be added while requests are on their way.
#[derive(Clone, Default)]
pub struct GivenAnswers(Arc<Mutex<HashMap<Identity, String>>>);

impl GivenAnswers {
    /// What is answered to a body that is sent to an endpoint: the text of a chat, the JSON of another result.
    pub fn set(&self, endpoint: &str, body: &[u8], answer: String) {
        let Ok(request) = serde_json::from_slice::<Value>(body) else { return };
        // Nothing in here can panic while the lock is held.
        if let Ok(mut answers) = self.0.lock() {
            answers.insert(identity(endpoint, &request), answer);
        }
    }

    pub(crate) fn get(&self, identity: &Identity) -> Option<String> {
        self.0.lock().ok()?.get(identity).cloned()
    }
}

impl fmt::Debug for GivenAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answers")
    }
}
