//! The wire types of the service's API; shared by the client and the simulator.
//!
//! Deserializing is tolerant (unknown fields are ignored, content may be text or chunks), because the service
//! adds fields without notice; serializing is strict, because it refuses unknown ones.

mod batch;
mod chat;
mod files;
mod identity;
mod models;
mod options;
mod requests;

pub use batch::{
    BatchError, BatchLine, CreateJob, DeletedJob, JOBS_PATH, Job, JobList, JobStatus, MAX_INLINE_REQUESTS,
    ResultLine, ResultResponse,
};
pub use chat::{
    CHAT_PATH, ChatRequest, ChatResponse, Choice, Content, Message, NamedSchema, Reply, ResponseFormat, Role,
    TokenUsage,
};
pub use files::{DeletedFile, FILES_PATH, FileList, FileObject, MAX_FILE_BYTES};
pub use identity::{FIELDS, FieldIdentity, identity_table, is_identity};
pub use models::{MODELS_PATH, Model, ModelList, SIMULATOR_OWNER};
pub use options::{
    Function, FunctionName, Prediction, PromptMode, ReasoningEffort, ServiceTier, Stop, Tool, ToolChoice,
    ToolKind, ToolMode, document_chunk, file_chunk, image_chunk, text_chunk,
};
pub use requests::{ClassifyRequest, EmbedRequest, OcrRequest};

/// Deserializes `null` like a missing field: the service sends both.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}
