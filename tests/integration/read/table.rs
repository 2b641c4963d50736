//! Tables of random values that readers often get wrong. Main type: [`Table`].

use rand::{RngExt, rngs::StdRng};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    /// A text.
    Text(String),
    /// A number, as written.
    Number(String),
    Boolean(bool),
    List(Vec<Cell>),
    /// An object; missing fields are left out.
    Object(Vec<(String, Cell)>),
}

impl Cell {
    /// The text of a scalar.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Boolean(value) => value.to_string(),
            Self::Null | Self::List(_) | Self::Object(_) => panic!("{self:?} is no leaf"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) names: Vec<String>,
    /// The types for DuckDB to write, if it does.
    pub(super) types: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

const NAMES: [&str; 12] = [
    "id",
    "answer",
    "First Name",
    "größe",
    "price (€,)",
    "in",
    "a;b",
    "\"quoted\"",
    "key",
    "日本",
    "tab\there",
    "'",
];

const TEXTS: [&str; 34] = [
    "",
    " ",
    "'",
    "''",
    "\"",
    "\"\"",
    ",",
    ";",
    "\t",
    "|",
    "a,b",
    "line\nbreak",
    "line\r\nbreak",
    "\rx",
    "null",
    "NULL",
    "NA",
    "nan",
    "01220",
    "1.10",
    "1E5",
    "0x1A",
    "9:30",
    "01/02/2024",
    "-0",
    "+1",
    "true",
    "F",
    "e\u{301}",
    "👩‍👩‍👧 family",
    "\\n",
    "#",
    "\u{0}",
    "{\"a\":1}",
];

fn one<'a>(random: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

fn number(random: &mut StdRng) -> String {
    match random.random_range(0..5) {
        0 => one(random, &["0", "-1", "9223372036854775807", "-9223372036854775808"]).to_owned(),
        _ => (random.random::<i64>() >> random.random_range(0..64)).to_string(),
    }
}

fn double(random: &mut StdRng) -> String {
    match random.random_range(0..4) {
        0 => one(random, &["0.1", "-0.0", "1e+300", "5e-324", "0.30000000000000004", "1.5"]).to_owned(),
        1 => etl::record::double(f64::from(random.random_range(-1000..1000)) / 8.0),
        _ => {
            let value = f64::from_bits(random.random());
            etl::record::double(if value.is_finite() { value } else { 2.5 })
        }
    }
}

fn decimal(random: &mut StdRng) -> String {
    let sign = if random.random_bool(0.3) { "-" } else { "" };
    format!("{sign}{}.{:02}", random.random_range(1..1_000_000_000_i64), random.random_range(0..100))
}

fn date(random: &mut StdRng) -> String {
    let (year, month, day) =
        (random.random_range(1..=9999), random.random_range(1..=12), random.random_range(1..=28));
    format!("{year:04}-{month:02}-{day:02}")
}

fn timestamp(random: &mut StdRng) -> String {
    let year = random.random_range(1700..2200);
    let fraction = one(random, &["", ".5", ".000001", ".123456"]);
    format!("{year}{} {:02}:00:59{fraction}", &date(random)[4..], random.random_range(0..24))
}

fn boolean(random: &mut StdRng) -> Cell {
    Cell::Boolean(random.random())
}

fn text(random: &mut StdRng) -> String {
    match random.random_range(0..8) {
        0 => format!("{}{}", one(random, &TEXTS), one(random, &TEXTS)),
        1 => "long ".repeat(random.random_range(0..5000)),
        _ => one(random, &TEXTS).to_owned(),
    }
}

fn nested(random: &mut StdRng, depth: usize) -> Cell {
    match random.random_range(0..6) {
        0 if depth > 0 => {
            Cell::List((0..random.random_range(0..4)).map(|_| nested(random, depth - 1)).collect())
        }
        1 if depth > 0 => {
            let mut fields = Vec::new();
            for name in ["a", "b b", "ü"] {
                if random.random_bool(0.6) {
                    fields.push((name.to_owned(), nested(random, depth - 1)));
                }
            }
            Cell::Object(fields)
        }
        2 => Cell::Null,
        3 => Cell::Number(number(random)),
        4 => Cell::Text(text(random)),
        _ => Cell::Number(double(random)),
    }
}

/// A cell of a column kind.
fn cell(kind: usize, random: &mut StdRng) -> Cell {
    match kind {
        0 => Cell::Number(number(random)),
        1 => Cell::Text(text(random)),
        2 => Cell::Number(double(random)),
        3 => Cell::Number(decimal(random)),
        4 => Cell::Text(date(random)),
        5 => Cell::Text(timestamp(random)),
        6 => boolean(random),
        7 => Cell::Number(if random.random() { number(random) } else { double(random) }),
        8 => Cell::Number(if random.random() { number(random) } else { decimal(random) }),
        9 => {
            let kind = random.random_range(0..9);
            cell(kind, random)
        }
        10 => {
            // A number does not start with zeros.
            let start = number(random).replace('0', "7");
            Cell::Number(format!("{start}{}", "0123456789".repeat(random.random_range(0..3))))
        }
        11 => Cell::List((0..random.random_range(0..4)).map(|_| Cell::Number(number(random))).collect()),
        _ => nested(random, 3),
    }
}

impl Table {
    /// A table for text formats; with lists and objects if `nested`.
    pub(super) fn random(random: &mut StdRng, nested: bool) -> Self {
        let kinds = if nested { 13 } else { 10 };
        let columns: Vec<usize> =
            (0..random.random_range(1..6)).map(|_| random.random_range(0..kinds)).collect();
        Self::of(random, &columns, &["VARCHAR"; 10])
    }

    /// A table whose columns have one type each, for DuckDB to write.
    pub(super) fn random_typed(random: &mut StdRng) -> Self {
        const TYPES: [&str; 10] = [
            "BIGINT",
            "VARCHAR",
            "DOUBLE",
            "DECIMAL(18,2)",
            "DATE",
            "TIMESTAMP",
            "BOOLEAN",
            "VARCHAR",
            "VARCHAR",
            "VARCHAR",
        ];
        let columns: Vec<usize> = (0..random.random_range(1..6)).map(|_| random.random_range(0..7)).collect();
        Self::of(random, &columns, &TYPES)
    }

    fn of(random: &mut StdRng, columns: &[usize], types: &[&'static str]) -> Self {
        let start = random.random_range(0..NAMES.len());
        let names = (0..columns.len()).map(|at| NAMES[(start + at) % NAMES.len()].to_owned());
        let nulls = if random.random_bool(0.5) { 0.3 } else { 0.0 };
        let rows = (0..random.random_range(0..40)).map(|_| {
            let cells = columns.iter().map(|kind| match random.random_bool(nulls) {
                true => Cell::Null,
                false => cell(*kind, random),
            });
            cells.collect()
        });
        let rows = rows.collect();
        let types = columns.iter().map(|kind| types.get(*kind).copied().unwrap_or("VARCHAR")).collect();
        Self { names: names.collect(), types, rows }
    }

    /// The table split into one or more files.
    pub(super) fn parts(&self, random: &mut StdRng) -> Vec<Self> {
        let count = random.random_range(1..4);
        let size = self.rows.len().div_ceil(count).max(1);
        let mut parts: Vec<Self> = self
            .rows
            .chunks(size)
            .map(|rows| Self { names: self.names.clone(), types: self.types.clone(), rows: rows.to_vec() })
            .collect();
        if parts.is_empty() {
            parts.push(self.clone());
        }
        parts
    }
}
