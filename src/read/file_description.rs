//! What is known of one file. Main type: [`FileDescription`].

use std::sync::Arc;

use crate::files::Stamp;

/// What is known of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileDescription {
    /// Its path, relative to the set's folder.
    pub path: Arc<str>,
    /// Its size and time, by which a change is seen.
    pub stamp: Stamp,
    /// The names of its columns as they are written in the file; none for JSON Lines.
    pub names: Vec<Arc<str>>,
    /// The separator of a CSV file.
    pub delimiter: Option<u8>,
    /// The bytes of text that the types were proven over, after decompression and decoding.
    pub proven: u64,
    /// Whether that is the whole file.
    pub whole: bool,
    /// Rows in what was proven.
    pub rows: u64,
    /// Bad lines in it.
    pub bad: u64,
}
