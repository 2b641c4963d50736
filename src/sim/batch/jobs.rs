//! All jobs, oldest first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    mistral::wire::{self, JobStatus},
    sim::{
        batch::{
            job::Job,
            line::{self, Line},
            request::Wanted,
        },
        endpoint::model_in_service,
        reply::Refusal,
        state::{State, stats::add},
    },
};

#[derive(Default)]
pub(crate) struct Jobs {
    jobs: Mutex<Vec<Arc<Shared>>>,
    /// The number of jobs with the same content.
    twins: Mutex<HashMap<[u8; 32], u64>>,
}

/// Each job has its own lock, so that a large one does not delay requests for others.
struct Shared {
    owner: String,
    id: String,
    job: Mutex<Job>,
}

/// The filter of a listing.
#[derive(Default)]
pub(crate) struct Wish {
    pub(crate) model: Option<String>,
    /// Each key and value must be present.
    pub(crate) metadata: Map<String, Value>,
    /// Seconds since 1970.
    pub(crate) created_after: Option<i64>,
    /// Any of these.
    pub(crate) status: Vec<JobStatus>,
    pub(crate) oldest_first: bool,
}

impl Wish {
    fn fits(&self, job: &wire::Job) -> bool {
        let metadata = |key: &String| job.metadata.as_ref().and_then(|metadata| metadata.get(key));
        self.model.as_ref().is_none_or(|model| job.model.as_ref() == Some(model))
            && self.metadata.iter().all(|(key, value)| metadata(key) == Some(value))
            && self.created_after.is_none_or(|after| job.created_at >= after)
            && (self.status.is_empty() || self.status.contains(&job.status))
    }
}

impl Jobs {
    /// Creates a job and shows its initial state.
    pub(crate) fn create(
        &self,
        server: &State,
        owner: &str,
        mut wanted: Wanted,
    ) -> Result<wire::Job, Refusal> {
        model_in_service(&wanted.model, &wanted.endpoint)?;
        let mut lines: Vec<Line> = std::mem::take(&mut wanted.requests);
        for id in &wanted.input_files {
            let missing = || Refusal::detail(StatusCode::NOT_FOUND, &format!("File {id} not found"));
            let file = server.files.get(owner, id).ok_or_else(missing)?;
            if file.object.purpose != "batch" {
                let message = format!("File {id} has the purpose `{}`, not `batch`", file.object.purpose);
                return Err(Refusal::detail(StatusCode::UNPROCESSABLE_ENTITY, &message));
            }
            lines.extend(line::lines(&file.content));
        }
        if lines.is_empty() {
            return Err(Refusal::detail(StatusCode::UNPROCESSABLE_ENTITY, "The job has no requests"));
        }
        let now = server.clock.now();
        let pending: u64 =
            self.of(owner).iter().filter_map(|shared| Some(shared.job.lock().ok()?.pending(now))).sum();
        if pending + lines.len() as u64 > server.config.batch.pending {
            let message =
                format!("Too many pending batch requests: {pending} of {}", server.config.batch.pending);
            return Err(Refusal::object(
                StatusCode::TOO_MANY_REQUESTS,
                &message,
                "batch_limit_exceeded",
                "1300",
            ));
        }
        let content = about(&wanted, &lines);
        let nth = self.twins.lock().map_or(0, |mut twins| {
            let count = twins.entry(content).or_insert(0);
            *count += 1;
            *count - 1
        });
        let token = wanted.metadata.as_ref().and_then(|metadata| metadata.get("etl_job")?.as_str());
        server.stats.job(token);
        let mut job = Job::new(server, owner, wanted, lines, &content, nth);
        let first = job.settle(server, job.created(), LOOK);
        let view = job.view(server, &first);
        if let Ok(mut jobs) = self.jobs.lock() {
            let id = job.id().to_owned();
            jobs.push(Arc::new(Shared { owner: owner.to_owned(), id, job: Mutex::new(job) }));
        }
        Ok(view)
    }

    fn of(&self, owner: &str) -> Vec<Arc<Shared>> {
        let jobs = self.jobs.lock().map(|jobs| jobs.clone()).unwrap_or_default();
        jobs.into_iter().filter(|shared| shared.owner == owner).collect()
    }

    fn find(&self, owner: &str, id: &str) -> Option<Arc<Shared>> {
        self.of(owner).into_iter().find(|shared| shared.id == id)
    }

    /// The job as it is now.
    pub(crate) fn get(&self, server: &State, owner: &str, id: &str) -> Option<wire::Job> {
        let job = self.find(owner, id)?;
        look(server, server.clock.now(), &job)
    }

    pub(crate) fn cancel(&self, server: &State, owner: &str, id: &str) -> Option<wire::Job> {
        let job = self.find(owner, id)?;
        let now = server.clock.now();
        // Lines that ended before the cancellation are settled first.
        look(server, now, &job)?;
        job.job.lock().ok()?.cancel(now);
        add(&server.stats.cancels, 1);
        look(server, now, &job)
    }

    pub(crate) fn delete(&self, server: &State, owner: &str, id: &str) -> Option<()> {
        let job = self.find(owner, id)?;
        look(server, server.clock.now(), &job)?;
        self.jobs.lock().ok()?.retain(|other| !Arc::ptr_eq(other, &job));
        Some(())
    }

    /// The newest first, unless requested otherwise.
    pub(crate) fn list(&self, server: &State, owner: &str, wish: &Wish) -> Vec<wire::Job> {
        let now = server.clock.now();
        let jobs = self.of(owner);
        let jobs = jobs.iter().filter_map(|job| look(server, now, job)).filter(|job| wish.fits(job));
        let mut jobs: Vec<wire::Job> = jobs.collect();
        if !wish.oldest_first {
            jobs.reverse();
        }
        jobs
    }

    /// Brings all jobs up to date.
    pub(crate) fn settle(&self, server: &State) {
        let now = server.clock.now();
        let jobs = self.jobs.lock().map(|jobs| jobs.clone()).unwrap_or_default();
        for shared in &jobs {
            if let Ok(mut job) = shared.job.lock() {
                job.settle(server, now, Duration::MAX);
            }
        }
    }
}

/// Shorter than any client's timeout for a job request, however many lines have ended since the last poll.
const LOOK: Duration = Duration::from_secs(2);

fn look(server: &State, now: Duration, shared: &Shared) -> Option<wire::Job> {
    let mut job = shared.job.lock().ok()?;
    let moment = job.settle(server, now, LOOK);
    Some(job.view(server, &moment))
}

/// Hashes a job's content, which determines its course; file ids and the caller do not matter.
fn about(wanted: &Wanted, lines: &[Line]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [wanted.endpoint.as_str(), &wanted.model] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    for line in lines {
        let custom_id = line.custom_id.as_deref().unwrap_or_default();
        hasher.update(custom_id.as_bytes()).update(&[0]).update(line.body.as_bytes()).update(b"\n");
    }
    *hasher.finalize().as_bytes()
}
