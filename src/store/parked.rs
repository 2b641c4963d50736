//! Records whose requests are in batch jobs: on disk, by job, until their answers are there.

use duckdb::{Connection, params};

use crate::{
    datatype::quote,
    ledger::RequestId,
    record::{Fields, Record},
};

use super::{Store, StoreError, transaction};

/// A record that waits for a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// Where it stands among all that the stage has parked.
    pub place: i64,
    /// The request that it waits for; nothing where it only passes by.
    pub request: Option<RequestId>,
    /// The last attempt that this run may make.
    pub until: u32,
    /// The record.
    pub record: Record,
}

fn table(stage: &str) -> String {
    format!("parked_{stage}")
}

fn qualified(stage: &str) -> String {
    format!("etl.{}", quote(&table(stage)))
}

impl Store {
    /// Begins to park records for a stage. What an earlier run left there is gone: its requests and jobs
    /// are in the ledger, and its records come again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_parked(&self, stage: &str) -> Result<(), StoreError> {
        let table = qualified(stage);
        self.execute(format!(
            "CREATE OR REPLACE TABLE {table} (place BIGINT, job VARCHAR, request UUID, until INTEGER, key VARCHAR, fields VARCHAR)"
        ))
        .await
    }

    /// Parks records with jobs, each by its token. Gives back those whose job has given on its records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn park(
        &self,
        stage: &str,
        mut records: Vec<(String, Parked)>,
    ) -> Result<Vec<(String, Parked)>, StoreError> {
        if records.is_empty() {
            return Ok(records);
        }
        let (table, closed) = (table(stage), self.closed.clone());
        self.with(move |connection| {
            let late = match closed.lock() {
                Ok(closed) => records.extract_if(.., |(job, _)| closed.contains(job)).collect(),
                Err(_) => Vec::new(),
            };
            transaction(connection, |t| park(t, &table, &records))?;
            Ok(late)
        })
        .await
    }

    /// The next `count` records of a job from `place` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn parked(
        &self,
        stage: &str,
        job: &str,
        place: i64,
        count: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (table, job) = (qualified(stage), job.to_owned());
        self.with(move |connection| parked(connection, &table, &job, place, count)).await
    }

    /// The same; and when there are none, the job is closed in the same moment: what it had is let go of, and
    /// nothing is parked with it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn parked_or_close(
        &self,
        stage: &str,
        job: &str,
        place: i64,
        count: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (table, job, closed) = (qualified(stage), job.to_owned(), self.closed.clone());
        self.with(move |connection| {
            let page = parked(connection, &table, &job, place, count)?;
            if page.is_empty() {
                connection.execute(&format!("DELETE FROM {table} WHERE job = ?"), params![job])?;
                if let Ok(mut closed) = closed.lock() {
                    closed.insert(job);
                }
            }
            Ok(page)
        })
        .await
    }

    /// Gives records to another job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repark(&self, stage: &str, moves: Vec<(i64, String)>) -> Result<(), StoreError> {
        if moves.is_empty() {
            return Ok(());
        }
        let table = qualified(stage);
        self.with(move |connection| {
            let values: Vec<String> =
                moves.iter().map(|(place, job)| format!("({place}, '{}')", job.replace('\'', "''"))).collect();
            connection.execute_batch(&format!(
                "UPDATE {table} SET job = m.job FROM (VALUES {}) AS m(place, job) WHERE {table}.place = m.place",
                values.join(", ")
            ))?;
            Ok(())
        })
        .await
    }

    /// Lets go of all that a stage has parked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unpark(&self, stage: &str) -> Result<(), StoreError> {
        self.execute(format!("DROP TABLE IF EXISTS {}", qualified(stage))).await
    }
}

fn parked(
    connection: &Connection,
    table: &str,
    job: &str,
    place: i64,
    count: usize,
) -> Result<Vec<Parked>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT place, request::VARCHAR, until, key, fields FROM {table}
         WHERE job = ? AND place >= ? ORDER BY place LIMIT ?"
    ))?;
    let mut rows = statement.query(params![job, place, count as i64])?;
    let mut parked = Vec::with_capacity(count);
    while let Some(row) = rows.next()? {
        let request: Option<String> = row.get(1)?;
        let key: String = row.get(3)?;
        let fields: Fields = serde_json::from_str(&row.get::<_, String>(4)?)
            .map_err(|error| StoreError::Sql(error.to_string()))?;
        parked.push(Parked {
            place: row.get(0)?,
            request: request.and_then(|request| RequestId::parse(&request)),
            until: row.get(2)?,
            record: Record { key: key.into(), fields },
        });
    }
    Ok(parked)
}

fn park(connection: &Connection, table: &str, records: &[(String, Parked)]) -> Result<(), StoreError> {
    let mut appender = connection.appender_to_db(table, "etl")?;
    for (job, parked) in records {
        let fields = serde_json::to_string(&parked.record.fields)
            .map_err(|error| StoreError::Sql(error.to_string()))?;
        appender.append_row(params![
            parked.place,
            job,
            parked.request.map(|request| request.to_string()),
            parked.until,
            &*parked.record.key,
            fields
        ])?;
    }
    appender.flush()?;
    Ok(())
}
