//! Rows of one run with the same key: decides which of them is written. Main type: [`Repeated`]. Called by the
//! sink's insert.
//!
//! The keys that a run has written are in a temporary table of DuckDB, so that they take no memory of this program.

use duckdb::Connection;

use super::{
    StoreError, ownership,
    table::{Duplicates, Table},
};

/// The rows of a batch with a duplicate key.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    /// The indices of rows that are not written, in order.
    pub(super) unwritten: Vec<usize>,
    /// The number of rows that replace a row of an earlier batch.
    pub(super) replacing: u64,
    /// The indices of rows whose key belongs to another pipeline's row, with its name.
    pub(super) foreign: Vec<(usize, String)>,
}

/// Removes rows that must not be written from `staged`, and records the keys of the others.
pub(super) fn remove(connection: &Connection, table: &Table) -> Result<Repeated, StoreError> {
    let foreign = ownership::foreign(connection, table)?;
    take_out(connection, foreign.iter().map(|(at, _)| *at))?;
    let (written, places) = (table.written(), table.key_places());
    let keys: Vec<String> = places.iter().map(|at| format!("v{at}")).collect();
    let on: Vec<String> =
        keys.iter().enumerate().map(|(at, key)| format!("s.{key} IS NOT DISTINCT FROM w.k{at}")).collect();
    let (keys, on) = (keys.join(", "), on.join(" AND "));
    let any = format!(
        "SELECT EXISTS (SELECT 1 FROM staged GROUP BY {keys} HAVING count(*) > 1)
             OR EXISTS (FROM staged AS s SEMI JOIN {written} AS w ON {on})"
    );
    if !connection.query_row(&any, [], |row| row.get::<_, bool>(0))? {
        connection.execute_batch(&format!("INSERT INTO {written} SELECT {keys} FROM staged"))?;
        return Ok(Repeated { foreign, ..Repeated::default() });
    }
    let last = table.duplicates == Duplicates::Last;
    let order = if last { "r DESC" } else { "r" };
    let mut query = format!(
        "SELECT r FROM (SELECT r, row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS n FROM staged) WHERE n > 1"
    );
    if !last {
        query += &format!(" UNION SELECT s.r FROM staged AS s SEMI JOIN {written} AS w ON {on}");
    }
    let mut statement = connection.prepare(&format!("{query} ORDER BY 1"))?;
    let found = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let unwritten: Vec<usize> = found.map(|row| row.map(|at| at as usize)).collect::<Result<_, _>>()?;
    take_out(connection, unwritten.iter().copied())?;
    let replacing = match last {
        true => connection.query_row(
            &format!("SELECT count(*) FROM staged AS s SEMI JOIN {written} AS w ON {on}"),
            [],
            |row| row.get(0),
        )?,
        false => 0,
    };
    let new = match replacing {
        0 => format!("SELECT {keys} FROM staged"),
        _ => format!("SELECT {keys} FROM staged AS s ANTI JOIN {written} AS w ON {on}"),
    };
    connection.execute_batch(&format!("INSERT INTO {written} {new}"))?;
    Ok(Repeated { unwritten, replacing, foreign })
}

fn take_out(connection: &Connection, places: impl Iterator<Item = usize>) -> Result<(), StoreError> {
    let list: Vec<String> = places.map(|at| at.to_string()).collect();
    if list.is_empty() {
        return Ok(());
    }
    Ok(connection.execute_batch(&format!("DELETE FROM staged WHERE r IN ({})", list.join(", ")))?)
}
