//! Files: uploaded before a batch job, downloaded after it.

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
    /// Uploads the lines of a batch job. A repeated upload leaves an unused file behind and costs nothing.
    ///
    /// # Errors
    /// [`CallError::Refused`] if the service finds an invalid line; it then rejects the whole file.
    pub async fn upload(&self, filename: &str, lines: Bytes) -> Result<FileObject, CallError> {
        let request = || {
            let size = lines.len() as u64;
            let file = Part::stream_with_length(lines.clone(), size).file_name(filename.to_owned());
            // Some multipart parsers reject a file without a content type.
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
            let file = file.headers(headers);
            let form = Form::new().text("purpose", "batch").part("file", file);
            self.http.request(Method::POST, FILES_PATH, &[], &[]).multipart(form)
        };
        self.retry(request, true, |answer| parse(&answer)).await
    }

    /// Downloads a file.
    ///
    /// # Errors
    /// [`CallError::Refused`] with 404 if it does not exist.
    pub async fn download(&self, file_id: &str) -> Result<Bytes, CallError> {
        let request = || self.http.request(Method::GET, FILES_PATH, &[file_id, "content"], &[]);
        self.retry(request, true, |answer| Ok(answer.bytes)).await
    }

    /// Deletes a file; a missing file counts as deleted.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_file(&self, file_id: &str) -> Result<(), CallError> {
        let request = || self.http.request(Method::DELETE, FILES_PATH, &[file_id], &[]);
        gone(self.retry(request, false, |_| Ok(())).await).map(drop)
    }
}

/// Maps a 404 to `None`.
pub(super) fn gone<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Refused(error)) if error.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
