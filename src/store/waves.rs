//! Waves: queries over the held records, and the row that marks a wave as closed.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::{
    record::{About, Schema, literal, quote},
    sql::ORIGINS,
    stage::Shelf,
};

use super::{Run, Store, StoreError, WaveBuffer, ownership, transaction};

/// A closed wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedWave {
    /// Its name.
    pub wave: String,
    /// The fingerprint of the wave and everything above it in the plan.
    pub plan: String,
    /// Records that succeeded.
    pub ok: u64,
    /// Records that failed above it.
    pub failed: u64,
    /// Records without an answer, which the next run requests again.
    pub pending: u64,
}

/// How a wave transforms the records that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub enum Transformation {
    /// Replaces them by the rows of a query.
    Query(Query),
    /// Keeps this many, by a hash of their keys.
    Sample(u64),
    /// Keeps the first by key for each value of the expressions, and all for which one is NULL.
    Unique {
        /// The expressions.
        of: Vec<String>,
        /// The fields of the key.
        key: Vec<String>,
    },
}

/// A query over the records of a wave.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The SQL text.
    pub text: String,
    /// A query whose last column has the source records of each row; without it, each row has all of them.
    pub origins: Option<String>,
    /// The names of the wave's own records in the query.
    pub names: Vec<String>,
    /// The names of other stages' records, in the order of the buffer's shelves.
    pub relations: Vec<String>,
    /// The columns that identify a record; if empty, its number does.
    pub key: Vec<String>,
    /// The fields of its result.
    pub output: Arc<Schema>,
}

impl Store {
    /// Marks a wave as closed, whatever happens to the run. Returns the number of records that succeeded, which a
    /// query may have changed.
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

    /// The waves closed by the pipeline's last run, if it was interrupted, each with the run that closed it.
    /// [`Store::holds`] tells whether their records still exist.
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
                 WHERE last.ended IS NULL OR last.ended NOT IN ('complete', 'with failures', 'pending')",
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

    /// Whether a buffer holds exactly the records of a wave when it closed.
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
    transformation: &Transformation,
) -> Result<u64, StoreError> {
    let held = buffer.table(Shelf::Ok);
    match transformation {
        Transformation::Query(query) => query.put_in_place(connection, buffer, wave),
        Transformation::Sample(count) => keep(
            connection,
            &held,
            &format!("SELECT place FROM {held} ORDER BY md5(key), place LIMIT {count}"),
        ),
        Transformation::Unique { of, key } => {
            let fields = named_fields(buffer.schema(Shelf::Ok));
            keep(
                connection,
                &held,
                &format!(
                    "SELECT etl.place FROM (
                       SELECT etl, {} AS result, row({}) AS rank FROM (
                         SELECT {{'place': place, 'key': key}} AS etl, {fields} FROM {held})
                     ) QUALIFY result IS NULL
                            OR row_number() OVER (PARTITION BY result ORDER BY rank, etl.place) = 1",
                    combined(of),
                    key.iter().map(|name| format!("{}, ", quote(name))).collect::<String>() + "etl.key"
                ),
            )
        }
    }
}

/// One value of several expressions; NULL if one of them is.
fn combined(of: &[String]) -> String {
    let each = |end: &str| of.iter().map(|text| format!("({text}\n){end}")).collect::<Vec<_>>();
    match of {
        [only] => format!("({only}\n)"),
        _ => {
            let (nulls, values) = (each(" IS NULL").join(" OR "), each("").join(", "));
            format!("CASE WHEN {nulls} THEN NULL ELSE row({values}) END")
        }
    }
}

/// The fields of held records, with their names.
fn named_fields(schema: &Schema) -> String {
    let fields = schema.fields().iter().enumerate();
    let fields: Vec<String> = fields.map(|(at, field)| format!("f{at} AS {}", quote(&field.name))).collect();
    if fields.is_empty() { "1 AS nothing".to_owned() } else { fields.join(", ") }
}

/// Keeps only the held records at the places returned by a query.
fn keep(connection: &Connection, held: &str, places: &str) -> Result<u64, StoreError> {
    connection.execute_batch(&format!("DELETE FROM {held} WHERE place NOT IN ({places})"))?;
    count(connection, held)
}

fn count(connection: &Connection, table: &str) -> Result<u64, StoreError> {
    Ok(connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))? as u64)
}

/// The source records in a held record's metadata.
const ABOUT_ORIGINS: &str = "CAST(json_extract(about, '$.origin') AS BIGINT[])";

impl Query {
    /// The relations that the query reads, as common table expressions; with their source records if `origins`.
    fn with(&self, buffer: &WaveBuffer, origins: bool) -> String {
        let own = self.names.iter().map(|name| (name, Shelf::Ok));
        let others = self.relations.iter().enumerate().map(|(at, name)| (name, Shelf::Relation(at)));
        let relation = |(name, shelf): (&String, Shelf)| {
            let origins = match origins {
                true => format!(", {ABOUT_ORIGINS} AS {}", quote(ORIGINS)),
                false => String::new(),
            };
            let fields = named_fields(buffer.schema(shelf));
            // Ordered by key, so that the order is the same in every run: a list built by the query becomes part
            // of a prompt, and another order would make another request.
            format!(
                "{} AS (SELECT {fields}{origins} FROM {} ORDER BY key, place)",
                quote(name),
                buffer.table(shelf)
            )
        };
        own.chain(others).map(relation).collect::<Vec<_>>().join(", ")
    }

