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

    /// Parks records with jobs, each by its token.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn park(&self, stage: &str, records: Vec<(String, Parked)>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let table = table(stage);
        self.with(move |connection| transaction(connection, |t| park(t, &table, &records))).await
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
        self.with(move |connection| {
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

    /// Lets go of a job's records, or of all of the stage's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unpark(&self, stage: &str, job: Option<&str>) -> Result<(), StoreError> {
        let table = qualified(stage);
        self.execute(match job {
            Some(job) => format!("DELETE FROM {table} WHERE job = '{}'", job.replace('\'', "''")),
            None => format!("DROP TABLE IF EXISTS {table}"),
        })
        .await
    }
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
