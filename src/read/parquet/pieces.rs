//! Long rows in small pieces: DuckDB returns 2,048 rows at once, and holds three copies of them meanwhile, which is
//! 120 MB for documents of 20 KB. Called by [`rows`](super::rows()).

use duckdb::Connection;

use crate::{read::FileDescription, record::same_name};

/// The most rows that DuckDB reads at once, counted from the start of a row group.
const VECTOR: u64 = 2048;

/// The uncompressed bytes of a piece, as counted in the footer; smaller vectors are not split.
const PIECE: u64 = 4_000_000;

/// The row number column added by DuckDB.
const NUMBER: &str = "file_row_number";

/// The relation that reads the rows of a file, in file order.
pub(super) fn relation(
    connection: &Connection,
    file: &FileDescription,
    path: &str,
) -> Result<String, duckdb::Error> {
    let whole = format!("read_parquet({path})");
    let (first, longest, others, bytes): (Option<i64>, Option<i64>, i64, Option<i64>) = connection.query_row(
        &format!(
            "SELECT arg_min(rows, id), max(rows), count(DISTINCT rows) FILTER (id < last), CAST(sum(bytes) AS BIGINT)
             FROM (SELECT row_group_id AS id, row_group_num_rows AS rows, sum(total_uncompressed_size) AS bytes,
                          max(row_group_id) OVER () AS last
                   FROM parquet_metadata({path}) GROUP BY row_group_id, row_group_num_rows)"
        ),
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let (Some(group), Some(bytes)) = (first, bytes) else { return Ok(whole) };
    let pieces = bytes.unsigned_abs() / file.rows.max(1) * VECTOR / PIECE;
    // A row group starts a new vector. With groups of different lengths the order of the pieces is unknown.
    let is_known = longest == first && others <= 1 && group > 0;
    if pieces < 2 || !is_known || file.names.iter().any(|name| same_name(name, NUMBER)) {
        return Ok(whole);
    }
    let pieces = pieces.next_power_of_two().min(VECTOR);
    let rows = VECTOR / pieces;
    // An equality between both sides would become a hash join, which merges the pieces again.
    Ok(format!(
        "read_parquet({path}, {NUMBER} = true) AS \"etl file\", range({pieces}) AS \"etl piece\"(\"etl piece\")
         WHERE \"etl piece\" - ({NUMBER} % {group} % {VECTOR}) // {rows} = 0"
    ))
}
