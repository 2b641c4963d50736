//! Errors of the database. Each of them ends a run: committed work is kept.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::lock_info;
use crate::sql::{explained, message};

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the database open.
    #[error("the database `{}` is open in another process{}; nothing was changed", .path.display(), .holder.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
    Locked {
        /// The database.
        path: PathBuf,
        /// Its holder, as far as DuckDB reports.
        holder: Option<String>,
    },
    /// The file is not a database, or is damaged.
    #[error("`{}` is not a DuckDB database, or is damaged: restore a copy, or move it away to start with a new one ({why})", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// DuckDB's message.
        why: String,
    },
    /// The file is of another format.
    #[error("`{}` is a text file, not a DuckDB database: give another path, restore a copy, or move it away to start with a new one", .0.display())]
    AnotherFormat(PathBuf),
    /// The file cannot be created, read or written.
    #[error("the database `{}` cannot be opened for writing: {why}; set another path in `duckdb:`", .path.display())]
    Unwritable {
        /// The database.
        path: PathBuf,
        /// DuckDB's message.
        why: String,
    },
    /// A newer version wrote the ledger.
    #[error("the ledger in `{}` has layout {found}, but this version supports up to {known}: use a newer etl", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its layout version.
        found: i64,
        /// The known layout version.
        known: i64,
    },
    /// The database's folder cannot be created.
    #[error("cannot create the folder `{}` for the database: {source}; set another path in `duckdb:`", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An existing table has a column of another type.
    #[error("the table `{table}` has a column `{column}` of type {has}, and this pipeline writes {writes}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        has: String,
        /// The type to be written.
        writes: String,
    },
    /// The rows of an existing table have another key.
    #[error(
        "the rows of table `{table}` have the key `{has}`, and this pipeline writes them by `{writes}`: use that key, \
         another table, or `mode: replace`"
    )]
    Key {
        /// The table.
        table: String,
        /// Their key.
        has: String,
        /// The key to be written.
        writes: String,
    },
    /// The disk is full.
    #[error("the disk is full: free up space; committed data is kept, and the same command resumes ({0})")]
    Full(String),
    /// A result file cannot be written.
    #[error("cannot write `{}`: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        why: String,
    },
    /// A query by the user is not valid.
    #[error("{0}")]
    Query(String),
    /// Any other message from DuckDB.
    #[error("the database reported an error: {0}")]
    Sql(String),
    /// Invalid sequence of steps in the ledger.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::IllegalTransition),
    /// An injected fault.
    #[error(transparent)]
    Injected(#[from] crate::fault_injection::Injected),
    /// The runtime was stopped before the work was done.
    #[error("the program is stopping")]
    Stopped,
}

impl StoreError {
    pub(super) fn of_message(why: &str) -> Self {
        match is_full(why) {
            true => Self::Full(explained(why)),
            false => Self::Sql(explained(why)),
        }
    }

    pub(super) fn opening(path: &Path, error: &duckdb::Error) -> Self {
        let why = message(error);
        let path = path.to_owned();
        if why.contains("Could not set lock") || why.contains("Conflicting lock") {
            let holder = why.split("held in ").nth(1).and_then(|rest| rest.split(". See").next());
            let pid = holder
                .and_then(|holder| holder.split("(PID ").nth(1))
                .and_then(|rest| rest.split(')').next());
            let note = lock_info::read(&path, pid.and_then(|pid| pid.parse().ok()));
            let holder =
                note.map(|note| note.to_string()).or_else(|| pid.map(|pid| format!("process {pid}")));
            return Self::Locked { path, holder };
        }
        let why = explained(&why);
        if is_full(&why) {
            return Self::Full(why);
        }
        // The file could not be opened, so its content is unknown.
        let closed = ["Cannot open file", "Could not create", "Could not write", "Is a directory"];
        if closed.iter().any(|closed| why.contains(closed)) {
            return Self::Unwritable { path, why };
        }
        match is_text(&path) {
            true => Self::AnotherFormat(path),
            false => Self::NotADatabase { path, why },
        }
    }
}

/// Whether a file begins with text, as no database does, not even a damaged one.
fn is_text(path: &Path) -> bool {
    const MARK: std::ops::Range<usize> = 8..12;
    let mut start = [0; 512];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..read.unwrap_or(0)];
    let is_utf8 = match std::str::from_utf8(start) {
        Ok(_) => true,
        // A character that the end of the buffer cuts.
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !start.is_empty() && !start.contains(&0) && start.get(MARK) != Some(b"DUCK")
}

fn is_full(why: &str) -> bool {
    why.contains("No space left on device")
}

impl From<duckdb::Error> for StoreError {
    fn from(error: duckdb::Error) -> Self {
        Self::of_message(&message(&error))
    }
}
