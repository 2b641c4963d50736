//! Types verified by runs, so that later checks and runs need not verify unchanged files again. A check only
//! reads them. Main type: [`Proven`].

use std::path::Path;

use duckdb::{Connection, params};

use super::{Store, StoreError, query, transaction};

/// The verified types of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// The file's path.
    pub file: String,
    /// Its size and modification time then.
    pub stamp: String,
    /// The read options.
    pub options: String,
    /// The verified types.
    pub proof: String,
}

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS etl.proofs (file VARCHAR, stamp VARCHAR, options VARCHAR, proof VARCHAR)";

impl Store {
    /// Stores verified types; a file has one entry per set of read options.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_proofs(&self, proofs: Vec<Proven>) -> Result<(), StoreError> {
        if proofs.is_empty() {
            return Ok(());
        }
        self.with(move |connection| {
            transaction(connection, |t| {
                t.execute_batch(TABLE)?;
                for Proven { file, stamp, options, proof } in &proofs {
                    t.execute(
                        "DELETE FROM etl.proofs WHERE file = ? AND options = ?",
                        params![file, options],
                    )?;
                    t.execute(
                        "INSERT INTO etl.proofs VALUES (?, ?, ?, ?)",
                        params![file, stamp, options, proof],
                    )?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// The verified types in a database, opened on first use.
pub struct KnownProofs<'a> {
    database: &'a Path,
    connection: std::cell::OnceCell<Option<Connection>>,
}

impl<'a> KnownProofs<'a> {
    /// The verified types in a database, which need not exist.
    pub const fn of(database: &'a Path) -> Self {
        Self { database, connection: std::cell::OnceCell::new() }
    }

    /// The verified types of an unchanged file. `None` if the database cannot be read: this only costs time.
    pub fn find(&self, file: &str, stamp: &str, options: &str) -> Option<String> {
        let open = || query::read_only(self.database).ok().filter(|_| self.database.exists());
        let connection = self.connection.get_or_init(open).as_ref()?;
        let sql = "SELECT proof FROM etl.proofs WHERE file = ? AND stamp = ? AND options = ?";
        let mut statement = connection.prepare_cached(sql).ok()?;
        statement.query_row(params![file, stamp, options], |row| row.get(0)).ok()
    }
}
