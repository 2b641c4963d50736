//! The requests sent so far, their order and their outcomes.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use serde_json::Value;

use crate::sim::{
    answer::document,
    state::identity::{Asked, Identity, identity},
};

#[derive(Default)]
pub(crate) struct Registry(Mutex<Known>);

#[derive(Default)]
struct Known {
    requests: HashMap<Identity, Fate>,
    /// The different requests for each document.
    documents: HashMap<[u8; 32], HashSet<Identity>>,
    /// The number of different first requests: retries have no slots.
    first: u64,
}

struct Fate {
    asked: u64,
    answered: u64,
    slot: u64,
    round: usize,
}

/// The words by which a prompt shows that it is a retry.
const REFUSED: &str = "was refused";

impl Registry {
    /// Records a request that includes its model.
    pub(crate) fn ask(&self, endpoint: &str, request: &Value) -> Asked {
        let identity = identity(endpoint, request);
        let document = *blake3::hash(document::text(request).as_bytes()).as_bytes();
        let again = request["messages"].to_string().contains(REFUSED);
        let Ok(mut known) = self.0.lock() else { return Asked { identity, nth: 0, slot: 0, round: 0 } };
        let Known { requests, documents, first } = &mut *known;
        let about = documents.entry(document).or_default();
        let fate = requests.entry(identity).or_insert_with(|| {
            let round = if again { about.len().max(1) } else { 0 };
            let slot = *first;
            *first += u64::from(!again);
            Fate { asked: 0, answered: 0, slot, round }
        });
        about.insert(identity);
        fate.asked += 1;
        Asked { identity, nth: fate.asked - 1, slot: fate.slot, round: fate.round }
    }

    /// How often a request was answered.
    pub(crate) fn answered(&self, identity: &Identity) -> u64 {
        self.0.lock().map_or(0, |known| known.requests.get(identity).map_or(0, |fate| fate.answered))
    }

    /// Records an answer; returns whether the request had been answered before.
    pub(crate) fn answer(&self, identity: &Identity) -> bool {
        let Ok(mut known) = self.0.lock() else { return false };
        known.requests.get_mut(identity).is_some_and(|fate| {
            fate.answered += 1;
            fate.answered > 1
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_has_a_slot_of_its_own_and_a_round_by_its_document() {
        let registry = Registry::default();
        let ask = |words: &str, text: &str| {
            let content = format!("{words} <text>{text}</text>");
            let request = json!({ "messages": [{ "role": "user", "content": content }] });
            let asked = registry.ask("/v1/chat/completions", &request);
            (asked.nth, asked.slot, asked.round)
        };
        assert_eq!(ask("Describe.", "one"), (0, 0, 0));
        assert_eq!(ask("Describe.", "two"), (0, 1, 0));
        assert_eq!(ask("Describe.", "one"), (1, 0, 0), "the same again");
        assert_eq!(ask("It was refused: a.", "one").2, 1);
        assert_eq!(ask("It was refused: b.", "one").2, 2);
        assert_eq!(ask("It was refused: b.", "two").2, 1);
        assert_eq!(ask("Describe.", "three"), (0, 2, 0));
    }
}
