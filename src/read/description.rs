//! The facts about files before their rows are read. Main type: [`Description`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::Schema;

use super::{BadLine, KeyCounts, file_description::FileDescription, stored_proof::StoredProof};

/// The columns of a set of files, and their evidence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// The columns in order of first appearance.
    pub schema: Schema,
    /// For each column, why it has its type.
    pub columns: Vec<Column>,
    /// The files, in reading order.
    pub files: Vec<FileDescription>,
    /// Matches of the pattern that are not read: a named pipe, a loop of links. Each is a failure.
    pub skipped: Vec<BadLine>,
    /// New proofs of whole files, to be stored.
    pub proofs: Vec<StoredProof>,
}

impl Description {
    /// Rows that were read for this description.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The rows whose key does not identify them.
    pub fn keys(&self) -> KeyCounts {
        self.files.iter().map(|file| file.keys).sum()
    }

    /// Whether every type was proven over every byte.
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|file| file.whole)
    }
}

/// Why a column has its type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// Whether its type is declared in `types:`, so that nothing was proven.
    pub declared: bool,
    /// A value that does not fit the narrower type.
    pub evidence: Option<Evidence>,
    /// Rows without a value: it is NULL there, or their file has no such column.
    pub empty: u64,
    /// Whether texts stand beside numbers or booleans in JSON, so that the type is JSON.
    pub mixed: bool,
}

/// A value that rules out a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The file.
    pub file: Arc<str>,
    /// The line.
    pub line: u64,
    /// The value, shortened.
    pub value: String,
}
