//! What a source reads before it is a record. Main type: [`Raw`].

use std::sync::Arc;

use crate::record::Value;

/// What is read for a record.
pub(super) struct Read {
    pub(super) values: Vec<Value>,
    /// The file, below the folder of the pattern, and the line.
    pub(super) file: Option<Arc<str>>,
    pub(super) line: Option<u64>,
}

/// What is read, or the name of what could not be read, and why.
pub(super) type Raw = Result<Read, (String, String)>;
