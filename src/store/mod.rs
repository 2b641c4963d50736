//! The DuckDB edge: rows, ledger, what a wave holds, and queries as sources, all in one file.
//!
//! One connection writes, and only one piece of work has it at a time; it does so on a thread of
//! its own, a batch at a time. Knows records and types; knows nothing of stages, YAML or HTTP.

mod commit;
mod duplicates;
mod error;
mod existing_table;
mod gather_buffer;
mod jobs;
mod journal;
mod ledger;
mod lock_info;
mod new_file;
mod origins;
mod ownership;
mod parked;
mod proofs;
mod query;
mod record_table;
mod schema;
mod sink_file;
mod sink_table;
mod table;
mod wave_buffer;
mod waves;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use duckdb::Connection;
use tokio::sync::Mutex;

use crate::{
    sql::{self, Limits, Resources},
    task,
};

pub use commit::{Batch, Committed, FailureRow, SinkRow, SinkRows};
pub use error::StoreError;
pub use existing_table::{KnownTables, TableConflict};
pub use gather_buffer::{GatherBuffer, Numbered, PieceAt};
pub use jobs::JobRecord;
pub use ledger::{Run, RunRecord};
pub use lock_info::LockInfo;
pub use origins::Origin;
pub use ownership::Read;
pub use parked::Parked;
pub use proofs::{KnownProofs, Proven};
pub use query::{Rows, Shown, describe, show};
pub use table::{Duplicates, Owned, SinkMode, SinkTarget, Stale, Table};
pub use wave_buffer::{Held, WaveBuffer};
pub use waves::{ClosedWave, Query, Transformation};

/// An open database.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    /// Where relative paths in queries start.
    queries: Arc<Path>,
    /// What each database may take.
    resources: Arc<Resources>,
    limits: Arc<Limits>,
    readers: Readers,
    /// Jobs whose records have been given on.
    closed: Arc<std::sync::Mutex<HashSet<String>>>,
    /// The file, for the note beside it.
    path: Arc<Path>,
    note: Arc<std::sync::Mutex<Option<lock_info::Note>>>,
}

/// Queries that read the file while others write it.
#[derive(Clone, Default)]
struct Readers(Arc<AtomicUsize>);

/// One of them.
struct Reading(Readers);

impl Readers {
    fn enter(&self) -> Reading {
        self.0.fetch_add(1, Ordering::AcqRel);
        Reading(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The memory that DuckDB keeps after a trim, and the bytes of the file in memory from which one is worth its time: see
/// `docs/decisions/memory.md`.
const CACHE: &str = "16MB";
const TRIM_FROM: i64 = 8_000_000;

/// How the file is laid out and written, so that a run holds as much for a million rows as for a hundred
/// thousand: small groups of rows, written to their place every few megabytes. Of a result that is read row by row one
/// vector is ready: DuckDB counts 16 bytes for a text, so that its own bound would be a gigabyte of documents.
const LAYOUT: &str = "ROW_GROUP_SIZE 20480";
const SETTINGS: &str = "SET checkpoint_threshold = '4MB'; SET allocator_flush_threshold = '512KB';
    SET allocator_bulk_deallocation_flush_threshold = '1MB'; SET TimeZone = 'UTC';
    SET streaming_buffer_size = '1KB';";

impl Store {
    /// Opens a database, creating it and its folder where they are not there.
    ///
    /// `queries` is the folder where relative paths in queries start.
    ///
    /// # Errors
    /// A database that another process holds, that a newer program wrote, that is none, or whose
    /// folder cannot be written.
    pub async fn open(path: &Path, queries: &Path, resources: &Resources) -> Result<Self, StoreError> {
        let (file, queries, own) = (Arc::<Path>::from(path), Arc::<Path>::from(queries), resources.clone());
        let (path, folder) = (Arc::clone(&file), Arc::clone(&queries));
        let (connection, limits) = blocking(move || open(&path, &folder, &own)).await?;
        Ok(Self::new(connection, file, queries, resources, limits))
    }

    /// Opens a database to look at, and nothing else; one that is not there is as good as empty.
    ///
    /// # Errors
    /// A database that cannot be opened.
    pub async fn open_read_only(
        path: &Path,
        queries: &Path,
        resources: &Resources,
    ) -> Result<Self, StoreError> {
        let (file, queries, own) = (Arc::<Path>::from(path), Arc::<Path>::from(queries), resources.clone());
        let (path, folder) = (Arc::clone(&file), Arc::clone(&queries));
        let connection = blocking(move || {
            let connection = query::read_only(&path).map_err(|error| StoreError::opening(&path, &error))?;
            let limits = own.limits(&connection, beside(&path))?;
            settle(&connection, &folder, &limits)?;
            if !path.exists() {
                ledger::create(&connection, &path)?;
            }
            Ok((connection, limits))
        });
        let (connection, limits) = connection.await?;
        Ok(Self::new(connection, file, queries, resources, limits))
    }

    fn new(
        connection: Connection,
        path: Arc<Path>,
        queries: Arc<Path>,
        resources: &Resources,
        limits: Limits,
    ) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        Self {
            connection,
            queries,
            resources: Arc::new(resources.clone()),
            limits: Arc::new(limits),
            readers: Readers::default(),
            closed: Arc::default(),
            path,
            note: Arc::default(),
        }
    }

    /// Lets a piece of work have the connection.
    ///
    /// The waiting is done by a task of its own. Whoever calls this may stand in a stream that is not polled
    /// for a while; in a queue that is served in turn it would be given the connection, not take it, and
    /// nobody else would ever have it again.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let turn = task::spawn(async move {
            let mut connection = connection.lock_owned().await;
            blocking(move || work(&mut connection)).await
        });
        task::joined(turn.await).unwrap_or(Err(StoreError::Stopped))
    }
}

