//! What the stages of a batch share: the one that submits jobs and the one that collects them.

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
    request::question::Question,
    run::money::budget::Reserved,
    store::JobRecord,
};

/// What flows from the stage that submits to the one that collects.
pub(crate) enum Batched {
    /// A record that waits for no job: answered by the ledger, failed, or not meant for the stage.
    Record(Outcome),
    /// A job; its records are parked on disk.
    Job(Box<InFlightJob>),
}

/// The stream between the stages of a batch.
pub(crate) type JobStream = BoxStream<'static, Batched>;

/// A job on its way to be collected.
pub(crate) struct InFlightJob {
    pub(crate) job: JobRecord,
    /// Why its records get no answer now, where that is so: the job itself continues, or may yet be found.
    pub(crate) pending: Option<String>,
}

/// The job under which records are parked that are to be asked again.
pub(crate) const AGAIN: &str = "again";

/// What both stages know.
pub(crate) struct BatchStage {
    /// The stage that submits; its records are parked under this name.
    pub(crate) stage: Arc<str>,
    pub(crate) question: Question,
    /// Records that are parked: each is given on in the end.
    inside: AtomicU64,
    /// Of these, records that are to be asked again.
    again: AtomicU64,
    changed: Notify,
    place: AtomicI64,
    reserved: Mutex<HashMap<String, Reserved>>,
}

impl BatchStage {
    pub(crate) fn new(stage: Arc<str>, question: Question) -> Self {
        Self {
            stage,
            question,
            inside: AtomicU64::new(0),
            again: AtomicU64::new(0),
            changed: Notify::new(),
            place: AtomicI64::new(0),
            reserved: Mutex::default(),
        }
    }

    /// A place of its own for a record that is parked.
    pub(crate) fn next_place(&self) -> i64 {
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.place.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn inside(&self) -> u64 {
        self.inside.load(Ordering::Acquire)
    }

    /// Records have been given on.
    pub(crate) fn leave(&self, records: u64) {
        self.inside.fetch_sub(records, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Records are parked to be asked again.
    pub(crate) fn ask_again(&self, records: u64) {
        self.again.fetch_add(records, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// How many are to be asked again; from now on they are somebody's.
    pub(crate) fn take_again(&self) -> u64 {
        self.again.swap(0, Ordering::AcqRel)
    }

    /// Waits until records leave or are to be asked again.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Keeps what a job may cost until it is collected.
    pub(crate) fn keep(&self, token: &str, reserved: Reserved) {
        if let Ok(mut kept) = self.reserved.lock() {
            kept.insert(token.to_owned(), reserved);
        }
    }

    /// What a job was thought to cost.
    pub(crate) fn reserved(&self, token: &str) -> Option<Reserved> {
        self.reserved.lock().ok()?.remove(token)
    }
}

/// The name under which a job's token stands in its metadata.
const TOKEN: &str = "etl_job";

/// A name for a job that no other has.
pub(crate) fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What a job is found again by.
pub(crate) fn token_metadata(token: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(TOKEN.to_owned(), token.to_owned())])
}

/// Puts what the service says of a job into its record; whether its status has changed.
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

/// Whether nothing more will come of a job.
pub(crate) fn has_ended(record: &JobRecord) -> bool {
    record.state == JobState::Lost
        || record.status.as_deref().is_some_and(|status| JobStatus::of(status).is_terminal())
}
