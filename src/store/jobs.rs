//! Batch jobs in the ledger: every step of each, append-only.

use duckdb::{Connection, Row, params};

use crate::ledger::{JobState, JobStep};

use super::{Run, Store, StoreError, runs};

/// A job in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its unique token, also in its metadata at the service.
    pub token: String,
    /// The pipeline.
    pub pipeline: String,
    /// The stage that collects it.
    pub stage: String,
    /// The server.
    pub server: String,
    /// A fingerprint of the account that created it.
    pub account: String,
    /// The endpoint of its requests.
    pub endpoint: String,
    /// The model of its requests.
    pub model: String,
    /// How many requests it has.
    pub requests: u64,
    /// The state after its steps.
    pub state: JobState,
    /// The service's id, once created.
    pub job: Option<String>,
    /// The id of its input file.
    pub input_file: Option<String>,
    /// The id of its output file.
    pub output_file: Option<String>,
    /// The id of its error file.
    pub error_file: Option<String>,
    /// The last status seen.
    pub status: Option<String>,
    /// Requests that have ended.
    pub completed: u64,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Its estimated cost, in millionths of a dollar.
    pub estimate: u64,
    /// When it was planned.
    pub planned_at: Option<jiff::civil::DateTime>,
}

impl JobRecord {
    /// Applies a step.
    ///
    /// # Errors
    /// An invalid step in this state.
    pub fn step(&mut self, step: &JobStep) -> Result<(), crate::ledger::IllegalTransition> {
        self.state = self.state.next(step)?;
        Ok(())
    }
}

const COLUMNS: &str =
    "token, stage, server, account, endpoint, model, requests, job, input_file, output_file,
    error_file, status, completed, succeeded, failed, step,
    CAST(min(happened_at) OVER (PARTITION BY token) AS VARCHAR) AS planned, pipeline, estimate_usd";

impl Store {
    /// All jobs of a pipeline at a server, in the order of planning.
    ///
    /// # Errors
    /// When the database fails, or has an invalid sequence of steps.
    pub async fn jobs(&self, pipeline: &str, server: &str) -> Result<Vec<JobRecord>, StoreError> {
        let (pipeline, server) = (pipeline.to_owned(), server.to_owned());
        self.with(move |connection| jobs(connection, &pipeline, &server)).await
    }
}

impl Store {
    /// The other servers at which a pipeline has jobs, each with their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs_elsewhere(
        &self,
        pipeline: &str,
        server: &str,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let (pipeline, server) = (pipeline.to_owned(), server.to_owned());
        self.with(move |connection| {
            if !runs::is_there(connection)? {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare(
                "SELECT server, count(DISTINCT token) FROM etl.job_steps WHERE pipeline = ? AND server <> ?
                 GROUP BY server ORDER BY server",
            )?;
            let rows = statement.query_map(params![pipeline, server], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn jobs(connection: &Connection, pipeline: &str, server: &str) -> Result<Vec<JobRecord>, StoreError> {
    let mut jobs: Vec<JobRecord> = Vec::new();
    if !runs::is_there(connection)? {
        return Ok(jobs);
    }
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM etl.job_steps WHERE pipeline = ? AND server = ? ORDER BY planned, token, rowid"
    ))?;
    let mut rows = statement.query(params![pipeline, server])?;
    while let Some(row) = rows.next()? {
        let Some(step) = JobStep::of(&row.get::<_, String>(15)?) else { continue };
        let mut next = record(row)?;
        if let Some(last) = jobs.last_mut().filter(|last| last.token == next.token) {
            next.state = last.state.next(&step)?;
            *last = next;
        } else {
            next.step(&step)?;
            jobs.push(next);
        }
    }
    Ok(jobs)
}

fn record(row: &Row<'_>) -> Result<JobRecord, duckdb::Error> {
    let count = |at: usize| row.get::<_, Option<i64>>(at).map(|count| count.unwrap_or_default() as u64);
    Ok(JobRecord {
        token: row.get(0)?,
        stage: row.get(1)?,
        server: row.get(2)?,
        account: row.get(3)?,
        endpoint: row.get(4)?,
        model: row.get(5)?,
        requests: count(6)?,
        state: JobState::New,
        job: row.get(7)?,
        input_file: row.get(8)?,
        output_file: row.get(9)?,
        error_file: row.get(10)?,
        status: row.get(11)?,
        completed: count(12)?,
        succeeded: count(13)?,
        failed: count(14)?,
        pipeline: row.get(17)?,
        estimate: (row.get::<_, Option<f64>>(18)?.unwrap_or_default() * 1e6).round() as u64,
        planned_at: row.get::<_, String>(16)?.replace(' ', "T").parse().ok(),
    })
}

/// Appends steps, within the caller's transaction.
pub(super) fn add(
    connection: &Connection,
    run: Run,
    steps: &[(JobRecord, JobStep)],
) -> Result<(), StoreError> {
    if steps.is_empty() {
        return Ok(());
    }
    let now = runs::now();
    let mut appender = connection.appender_to_db("job_steps", "etl")?;
    for (job, step) in steps {
        appender.append_row(params![
            job.token,
            step.word(),
            run.0,
            job.pipeline,
            job.stage,
            job.server,
            job.account,
            job.endpoint,
            job.model,
            job.job,
            job.input_file,
            job.output_file,
            job.error_file,
            job.status,
            job.requests as i64,
            job.completed as i64,
            job.succeeded as i64,
            job.failed as i64,
            job.estimate as f64 / 1e6,
            now
        ])?;
    }
    appender.flush()?;
    Ok(())
}
