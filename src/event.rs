//! The events of a run, its only output.
//!
//! Bars, lines, JSON, the summary and the exit code are folds over events. Counts are totals
//! since the start of the run, so that a progress event may be dropped without loss: the next one
//! contains them again.

use jiff::Timestamp;
use serde::Serialize;

/// An event and its time.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The closed set of events.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The first event of every run.
    RunStarted {
        /// The pipeline's name.
        pipeline: String,
        /// The run's number in the ledger.
        run: i64,
        /// Whether answers come from the simulator in this process.
        offline: bool,
        /// The database for rows and the ledger.
        database: String,
        /// Every stage, upstream before downstream; an event names a stage by its index here.
        stages: Vec<StageInfo>,
    },
    /// All counts; may be dropped.
    Progress(Progress),
    /// A wave has closed: everything above it is on disk, and the stages below it may start.
    WaveClosed {
        /// The wave's stage index.
        stage: usize,
        /// Records that succeeded.
        ok: u64,
        /// Records that failed above it and wait at its `failed` port.
        failed: u64,
        /// The earlier run that closed it, if this run resumes from it.
        since: Option<i64>,
    },
    /// A batch job has changed.
    JobChanged {
        /// The stage that created it or polls it.
        stage: usize,
        /// The service's id.
        job: String,
        /// Its status, in the service's word.
        status: String,
        /// Its requests.
        requests: u64,
        /// Requests that have ended.
        completed: u64,
        /// Requests that have ended without an answer.
        failed: u64,
    },
    /// Mocked answers of an offline run have keys without a record.
    UnusedAnswers {
        /// The name of the map.
        stage: String,
        /// The keys.
        keys: Vec<String>,
        /// The key of a record that reached the map and has no answer.
        other: Option<String>,
    },
    /// A stage has seen its last record.
    StageEnded {
        /// The stage's index.
        stage: usize,
    },
    /// The first interrupt: no new work starts, and work in flight is finished.
    Interrupted {
        /// Requests still in flight.
        in_flight: u64,
    },
    /// The last event of every run.
    RunEnded {
        /// How it ended.
        end: RunEnd,
        /// The final counts.
        progress: Progress,
        /// Where every record ended.
        sum: Conservation,
        /// The changes to rows of earlier runs, by table.
        tables: Vec<TableChange>,
        /// Wall time in seconds.
        seconds: f64,
    },
}

/// A stage, for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StageKind,
    /// The target of a sink: `table metadata`, `out.jsonl`.
    pub target: Option<String>,
}

/// The kinds of stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Starts a stream.
    Source,
    /// Records in, records out.
    Map,
    /// Pieces in, whole records out.
    Gather,
    /// Delays records to a rate.
    Throttle,
    /// Checks jobs until they end.
    Poll,
    /// A barrier and checkpoint.
    Wave,
    /// Writes rows.
    Sink,
}

/// A snapshot of all counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// By stage, in the order of [`EventKind::RunStarted::stages`].
    pub stages: Vec<StageCounts>,
    /// The requests and their cost.
    pub usage: Usage,
    /// The effect of rate limits.
    pub limits: RateLimits,
}

/// The effect of rate limits on a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RateLimits {
    /// What requests wait for now, if anything.
    pub waiting_for: Option<WaitingFor>,
    /// Answers per second, over the last ten seconds.
    pub accepted_per_second: f64,
    /// The share of requests refused with 429 over the last ten seconds, 0 to 1.
    pub refused_share: f64,
    /// Requests refused with 429 since the start.
    pub refused: u64,
    /// The time lost so far.
    pub lost: LostTime,
}

/// What requests wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WaitingFor {
    /// The pipeline's own `limits:`.
    #[serde(rename = "configured limit")]
    ConfiguredLimit,
    /// A limit of the account, announced by the service or learned from its refusals.
    #[serde(rename = "account limit")]
    AccountLimit,
    /// Single requests were refused although there is capacity, and are retried.
    #[serde(rename = "sporadic refusals")]
    SporadicRefusals,
    /// Nothing is accepted: one probe at a time is sent until the outage is over.
    #[serde(rename = "probe after an outage")]
    Outage,
}

/// The time lost by cause, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LostTime {
    /// To the pipeline's own `limits:`.
    pub configured_limit_ms: u64,
    /// To limits of the account.
    pub account_limit_ms: u64,
    /// To sporadic refusals: the wait of a refused request counts by its share of the requests in flight.
    pub sporadic_refusals_ms: u64,
    /// To outages.
    pub outage_ms: u64,
}

