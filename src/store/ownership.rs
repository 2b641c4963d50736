//! Which rows are removed at the end of a run: those whose source records were all settled without writing the
//! rows again.
//!
//! A row belongs to its pipeline and to its source records. These have 64-bit identities
//! ([`origin_of`](crate::record::origin_of)); several form a set with a separate identity, which is stored once.
//! During a run, the records read and failed and the rows written are only appended; the comparison happens at
//! the end. So an interrupted run removes nothing, at no cost.

use std::{collections::HashMap, sync::Arc};

use duckdb::{Connection, params};

use crate::{event::TableChange, record::quote};

use super::{
    Run, Store, StoreError, existing_table,
    table::{Stale, Table},
    transaction,
};

/// The identity of a set of source records; a single record keeps its own.
pub(super) fn owner_of(records: &[i64]) -> i64 {
    if let [record] = records {
        return *record;
    }
    let mut sorted = records.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hasher = blake3::Hasher::new();
    for record in sorted {
        hasher.update(&record.to_le_bytes());
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(bytes)
}

/// Stores the sets that are not stored yet.
pub(super) fn add_sets<'a>(
    connection: &Connection,
    of: impl Iterator<Item = &'a [i64]>,
) -> Result<(), StoreError> {
    let sets: HashMap<i64, &[i64]> =
        of.filter(|records| records.len() > 1).map(|records| (owner_of(records), records)).collect();
    if sets.is_empty() {
        return Ok(());
    }
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE staged_sets (owner BIGINT, member BIGINT)")?;
    {
        let mut appender = connection.appender("staged_sets")?;
        for (owner, members) in sets {
            for member in members {
                appender.append_row(params![owner, member])?;
            }
        }
        appender.flush()?;
    }
    // A member may itself be a set.
    connection.execute_batch(
        "INSERT INTO etl.owner_sets
         SELECT DISTINCT s.owner, coalesce(inner_set.member, s.member) FROM temp.staged_sets AS s
         LEFT JOIN etl.owner_sets AS inner_set ON inner_set.owner = s.member
         WHERE s.owner NOT IN (SELECT owner FROM etl.owner_sets);
         DROP TABLE temp.staged_sets",
    )?;
    Ok(())
}

/// The expression that identifies a row by its key, over columns with these names.
fn row_of(columns: &[String]) -> String {
    let texts: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS VARCHAR)")).collect();
    format!("hash({})", texts.join(", "))
}

/// Creates a run's temporary tables for a sink's target.
pub(super) fn prepare(connection: &Connection, table: &Table, pipeline: &str) -> Result<(), StoreError> {
    if table.owned.is_none() {
        return Ok(());
    }
    keep_key(connection, table)?;
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE IF NOT EXISTS {} (row_hash UBIGINT, owner BIGINT)",
        table.owned_rows()
    ))?;
    connection.execute(
        &format!(
            "CREATE OR REPLACE TEMP TABLE {} AS SELECT row_hash, any_value(pipeline) AS pipeline
             FROM etl.row_owners WHERE target = $1 AND pipeline <> $2 GROUP BY row_hash",
            table.foreign_rows()
        ),
        params![table.name(), pipeline],
    )?;
    Ok(())
}

/// Stores the key of a table; fails if its rows have another key.
fn keep_key(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    let target = table.name();
    match existing_table::key(connection, &target)? {
        Some(has) if existing_table::is_same_key(&has, &table.key) => Ok(()),
        Some(has) => {
            Err(StoreError::Key { table: target, has: has.join(", "), writes: table.key.join(", ") })
        }
        None => {
            let names: Vec<String> =
                table.key.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
            connection.execute(
                &format!("INSERT INTO etl.table_keys VALUES ($1, [{}])", names.join(", ")),
                params![target],
            )?;
            Ok(())
        }
    }
}

