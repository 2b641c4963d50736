//! `etl sql DATABASE QUERY`

use std::path::PathBuf;

use crate::store;

use super::{FATAL, WRONG, show, tell};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The DuckDB database; it is only read.
    database: PathBuf,
    /// The query.
    query: String,
}

/// The widest that a column is shown.
const WIDEST: usize = 48;

pub(super) fn sql(arguments: &Arguments) -> u8 {
    if !arguments.database.exists() {
        tell(&format!("there is no database `{}`", arguments.database.display()));
        return WRONG;
    }
    match store::show(&arguments.database, &arguments.query) {
        Ok((names, rows)) => {
            show(&table(&names, &rows));
            0
        }
        Err(error) => {
            tell(&error.to_string());
            FATAL
        }
    }
}

fn table(names: &[String], rows: &[Vec<Option<String>>]) -> String {
    let cell = |text: &str| -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(WIDEST) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    };
    let head: Vec<String> = names.iter().map(|name| cell(name)).collect();
    let body: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|value| value.as_deref().map_or("NULL".to_owned(), cell)).collect())
        .collect();
    let width = |at: usize| {
        let cells = body.iter().map(|row: &Vec<String>| row[at].chars().count());
        cells.chain([head[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let body: String = body.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(&head), line(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_long_values_are_cut() {
        let names = ["path".to_owned(), "summary".to_owned()];
        let rows =
            [vec![Some("a.txt".to_owned()), None], vec![Some("b".to_owned()), Some("words\n".repeat(20))]];
        insta::assert_snapshot!(table(&names, &rows), @r"
        path   summary
        ─────  ─────────────────────────────────────────────────
        a.txt  NULL
        b      words words words words words words words words …
        ");
    }
}
