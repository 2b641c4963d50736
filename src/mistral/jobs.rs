//! Batch jobs: created once, polled, found again.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    CallError, Client, ErrorAction,
    attempt_error::AttemptError,
    files::gone,
    http::Answer,
    limit::backoff::Backoff,
    management::parse,
    wire::{CreateJob, JOBS_PATH, Job, JobStatus, MODELS_PATH, Model},
};

/// Jobs per page; the service's own number.
const PAGE: usize = 100;

/// The query parameters beside metadata: metadata keys with these names cannot be filtered by.
const QUERY: &[&str] = &[
    "page",
    "page_size",
    "model",
    "agent_id",
    "metadata",
    "created_after",
    "created_by_me",
    "status",
    "order_by",
];

/// The most pages listed: a server that miscounts must not be polled forever.
const PAGES: usize = 10_000;

/// How often a job is looked for before it counts as not created, with doubling pauses (half a minute in all
/// under the default policy): a list may lag behind, and a gateway may give up before the service does.
const LOOKS: u32 = 5;

/// The metadata filter of a listing.
type Filter<'a> = Option<&'a BTreeMap<String, String>>;

/// A list with items of any shape: an unreadable one must not hide the others.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Value>,
    #[serde(default)]
    total: Option<u64>,
}

impl Client {
    /// Creates a job, and never twice.
    ///
    /// The service has no idempotency key. After any failure that leaves open whether a job was created (a cut
    /// connection, a 5xx, an unreadable answer), the job is looked for by its metadata, which must therefore be
    /// unique, and is adopted if found.
    ///
    /// # Errors
    /// [`CallError::Unsure`] if a job without metadata may or may not have been created.
    pub async fn create_job(&self, job: &CreateJob) -> Result<Job, CallError> {
        let mut backoff = Backoff::new(self.policy);
        let mut tries = 0;
        loop {
            tries += 1;
            let request = self.http.request(Method::POST, JOBS_PATH, &[], &[]).json(job);
            let fault = match self.once(request, false).await?.and_then(|answer| parse(&answer)) {
                Ok(job) => return Ok(job),
                Err(fault) => fault,
            };
            if is_open(&fault) {
                let metadata = job.metadata.as_ref().filter(|metadata| !metadata.is_empty());
                let metadata = metadata.ok_or_else(|| CallError::Unsure { last: fault.to_string() })?;
                match self.look_for(metadata).await {
                    Ok(None) => {}
                    Ok(Some(found)) => return Ok(found),
                    Err(CallError::Exhausted { last, .. }) => return Err(CallError::Unsure { last }),
                    Err(error) => return Err(error),
                }
            }
            self.after(&mut backoff, &fault, tries).await?;
        }
    }

    /// Looks for a job that may just have been created.
    async fn look_for(&self, metadata: &BTreeMap<String, String>) -> Result<Option<Job>, CallError> {
        for look in 0..LOOKS {
            let wait: Duration = self.policy.wait * (1 << look);
            self.pause(Some(Instant::now() + wait.min(self.policy.max_wait))).await?;
            let found = self.find_jobs(metadata).await?;
            if let Some(job) = found.into_iter().max_by_key(|job| job.created_at) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// A job, if it exists.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn job(&self, id: &str) -> Result<Option<Job>, CallError> {
        gone(self.read(|| self.http.request(Method::GET, JOBS_PATH, &[id], &[])).await)
    }

    /// All jobs created with this metadata.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn find_jobs(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<Job>, CallError> {
        let listed = match self.list(Some(metadata)).await {
            // Not every server supports the filter.
            Err(CallError::Refused(_)) => self.list(None).await?,
            listed => listed?,
        };
        // Some servers silently ignore it.
        let has = |job: &Job, (name, value): (&String, &String)| {
            job.metadata.as_ref().and_then(|known| known.get(name)).and_then(Value::as_str) == Some(value)
        };
        Ok(listed.into_iter().filter(|job| metadata.iter().all(|pair| has(job, pair))).collect())
    }

    /// All jobs of the workspace, regardless of their creator.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn list_jobs(&self) -> Result<Vec<Job>, CallError> {
        self.list(None).await
    }

    async fn list(&self, filter: Filter<'_>) -> Result<Vec<Job>, CallError> {
        let mut jobs = Vec::new();
        let mut known = HashSet::new();
        for page in 0..PAGES {
            let (page, size) = (page.to_string(), PAGE.to_string());
            // Oldest first: a job created meanwhile is appended and does not shift the pages.
            let mut query = vec![("page", page.as_str()), ("page_size", &size), ("order_by", "created")];
            // The filter is documented as an object in form style, where each key is a separate parameter.
            let filter = filter.into_iter().flatten().filter(|(key, _)| !QUERY.contains(&key.as_str()));
            query.extend(filter.map(|(key, value)| (key.as_str(), value.as_str())));
            let list: List = self.read(|| self.http.request(Method::GET, JOBS_PATH, &[], &query)).await?;
            let items = list.data.len();
            let before = known.len();
            for item in list.data {
                let fresh = item["id"].as_str().is_some_and(|id| known.insert(id.to_owned()));
                match Job::deserialize(item) {
                    Ok(job) if fresh => jobs.push(job),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "a listed job cannot be read, and is skipped"),
                }
            }
            let all = list.total.is_some_and(|total| total > 0 && known.len() as u64 >= total);
            // A server without paging returns the same jobs again.
            if items == 0 || known.len() == before || all {
                break;
            }
        }
        Ok(jobs)
    }

    /// Cancels a job; its answers so far are kept. A job that has ended, or is cancelled already (a lost answer is
    /// requested again), is returned unchanged.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel_job(&self, id: &str) -> Result<Job, CallError> {
        let cancelled = self.read(|| self.http.request(Method::POST, JOBS_PATH, &[id, "cancel"], &[])).await;
        let Err(CallError::Refused(refusal)) = cancelled else { return cancelled };
        match self.job(id).await? {
            Some(job) if job.status.is_terminal() || job.status == JobStatus::CancellationRequested => {
                Ok(job)
            }
            _ => Err(CallError::Refused(refusal)),
        }
    }

    /// Deletes a job; a missing job counts as deleted. Returns whether it existed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_job(&self, id: &str) -> Result<bool, CallError> {
        let request = || self.http.request(Method::DELETE, JOBS_PATH, &[id], &[]);
        let deleted = gone(self.retry(request, false, |_: Answer| Ok(())).await)?;
        Ok(deleted.is_some())
    }

    /// The models available to the key: a cheap way to check that it works.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn models(&self) -> Result<Vec<Model>, CallError> {
        let list: List = self.read(|| self.http.request(Method::GET, MODELS_PATH, &[], &[])).await?;
        Ok(list.data.into_iter().filter_map(|item| Model::deserialize(item).ok()).collect())
    }
}

/// Whether a fault leaves open what the service did.
fn is_open(fault: &AttemptError) -> bool {
    match fault {
        AttemptError::Api(error, _) => error.action() == ErrorAction::Retry,
        AttemptError::Network { sent, .. } => *sent,
        AttemptError::Unreachable(_) => false,
    }
}
