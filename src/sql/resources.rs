//! What DuckDB may take of the machine: memory, threads and disk. Main types: [`Resources`] (what a pipeline
//! says), [`Limits`] (what then holds). Called by whatever opens a database.

use std::path::PathBuf;

use duckdb::Connection;

use super::SqlError;
use crate::units::Size;

/// What a pipeline says of it; what it does not say follows the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// What a database may hold in memory before it uses the disk.
    pub memory: Option<Size>,
    /// Threads of a query.
    pub threads: Option<u32>,
    /// The folder for what does not fit into memory.
    pub temp: Option<PathBuf>,
}

/// What holds for a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory.
    pub memory: Size,
    /// Threads.
    pub threads: u32,
    /// The folder for what does not fit into memory.
    pub temp: PathBuf,
}

/// The default for memory: this part of the machine's, within these bounds.
pub const SHARE: u64 = 8;
/// The least: below it a table of long texts cannot be read.
pub const LEAST: Size = Size(128_000_000);
/// The most: see `docs/decisions/memory.md`.
pub const MOST: Size = Size(160_000_000);

/// The default for threads is that of the machine, up to this: each holds rows of its own in memory.
pub const MOST_THREADS: u32 = 4;

/// DuckDB's own default, of which the machine's memory is found: this part of what there is, also in a container.
const DUCKDBS_PART: f64 = 0.8;

impl Resources {
    /// What holds for a database that was just opened; `temp` is the folder where nothing else is said.
    ///
    /// # Errors
    /// When DuckDB does not say what the machine has.
    pub fn limits(&self, opened: &Connection, temp: PathBuf) -> Result<Limits, SqlError> {
        let (memory, threads): (String, i64) = opened.query_row(
            "SELECT current_setting('memory_limit'), current_setting('threads')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let share = bytes(&memory).map_or(LEAST.0, |bytes| (bytes / DUCKDBS_PART) as u64 / SHARE);
        Ok(Limits {
            memory: self.memory.unwrap_or(Size(share.clamp(LEAST.0, MOST.0))),
            threads: self
                .threads
                .unwrap_or_else(|| u32::try_from(threads).unwrap_or(MOST_THREADS).clamp(1, MOST_THREADS)),
            temp: self.temp.clone().unwrap_or(temp),
        })
    }
}

impl Limits {
    /// The statements that set them.
    pub fn sql(&self) -> String {
        let temp = self.temp.display().to_string().replace('\'', "''");
        format!("SET threads = {}; SET temp_directory = '{temp}'; {}", self.threads, self.memory_sql())
    }

    /// The statement that sets the memory.
    pub fn memory_sql(&self) -> String {
        format!("SET memory_limit = '{}B'", self.memory.0)
    }
}

/// DuckDB's `18.6 GiB` in bytes.
fn bytes(text: &str) -> Option<f64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let power = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"].iter().position(|known| *known == unit)?;
    Some(number.parse::<f64>().ok()? * 1024_f64.powi(power as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(resources: &Resources, machine: &str) -> Limits {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("SET memory_limit = '{machine}'; SET threads = 16")).unwrap();
        resources.limits(&connection, PathBuf::from("beside")).unwrap()
    }

    #[test]
    fn the_default_follows_the_machine_within_bounds() {
        let none = Resources::default();
        assert_eq!(limits(&none, "64GB").memory, MOST);
        assert_eq!(limits(&none, "400MB").memory, LEAST);
        let between = limits(&none, "900MB").memory.0;
        // DuckDB says it in tenths of a gigabyte.
        assert!(between.abs_diff(900_000_000 * 10 / 8 / SHARE) < 10_000_000, "{between}");
        assert_eq!(limits(&none, "64GB").threads, MOST_THREADS);
        assert_eq!(limits(&none, "64GB").temp, PathBuf::from("beside"));
    }

    #[test]
    fn what_is_said_holds() {
        let said =
            Resources { memory: Some(Size(1_000_000_000)), threads: Some(7), temp: Some("there's".into()) };
        let limits = limits(&said, "400MB");
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&limits.sql()).unwrap();
        let settings = "SELECT current_setting('memory_limit') || ' ' || current_setting('threads') || ' ' ||
            current_setting('temp_directory')";
        let found: String = connection.query_row(settings, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "953.6 MiB 7 there's");
    }
}
