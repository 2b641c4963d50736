//! Files: up before a batch job, down after it.

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    multipart::{Form, Part},
};

use super::{
    CallError, Client,
    management::parse,
    wire::{FILES_PATH, FileObject},
};

impl Client {
    /// Uploads the lines of a batch job. A repeated upload leaves a file behind that nobody uses, and
    /// costs nothing.
    ///
    /// # Errors
    /// [`CallError::Refused`] if the service finds a line wrong: then it takes none of them.
    pub async fn upload(&self, filename: &str, lines: Bytes) -> Result<FileObject, CallError> {
        let request = || {
            let size = lines.len() as u64;
            let file = Part::stream_with_length(lines.clone(), size).file_name(filename.to_owned());
            // Some readers of forms take no file without a type.
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
            let file = file.headers(headers);
            let form = Form::new().text("purpose", "batch").part("file", file);
            self.http.request(Method::POST, FILES_PATH, &[], &[]).multipart(form)
        };
        self.retry(request, true, |answer| parse(&answer)).await
    }

    /// What is in a file.
    ///
    /// # Errors
    /// [`CallError::Refused`] with 404 if it is not there.
    pub async fn download(&self, file_id: &str) -> Result<Bytes, CallError> {
        let request = || self.http.request(Method::GET, FILES_PATH, &[file_id, "content"], &[]);
        self.retry(request, true, |answer| Ok(answer.bytes)).await
    }

    /// Deletes a file; one that is gone already is as good.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_file(&self, file_id: &str) -> Result<(), CallError> {
        let request = || self.http.request(Method::DELETE, FILES_PATH, &[file_id], &[]);
        gone(self.retry(request, false, |_| Ok(())).await).map(drop)
    }
}

/// Nothing where there is nothing.
pub(super) fn gone<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Refused(error)) if error.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
