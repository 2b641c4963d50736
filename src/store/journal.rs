//! The journal: every step of every request, append-only.

use std::collections::HashMap;

use duckdb::{Connection, Row, params};

use crate::{
    ledger::{Answer, Entry, Generation, History, Refusal, RequestId, Step},
    record::FailureKind,
    units::Usd,
};

use super::{Run, Store, StoreError, runs};

/// Value of the column `refused`: no program could use the answer.
const UNUSABLE: &str = "unusable";

const COLUMNS: &str =
    "request::VARCHAR, generation, attempt, state, stage, key, asked_model, job, model, reply,
    finish_reason, refused, reason, prompt_tokens, completion_tokens, cost_usd, latency_ms, correlation_id, cached_tokens";

/// Prepares a statement over [`COLUMNS`], or over the columns of an older ledger opened read-only.
fn prepared<'a>(connection: &'a Connection, sql: &str) -> Result<duckdb::Statement<'a>, duckdb::Error> {
    let older = || connection.prepare(&sql.replacen("cached_tokens", "NULL::BIGINT", 1));
    connection.prepare(sql).or_else(|_| older())
}

impl Store {
    /// The histories of some requests to a server: the steps of their newest generation. Unknown requests are omitted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known(
        &self,
        server: &str,
        requests: Vec<RequestId>,
    ) -> Result<HashMap<RequestId, History>, StoreError> {
        let server = server.to_owned();
        self.with(move |connection| known(connection, &server, &requests)).await
    }

    /// The pending lines of a job, by request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn placed(&self, job: &str) -> Result<HashMap<RequestId, Entry>, StoreError> {
        let job = job.to_owned();
        self.with(move |connection| {
            let mut statement = prepared(connection, &format!(
                "SELECT {COLUMNS} FROM (
                     SELECT *, row_number() OVER (PARTITION BY request, generation, attempt ORDER BY rowid DESC) AS nth
                     FROM etl.journal WHERE job = ?
                 ) WHERE nth = 1 AND state = 'placed'"
            ))?;
            let mut rows = statement.query(params![job])?;
            let mut placed = HashMap::new();
            while let Some(row) = rows.next()? {
                if let Some(entry) = entry(row)? {
                    placed.insert(entry.request, entry);
                }
            }
            Ok(placed)
        })
        .await
    }

    /// The cost of a pipeline since its last completed run: an interrupted run and those that resume it count as one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent(&self, pipeline: &str, server: &str) -> Result<Usd, StoreError> {
        let (pipeline, server) = (pipeline.to_owned(), server.to_owned());
        self.with(move |connection| {
            if !runs::is_there(connection)? {
                return Ok(Usd::default());
            }
            let spent: f64 = connection.query_row(
                "SELECT coalesce(sum(cost_usd), 0) FROM etl.requests WHERE server = $2 AND run IN (
                     SELECT run FROM etl.runs WHERE pipeline = $1 AND server = $2 AND run > coalesce((
                         SELECT max(run) FROM etl.runs WHERE pipeline = $1 AND server = $2
                         AND ended IN ('complete', 'with failures', 'pending')), 0))",
                params![pipeline, server],
                |row| row.get(0),
            )?;
            Ok(Usd::from_micros((spent * 1e6).round() as u64))
        })
        .await
    }
}

fn known(
    connection: &Connection,
    server: &str,
    requests: &[RequestId],
) -> Result<HashMap<RequestId, History>, StoreError> {
    let mut found: HashMap<RequestId, History> = HashMap::new();
    if requests.is_empty() || !runs::is_there(connection)? {
        return Ok(found);
    }
    // Identities are hexadecimal, so they cannot inject SQL.
    let list: Vec<String> = requests.iter().map(|id| format!("'{id}'")).collect();
    let mut statement = prepared(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM etl.journal WHERE server = ? AND request IN ({})
         ORDER BY generation, attempt, rowid",
            list.join(", ")
        ),
    )?;
    let mut rows = statement.query(params![server])?;
    while let Some(row) = rows.next()? {
        let Some(entry) = entry(row)? else { continue };
        let history = found.entry(entry.request).or_insert(History::new(entry.generation));
        if entry.generation > history.generation {
            *history = History::new(entry.generation);
        }
        history.entries.push(entry);
    }
    Ok(found)
}

