//! What a source reads before it becomes a record. Main type: [`Raw`].

use std::sync::Arc;

use crate::record::Value;

/// The content of a record.
pub(super) struct Read {
    pub(super) values: Vec<Value>,
    /// The file, relative to the folder of the pattern, and the line.
    pub(super) file: Option<Arc<str>>,
    pub(super) line: Option<u64>,
}

/// A read item, or the name of an unreadable one and the reason.
pub(super) type Raw = Result<Read, (String, String)>;
