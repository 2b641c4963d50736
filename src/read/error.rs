//! The errors that end a read. Main type: [`ReadError`].

use std::{io, sync::Arc};

use crate::files::FileError;

use super::{BadLine, compression::Kind};

/// Why files cannot be read completely. Rows read before the error are an incomplete result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The pattern is invalid.
    #[error("the pattern cannot be used: {0}")]
    Pattern(String),
    /// No file matches.
    #[error("no file matches `{pattern}`{}; correct the path, or write `optional: true`", .skipped.as_ref().map(|bad| format!(" (`{}`: {})", bad.file, bad.reason)).unwrap_or_default())]
    NoFile {
        /// The pattern.
        pattern: String,
        /// The first match that is not a file.
        skipped: Option<BadLine>,
    },
    /// A file cannot be opened.
    #[error("cannot open `{file}`: {error}")]
    Open {
        /// The file.
        file: Arc<str>,
        /// Why.
        error: io::Error,
    },
    /// A file is truncated or damaged.
    #[error("`{file}` cannot be read to its end: {reason}")]
    Damaged {
        /// The file.
        file: Arc<str>,
        /// What was found.
        reason: String,
    },
    /// A file is written to while it is read.
    #[error("`{file}`: {reason}")]
    Changed {
        /// The file.
        file: Arc<str>,
        /// What was found.
        reason: String,
    },
    /// The names of a file's columns cannot be used.
    #[error("`{file}`: {reason}")]
    Header {
        /// The file.
        file: Arc<str>,
        /// What was found.
        reason: String,
    },
    /// A column has types in two files without a common type.
    #[error(
        "the column `{column}` is {} in `{}` and {} in `{}`, and no type holds both without loss; write \
         `types: {{ {column}: varchar }}`, or read the files as two sources", .first.1, .first.0, .second.1, .second.0
    )]
    Conflict {
        /// The column.
        column: String,
        /// A file and its type.
        first: (Arc<str>, String),
        /// The other file and its type.
        second: (Arc<str>, String),
    },
    /// `types:` or `key:` names a column that no file has.
    #[error("`{option}:` names the column `{column}`, but no file has it; the columns are {known}")]
    UnknownColumn {
        /// `types` or `key`.
        option: &'static str,
        /// The column.
        column: String,
        /// The existing columns.
        known: String,
    },
    /// A type that DuckDB does not know.
    #[error("`types:` gives the column `{column}` the type `{datatype}`, which is not valid: {reason}")]
    UnknownType {
        /// The column.
        column: String,
        /// The type.
        datatype: String,
        /// DuckDB's message.
        reason: String,
    },
    /// The library that reads Parquet did not start.
    #[error("cannot start DuckDB: {0}")]
    Engine(String),
}

impl ReadError {
    /// The file changed since it was described.
    pub(super) fn changed(file: &Arc<str>) -> Self {
        let reason = "the file changed after its columns were read; run again when it is complete";
        Self::Changed { file: Arc::clone(file), reason: reason.to_owned() }
    }

    pub(super) fn of_stamp(file: &Arc<str>, error: &FileError) -> Self {
        Self::Changed { file: Arc::clone(file), reason: error.to_string() }
    }

    /// Bytes could not be read.
    pub(super) fn reading(file: &Arc<str>, kind: Kind, at: u64, error: &io::Error) -> Self {
        let reason = match (kind, error.kind()) {
            (Kind::Plain, _) => format!("{error} (after line {at})"),
            (Kind::Gzip, io::ErrorKind::UnexpectedEof) => {
                format!("the gzip data ends unexpectedly after line {at}; copy the file again")
            }
            (Kind::Gzip, _) => {
                format!("the gzip data is damaged after line {at} ({error}); copy the file again")
            }
        };
        Self::Damaged { file: Arc::clone(file), reason }
    }
}
