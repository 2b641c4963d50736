//! Files: the input and output of batch jobs.

use serde::{Deserialize, Serialize};

/// The path of files; `/{id}`, `/{id}/content` and `/{id}/url` are below it.
pub const FILES_PATH: &str = "/v1/files";

/// The largest file that may be uploaded, in bytes.
pub const MAX_FILE_BYTES: u64 = 512_000_000;

/// A file stored by the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileObject {
    /// A UUID.
    pub id: String,
    /// `file`.
    #[serde(default)]
    pub object: String,
    /// Its size; not always reported.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub created_at: i64,
    /// The name it was uploaded under.
    #[serde(default)]
    pub filename: String,
    /// `batch` for the input and the output of a job.
    #[serde(default)]
    pub purpose: String,
    /// `batch_request`, `batch_result`, `batch_error`.
    #[serde(default)]
    pub sample_type: Option<String>,
    /// `upload` or `mistral`.
    #[serde(default)]
    pub source: Option<String>,
    /// The number of lines of a JSONL file.
    #[serde(default)]
    pub num_lines: Option<u64>,
}

/// The response to `GET /v1/files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileList {
    /// The files of one page.
    #[serde(default)]
    pub data: Vec<FileObject>,
    /// `list`.
    #[serde(default)]
    pub object: String,
    /// The number of files in all.
    #[serde(default)]
    pub total: Option<u64>,
}

/// The response to `DELETE /v1/files/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedFile {
    /// The file's id.
    pub id: String,
    /// `file`.
    #[serde(default)]
    pub object: String,
    /// Whether it was deleted.
    pub deleted: bool,
}