/// The rows of `staged` whose key belongs to another pipeline's row, with its name.
pub(super) fn foreign(connection: &Connection, table: &Table) -> Result<Vec<(usize, String)>, StoreError> {
    if table.owned.is_none() {
        return Ok(Vec::new());
    }
    let foreign = table.foreign_rows();
    let any: bool = connection.query_row(&format!("SELECT EXISTS (FROM {foreign})"), [], |row| row.get(0))?;
    if !any {
        return Ok(Vec::new());
    }
    let row = row_of(&table.staged_key("s"));
    let query = format!(
        "SELECT s.r, f.pipeline FROM staged AS s JOIN {foreign} AS f ON f.row_hash = {row} ORDER BY 1"
    );
    let mut statement = connection.prepare(&query)?;
    let found = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as usize, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Stores the rows of `staged`, which are being written, with their owners.
pub(super) fn note(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    if table.owned.is_some() {
        let row = row_of(&table.staged_key("s"));
        connection.execute_batch(&format!(
            "INSERT INTO {} SELECT {row}, s.o FROM staged AS s",
            table.owned_rows()
        ))?;
    }
    Ok(())
}

/// Stores the records that failed in a run.
pub(super) fn add_unsettled<'a>(
    connection: &Connection,
    run: Run,
    failed: impl Iterator<Item = (&'a str, &'a [i64])> + Clone,
) -> Result<(), StoreError> {
    add_sets(connection, failed.clone().map(|(_, records)| records))?;
    let mut appender = connection.appender_to_db("unsettled_records", "etl")?;
    for (stage, records) in failed.filter(|(_, records)| !records.is_empty()) {
        appender.append_row(params![run.0, stage, owner_of(records)])?;
    }
    appender.flush()?;
    Ok(())
}

/// A record read by a source; `None` if the source was read to its end.
pub type Read = (Arc<str>, Option<i64>);

/// Stores the records read by sources, within the caller's transaction.
pub(super) fn add_read(connection: &Connection, run: Run, read: &[Read]) -> Result<(), StoreError> {
    if read.is_empty() {
        return Ok(());
    }
    let mut appender = connection.appender_to_db("read_records", "etl")?;
    for (source, record) in read {
        appender.append_row(params![run.0, &**source, record])?;
    }
    Ok(appender.flush()?)
}