    /// Replaces the records that succeeded by the rows of the query.
    fn put_in_place(
        &self,
        connection: &Connection,
        buffer: &WaveBuffer,
        wave: &str,
    ) -> Result<u64, StoreError> {
        // With several threads, the input order of list and fold functions would vary between runs.
        let threads: i64 = connection.query_row("SELECT current_setting('threads')", [], |row| row.get(0))?;
        connection.execute_batch("SET threads = 1")?;
        let result = self.transform(connection, buffer, wave);
        connection.execute_batch(&format!("SET threads = {threads}"))?;
        result
    }

    fn transform(&self, connection: &Connection, buffer: &WaveBuffer, wave: &str) -> Result<u64, StoreError> {
        let held = buffer.table(Shelf::Ok);
        let columns = self.output.fields().iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(at, field)| {
                format!("CAST(etl_row.{} AS {}) AS c{at}", quote(&field.name), field.datatype.sql())
            })
            .collect();
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE result AS
             WITH {} SELECT (row_number() OVER ()) - 1 AS place, {} FROM ({}\n) AS etl_row",
            self.with(buffer, false),
            columns.join(", "),
            self.text
        ))?;
        let each = self.origins_of_rows(connection, buffer)?;
        if !each {
            self.origin_of_all(connection, buffer)?;
        }
        let part = |name: &String| {
            let at = self.output.position(name).unwrap_or_default();
            format!("CAST(r.c{at} AS VARCHAR)")
        };
        let key = match &self.key[..] {
            [] => "CAST(r.place + 1 AS VARCHAR)".to_owned(),
            [key] => format!("coalesce({}, 'NULL')", part(key)),
            key => {
                let parts = key.iter().map(part).collect::<Vec<_>>().join(", ");
                format!("CAST(json_array({parts}) AS VARCHAR)")
            }
        };
        let about = About { source: wave.into(), ..About::default() };
        let about = serde_json::to_string(&about).map_err(|error| StoreError::Sql(error.to_string()))?;
        let about = literal(&about);
        let values: Vec<String> = (0..self.output.len()).map(|at| format!("r.c{at}")).collect();
        let values = if values.is_empty() { String::new() } else { format!(", {}", values.join(", ")) };
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TABLE {held} ({});
             INSERT INTO {held}
             SELECT r.place, {key},
               CAST(json_merge_patch({about}, json_object('origin', o.origins)) AS VARCHAR){values}
             FROM temp.result AS r JOIN temp.result_origins AS o ON {} ORDER BY r.place;
             DROP TABLE temp.result_origins",
            buffer.outgoing().definition(),
            if each { "o.place = r.place" } else { "true" }
        ))?;
        let rows = count(connection, "temp.result")?;
        connection.execute_batch("DROP TABLE temp.result")?;
        Ok(rows)
    }

    /// Creates a table of the source records of each row, if the query for them returns the same rows.
    fn origins_of_rows(&self, connection: &Connection, buffer: &WaveBuffer) -> Result<bool, StoreError> {
        let Some(query) = &self.origins else { return Ok(false) };
        let names: Vec<String> = (0..self.output.len()).map(|at| format!("c{at}")).collect();
        let columns = [&names[..], &["origins".to_owned()]].concat().join(", ");
        let made = connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE result_origins AS
             WITH {}, etl_rows({columns}) AS ({query}\n)
             SELECT (row_number() OVER ()) - 1 AS place, * FROM etl_rows",
            self.with(buffer, true),
        ));
        if made.is_err() {
            return Ok(false);
        }
        let differ: Vec<String> = self
            .output
            .fields()
            .iter()
            .zip(&names)
            .map(|(field, name)| {
                format!("CAST(o.{name} AS {}) IS DISTINCT FROM r.{name}", field.datatype.sql())
            })
            .chain(["o.place IS NULL".to_owned(), "r.place IS NULL".to_owned()])
            .collect();
        let same = connection.query_row(
            &format!(
                "SELECT count(*) = 0 FROM temp.result AS r FULL JOIN temp.result_origins AS o ON o.place = r.place
                 WHERE {}",
                differ.join(" OR ")
            ),
            [],
            |row| row.get::<_, bool>(0),
        );
        Ok(same.unwrap_or(false))
    }

    /// All source records, as one set shared by every row.
    fn origin_of_all(&self, connection: &Connection, buffer: &WaveBuffer) -> Result<(), StoreError> {
        let others = (0..self.relations.len()).map(Shelf::Relation);
        let shelves: Vec<String> = [Shelf::Ok]
            .into_iter()
            .chain(others)
            .map(|shelf| format!("SELECT unnest({ABOUT_ORIGINS}) AS id FROM {}", buffer.table(shelf)))
            .collect();
        let mut statement = connection
            .prepare(&format!("SELECT DISTINCT id FROM ({}) ORDER BY id", shelves.join(" UNION ALL ")))?;
        let ids: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        ownership::add_sets(connection, std::iter::once(&ids[..]))?;
        let origins = if ids.is_empty() { String::new() } else { ownership::owner_of(&ids).to_string() };
        Ok(connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE result_origins AS SELECT CAST([{origins}] AS BIGINT[]) AS origins"
        ))?)
    }
}
