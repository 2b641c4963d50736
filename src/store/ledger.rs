//! The ledger: runs, and every answer that was paid for.

use std::{collections::HashMap, path::Path};

use duckdb::{Connection, params};

use crate::{
    event::Usage,
    ledger::{Answer, Refusal, RequestId},
    record::FailureKind,
    units::Usd,
};

use super::{Store, StoreError, VERSION, transaction};

/// A run's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run(pub i64);

/// What is written of a run when it begins.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// The pipeline's name.
    pub pipeline: String,
    /// Who is asked: answers of one server are no answers of another.
    pub server: String,
}

/// Answers to the same request that were asked for together. A `--fresh` run starts a new one, and
/// only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub i64);

/// What the ledger has of a request: the answers of its newest generation, by attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The generation.
    pub generation: Generation,
    /// The answers; never empty.
    pub answers: Vec<Answer>,
}

const TABLES: &str = "
    CREATE SCHEMA etl;
    CREATE TABLE etl.meta (version BIGINT);
    CREATE TABLE etl.runs (
        run BIGINT, pipeline VARCHAR, server VARCHAR, program VARCHAR,
        started_at TIMESTAMP, ended_at TIMESTAMP, ended VARCHAR,
        requests BIGINT, retries BIGINT, reused BIGINT,
        prompt_tokens BIGINT, completion_tokens BIGINT, cost_usd DOUBLE
    );
    CREATE TABLE etl.answers (
        request UUID, server VARCHAR, generation BIGINT, attempt INTEGER,
        run BIGINT, stage VARCHAR, key VARCHAR,
        asked_model VARCHAR, model VARCHAR, reply VARCHAR, finish_reason VARCHAR,
        refused VARCHAR, reason VARCHAR,
        prompt_tokens BIGINT, completion_tokens BIGINT, cost_usd DOUBLE, latency_ms BIGINT,
        answered_at TIMESTAMP
    );
    CREATE TABLE etl.failures (
        run BIGINT, stage VARCHAR, key VARCHAR, kind VARCHAR, reason VARCHAR,
        attempts INTEGER, reply VARCHAR, failed_at TIMESTAMP
    );";

/// Whether the database has a ledger.
fn is_there(connection: &Connection) -> Result<bool, duckdb::Error> {
    connection.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables()
         WHERE schema_name = 'etl' AND table_name = 'meta' AND database_name = current_database()",
        [],
        |row| row.get(0),
    )
}

