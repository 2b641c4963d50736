//! Facts about functions from DuckDB's catalogue: the same in every database of the process, and slow to query.

use std::sync::OnceLock;

use super::Engine;

/// The names of relevant functions.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Aggregates.
    aggregates: Vec<String>,
    /// Functions whose value differs between calls or between queries.
    volatile: Vec<String>,
}

static KNOWN: OnceLock<Functions> = OnceLock::new();

impl Functions {
    /// The functions of the catalogue, which is queried once.
    pub(super) fn of(engine: &Engine) -> &'static Self {
        KNOWN.get_or_init(|| Self::ask(engine).unwrap_or_default())
    }

    fn ask(engine: &Engine) -> Result<Self, duckdb::Error> {
        let mut statement = engine.connection().prepare(
            "SELECT DISTINCT function_name, function_type = 'aggregate' FROM duckdb_functions()
             WHERE function_type = 'aggregate' OR stability <> 'CONSISTENT'",
        )?;
        let mut functions = Self::default();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let is_aggregate: Option<bool> = row.get(1)?;
            let of =
                if is_aggregate == Some(true) { &mut functions.aggregates } else { &mut functions.volatile };
            of.push(row.get(0)?);
        }
        Ok(functions)
    }

    /// Whether a function is an aggregate.
    pub(super) fn is_aggregate(&self, name: &str) -> bool {
        self.aggregates.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether a function's value differs from run to run. `error` does not count, as it returns no value.
    pub(super) fn is_volatile(&self, name: &str) -> bool {
        name != "error" && self.volatile.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}
