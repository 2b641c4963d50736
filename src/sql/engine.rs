//! The in-memory database that evaluates expressions. Main type: [`Engine`].

use duckdb::Connection;

use super::{SqlError, chunk};

/// A single-threaded in-memory database without access to files or the network, so that a result depends
/// only on its input. [`Engine::connect`] opens another connection to the same database.
pub struct Engine {
    connection: Connection,
}

/// The number of cached prepared statements per connection: those of one stage.
const STATEMENTS: usize = 64;

impl Engine {
    /// Starts a database.
    ///
    /// # Errors
    /// When DuckDB cannot start.
    pub fn start() -> Result<Self, SqlError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "SET threads = 1; SET TimeZone = 'UTC'; SET errors_as_json = false; SET enable_external_access = false;",
        )?;
        chunk::register(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection })
    }

    /// Another connection to the same database.
    ///
    /// # Errors
    /// When DuckDB refuses.
    pub fn connect(&self) -> Result<Self, SqlError> {
        let connection = self.connection.try_clone()?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { connection })
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }
}