/// One stage's counts. `taken = done + failed + skipped + duplicates + inside` for every one-to-one stage; a
/// source takes nothing, a split outputs more than it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StageCounts {
    /// The total number of records that it will take, if known.
    pub total: Option<u64>,
    /// Records that it has taken (for a source: that it has read).
    pub taken: u64,
    /// Records that it has output (for a sink: rows written).
    pub done: u64,
    /// Records that became failures in it.
    pub failed: u64,
    /// Records that ended without a row or a failure: a sink's `when` was false, a split had no parts.
    pub skipped: u64,
    /// Duplicate rows of a sink: another row has the same key.
    pub duplicates: u64,
    /// Cache hits: records answered from the ledger, without a request.
    pub reused: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Records waiting for a rate limit now.
    pub waiting: u64,
}

/// The requests of a run and their cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Of these, retries after a 429, a 5xx or a cut connection.
    pub retries: u64,
    /// Cache hits: answers taken from the ledger instead of a request.
    pub reused: u64,
    /// Input tokens.
    pub prompt_tokens: u64,
    /// Of these, tokens billed at a lower price because the service had cached them.
    pub cached_tokens: u64,
    /// Output tokens.
    pub completion_tokens: u64,
    /// The cost in millionths of a US dollar; for a simulator, what its answers would have cost.
    pub cost_micros: u64,
    /// Answers of models without a known price, not included in `cost_micros`.
    pub unpriced: u64,
    /// Whether a simulator answers, in this process or at a URL.
    pub simulated: bool,
}

/// The changes to rows of earlier runs in a table at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// The table.
    pub table: String,
    /// Removed rows: their records no longer produce them.
    pub removed: u64,
    /// Remaining rows of earlier runs whose record failed in this run.
    pub stale: u64,
    /// Remaining rows of earlier runs whose record is no longer in its source.
    pub left: u64,
    /// Rows of earlier runs whose record was not read: its source gave no record, or had some that cannot be read.
    pub unread: u64,
    /// Rows of a stopped run for a table or file that is replaced as a whole; it is unchanged.
    pub discarded: u64,
}

impl TableChange {
    /// Whether there is anything to report.
    pub fn is_empty(&self) -> bool {
        self.removed + self.stale + self.left + self.unread + self.discarded == 0
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Every record became a row or was skipped.
    Complete,
    /// Every record is accounted for, some as failures in the failures table.
    WithFailures,
    /// Some records got no answer; the same command retries them. Others may be failures.
    Pending,
    /// The user stopped it; finished work is kept.
    Interrupted,
    /// The budget is reached, or the account has no credit; finished work is kept.
    OutOfMoney(String),
    /// It could not continue; finished work is kept.
    Fatal(String),
}

impl RunEnd {
    /// The word stored in the ledger.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::WithFailures => "with failures",
            Self::Pending => "pending",
            Self::Interrupted => "interrupted",
            Self::OutOfMoney(_) => "out of money",
            Self::Fatal(_) => "failed",
        }
    }

    /// The exit code of the process: 0 complete, 1 fatal, 3 ended with failures, 4 out of money, 5 ended
    /// with pending records that got no answer, 130 interrupted
    /// (2 is a wrong spec or command line, which never starts a run).
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Fatal(_) => 1,
            Self::WithFailures => 3,
            Self::OutOfMoney(_) => 4,
            Self::Pending => 5,
            Self::Interrupted => 130,
        }
    }
}

/// The sum that must hold at the end of every run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Conservation {
    /// Records read by the sources.
    pub read: u64,
    /// Records added by stages: parts of a split, copies for a second reader.
    pub added: i64,
    /// Rows written by the sinks.
    pub rows: u64,
    /// Records in the failures table, without those that got no answer.
    pub failures: u64,
    /// Records without an answer after all retries: pending, and retried by the next run.
    pub unanswered: u64,
    /// Records that were skipped.
    pub skipped: u64,
    /// Records whose row is a duplicate: another row has the same key.
    pub duplicates: u64,
}

impl Conservation {
    /// Records that are neither rows nor failures nor skipped: the unanswered ones, and those that an interrupted
    /// run did not reach.
    pub const fn pending(self) -> i64 {
        let settled = self.rows + self.failures + self.skipped + self.duplicates;
        self.read as i64 + self.added - settled as i64
    }
}