pub(super) fn create(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if is_there(connection)? {
        let found: i64 =
            connection.query_row("SELECT coalesce(max(version), 0) FROM etl.meta", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        return Ok(());
    }
    connection.execute_batch(&format!("BEGIN; {TABLES} INSERT INTO etl.meta VALUES ({VERSION}); COMMIT;"))?;
    Ok(())
}

impl Store {
    /// Begins a run, and gives it the next number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self, record: RunRecord) -> Result<Run, StoreError> {
        self.with(move |connection| {
            transaction(connection, |t| {
                let run: i64 = t.query_row("SELECT coalesce(max(run), 0) + 1 FROM etl.runs", [], |row| row.get(0))?;
                t.execute(
                    "INSERT INTO etl.runs (run, pipeline, server, program, started_at) VALUES (?, ?, ?, ?, now()::TIMESTAMP)",
                    params![run, record.pipeline, record.server, env!("CARGO_PKG_VERSION")],
                )?;
                Ok(Run(run))
            })
        })
        .await
    }

    /// Ends a run: in which way, and what it used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(&self, run: Run, ended: &'static str, usage: Usage) -> Result<(), StoreError> {
        self.with(move |connection| {
            connection.execute(
                "UPDATE etl.runs SET ended_at = now()::TIMESTAMP, ended = ?, requests = ?, retries = ?, reused = ?,
                 prompt_tokens = ?, completion_tokens = ?, cost_usd = ? WHERE run = ?",
                params![
                    ended,
                    usage.requests as i64,
                    usage.retries as i64,
                    usage.reused as i64,
                    usage.prompt_tokens as i64,
                    usage.completion_tokens as i64,
                    usage.cost_micros as f64 / 1e6,
                    run.0
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// What the ledger has of some requests to a server; requests that were never answered are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known(
        &self,
        server: &str,
        requests: Vec<RequestId>,
    ) -> Result<HashMap<RequestId, Known>, StoreError> {
        let server = server.to_owned();
        self.with(move |connection| known(connection, &server, &requests)).await
    }
}

fn known(
    connection: &Connection,
    server: &str,
    requests: &[RequestId],
) -> Result<HashMap<RequestId, Known>, StoreError> {
    let mut found: HashMap<RequestId, Known> = HashMap::new();
    if requests.is_empty() || !is_there(connection)? {
        return Ok(found);
    }
    // Identities are hexadecimal, and cannot carry SQL.
    let list: Vec<String> = requests.iter().map(|id| format!("'{id}'")).collect();
    let mut statement = connection.prepare(&format!(
        "SELECT request::VARCHAR, generation, attempt, stage, key, asked_model, model, reply, finish_reason,
                refused, reason, prompt_tokens, completion_tokens, cost_usd, latency_ms
         FROM etl.answers WHERE server = ? AND request IN ({}) ORDER BY generation, attempt",
        list.join(", ")
    ))?;
    let mut rows = statement.query(params![server])?;
    while let Some(row) = rows.next()? {
        let Some(request) = RequestId::parse(&row.get::<_, String>(0)?) else { continue };
        let generation = Generation(row.get(1)?);
        let refused: Option<String> = row.get(9)?;
        let cost: Option<f64> = row.get(13)?;
        let answer = Answer {
            request,
            attempt: row.get(2)?,
            stage: row.get(3)?,
            key: row.get(4)?,
            asked_model: row.get(5)?,
            model: row.get(6)?,
            reply: row.get(7)?,
            finish_reason: row.get(8)?,
            refusal: refused.map(|kind| {
                let kind = if kind == FailureKind::Length.as_str() {
                    FailureKind::Length
                } else {
                    FailureKind::Refused
                };
                Refusal { kind, reason: row.get::<_, Option<String>>(10).ok().flatten().unwrap_or_default() }
            }),
            prompt_tokens: row.get::<_, i64>(11)? as u64,
            completion_tokens: row.get::<_, i64>(12)? as u64,
            cost: cost.map(|usd| Usd::from_micros((usd * 1e6).round() as u64)),
            latency_ms: row.get::<_, i64>(14)? as u64,
        };
        let known = found.entry(request).or_insert(Known { generation, answers: Vec::new() });
        if generation > known.generation {
            *known = Known { generation, answers: Vec::new() };
        }
        known.answers.push(answer);
    }
    Ok(found)
}

/// Adds answers, within the transaction of the caller.
pub(super) fn add(
    connection: &Connection,
    run: Run,
    server: &str,
    answers: &[(Generation, Answer)],
) -> Result<(), StoreError> {
    if answers.is_empty() {
        return Ok(());
    }
    let now = now();
    let mut appender = connection.appender_to_db("answers", "etl")?;
    for (generation, answer) in answers {
        let refusal = answer.refusal.as_ref();
        appender.append_row(params![
            answer.request.to_string(),
            server,
            generation.0,
            answer.attempt,
            run.0,
            answer.stage,
            answer.key,
            answer.asked_model,
            answer.model,
            answer.reply,
            answer.finish_reason,
            refusal.map(|refusal| refusal.kind.as_str()),
            refusal.map(|refusal| refusal.reason.as_str()),
            answer.prompt_tokens as i64,
            answer.completion_tokens as i64,
            answer.cost.map(|cost| cost.micros() as f64 / 1e6),
            answer.latency_ms as i64,
            now
        ])?;
    }
    appender.flush()?;
    Ok(())
}

/// The present moment as DuckDB's appender takes a timestamp.
pub(super) fn now() -> String {
    jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime().to_string()
}
