//! Writers of CSV, JSON Lines and Parquet, independent of the readers.

use std::path::Path;

use etl::record::{LogicalType, Value};
use rand::{RngExt, rngs::StdRng};

use super::table::{Cell, Table};

pub(super) fn csv(table: &Table, random: &mut StdRng) -> String {
    let one = table.names.len() == 1;
    // With one column, the header does not show the separator.
    let separator = if one { ',' } else { [',', ';', '\t', '|'][random.random_range(0..4)] };
    let end = if random.random() { "\n" } else { "\r\n" };
    let all = random.random_bool(0.2);
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut order: Vec<usize> = (0..table.names.len()).collect();
    let turn = random.random_range(0..order.len());
    order.rotate_left(turn);
    let header = order.iter().map(|at| {
        let name = &table.names[*at];
        if all || name.contains([',', ';', '\t', '|', '"']) { quoted(name) } else { name.clone() }
    });
    let mut text = header.collect::<Vec<_>>().join(&separator.to_string());
    for row in &table.rows {
        text.push_str(end);
        let cells = order.iter().map(|at| match &row[*at] {
            Cell::Null => String::new(),
            cell => {
                let text = cell.text();
                let must = text.is_empty() || text.contains([separator, '"', '\n', '\r']);
                if must || all { quoted(&text) } else { text }
            }
        });
        text.push_str(&cells.collect::<Vec<_>>().join(&separator.to_string()));
    }
    // Without it, a last NULL in a single column would not be a line.
    if one || random.random() {
        text.push_str(end);
    }
    if random.random_bool(0.1) { format!("\u{feff}{text}") } else { text }
}

pub(super) fn jsonl(table: &Table, random: &mut StdRng) -> String {
    let mut text = String::new();
    for row in &table.rows {
        let mut members = Vec::new();
        for (name, cell) in table.names.iter().zip(row) {
            if *cell != Cell::Null || random.random() {
                members.push(format!("{}:{}", string(name, None), json(cell, &mut Some(random))));
            }
        }
        let turn = random.random_range(0..members.len().max(1));
        members.rotate_left(turn);
        text.push_str(&format!("{{{}}}\n", members.join(",")));
    }
    text
}

fn json(cell: &Cell, random: &mut Option<&mut StdRng>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Number(text) => text.clone(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Text(text) => string(text, random.as_deref_mut()),
        Cell::List(items) => {
            let items: Vec<String> = items.iter().map(|item| json(item, random)).collect();
            format!("[{}]", items.join(","))
        }
        Cell::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, cell)| format!("{}:{}", string(name, None), json(cell, random)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// A quoted string; with `random`, letters are sometimes escaped.
fn string(text: &str, mut random: Option<&mut StdRng>) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        let escape = random.as_mut().is_some_and(|random| random.random_bool(0.05));
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if escape || c < ' ' => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// Whether a value equals the one written.
pub(super) fn is_same_json(cell: &Cell, value: &Value, of: &LogicalType) -> bool {
    match (cell, value, of) {
        (Cell::Null, value, _) => value.is_null(),
        // Text in a column of mixed values may contain escapes: it is compared as JSON.
        (cell, Value::Text(text), LogicalType::Json) => is_same_text(text, &json(cell, &mut None)),
        (Cell::Text(wanted), Value::Text(text), LogicalType::Varchar) => *wanted == **text,
        (Cell::Boolean(wanted), Value::Boolean(value), LogicalType::Boolean) => wanted == value,
        (Cell::Number(wanted), value, LogicalType::Decimal { .. }) => {
            value.leaf().is_some_and(|text| plain(&text) == plain(wanted))
        }
        (Cell::Number(wanted), value, LogicalType::BigInt | LogicalType::HugeInt | LogicalType::Double) => {
            let wanted = if wanted == "-0" { "0" } else { wanted };
            value.leaf().is_some_and(|text| *text == *wanted)
        }
        (Cell::List(cells), Value::List(values), LogicalType::List(of)) => {
            cells.len() == values.len()
                && cells.iter().zip(values.iter()).all(|(cell, value)| is_same_json(cell, value, of))
        }
        (Cell::Object(cells), Value::Struct(values), LogicalType::Struct(fields)) => {
            fields.iter().zip(values.iter()).all(|((name, of), value)| {
                let cell =
                    cells.iter().find(|(known, _)| known == name).map_or(&Cell::Null, |(_, cell)| cell);
                is_same_json(cell, value, of)
            }) && cells.iter().all(|(name, _)| fields.iter().any(|(known, _)| known == name))
        }
        _ => false,
    }
}

/// The same JSON text, regardless of escapes; numbers by their digits.
fn is_same_text(text: &str, wanted: &str) -> bool {
    text == wanted || (unescaped(text) == unescaped(wanted))
}

fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(code) = rest.strip_prefix("\\u") {
            units.push(u16::from_str_radix(&code[..4], 16).unwrap());
            rest = &rest[6..];
            continue;
        }
        units.extend(c.encode_utf16(&mut [0; 2]).iter());
        rest = &rest[c.len_utf8()..];
    }
    String::from_utf16(&units).unwrap()
}

/// A decimal number without redundant zeros, with its exponent applied.
fn plain(text: &str) -> (bool, String, i64) {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let mut scale = fraction.len() as i64 - exponent.parse::<i64>().unwrap();
    let mut digits = digits.trim_start_matches('0').to_owned();
    while digits.ends_with('0') {
        digits.pop();
        scale -= 1;
    }
    match digits.is_empty() {
        true => (false, digits, 0),
        false => (negative, digits, scale),
    }
}

pub(super) fn parquet(table: &Table, duckdb: &duckdb::Connection, path: &Path) {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> =
        table.names.iter().zip(&table.types).map(|(name, of)| format!("{} {of}", quote(name))).collect();
    duckdb.execute_batch(&format!("CREATE OR REPLACE TABLE written ({})", columns.join(", "))).unwrap();
    if !table.rows.is_empty() {
        let marks: Vec<String> = table.types.iter().map(|of| format!("CAST(? AS {of})")).collect();
        let row = format!("({})", marks.join(", "));
        let sql = format!("INSERT INTO written VALUES {}", vec![row; table.rows.len()].join(", "));
        let values = table.rows.iter().flatten().map(|cell| match cell {
            Cell::Null => None,
            cell => Some(cell.text()),
        });
        duckdb.execute(&sql, duckdb::params_from_iter(values)).unwrap();
    }
    duckdb.execute_batch(&format!("COPY written TO '{}' (FORMAT parquet)", path.display())).unwrap();
}