/// An entry from a row; `None` for a step known only to a newer version.
fn entry(row: &Row<'_>) -> Result<Option<Entry>, duckdb::Error> {
    let Some(request) = RequestId::parse(&row.get::<_, String>(0)?) else { return Ok(None) };
    let text = |at: usize| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
    let count = |at: usize| row.get::<_, Option<i64>>(at).map(|count| count.unwrap_or_default() as u64);
    let answer = || -> Result<Answer, duckdb::Error> {
        Ok(Answer {
            model: text(8)?,
            reply: text(9)?,
            finish_reason: row.get(10)?,
            prompt_tokens: count(13)?,
            cached_tokens: count(18)?,
            completion_tokens: count(14)?,
            cost: row.get::<_, Option<f64>>(15)?.map(|usd| Usd::from_micros((usd * 1e6).round() as u64)),
            latency_ms: row.get::<_, Option<i64>>(16)?.map(|ms| ms as u64),
            correlation_id: row.get(17)?,
            note: None,
            unusable: None,
        })
    };
    let step = match row.get::<_, String>(3)?.as_str() {
        "placed" => Step::Placed,
        "answered" => Step::Answered(Answer { note: row.get(12)?, ..answer()? }),
        "refused" if text(11)? == UNUSABLE => {
            let reason = text(12)?;
            let answer = Answer { unusable: Some(reason.clone()), ..answer()? };
            Step::Refused(answer, Refusal { kind: FailureKind::Refused, reason })
        }
        "refused" => {
            let kind = match text(11)?.as_str() {
                kind if kind == FailureKind::Length.as_str() => FailureKind::Length,
                kind if kind == FailureKind::Expectation.as_str() => FailureKind::Expectation,
                _ => FailureKind::Refused,
            };
            Step::Refused(answer()?, Refusal { kind, reason: text(12)? })
        }
        "invalid" => Step::Invalid(text(12)?),
        "missing" => Step::Missing(text(12)?),
        _ => return Ok(None),
    };
    Ok(Some(Entry {
        request,
        generation: Generation(row.get(1)?),
        attempt: row.get(2)?,
        stage: row.get(4)?,
        key: row.get(5)?,
        asked_model: row.get(6)?,
        job: row.get(7)?,
        step,
    }))
}

/// Appends steps, within the caller's transaction.
pub(super) fn add(
    connection: &Connection,
    run: Run,
    server: &str,
    entries: &[Entry],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let now = runs::now();
    let mut appender = connection.appender_to_db("journal", "etl")?;
    for entry in entries {
        let answer = entry.step.answer();
        let (refused, reason) = match &entry.step {
            Step::Refused(answer, refusal) => match &answer.unusable {
                Some(reason) => (Some(UNUSABLE), Some(reason.as_str())),
                None => (Some(refusal.kind.as_str()), Some(refusal.reason.as_str())),
            },
            Step::Invalid(reason) | Step::Missing(reason) => (None, Some(reason.as_str())),
            Step::Answered(answer) => (None, answer.note.as_deref()),
            Step::Placed => (None, None),
        };
        appender.append_row(params![
            entry.request.to_string(),
            server,
            entry.generation.0,
            entry.attempt,
            entry.step.word(),
            run.0,
            entry.stage,
            entry.key,
            entry.asked_model,
            entry.job,
            answer.map(|answer| answer.model.as_str()),
            answer.map(|answer| answer.reply.as_str()),
            answer.and_then(|answer| answer.finish_reason.as_deref()),
            refused,
            reason,
            answer.map(|answer| answer.prompt_tokens as i64),
            answer.map(|answer| answer.completion_tokens as i64),
            answer.and_then(|answer| answer.cost).map(|cost| cost.micros() as f64 / 1e6),
            answer.and_then(|answer| answer.latency_ms).map(|ms| ms as i64),
            answer.and_then(|answer| answer.correlation_id.as_deref()),
            now,
            answer.map(|answer| answer.cached_tokens as i64)
        ])?;
    }
    appender.flush()?;
    Ok(())
}