impl Store {
    /// Stores the records read by sources.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_read(&self, run: Run, read: Vec<Read>) -> Result<(), StoreError> {
        self.with(move |connection| add_read(connection, run, &read)).await
    }

    /// Drops the records read and failed in interrupted runs of a pipeline. For these stages, which this run does
    /// not repeat, it takes them over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_over_read(&self, run: Run, stages: &[Arc<str>]) -> Result<(), StoreError> {
        let names: Vec<String> =
            stages.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
        let names = format!("[{}]::VARCHAR[]", names.join(", "));
        self.with(move |connection| {
            transaction(connection, |t| {
                for (table, stage) in [("read_records", "source"), ("unsettled_records", "stage")] {
                    let earlier = "run IN (SELECT run FROM etl.runs WHERE run < $1
                        AND pipeline = (SELECT pipeline FROM etl.runs WHERE run = $1))";
                    t.execute(
                        &format!(
                            "UPDATE etl.{table} SET run = $1
                             WHERE {earlier} AND list_contains({names}, {stage})"
                        ),
                        params![run.0],
                    )?;
                    t.execute(&format!("DELETE FROM etl.{table} WHERE {earlier}"), params![run.0])?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// Removes outdated rows of earlier runs, and stores the owners of the rows this run wrote.
pub(super) fn settle(
    connection: &Connection,
    run: Run,
    pipeline: &str,
    tables: &[Table],
    incomplete: &[String],
) -> Result<Vec<TableChange>, StoreError> {
    let mut changes = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for table in tables {
        let target = table.name().to_lowercase();
        if table.owned.is_none() || seen.contains(&target) {
            continue;
        }
        if seen.is_empty() {
            gather(connection, run, pipeline, incomplete)?;
        }
        seen.push(target);
        changes.push(settle_table(connection, pipeline, table)?);
    }
    if !seen.is_empty() {
        connection.execute(
            "INSERT INTO etl.source_records
             SELECT DISTINCT $2, r.source, r.record FROM etl.read_records AS r
             WHERE r.run = $1 AND r.record IS NOT NULL AND NOT EXISTS (
                 FROM etl.source_records AS s WHERE s.pipeline = $2 AND s.source = r.source AND s.record = r.record)",
            params![run.0, pipeline],
        )?;
        connection.execute("DELETE FROM etl.read_records WHERE run = $1", params![run.0])?;
        connection.execute("DELETE FROM etl.unsettled_records WHERE run = $1", params![run.0])?;
        connection.execute_batch(
            "DELETE FROM etl.owner_sets WHERE owner NOT IN (SELECT owner FROM etl.row_owners);
             DROP TABLE temp.read_now; DROP TABLE temp.unsettled_now; DROP TABLE temp.gone_now; DROP TABLE temp.unread_now",
        )?;
    }
    Ok(changes)
}

/// The source records of a run: those read, those not settled, those no longer in their source, and those of which
/// nobody knows.
fn gather(
    connection: &Connection,
    run: Run,
    pipeline: &str,
    incomplete: &[String],
) -> Result<(), StoreError> {
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE read_now AS SELECT DISTINCT record FROM etl.read_records
         WHERE run = $1 AND record IS NOT NULL",
        params![run.0],
    )?;
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unsettled_now AS
         SELECT DISTINCT coalesce(s.member, u.record) AS record FROM etl.unsettled_records AS u
         LEFT JOIN etl.owner_sets AS s ON s.owner = u.record WHERE u.run = $1",
        params![run.0],
    )?;
    // A source that yielded no record may have been missing.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone_now AS
         SELECT DISTINCT s.record FROM etl.source_records AS s
         WHERE s.pipeline = $2
           AND s.source IN (SELECT source FROM etl.read_records WHERE run = $1 GROUP BY source
                            HAVING count(record) > 0 AND count(record) < count(*))
           AND s.record NOT IN (FROM temp.read_now)",
        params![run.0, pipeline],
    )?;
    let incomplete: Vec<String> =
        incomplete.iter().map(|source| format!("'{}'", source.replace('\'', "''"))).collect();
    connection.execute(
        &format!(
            "CREATE OR REPLACE TEMP TABLE unread_now AS
             SELECT DISTINCT s.record FROM etl.source_records AS s
             WHERE s.pipeline = $2
               AND (s.source IN (SELECT source FROM etl.read_records WHERE run = $1 GROUP BY source HAVING count(record) = 0)
                    OR list_contains([{}]::VARCHAR[], s.source))
               AND s.record NOT IN (FROM temp.read_now)",
            incomplete.join(", ")
        ),
        params![run.0, pipeline],
    )?;
    Ok(())
}

fn settle_table(connection: &Connection, pipeline: &str, table: &Table) -> Result<TableChange, StoreError> {
    let Some(owned) = table.owned else { return Ok(TableChange::default()) };
    let (target, rows) = (table.name(), table.owned_rows());
    let count = |from: &str| -> Result<u64, StoreError> {
        Ok(connection.query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get::<_, i64>(0))?
            as u64)
    };
    connection.execute(
        &format!(
            "CREATE OR REPLACE TEMP TABLE old_rows AS SELECT row_hash, owner FROM etl.row_owners
             WHERE target = $1 AND pipeline = $2 AND row_hash NOT IN (SELECT row_hash FROM {rows})"
        ),
        params![target, pipeline],
    )?;
    let mut change = TableChange { table: target.clone(), ..TableChange::default() };
    if count("temp.old_rows")? > 0 {
        let gone = if owned.gone { "OR m.record IN (FROM temp.gone_now)" } else { "" };
        let stale =
            if owned.stale == Stale::Delete { "true" } else { "m.record NOT IN (FROM temp.unsettled_now)" };
        // A row is removed only if all its source records are settled.
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE members AS
             SELECT o.owner, coalesce(s.member, o.owner) AS record
             FROM (SELECT DISTINCT owner FROM temp.old_rows) AS o LEFT JOIN etl.owner_sets AS s ON s.owner = o.owner;
             CREATE OR REPLACE TEMP TABLE leaving AS
             SELECT m.owner FROM temp.members AS m GROUP BY m.owner
             HAVING bool_and((m.record IN (FROM temp.read_now) AND {stale}) {gone});
             CREATE OR REPLACE TEMP TABLE gone_rows AS
             SELECT row_hash FROM temp.old_rows WHERE owner IN (FROM temp.leaving);
             CREATE OR REPLACE TEMP TABLE stale_rows AS
             SELECT DISTINCT o.row_hash FROM temp.old_rows AS o JOIN temp.members AS m ON m.owner = o.owner
             WHERE o.owner NOT IN (FROM temp.leaving) AND m.record IN (FROM temp.unsettled_now)"
        ))?;
        let (main, row) = (format!("main.{}", quote(&target)), row_of(&table.key_columns("t")));
        if count("temp.gone_rows")? > 0 {
            let removed = connection
                .execute(&format!("DELETE FROM {main} AS t WHERE {row} IN (FROM temp.gone_rows)"), [])?;
            change.removed = removed as u64;
            connection.execute(
                "DELETE FROM etl.row_owners
                 WHERE target = $1 AND pipeline = $2 AND row_hash IN (FROM temp.gone_rows)",
                params![target, pipeline],
            )?;
        }
        change.stale = count("temp.stale_rows")?;
        let kept = |records: &str| {
            count(&format!(
                "(SELECT DISTINCT o.row_hash FROM temp.old_rows AS o JOIN temp.members AS m ON m.owner = o.owner
                  WHERE m.record IN (FROM temp.{records}) AND o.row_hash NOT IN (FROM temp.gone_rows)
                    AND o.row_hash NOT IN (FROM temp.stale_rows))"
            ))
        };
        change.left = kept("gone_now")?;
        change.unread = kept("unread_now")?;
        if owned.stale == Stale::Mark && change.stale > 0 {
            connection.execute_batch(&format!(
                "UPDATE {main} AS t SET stale = true WHERE {row} IN (FROM temp.stale_rows)"
            ))?;
        }
        connection.execute_batch(
            "DROP TABLE temp.members; DROP TABLE temp.leaving; DROP TABLE temp.gone_rows; DROP TABLE temp.stale_rows",
        )?;
    }
    connection.execute_batch("DROP TABLE temp.old_rows")?;
    keep_owners(connection, pipeline, &target, &rows)?;
    Ok(change)
}

