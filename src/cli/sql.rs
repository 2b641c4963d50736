//! `etl sql DATABASE QUERY`, or with a pipeline in the place of its database.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use crate::{
    escape::escaped_json,
    report::{Align, clean, pad, width},
    run::Pipeline,
    store::{self, StoreError},
};

use super::{FATAL, WRONG, read, show, tell, tell_mistakes};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The DuckDB database, or the YAML file of a pipeline for its database; it is opened read-only.
    database: PathBuf,
    /// The query.
    query: String,
    /// How the result is written: a table cuts line breaks, and shows NULL like the text NULL.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns, to read.
    Table,
    /// CSV as a sink writes it: NULL is empty, and the empty text is `""`.
    Csv,
    /// A JSON object for each row.
    Jsonl,
}

pub(super) fn sql(arguments: &Arguments) -> u8 {
    let is_spec =
        arguments.database.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let database = match is_spec {
        false => arguments.database.clone(),
        true => {
            let text = match read(&arguments.database) {
                Ok(text) => text,
                Err(code) => return code,
            };
            match Pipeline::database_of(&arguments.database, &text) {
                Ok(database) => database,
                Err(mistakes) => {
                    tell_mistakes(&mistakes);
                    return WRONG;
                }
            }
        }
    };
    if database.is_dir() {
        tell(&format!(
            "`{}` is a folder: expected a database or the YAML file of a pipeline",
            database.display()
        ));
        return WRONG;
    }
    if !database.exists() {
        let advice = if is_spec { ": the pipeline has not run yet" } else { "" };
        tell(&format!("no such database: `{}`{advice}", database.display()));
        return WRONG;
    }
    match output(&database, arguments) {
        Ok(text) => {
            match arguments.format == Format::Csv && !std::io::stdout().is_terminal() {
                // Another program gets every character.
                true => drop(std::io::stdout().write_all(text.as_bytes())),
                false => show(&text),
            }
            0
        }
        Err(error) => {
            tell(&error.to_string());
            FATAL
        }
    }
}

fn output(database: &Path, arguments: &Arguments) -> Result<String, StoreError> {
    let query = &arguments.query;
    Ok(match arguments.format {
        Format::Table => {
            let (names, rows) = store::show(database, query)?;
            // A pipe gets complete lines; on a terminal they are cut to its width.
            let columns =
                std::io::stdout().is_terminal().then(|| usize::from(console::Term::stdout().size().1));
            table(&names, &rows, columns)
        }
        Format::Csv => {
            let (names, rows) = store::show(database, query)?;
            csv(&names, &rows)
        }
        Format::Jsonl => {
            let rows = store::show_json(database, query)?;
            rows.iter().map(|row| format!("{}\n", escaped_json(row))).collect()
        }
    })
}

/// The rows as CSV with a header line.
fn csv(names: &[String], rows: &[Vec<Option<String>>]) -> String {
    let field = |text: &str| match text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |fields: Vec<String>| format!("{}\n", fields.join(","));
    let head = line(names.iter().map(|name| field(name)).collect());
    let row = |row: &Vec<Option<String>>| {
        line(row.iter().map(|value| value.as_deref().map_or_else(String::new, field)).collect())
    };
    head + &rows.iter().map(row).collect::<String>()
}

/// The rows as lines; on a narrow terminal the widest columns are cut to fit.
fn table(names: &[String], rows: &[Vec<Option<String>>], columns: Option<usize>) -> String {
    let cell = |text: &str| clean(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let head: Vec<String> = names.iter().map(|name| cell(name)).collect();
    let body: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|value| value.as_deref().map_or("NULL".to_owned(), cell)).collect())
        .collect();
    let widest = |at: usize| {
        let cells = body.iter().map(|row: &Vec<String>| width(&row[at]));
        cells.chain([width(&head[at])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(widest).collect();
    let widths = columns.map_or(widths.clone(), |columns| fitted(widths, columns));
    let line = |row: &[String]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width, Align::Left)).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let body: String = body.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(&head), line(&rule))
}

/// Shrinks widths to fit into this many columns in total: the widest first, down to a minimum.
fn fitted(mut widths: Vec<usize>, columns: usize) -> Vec<usize> {
    const NARROWEST: usize = 8;
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_keeps_line_breaks_and_tells_null_from_texts() {
        let rows =
            [vec![Some("a \"b\"\nc".to_owned()), None], vec![Some(String::new()), Some("NULL".to_owned())]];
        assert_eq!(
            csv(&["x".to_owned(), "y, z".to_owned()], &rows),
            "x,\"y, z\"\n\"a \"\"b\"\"\nc\",\n\"\",NULL\n"
        );
    }

    #[test]
    fn a_table_is_aligned_and_cut_only_where_a_terminal_is_narrow() {
        let names = ["path".to_owned(), "summary".to_owned()];
        let rows =
            [vec![Some("a.txt".to_owned()), None], vec![Some("b".to_owned()), Some("words\n".repeat(20))]];
        assert!(table(&names, &rows, None).contains(&"words ".repeat(20).trim_end().to_owned()));
        insta::assert_snapshot!(table(&names, &rows, Some(56)), @r"
        path   summary
        ─────  ─────────────────────────────────────────────────
        a.txt  NULL
        b      words words words words words words words words …
        ");
        let escape = [vec![Some("\u{1b}[2Jgone".to_owned()), None]];
        assert!(!table(&names, &escape, None).contains('\u{1b}'));
    }
}
