//! The DuckDB edge: rows, ledger, the records of waves, and queries as sources, all in one file.
//!
//! A single connection writes, used by one operation at a time, on a separate thread, in batches. Knows records
//! and types, but not stages, YAML or HTTP.

mod commit;
mod duplicates;
mod error;
mod existing_table;
mod gather_buffer;
mod jobs;
mod journal;
mod lock_info;
mod new_file;
mod origins;
mod ownership;
mod parked;
mod proofs;
mod query;
mod record_table;
mod runs;
mod schema;
mod settle;
mod show;
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
    record::literal,
    sql::{self, Limits, Resources},
    task,
};

pub use commit::{Batch, Committed, FailureRow, SinkRow, SinkRows};
pub use error::StoreError;
pub use existing_table::{KnownTables, TableConflict};
pub use gather_buffer::{GatherBuffer, Numbered, PieceAt};
pub use jobs::JobRecord;
pub use lock_info::LockInfo;
pub use origins::Origin;
pub use ownership::Read;
pub use parked::Parked;
pub use proofs::{KnownProofs, Proven};
pub use query::{Rows, describe};
pub use runs::{Run, RunRecord};
pub use show::{Shown, show, show_json};
pub use table::{Duplicates, Owned, SinkMode, SinkTarget, Stale, Table};
pub use wave_buffer::{Held, WaveBuffer};
pub use waves::{ClosedWave, Query, Transformation};

/// An open database.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    /// The base folder of relative paths in queries.
    queries: Arc<Path>,
    /// The resource limits of each database.
    resources: Arc<Resources>,
    limits: Arc<Limits>,
    readers: Readers,
    /// Jobs whose records have been emitted.
    closed: Arc<std::sync::Mutex<HashSet<String>>>,
    /// The file, for the note beside it.
    path: Arc<Path>,
    note: Arc<std::sync::Mutex<Option<lock_info::Note>>>,
}

/// The number of queries that read the file concurrently with writes.
#[derive(Clone, Default)]
struct Readers(Arc<AtomicUsize>);

/// One of these queries, for as long as this lives.
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

/// The memory limit of DuckDB during a trim, and the bytes of tables in memory from which a trim is worthwhile:
/// see `docs/decisions/memory.md`.
const CACHE: &str = "16MB";
const TRIM_FROM: i64 = 8_000_000;

/// The layout and write settings, which keep memory constant from a hundred thousand rows to a million: small row
/// groups, written every few megabytes. Results are streamed one vector at a time: DuckDB counts 16 bytes per
/// string, so that its own bound would be a gigabyte of documents.
const LAYOUT: &str = "ROW_GROUP_SIZE 20480";
const SETTINGS: &str = "SET checkpoint_threshold = '4MB'; SET allocator_flush_threshold = '512KB';
    SET allocator_bulk_deallocation_flush_threshold = '1MB'; SET TimeZone = 'UTC';
    SET streaming_buffer_size = '1KB';";

impl Store {
    /// Opens a database, creating it and its folder if missing.
    ///
    /// `queries` is the base folder of relative paths in queries.
    ///
    /// # Errors
    /// The database is held by another process, was written by a newer version, is not a database, or its folder
    /// cannot be written.
    pub async fn open(path: &Path, queries: &Path, resources: &Resources) -> Result<Self, StoreError> {
        let (file, queries, own) = (Arc::<Path>::from(path), Arc::<Path>::from(queries), resources.clone());
        let (path, folder) = (Arc::clone(&file), Arc::clone(&queries));
        let (connection, limits) = blocking(move || open(&path, &folder, &own)).await?;
        Ok(Self::new(connection, file, queries, resources, limits))
    }

    /// Opens a database read-only; a missing one counts as empty.
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
            configure(&connection, &folder, &limits)?;
            if !path.exists() {
                runs::create(&connection, &path)?;
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

    /// Runs an operation with exclusive use of the connection.
    ///
    /// A separate task waits for the lock. The caller may be in a stream that is not polled for a while; a fair
    /// lock would be handed to it without being taken, and block all others.
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
    /// Executes a statement.
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
    runs::create(&connection, path)?;
    Ok((connection, limits))
}

/// Attaches a file for writing.
fn attach(connection: &Connection, path: &Path) -> Result<(), duckdb::Error> {
    let path = literal(&path.display().to_string());
    connection.execute_batch(&format!("ATTACH {path} AS {ATTACHED} ({LAYOUT})"))
}

/// The spill folder: beside the file, as it would be for a database that is not attached.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// The schema name of the attached file.
const ATTACHED: &str = "results";

/// The settings of a connection to the attached file.
fn attached(connection: &Connection, queries: &Path, limits: &Limits) -> Result<(), StoreError> {
    connection.execute_batch(&format!("USE {ATTACHED}"))?;
    configure(connection, queries, limits)
}

/// The settings of every connection.
fn configure(connection: &Connection, queries: &Path, limits: &Limits) -> Result<(), StoreError> {
    let queries = std::path::absolute(queries).unwrap_or_else(|_| queries.to_owned());
    let queries = literal(&queries.display().to_string());
    connection.execute_batch(&format!("{}; SET file_search_path = {queries}; {SETTINGS}", limits.sql()))?;
    Ok(())
}

/// Frees the table data cached by commits once it is large: for a growing table, every batch reads all keys. Not
/// during a concurrent query, which would run out of memory.
fn trim_memory(connection: &Connection, readers: &Readers, limits: &Limits) -> Result<(), StoreError> {
    if readers.any() {
        return Ok(());
    }
    let read =
        "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory() WHERE tag = 'BASE_TABLE'";
    if connection.query_row(read, [], |row| row.get::<_, i64>(0))? < TRIM_FROM {
        return Ok(());
    }
    // Memory in use cannot be freed, which is reported as an error.
    let _ = connection.execute_batch(&format!("SET memory_limit = '{CACHE}'"));
    connection.execute_batch(&limits.memory_sql())?;
    Ok(())
}

/// Performs an operation in one transaction: all of it becomes durable, or none.
fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction()?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
