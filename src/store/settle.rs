//! Which rows are removed at the end of a run. Main function: [`settle`], called when all rows are written.
//!
//! It compares what the run has read, failed and written, as noted in [`ownership`](super::ownership), with the rows
//! of earlier runs.

use duckdb::{Connection, params};

use crate::{
    event::TableChange,
    record::{literal, quote},
};

use super::{
    Run, StoreError,
    ownership::{any, row_of},
    table::{Duplicates, Stale, Table},
};

/// Removes outdated rows of earlier runs, and stores the owners of the rows this run wrote.
pub(super) fn settle(
    connection: &Connection,
    run: Run,
    pipeline: &str,
    tables: &[Table],
    incomplete: &[String],
) -> Result<Vec<TableChange>, StoreError> {
    // On a first run no row can be removed.
    let is_later = any(connection, "etl.row_owners WHERE pipeline = $1", params![pipeline])?;
    let mut changes = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for table in tables {
        let target = table.name().to_lowercase();
        if table.owned.is_none() || seen.contains(&target) {
            continue;
        }
        if seen.is_empty() && is_later {
            gather(connection, run, pipeline, incomplete)?;
        }
        seen.push(target);
        changes.push(match is_later {
            true => settle_table(connection, pipeline, table)?,
            false => TableChange { table: table.name(), ..TableChange::default() },
        });
        keep_owners(connection, pipeline, table)?;
    }
    if !seen.is_empty() {
        keep_read(connection, run, pipeline)?;
        connection.execute("DELETE FROM etl.read_records WHERE run = $1", params![run.0])?;
        connection.execute("DELETE FROM etl.unsettled_records WHERE run = $1", params![run.0])?;
        if any(connection, "etl.owner_sets", [])? {
            connection.execute_batch(
                "DELETE FROM etl.owner_sets WHERE owner NOT IN (SELECT owner FROM etl.row_owners)",
            )?;
        }
        connection.execute_batch(
            "DROP TABLE IF EXISTS temp.read_now; DROP TABLE IF EXISTS temp.unsettled_now;
             DROP TABLE IF EXISTS temp.gone_now; DROP TABLE IF EXISTS temp.unread_now",
        )?;
    }
    Ok(changes)
}

/// Stores the source records that a run has read. One that was read twice is stored twice, which changes nothing.
fn keep_read(connection: &Connection, run: Run, pipeline: &str) -> Result<(), StoreError> {
    let known = any(connection, "etl.source_records WHERE pipeline = $1", params![pipeline])?;
    let new = match known {
        true => {
            "AND NOT EXISTS (FROM etl.source_records AS s
                 WHERE s.pipeline = $2 AND s.source = r.source AND s.record = r.record)"
        }
        false => "",
    };
    connection.execute(
        &format!(
            "INSERT INTO etl.source_records SELECT $2, r.source, r.record FROM etl.read_records AS r
             WHERE r.run = $1 AND r.record IS NOT NULL {new}"
        ),
        params![run.0, pipeline],
    )?;
    Ok(())
}

/// The source records of a run: those read, those not settled, those no longer in their source, and those not read
/// although their source may still have them.
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
    let incomplete: Vec<String> = incomplete.iter().map(|source| literal(source)).collect();
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
    Ok(change)
}

/// Stores the owners of the rows this run wrote.
fn keep_owners(connection: &Connection, pipeline: &str, table: &Table) -> Result<(), StoreError> {
    let (target, rows) = (table.name(), table.owned_rows());
    let of = params![target, pipeline];
    let has_owners = any(connection, "etl.row_owners WHERE target = $1 AND pipeline = $2", of)?;
    // A row is written twice only where the last one replaces the others.
    let distinct = if table.duplicates == Duplicates::Last { "DISTINCT " } else { "" };
    let mut new = format!("SELECT {distinct}row_hash, owner FROM {rows}");
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
