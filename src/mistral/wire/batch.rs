//! Batch jobs: many requests to one endpoint and one model, answered with low priority.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, value::RawValue};

use super::or_default;

/// The path of batch jobs; `/{id}` and `/{id}/cancel` are below it.
pub const JOBS_PATH: &str = "/v1/batch/jobs";

/// The most requests that a job may carry in its body instead of in a file.
pub const MAX_INLINE_REQUESTS: usize = 10_000;

/// One request of a job: a line of its input file, or an element of `requests`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BatchLine {
    /// Identifies the answer. The service accepts lines without one, and duplicates.
    pub custom_id: String,
    /// The body, as it would be sent to the endpoint directly.
    pub body: Box<RawValue>,
}

/// The body of `POST /v1/batch/jobs`: `input_files` or `requests`, not both.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// The endpoint for all requests.
    pub endpoint: String,
    /// The files with the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_files: Option<Vec<String>>,
    /// The requests themselves, at most [`MAX_INLINE_REQUESTS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Vec<BatchLine>>,
    /// The model for all requests; a `model` in a line is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Metadata to find the job by: keys of 1 to 32 characters, values of 1 to 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// 1 to 168.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_hours: Option<u32>,
}

/// The status of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Waiting for its turn.
    Queued,
    /// Its requests are being answered.
    Running,
    /// Ended; single requests may have failed.
    Success,
    /// Ended, but may have answers.
    Failed,
    /// `timeout_hours` has passed; may have answers.
    TimeoutExceeded,
    /// Cancellation was requested.
    CancellationRequested,
    /// Cancelled; may have answers.
    Cancelled,
    /// A status unknown to this program.
    Other(String),
}

impl JobStatus {
    /// The status as sent on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::TimeoutExceeded => "TIMEOUT_EXCEEDED",
            Self::CancellationRequested => "CANCELLATION_REQUESTED",
            Self::Cancelled => "CANCELLED",
            Self::Other(word) => word,
        }
    }

    /// Parses a status from the wire.
    pub fn of(word: &str) -> Self {
        match word {
            "QUEUED" => Self::Queued,
            "RUNNING" => Self::Running,
            "SUCCESS" => Self::Success,
            "FAILED" => Self::Failed,
            "TIMEOUT_EXCEEDED" => Self::TimeoutExceeded,
            "CANCELLATION_REQUESTED" => Self::CancellationRequested,
            "CANCELLED" => Self::Cancelled,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether the job has ended. An unknown status does not count as an end: the next poll will tell.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::TimeoutExceeded | Self::Cancelled)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for JobStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JobStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::of(&word))
    }
}

/// A batch job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// A UUID.
    pub id: String,
    /// `batch`.
    #[serde(default, deserialize_with = "or_default")]
    pub object: String,
    /// The files with its requests.
    #[serde(default, deserialize_with = "or_default")]
    pub input_files: Vec<String>,
    /// The metadata that it was created with; other clients may have used any JSON.
    #[serde(default)]
    pub metadata: Option<serde_json::Map<String, Value>>,
    /// The endpoint that its requests are for.
    #[serde(default, deserialize_with = "or_default")]
    pub endpoint: String,
    /// The model of all its requests.
    #[serde(default)]
    pub model: Option<String>,
    /// The file with the answers; may be present or absent whatever the status.
    #[serde(default)]
    pub output_file: Option<String>,
    /// The file with the failed requests.
    #[serde(default)]
    pub error_file: Option<String>,
    /// A summary of the errors.
    #[serde(default, deserialize_with = "or_default")]
    pub errors: Vec<BatchError>,
    /// Its status.
    pub status: JobStatus,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: i64,
    /// Seconds since 1970.
    #[serde(default)]
    pub started_at: Option<i64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub completed_at: Option<i64>,
    /// The number of requests; 0 right after creation.
    #[serde(default, deserialize_with = "or_default")]
    pub total_requests: u64,
    /// Requests that have succeeded or failed.
    #[serde(default, deserialize_with = "or_default")]
    pub completed_requests: u64,
    /// Requests that succeeded.
    #[serde(default, deserialize_with = "or_default")]
    pub succeeded_requests: u64,
    /// Requests that failed.
    #[serde(default, deserialize_with = "or_default")]
    pub failed_requests: u64,
}

/// An error of a job and its number of occurrences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchError {
    /// The error message.
    pub message: String,
    /// The number of occurrences.
    #[serde(default = "one")]
    pub count: u64,
}

const fn one() -> u64 {
    1
}

/// The response to `GET /v1/batch/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobList {
    /// The jobs of one page.
    #[serde(default)]
    pub data: Vec<Job>,
    /// `list`.
    #[serde(default)]
    pub object: String,
    /// The number of jobs in all.
    #[serde(default)]
    pub total: u64,
}

/// The response to `DELETE /v1/batch/jobs/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedJob {
    /// The job's id.
    pub id: String,
    /// `batch`.
    #[serde(default)]
    pub object: String,
    /// Whether it was deleted.
    #[serde(default)]
    pub deleted: bool,
}

/// A line of an output or error file, in any shape.
///
/// An answer is a line without `error`, with a 2xx status and a valid body; every other line is a refusal.
/// `response.body` may be an object or a JSON string of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultLine {
    /// The line's own id.
    #[serde(default)]
    pub id: Option<String>,
    /// The request's `custom_id`.
    #[serde(default)]
    pub custom_id: Option<String>,
    /// The endpoint's response.
    #[serde(default)]
    pub response: Option<ResultResponse>,
    /// An object with a `message`, or `null`.
    #[serde(default)]
    pub error: Option<Value>,
}

/// The endpoint's response to one request of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultResponse {
    /// The HTTP status.
    #[serde(default)]
    pub status_code: u16,
    /// The body; for an error it may be JSON in a string.
    #[serde(default)]
    pub body: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_the_future_is_kept_and_is_no_end() {
        let job: Job = serde_json::from_str(r#"{"id":"1","status":"PAUSED"}"#).unwrap();
        assert_eq!(job.status, JobStatus::Other("PAUSED".to_owned()));
        assert!(!job.status.is_terminal());
        assert_eq!(serde_json::to_value(&job).unwrap()["status"], "PAUSED");
    }
}