/// Stores the owners of the rows this run wrote.
fn keep_owners(connection: &Connection, pipeline: &str, target: &str, rows: &str) -> Result<(), StoreError> {
    let of = params![target, pipeline];
    let any = "SELECT EXISTS (FROM etl.row_owners WHERE target = $1 AND pipeline = $2)";
    let has_owners: bool = connection.query_row(any, of, |row| row.get(0))?;
    let mut new = format!("SELECT DISTINCT row_hash, owner FROM {rows}");
    if has_owners {
        connection.execute(
            &format!(
                "CREATE OR REPLACE TEMP TABLE new_owners AS {new}
                 EXCEPT SELECT row_hash, owner FROM etl.row_owners WHERE target = $1 AND pipeline = $2"
            ),
            of,
        )?;
        connection.execute(
            "DELETE FROM etl.row_owners WHERE target = $1 AND pipeline = $2
               AND row_hash IN (SELECT row_hash FROM temp.new_owners)",
            of,
        )?;
        new = "SELECT row_hash, owner FROM temp.new_owners".to_owned();
    }
    connection
        .execute(&format!("INSERT INTO etl.row_owners SELECT $1, $2, row_hash, owner FROM ({new})"), of)?;
    Ok(connection.execute_batch(&format!("DROP TABLE IF EXISTS temp.new_owners; TRUNCATE {rows}"))?)
}
