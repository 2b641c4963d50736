//! Waves: a query over all that one holds, and the line that says that it is closed.

use duckdb::{Connection, params};
use serde_json::Value;

use crate::datatype::{DataType, quote};

use super::{Run, Store, StoreError, sink::structure, spill, transaction};

/// A wave that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedWave {
    /// Its name.
    pub wave: String,
    /// What the plan says of it and of everything above it, as a fingerprint.
    pub plan: String,
    /// Records that came through.
    pub ok: u64,
    /// Records that failed above it.
    pub failed: u64,
    /// Records that got no answer, and come again with the next run.
    pub pending: u64,
}

/// A query over the records that came through, which puts its own in their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformation {
    /// The query; the wave's name stands for the records.
    pub text: String,
    /// Their fields and types.
    pub fields: Vec<(String, DataType)>,
    /// The column that identifies a record; its number if there is none.
    pub key: Option<String>,
}

impl Store {
    /// Closes a wave: from here on it is closed, whatever becomes of the run. Gives the number of records
    /// that came through, which a query may have changed.
    ///
    /// # Errors
    /// When the query fails over these records, or the database does.
    pub async fn close_wave(
        &self,
        run: Run,
        held: &str,
        mut closed: ClosedWave,
        query: Option<Transformation>,
    ) -> Result<u64, StoreError> {
        let held = spill::table(held);
        self.with(move |connection| {
            transaction(connection, |t| {
                if let Some(query) = query {
                    closed.ok = transform(t, &held, &closed.wave, &query)?;
                }
                t.execute(
                    "INSERT INTO etl.waves
                     SELECT run, pipeline, $2, $3, $4, $5, $6, now()::TIMESTAMP FROM etl.runs WHERE run = $1",
                    params![
                        run.0,
                        closed.wave,
                        closed.plan,
                        closed.ok as i64,
                        closed.failed as i64,
                        closed.pending as i64
                    ],
                )?;
                Ok(closed.ok)
            })
        })
        .await
    }

    /// The waves that the pipeline's last run has closed, if that run was cut off: with the run that closed
    /// each. What the run held is still there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn closed_waves(
        &self,
        pipeline: &str,
        server: &str,
    ) -> Result<Vec<(i64, ClosedWave)>, StoreError> {
        let (pipeline, server) = (pipeline.to_owned(), server.to_owned());
        self.with(move |connection| {
            let mut statement = connection.prepare(
                "SELECT w.run, w.wave, w.plan, w.ok, w.failed, w.pending FROM etl.waves AS w
                 JOIN (SELECT run, ended FROM etl.runs WHERE pipeline = $1 AND server = $2
                       ORDER BY run DESC LIMIT 1) AS last ON last.run = w.run
                 WHERE last.ended IS NULL OR last.ended NOT IN ('complete', 'with failures')",
            )?;
            let rows = statement.query_map(params![pipeline, server], |row| {
                let count = |at| row.get::<_, i64>(at).map(|count| count as u64);
                let closed = ClosedWave {
                    wave: row.get(1)?,
                    plan: row.get(2)?,
                    ok: count(3)?,
                    failed: count(4)?,
                    pending: count(5)?,
                };
                Ok((row.get(0)?, closed))
            })?;
            let found: Vec<(i64, ClosedWave)> = rows.collect::<Result<_, _>>()?;
            let mut whole = Vec::new();
            for (run, closed) in found {
                if spill::count(connection, &spill::held_name(&pipeline, &server, &closed.wave))?
                    == Some((closed.ok, closed.failed))
                {
                    whole.push((run, closed));
                }
            }
            Ok(whole)
        })
        .await
    }
}

fn transform(
    connection: &Connection,
    held: &str,
    wave: &str,
    query: &Transformation,
) -> Result<u64, StoreError> {
    let fields = query.fields.iter().map(|(name, of)| (name.clone(), structure(of))).collect();
    let structure = Value::Object(fields).to_string().replace('\'', "''");
    let name = quote(wave);
    let key =
        query.key.as_ref().map_or("row_number() OVER ()".to_owned(), |key| format!("etl_row.{}", quote(key)));
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE transformed AS
         WITH {name} AS (
             SELECT etl_held.* FROM (
                 SELECT from_json(fields, '{structure}') AS etl_held FROM {held} WHERE NOT failed ORDER BY place
             )
         )
         SELECT (row_number() OVER ()) - 1 AS place, false AS failed, CAST({key} AS VARCHAR) AS key,
             CAST(to_json(etl_row) AS VARCHAR) AS fields
         FROM ({}
) AS etl_row;
         DELETE FROM {held} WHERE NOT failed;
         INSERT INTO {held} SELECT * FROM transformed",
        query.text
    ))?;
    let count: i64 = connection.query_row("SELECT count(*) FROM transformed", [], |row| row.get(0))?;
    connection.execute_batch("DROP TABLE transformed")?;
    Ok(count as u64)
}
