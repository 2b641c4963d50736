//! Queries: run as sources, and described before they run.

use std::{path::Path, sync::Arc};

use duckdb::{AccessMode, Config, Connection};
use futures::stream::BoxStream;

use crate::{
    fault_injection,
    record::{Schema, Value, quote},
    sql::{self, Resources, SqlError, carried, each_row},
    task::{BatchSender, Feed, blocking_feed},
};

use super::{Store, StoreError, attached, beside, configure};

/// Batches of rows read ahead.
const BATCHES_AHEAD: usize = 1;

/// Rows of a query in batches; an error is the last item.
pub type Rows = BoxStream<'static, Result<Vec<Vec<Value>>, StoreError>>;

impl Store {
    /// The rows of a query, read on demand, in the query's order.
    ///
    /// # Errors
    /// When the query fails; a later error is the last item of the stream.
    pub async fn query(&self, sql: &str, schema: &Schema, limit: Option<u64>) -> Result<Rows, StoreError> {
        let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        let sql = carried(&format!("SELECT * FROM ({sql}\n){limit}"), schema);
        let (queries, readers) = (Arc::clone(&self.queries), self.readers.clone());
        let (resources, limits) = (Arc::clone(&self.resources), Arc::clone(&self.limits));
        let text = sql.clone();
        let connection = self.with(move |connection| {
            // A query that does not use the file runs in a separate database: it neither waits for writes nor
            // shares their memory. If it fails there, the other way reports the error.
            if let Ok(apart) = apart(&queries, &resources)
                && apart.prepare(&text).is_ok()
            {
                return Ok((apart, None));
            }
            let connection = connection.try_clone()?;
            attached(&connection, &queries, &limits)?;
            Ok((connection, Some(readers.enter())))
        });
        let (connection, reading) = connection.await?;
        Ok(blocking_feed(BATCHES_AHEAD, move |feed| {
            if let Err(error) = send_rows(&connection, &sql, feed) {
                // Without a reader the error is not needed.
                let _ = feed.blocking_send(Err(error));
            }
            drop(reading);
        }))
    }
}

/// Sends all rows. If one of DuckDB's threads fails, it may report that another was interrupted: then the query
/// runs again, to find the cause.
fn send_rows(
    connection: &Connection,
    sql: &str,
    feed: &Feed<Result<Vec<Vec<Value>>, StoreError>>,
) -> Result<(), StoreError> {
    send_each(connection, sql, feed).map_err(|error| match error {
        error if is_interrupted(&error) => cause(connection, sql).unwrap_or(error),
        error => error,
    })
}

fn is_interrupted(error: &StoreError) -> bool {
    matches!(error, StoreError::Sql(why) if why.starts_with("Interrupted"))
}

fn cause(connection: &Connection, sql: &str) -> Option<StoreError> {
    let all = format!("SELECT count(COLUMNS(*)) FROM ({sql}\n)");
    (0..ATTEMPTS).find_map(|_| {
        let error = StoreError::from(connection.execute_batch(&all).err()?);
        (!is_interrupted(&error)).then_some(error)
    })
}

/// The most attempts to find the cause of an error.
const ATTEMPTS: u32 = 3;

fn send_each(
    connection: &Connection,
    sql: &str,
    feed: &Feed<Result<Vec<Vec<Value>>, StoreError>>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut batches = BatchSender::new(feed);
    let sent = each_row(&mut statement, |values| {
        fault_injection::check("query")?;
        let bytes = values.iter().map(Value::bytes).sum();
        Ok(batches.add(values, bytes).is_ok())
    });
    // Rows read before an error are still sent, unless the reader was dropped.
    let _ = batches.send();
    sent
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        Self::of_message(&error.0)
    }
}

/// The columns of a query against a database, which is read-only and may be missing; `tables` are assumed to
/// exist with these columns.
///
/// # Errors
/// DuckDB's message about the query or the database.
pub fn describe(
    database: &Path,
    queries: &Path,
    resources: &Resources,
    sql: &str,
    tables: &[(String, Schema)],
) -> Result<Schema, String> {
    // A query that does not use the file need not wait for another process holding it.
    if let Ok(apart) = apart(queries, resources)
        && pretend(&apart, tables).is_ok()
        && let Ok(found) = sql::describe(&apart, sql)
    {
        return Ok(found);
    }
    let connection =
        read_only(database).map_err(|error| StoreError::opening(database, &error).to_string())?;
    let limits = resources.limits(&connection, beside(database)).map_err(|error| error.to_string())?;
    configure(&connection, queries, &limits).map_err(|error| error.to_string())?;
    pretend(&connection, tables).map_err(|error| error.to_string())?;
    sql::describe(&connection, sql).map_err(|error| sql::explained(&error.0))
}

/// Creates empty tables that shadow those with the same names.
fn pretend(connection: &Connection, tables: &[(String, Schema)]) -> Result<(), duckdb::Error> {
    for (table, schema) in tables {
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", quote(&field.name), field.datatype.sql()))
            .collect();
        let columns =
            if columns.is_empty() { "\"etl nothing\" INTEGER".to_owned() } else { columns.join(", ") };
        connection.execute_batch(&format!("CREATE TEMP TABLE {} ({columns})", quote(table)))?;
    }
    Ok(())
}

pub(super) fn read_only(database: &Path) -> Result<Connection, duckdb::Error> {
    match database.exists() {
        true => Connection::open_with_flags(database, Config::default().access_mode(AccessMode::ReadOnly)?),
        false => Connection::open_in_memory(),
    }
}

/// A separate in-memory database.
fn apart(queries: &Path, resources: &Resources) -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    let folder = std::env::temp_dir().join(format!("etl-{}.tmp", std::process::id()));
    let limits = resources.limits(&connection, folder)?;
    configure(&connection, queries, &limits)?;
    Ok(connection)
}
