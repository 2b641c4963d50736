//! Pieces belong to their record: rows that an earlier run wrote for more pieces than there are now.
//!
//! A row goes when its pipeline has written it, when this run has written pieces of its record, and when it was
//! none of them. So nothing goes of a record that was not read, and nothing of another pipeline.

use duckdb::{Connection, params};

use crate::record::quote;

use super::{StoreError, sink_table::Table};

/// The keys of the pieces that each pipeline has written.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS etl.pieces (target VARCHAR, pipeline VARCHAR, row_key VARCHAR)";

/// Removes the older pieces of the records that a run has written, and remembers those that it wrote.
pub(super) fn settle(
    connection: &Connection,
    pipeline: &str,
    table: &Table,
    clean: bool,
) -> Result<(), StoreError> {
    if table.pieces_of.is_empty() || !table.is_keyed() {
        return Ok(());
    }
    connection.execute_batch(TABLE)?;
    let (target, written) = (table.name(), table.written());
    let places = table.key_places();
    let names: Vec<String> = places.iter().map(|at| quote(&table.columns[*at].0)).collect();
    let json = |columns: &[String]| {
        let parts: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS VARCHAR)")).collect();
        format!("CAST(json_array({}) AS VARCHAR)", parts.join(", "))
    };
    let of_row = json(&names.iter().map(|name| format!("t.{name}")).collect::<Vec<_>>());
    let of_written = json(&places.iter().map(|at| format!("w.v{at}")).collect::<Vec<_>>());
    let same = |count: usize| {
        let pairs = names.iter().zip(&places).take(count);
        pairs
            .map(|(name, at)| format!("t.{name} IS NOT DISTINCT FROM w.v{at}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    if clean {
        let main = format!("main.{}", quote(&target));
        connection.execute(
            &format!(
                "CREATE OR REPLACE TEMP TABLE gone AS SELECT {of_row} AS row_key FROM {main} AS t
                 WHERE {of_row} IN (SELECT row_key FROM etl.pieces WHERE target = $1 AND pipeline = $2)
                   AND EXISTS (SELECT 1 FROM {written} AS w WHERE {})
                   AND NOT EXISTS (SELECT 1 FROM {written} AS w WHERE {})",
                same(table.pieces_of.len()),
                same(names.len())
            ),
            params![target, pipeline],
        )?;
        connection.execute_batch(&format!(
            "DELETE FROM {main} AS t WHERE {of_row} IN (SELECT row_key FROM gone)"
        ))?;
        connection.execute(
            "DELETE FROM etl.pieces
             WHERE target = $1 AND pipeline = $2 AND row_key IN (SELECT row_key FROM gone)",
            params![target, pipeline],
        )?;
        connection.execute_batch("DROP TABLE gone")?;
    }
    connection.execute(
        &format!(
            "INSERT INTO etl.pieces SELECT $1, $2, row_key FROM (SELECT {of_written} AS row_key FROM {written} AS w)
             WHERE row_key NOT IN (SELECT row_key FROM etl.pieces WHERE target = $1 AND pipeline = $2)"
        ),
        params![target, pipeline],
    )?;
    Ok(())
}