impl Store {
    /// Does what a statement says.
    async fn execute(&self, sql: String) -> Result<(), StoreError> {
        self.with(move |connection| Ok(connection.execute_batch(&sql)?)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    task::blocking(work).await.unwrap_or(Err(StoreError::Stopped))
}

fn open(path: &Path, queries: &Path, resources: &Resources) -> Result<(Connection, Limits), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
    }
    if !path.exists() {
        new_file::create(path)?;
    }
    let connection = Connection::open_in_memory()?;
    let limits = resources.limits(&connection, beside(path))?;
    attach(&connection, path).map_err(|error| StoreError::opening(path, &error))?;
    attached(&connection, queries, &limits)?;
    connection
        .execute_batch("CREATE TEMP TABLE staged_origins (row_key VARCHAR, record VARCHAR, request UUID)")?;
    sql::register(&connection)?;
    ledger::create(&connection, path)?;
    Ok((connection, limits))
}

/// Attaches a file as the one that is written.
fn attach(connection: &Connection, path: &Path) -> Result<(), duckdb::Error> {
    let literal = path.display().to_string().replace('\'', "''");
    connection.execute_batch(&format!("ATTACH '{literal}' AS {ATTACHED} ({LAYOUT})"))
}

/// The folder for what does not fit into memory: beside the file, as it would be for a file that is not attached.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// The name under which a connection that writes has the file.
const ATTACHED: &str = "results";

/// The settings of a connection to the file that is written.
fn attached(connection: &Connection, queries: &Path, limits: &Limits) -> Result<(), StoreError> {
    connection.execute_batch(&format!("USE {ATTACHED}"))?;
    settle(connection, queries, limits)
}

/// The settings of every connection.
fn settle(connection: &Connection, queries: &Path, limits: &Limits) -> Result<(), StoreError> {
    let queries = std::path::absolute(queries).unwrap_or_else(|_| queries.to_owned());
    let queries = queries.display().to_string().replace('\'', "''");
    connection.execute_batch(&format!("{}; SET file_search_path = '{queries}'; {SETTINGS}", limits.sql()))?;
    Ok(())
}

/// Lets go of what commits have read, once it is much: of a table that grows, every batch reads all keys. Not while a
/// query reads beside it, which would find itself without memory.
fn trim_memory(connection: &Connection, readers: &Readers, limits: &Limits) -> Result<(), StoreError> {
    if readers.any() {
        return Ok(());
    }
    let read =
        "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory() WHERE tag = 'BASE_TABLE'";
    if connection.query_row(read, [], |row| row.get::<_, i64>(0))? < TRIM_FROM {
        return Ok(());
    }
    // What is in use at the moment cannot be let go, and that is reported as an error.
    let _ = connection.execute_batch(&format!("SET memory_limit = '{CACHE}'"));
    connection.execute_batch(&limits.memory_sql())?;
    Ok(())
}

/// Does work in one transaction: all of it is durable afterwards, or none.
fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction()?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
