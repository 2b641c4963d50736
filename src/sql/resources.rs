//! DuckDB's resource limits: memory, threads and disk. Main types: [`Resources`] (the settings of a pipeline),
//! [`Limits`] (the effective limits). Called by code that opens a database.

use std::path::PathBuf;

use duckdb::Connection;

use super::SqlError;
use crate::{record::literal, units::Size};

/// The settings of a pipeline; missing ones depend on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// The memory of a database before it spills to disk.
    pub memory: Option<Size>,
    /// Threads per query.
    pub threads: Option<u32>,
    /// The spill folder.
    pub temp: Option<PathBuf>,
    /// The columns of all tables that the pipeline writes, with the parts of nested ones.
    pub columns: usize,
}

/// The effective limits of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory.
    pub memory: Size,
    /// Threads.
    pub threads: u32,
    /// The spill folder.
    pub temp: PathBuf,
}

/// The default for memory is the machine's divided by this, within the bounds below.
pub const SHARE: u64 = 8;
/// The lower bound: with less, a table of long texts cannot be read.
pub const LEAST: Size = Size(128_000_000);
/// The upper bound: see `docs/decisions/memory.md`.
pub const MOST: Size = Size(160_000_000);
/// The number of columns that fit within these bounds; each further one needs memory for its blocks.
pub const NARROW: usize = 100;
/// The memory for each further column, up to half of the machine's.
pub const EACH: Size = Size(1_200_000);

/// The default for threads is the machine's, up to this: each thread holds its own rows in memory.
pub const MOST_THREADS: u32 = 4;

/// DuckDB's default memory limit as a share of the machine's memory, also in a container: used to find the latter.
const DUCKDBS_PART: f64 = 0.8;

impl Resources {
    /// The limits of a newly opened database; `temp` is the default spill folder.
    ///
    /// # Errors
    /// When DuckDB does not report its default settings.
    pub fn limits(&self, opened: &Connection, temp: PathBuf) -> Result<Limits, SqlError> {
        let (memory, threads): (String, i64) = opened.query_row(
            "SELECT current_setting('memory_limit'), current_setting('threads')",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let machine = bytes(&memory).map_or(0, |bytes| (bytes / DUCKDBS_PART) as u64);
        let narrow = (machine / SHARE).clamp(LEAST.0, MOST.0);
        let wide = narrow + self.columns.saturating_sub(NARROW) as u64 * EACH.0;
        Ok(Limits {
            memory: self.memory.unwrap_or(Size(wide.min(machine / 2).max(narrow))),
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
        let temp = literal(&self.temp.display().to_string());
        format!("SET threads = {}; SET temp_directory = {temp}; {}", self.threads, self.memory_sql())
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
        // DuckDB prints tenths of a gigabyte.
        assert!(between.abs_diff(900_000_000 * 10 / 8 / SHARE) < 10_000_000, "{between}");
        let wide =
            |columns, machine| limits(&Resources { columns, ..Resources::default() }, machine).memory.0;
        assert_eq!(wide(NARROW, "64GB"), MOST.0);
        assert_eq!(wide(600, "64GB"), MOST.0 + 500 * EACH.0);
        assert!(wide(10_000, "8GB") < 5_100_000_000 && wide(10_000, "8GB") > 4_900_000_000);
        assert_eq!(wide(600, "100MB"), LEAST.0);
        assert_eq!(limits(&none, "64GB").threads, MOST_THREADS);
        assert_eq!(limits(&none, "64GB").temp, PathBuf::from("beside"));
    }

    #[test]
    fn what_is_said_holds() {
        let said = Resources {
            memory: Some(Size(1_000_000_000)),
            threads: Some(7),
            temp: Some("there's".into()),
            columns: 900,
        };
        let limits = limits(&said, "400MB");
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&limits.sql()).unwrap();
        let settings = "SELECT current_setting('memory_limit') || ' ' || current_setting('threads') || ' ' ||
            current_setting('temp_directory')";
        let found: String = connection.query_row(settings, [], |row| row.get(0)).unwrap();
        assert_eq!(found, "953.6 MiB 7 there's");
    }
}
