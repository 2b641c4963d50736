//! Who holds a database: a note beside it, for a user who finds it locked.
//!
//! The lock itself is DuckDB's. The note only adds which run holds it, and since when. A note left by a killed
//! process is ignored and overwritten.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The content of the note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// The process.
    pub process: u32,
    /// The run's number.
    pub run: i64,
    /// The pipeline's name.
    pub pipeline: String,
    /// When the run began.
    pub since: jiff::Timestamp,
}

/// The note of a running process; removed on drop.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".run");
    PathBuf::from(name)
}

impl Note {
    /// Writes the note. A failure to write it does not stop the run.
    pub(super) fn leave(database: &Path, holder: &LockInfo) -> Self {
        let path = beside(database);
        if let Ok(text) = serde_json::to_vec(holder) {
            let _ = fs::write(&path, text);
        }
        Self(path)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Reads the note beside a database, if it is about the process that holds it.
pub(super) fn read(database: &Path, process: Option<u32>) -> Option<LockInfo> {
    let holder: LockInfo = serde_json::from_slice(&fs::read(beside(database)).ok()?).ok()?;
    process.is_none_or(|process| process == holder.process).then_some(holder)
}

impl std::fmt::Display for LockInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(f, "process {}: run {} of `{}`, since {since}", self.process, self.run, self.pipeline)
    }
}
