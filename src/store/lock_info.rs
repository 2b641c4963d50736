//! Who holds a database: a note beside it, for the one who finds it locked.
//!
//! The lock itself is DuckDB's. The note only says to a person what the lock cannot: which run it is, and
//! since when. One that a killed process has left behind tells of nobody, and is written over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// What the note says.
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

/// The note of a run that continues; gone when dropped.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".run");
    PathBuf::from(name)
}

impl Note {
    /// Leaves a note. That it cannot be written is no reason not to run.
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

/// What the note beside a database says of the process that holds it.
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
