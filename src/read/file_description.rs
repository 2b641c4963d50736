//! The facts about one file. Main type: [`FileDescription`].

use std::sync::Arc;

use crate::files::Stamp;

use super::KeyCounts;

/// The facts about a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileDescription {
    /// Its path, relative to the set's folder.
    pub path: Arc<str>,
    /// Its size and modification time, to detect changes.
    pub stamp: Stamp,
    /// The names of its columns as written in the file; empty for JSON Lines.
    pub names: Vec<Arc<str>>,
    /// The separator of a CSV file.
    pub delimiter: Option<u8>,
    /// The bytes of text that the types were proven over, after decompression and decoding.
    pub proven: u64,
    /// Whether that is the whole file.
    pub whole: bool,
    /// Rows in the proven part.
    pub rows: u64,
    /// Bad lines in the proven part.
    pub bad: u64,
    /// Rows in the proven part whose key does not identify them; not counted for Parquet.
    pub keys: KeyCounts,
}
