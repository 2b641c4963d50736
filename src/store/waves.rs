//! Waves: a query over all that one holds, and the line that says that it is closed.

use duckdb::{Connection, params};

use crate::record::{About, Schema, quote};

use super::{Run, Store, StoreError, WaveBuffer, transaction};

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
    /// The columns that identify a record; its number if there are none.
    pub key: Vec<String>,
    /// The fields of its result.
    pub output: std::sync::Arc<Schema>,
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
        buffer: &WaveBuffer,
        mut closed: ClosedWave,
        query: Option<Transformation>,
    ) -> Result<u64, StoreError> {
        let buffer = buffer.clone();
        self.with(move |connection| {
            transaction(connection, |t| {
                if let Some(query) = query {
                    closed.ok = transform(t, &buffer, &closed.wave, &query)?;
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
    /// each. Whether what the run held is still there is for [`Store::holds`] to say.
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
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Whether a buffer holds just what a wave had when it closed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self, buffer: &WaveBuffer, closed: &ClosedWave) -> Result<bool, StoreError> {
        let (buffer, wanted) = (buffer.clone(), (closed.ok, closed.failed));
        self.with(move |connection| Ok(buffer.count(connection)? == Some(wanted))).await
    }
}

fn transform(
    connection: &Connection,
    buffer: &WaveBuffer,
    wave: &str,
    query: &Transformation,
) -> Result<u64, StoreError> {
    let (held, name) = (buffer.records_table(), quote(wave));
    let fields: Vec<String> = buffer
        .input()
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| format!("f{at} AS {}", quote(&field.name)))
        .collect();
    let fields = if fields.is_empty() { "1 AS nothing".to_owned() } else { fields.join(", ") };
    let part = |name: &String| format!("CAST(etl_row.{} AS VARCHAR)", quote(name));
    let key = match &query.key[..] {
        [] => "CAST(row_number() OVER () AS VARCHAR)".to_owned(),
        [key] => part(key),
        key => {
            format!("CAST(json_array({}) AS VARCHAR)", key.iter().map(part).collect::<Vec<_>>().join(", "))
        }
    };
    let about = About { source: wave.into(), ..About::default() };
    let about = serde_json::to_string(&about).map_err(|error| StoreError::Sql(error.to_string()))?;
    let columns: Vec<String> = query
        .output
        .fields()
        .iter()
        .map(|field| format!("CAST(etl_row.{} AS {})", quote(&field.name), field.datatype.sql()))
        .collect();
    let definition = buffer.outgoing().definition();
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE transformed ({definition});
         INSERT INTO transformed
         WITH {name} AS (SELECT {fields} FROM {held} ORDER BY place)
         SELECT (row_number() OVER ()) - 1, {key}, '{}', {}
         FROM ({}
) AS etl_row;
         CREATE OR REPLACE TABLE {held} ({definition});
         INSERT INTO {held} SELECT * FROM transformed",
        about.replace('\'', "''"),
        columns.join(", "),
        query.text
    ))?;
    let count: i64 = connection.query_row("SELECT count(*) FROM transformed", [], |row| row.get(0))?;
    connection.execute_batch("DROP TABLE transformed")?;
    Ok(count as u64)
}
