//! The stored files, each belonging to the key that uploaded it or whose job wrote it.

use std::{collections::HashMap, sync::Mutex};

use axum::body::Bytes;
use serde_json::Value;

use crate::{mistral::wire::FileObject, sim::dice::Dice};

/// A file and its content.
#[derive(Clone)]
pub(crate) struct StoredFile {
    pub(crate) owner: String,
    pub(crate) object: FileObject,
    pub(crate) content: Bytes,
}

impl StoredFile {
    /// As the service shows it.
    pub(crate) fn view(&self) -> Value {
        let mut view = serde_json::to_value(&self.object).unwrap_or_default();
        let lines = self.object.purpose == "batch";
        view["mimetype"] = Value::from(if lines { "application/jsonl" } else { "application/octet-stream" });
        view["signature"] = Value::from(&blake3::hash(&self.content).to_hex()[..32]);
        view["expires_at"] = Value::Null;
        view["visibility"] = Value::from("workspace");
        view
    }
}

#[derive(Default)]
pub(crate) struct Files {
    kept: Mutex<Vec<StoredFile>>,
    /// The number of files by content, deleted ones included: an id is never reused.
    twins: Mutex<HashMap<[u8; 32], u64>>,
}

impl Files {
    /// Stores a file under a new id, derived from its content and the number of earlier copies.
    pub(crate) fn keep(&self, seed: u64, mut file: StoredFile) -> StoredFile {
        let content = *blake3::hash(&file.content).as_bytes();
        let nth = self.twins.lock().map_or(0, |mut twins| {
            let count = twins.entry(content).or_insert(0);
            *count += 1;
            *count - 1
        });
        file.object.id = Dice::of(seed, &content, nth, "file").uuid();
        if let Ok(mut kept) = self.kept.lock() {
            kept.push(file.clone());
        }
        file
    }

    pub(crate) fn get(&self, owner: &str, id: &str) -> Option<StoredFile> {
        self.find(|file| file.owner == owner && file.object.id == id)
    }

    /// For any caller: for links that carry their own permission.
    pub(crate) fn find(&self, wanted: impl Fn(&StoredFile) -> bool) -> Option<StoredFile> {
        self.kept.lock().ok()?.iter().find(|file| wanted(file)).cloned()
    }

    /// The newest first.
    pub(crate) fn list(&self, owner: &str) -> Vec<StoredFile> {
        let files = self.kept.lock().map(|files| files.clone()).unwrap_or_default();
        files.into_iter().rev().filter(|file| file.owner == owner).collect()
    }

    pub(crate) fn delete(&self, owner: &str, id: &str) -> bool {
        let Ok(mut files) = self.kept.lock() else { return false };
        let before = files.len();
        files.retain(|file| file.owner != owner || file.object.id != id);
        files.len() < before
    }
}
