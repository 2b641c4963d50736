//! What happened, as facts: the only thing that a run says to the world.
//!
//! Bars, lines, JSON, the summary and the exit code are folds over these. Counts are totals
//! since the start of the run, so that a progress event may be dropped and nothing is lost:
//! the next one says it again.

use jiff::Timestamp;
use serde::Serialize;

/// Something that happened, and when.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The closed set of things that happen.
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
        /// The database that rows and ledger are written to.
        database: String,
        /// Every stage, upstream before downstream; an event names a stage by its index here.
        stages: Vec<StageInfo>,
    },
    /// How far everything is; may be dropped.
    Progress(Progress),
    /// A wave has closed: everything above it is on disk, what is below it may begin.
    WaveClosed {
        /// The wave's stage index.
        stage: usize,
        /// Records that came through.
        ok: u64,
        /// Records that failed above it and wait at its `failed` port.
        failed: u64,
        /// The run that closed it, if that was an earlier one that this one continues from.
        since: Option<i64>,
    },
    /// A batch job stands otherwise than before.
    JobChanged {
        /// The stage that created it or polls it.
        stage: usize,
        /// The service's id.
        job: String,
        /// How it stands, in the service's word.
        status: String,
        /// Its requests.
        requests: u64,
        /// Requests that have ended.
        completed: u64,
        /// Requests that have ended without an answer.
        failed: u64,
    },
    /// Mocked answers of an offline run have keys that no record had.
    UnusedAnswers {
        /// The name of the map.
        stage: String,
        /// The keys.
        keys: Vec<String>,
    },
    /// A stage has seen its last record.
    StageEnded {
        /// The stage's index.
        stage: usize,
    },
    /// The first interrupt: no new work is taken, what is in flight is finished.
    Interrupted {
        /// Requests still under way.
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
        /// What became of the rows of earlier runs, by table.
        tables: Vec<TableChange>,
        /// Wall time in seconds.
        seconds: f64,
    },
}

/// What a stage is, for those who show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StageKind,
    /// What it writes to, for a sink: `table metadata`, `out.jsonl`.
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
    /// Pieces in, the records that they are of out.
    Gather,
    /// Delays records to a rate.
    Throttle,
    /// Asks how far something is, until it ends.
    Poll,
    /// A barrier and checkpoint.
    Wave,
    /// Writes.
    Sink,
}

/// A snapshot of all counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// By stage, in the order of [`EventKind::RunStarted::stages`].
    pub stages: Vec<StageCounts>,
    /// What the run has asked and spent.
    pub usage: Usage,
    /// What the limits of the service do to it.
    pub limits: RateLimits,
}

/// What the limits of the service do to a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RateLimits {
    /// What requests wait for now, if they do.
    pub waiting_for: Option<WaitingFor>,
    /// Answers a second, over the last ten seconds.
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
    /// The rate that the pipeline's own `limits:` allow.
    #[serde(rename = "configured limit")]
    ConfiguredLimit,
    /// A limit of the account, announced by the service or learned from its refusals.
    #[serde(rename = "account limit")]
    AccountLimit,
    /// Single requests were refused although there is room, and are sent again.
    #[serde(rename = "sporadic refusals")]
    SporadicRefusals,
    /// Nothing is accepted: one probe at a time is sent until the outage is over.
    #[serde(rename = "probe after an outage")]
    Outage,
}

/// The time lost to each, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LostTime {
    /// To the pipeline's own `limits:`.
    pub configured_limit_ms: u64,
    /// To limits of the account.
    pub account_limit_ms: u64,
    /// To sporadic refusals: what a refused request waits counts by its part of the requests at work.
    pub sporadic_refusals_ms: u64,
    /// To outages.
    pub outage_ms: u64,
}

/// One stage's counts. `taken = done + failed + skipped + duplicates + inside` for every stage that is one to one;
/// a source takes nothing, a split gives more than it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StageCounts {
    /// Records that it will take in all, where that is known.
    pub total: Option<u64>,
    /// Records that it has taken (for a source: that it has read).
    pub taken: u64,
    /// Records that it has given on (for a sink: rows written).
    pub done: u64,
    /// Records that became failures in it.
    pub failed: u64,
    /// Records that it ended without a row and without a failure: a sink's `when` was false, a split had no part.
    pub skipped: u64,
    /// Rows of a sink that another row with the same key stands for.
    pub duplicates: u64,
    /// Records answered from the ledger, without a request.
    pub reused: u64,
    /// Requests under way now.
    pub in_flight: u64,
    /// Records waiting for a rate limit now.
    pub waiting: u64,
}

/// What a run has asked and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Of these, sent again after a 429, a 5xx or a cut connection.
    pub retries: u64,
    /// Answers taken from the ledger instead of being asked for.
    pub reused: u64,
    /// Tokens that were read.
    pub prompt_tokens: u64,
    /// Of these, tokens that cost less because the service had read them before.
    pub cached_tokens: u64,
    /// Tokens that were written.
    pub completion_tokens: u64,
    /// Millionths of a US dollar; what the answers of a simulator would have cost.
    pub cost_micros: u64,
    /// Answers by models whose price is not known, which `cost_micros` leaves out.
    pub unpriced: u64,
    /// Whether a simulator answers, in this process or at an address.
    pub simulated: bool,
}

/// What the end of a run did to the rows of earlier ones in a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// The table.
    pub table: String,
    /// Rows that were removed: their records no longer give them.
    pub removed: u64,
    /// Rows of earlier runs that are there although their record failed in this one.
    pub stale: u64,
    /// Rows of earlier runs that are there although their record is no longer in its source.
    pub left: u64,
    /// Rows of earlier runs whose record was not read: its source gave no record, or had some that cannot be read.
    pub unread: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Every record has become a row or was skipped.
    Complete,
    /// Every record is accounted for, some as failures in the failures table.
    WithFailures,
    /// Some records got no answer; the same command asks them again. Others may be failures.
    Pending,
    /// The user stopped it; what was finished is kept.
    Interrupted,
    /// The budget is reached, or the account has no credit; what was finished is kept.
    OutOfMoney(String),
    /// It could not continue; what was finished is kept.
    Fatal(String),
}

impl RunEnd {
    /// The word that the ledger stores.
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

    /// The process's exit code: 0 complete, 1 fatal, 3 ended with failures, 4 out of money, 5 ended
    /// with records pending that got no answer, 130 interrupted
    /// (2 is a wrong spec or call, which never gets as far as a run).
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
    /// Records that stages made in addition: parts of a split, copies for a second reader.
    pub added: i64,
    /// Rows written by the sinks.
    pub rows: u64,
    /// Records in the failures table, without those that got no answer.
    pub failures: u64,
    /// Records that got no answer after all retries: pending, the next run asks them again.
    pub unanswered: u64,
    /// Records that were skipped.
    pub skipped: u64,
    /// Records whose row another row with the same key stands for.
    pub duplicates: u64,
}

impl Conservation {
    /// Records that are neither rows nor failures nor skipped: the unanswered ones, and what a run that was cut
    /// off did not come to.
    pub const fn pending(self) -> i64 {
        let settled = self.rows + self.failures + self.skipped + self.duplicates;
        self.read as i64 + self.added - settled as i64
    }
}
