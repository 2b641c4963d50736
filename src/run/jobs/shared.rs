//! The shared state of a batch's stages: the submitting and the collecting one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::stream::BoxStream;
use tokio::sync::Notify;

use crate::{
    ledger::JobState,
    mistral::wire::{Job, JobStatus},
    record::Outcome,
    request::model_map::ModelMap,
    run::money::budget::Reserved,
    store::JobRecord,
};

/// An item between the submitting and the collecting stage.
pub(crate) enum Batched {
    /// A record that waits for no job: answered in the ledger, failed, or not meant for the stage.
    Record(Outcome),
    /// A job; its records are parked on disk.
    Job(Box<InFlightJob>),
}

/// The stream between the stages of a batch.
pub(crate) type JobStream = BoxStream<'static, Batched>;

/// A job waiting to be collected.
pub(crate) struct InFlightJob {
    pub(crate) job: JobRecord,
    /// Why its records get no answer in this run, if so: the job continues, or may yet be found.
    pub(crate) pending: Option<String>,
}

/// The pseudo-job of parked records that need another request.
pub(crate) const AGAIN: &str = "again";

/// The state shared by both stages.
pub(crate) struct BatchStage {
    /// The submitting stage; its records are parked under this name.
    pub(crate) stage: Arc<str>,
    pub(crate) model_map: ModelMap,
    /// Parked records; each is emitted eventually.
    inside: AtomicU64,
    /// Of these, records that need another request.
    again: AtomicU64,
    changed: Notify,
    place: AtomicI64,
    reserved: Mutex<HashMap<String, Reserved>>,
}

impl BatchStage {
    pub(crate) fn new(stage: Arc<str>, model_map: ModelMap) -> Self {
        Self {
            stage,
            model_map,
            inside: AtomicU64::new(0),
            again: AtomicU64::new(0),
            changed: Notify::new(),
            place: AtomicI64::new(0),
            reserved: Mutex::default(),
        }
    }

    /// A unique place for a parked record.
    pub(crate) fn next_place(&self) -> i64 {
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.place.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn inside(&self) -> u64 {
        self.inside.load(Ordering::Acquire)
    }

    /// Counts emitted records.
    pub(crate) fn leave(&self, records: u64) {
        self.inside.fetch_sub(records, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Counts parked records that need another request.
    pub(crate) fn ask_again(&self, records: u64) {
        self.again.fetch_add(records, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Takes over the records that need another request; returns their number.
    pub(crate) fn take_again(&self) -> u64 {
        self.again.swap(0, Ordering::AcqRel)
    }

    /// Waits until records leave or need another request.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Keeps the reservation for a job until it is collected.
    pub(crate) fn keep(&self, token: &str, reserved: Reserved) {
        if let Ok(mut kept) = self.reserved.lock() {
            kept.insert(token.to_owned(), reserved);
        }
    }

    /// Takes the reservation for a job.
    pub(crate) fn reserved(&self, token: &str) -> Option<Reserved> {
        self.reserved.lock().ok()?.remove(token)
    }
}

/// The metadata key of a job's token.
const TOKEN: &str = "etl_job";

/// A unique token for a job.
pub(crate) fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The metadata that a job is found by.
pub(crate) fn token_metadata(token: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(TOKEN.to_owned(), token.to_owned())])
}

/// Updates a job's record from the service; returns whether its status has changed.
pub(crate) fn update(record: &mut JobRecord, job: &Job) -> bool {
    let changed = record.status.as_deref() != Some(job.status.as_str());
    record.job = Some(job.id.clone());
    record.status = Some(job.status.as_str().to_owned());
    record.input_file = record.input_file.take().or_else(|| job.input_files.first().cloned());
    record.output_file.clone_from(&job.output_file);
    record.error_file.clone_from(&job.error_file);
    record.completed = job.completed_requests;
    record.succeeded = job.succeeded_requests;
    record.failed = job.failed_requests;
    changed
}

/// How long ago a job was planned.
pub(crate) fn age(planned_at: Option<jiff::civil::DateTime>) -> Duration {
    planned_at.map_or(Duration::ZERO, |at| {
        let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime();
        Duration::try_from(now.duration_since(at)).unwrap_or_default()
    })
}

/// Whether a job has ended.
pub(crate) fn has_ended(record: &JobRecord) -> bool {
    record.state == JobState::Lost
        || record.status.as_deref().is_some_and(|status| JobStatus::of(status).is_terminal())
}
