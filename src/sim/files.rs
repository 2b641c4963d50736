//! The files that are kept, each for the key that uploaded it or whose job wrote it.

use std::sync::Mutex;

use axum::body::Bytes;
use serde_json::Value;

use crate::mistral::wire::FileObject;

use super::dice::Dice;

/// A file and what it holds.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) owner: String,
    pub(super) object: FileObject,
    pub(super) content: Bytes,
}

impl Kept {
    /// As the service shows it.
    pub(super) fn view(&self) -> Value {
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
pub(super) struct Files(Mutex<Vec<Kept>>);

impl Files {
    /// Keeps a file under a new id, which depends on what is in it and on how often that has come.
    pub(super) fn keep(&self, seed: u64, mut file: Kept) -> Kept {
        let Ok(mut files) = self.0.lock() else { return file };
        let content = blake3::hash(&file.content);
        let twins = files.iter().filter(|other| other.content == file.content).count();
        let mut nth = twins as u64;
        // A twin that was deleted leaves its number free, and its id taken by one that is still there.
        loop {
            file.object.id = Dice::of(seed, content.as_bytes(), nth, "file").uuid();
            match files.iter().any(|other| other.object.id == file.object.id) {
                true => nth += 1,
                false => break,
            }
        }
        files.push(file.clone());
        file
    }

    pub(super) fn get(&self, owner: &str, id: &str) -> Option<Kept> {
        self.find(|file| file.owner == owner && file.object.id == id)
    }

    /// Whoever asks: for links that carry their own permission.
    pub(super) fn find(&self, wanted: impl Fn(&Kept) -> bool) -> Option<Kept> {
        self.0.lock().ok()?.iter().find(|file| wanted(file)).cloned()
    }

    /// The newest first.
    pub(super) fn list(&self, owner: &str) -> Vec<Kept> {
        let files = self.0.lock().map(|files| files.clone()).unwrap_or_default();
        files.into_iter().rev().filter(|file| file.owner == owner).collect()
    }

    pub(super) fn delete(&self, owner: &str, id: &str) -> bool {
        let Ok(mut files) = self.0.lock() else { return false };
        let before = files.len();
        files.retain(|file| file.owner != owner || file.object.id != id);
        files.len() < before
    }
}
