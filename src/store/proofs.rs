//! What runs have proven of files, so that a later check or run of the same file need not prove it again. A check
//! only reads it. Main type: [`Proven`].

use std::path::Path;

use duckdb::{Connection, params};

use super::{Store, StoreError, query, transaction};

/// What was proven of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// The file's path.
    pub file: String,
    /// Its size and time then.
    pub stamp: String,
    /// How it was read.
    pub options: String,
    /// What was found.
    pub proof: String,
}

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS etl.proofs (file VARCHAR, stamp VARCHAR, options VARCHAR, proof VARCHAR)";

impl Store {
    /// Keeps what was proven; a file has one proof for each way of reading it.
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

/// A database whose proofs are looked up, opened with the first of them.
pub struct KnownProofs<'a> {
    database: &'a Path,
    connection: std::cell::OnceCell<Option<Connection>>,
}

impl<'a> KnownProofs<'a> {
    /// Those of a database, which need not be there.
    pub const fn of(database: &'a Path) -> Self {
        Self { database, connection: std::cell::OnceCell::new() }
    }

    /// What was proven of a file that is as it was. Without a database that can be read nothing is known: a proof
    /// saves time, and nothing else.
    pub fn find(&self, file: &str, stamp: &str, options: &str) -> Option<String> {
        let open = || query::read_only(self.database).ok().filter(|_| self.database.exists());
        let connection = self.connection.get_or_init(open).as_ref()?;
        let sql = "SELECT proof FROM etl.proofs WHERE file = ? AND stamp = ? AND options = ?";
        let mut statement = connection.prepare_cached(sql).ok()?;
        statement.query_row(params![file, stamp, options], |row| row.get(0)).ok()
    }
}
