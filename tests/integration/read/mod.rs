//! Tables of hostile values, written by a separate small writer, are read back value by value.
//!
//! `ETL_READ_TABLES=2000` for more, `ETL_READ_SEED=17` for another start.

mod table;
mod text;
mod through;

use std::{ops::ControlFlow, path::Path};

use etl::{
    files::FileSet,
    read::{BadLine, Csv, Description, Entry, Format, Options, Row, describe, rows},
    record::{LogicalType, Value},
    units::Size,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use table::{Cell, Table};

/// Runs a test for each seed, and names the one that fails.
fn each_seed(test: impl Fn(&mut StdRng, &Path)) {
    let number = |name: &str, or| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (first, count) = (number("ETL_READ_SEED", 1), number("ETL_READ_TABLES", 200));
    for seed in first..first + count {
        let folder = tempfile::tempdir().unwrap();
        let run = std::panic::AssertUnwindSafe(|| test(&mut StdRng::seed_from_u64(seed), folder.path()));
        if std::panic::catch_unwind(run).is_err() {
            panic!("failed with ETL_READ_SEED={seed} ETL_READ_TABLES=1");
        }
    }
}

fn read(folder: &Path, pattern: &str, format: Format) -> (Description, Vec<Row>, Vec<BadLine>) {
    let set = FileSet::new(&folder.join(pattern), Size(u64::MAX));
    let options = Options::new(format);
    let description = describe(&set, &options).unwrap();
    let (mut all, mut bad) = (Vec::new(), Vec::new());
    let counts = rows(&set, &options, &description, &mut |entry| {
        match entry {
            Entry::Row(row) => all.push(row),
            Entry::Bad(line) => bad.push(line),
        }
        ControlFlow::Continue(())
    });
    let counts = counts.unwrap();
    assert_eq!(counts.rows, all.len() as u64);
    let files = &description.files;
    assert_eq!(
        files.iter().map(|file| (file.rows, file.bad)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        (counts.rows, counts.bad)
    );
    assert_eq!(counts.bad, bad.len() as u64);
    (description, all, bad)
}

/// Checks that every value of every row is that of the table.
fn same(
    table: &Table,
    description: &Description,
    rows: &[Row],
    is_same: impl Fn(&Cell, &Value, &LogicalType) -> bool,
) {
    assert_eq!(rows.len(), table.rows.len());
    for (number, (row, wanted)) in rows.iter().zip(&table.rows).enumerate() {
        for (name, cell) in table.names.iter().zip(wanted) {
            let Some(at) = description.schema.position(name) else {
                assert_eq!(*cell, Cell::Null, "{name} is no column");
                continue;
            };
            let (value, of) = (&row.values[at], &description.schema.fields()[at].datatype);
            assert!(
                is_same(cell, value, of),
                "row {number}, {name:?}: {cell:?} became {value:?} ({})",
                of.sql()
            );
        }
    }
}

#[test]
fn csv_comes_back_as_it_was_written() {
    each_seed(|random, folder| {
        let table = Table::random(random, false);
        for (number, part) in table.parts(random).into_iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.csv")), text::csv(&part, random)).unwrap();
        }
        let (description, rows, bad) = read(folder, "*.csv", Format::Csv(Csv::default()));
        assert_eq!(bad, []);
        same(&table, &description, &rows, |cell, value, _| match cell {
            Cell::Null => value.is_null(),
            cell => value.leaf().is_some_and(|text| *text == *cell.text()),
        });
    });
}

#[test]
fn jsonl_comes_back_as_it_was_written() {
    each_seed(|random, folder| {
        let table = Table::random(random, true);
        for (number, part) in table.parts(random).into_iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.jsonl")), text::jsonl(&part, random)).unwrap();
        }
        let (description, rows, bad) = read(folder, "*.jsonl", Format::Jsonl);
        assert_eq!(bad, []);
        same(&table, &description, &rows, text::is_same_json);
    });
}

#[test]
fn parquet_comes_back_as_it_was_written() {
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    each_seed(|random, folder| {
        let table = Table::random_typed(random);
        for (number, part) in table.parts(random).into_iter().enumerate() {
            text::parquet(&part, &duckdb, &folder.join(format!("{number}.parquet")));
        }
        let (description, rows, bad) = read(folder, "*.parquet", Format::Parquet);
        assert_eq!(bad, []);
        same(&table, &description, &rows, |cell, value, _| match cell {
            Cell::Null => value.is_null(),
            cell => value.leaf().is_some_and(|text| *text == *cell.text()),
        });
    });
}

/// The types of columns by name, whatever the order of the columns.
fn types(description: &Description) -> Vec<(String, String)> {
    let fields = description.schema.fields().iter();
    let mut types: Vec<_> = fields.map(|field| (field.name.to_lowercase(), field.datatype.sql())).collect();
    types.sort();
    types
}

#[test]
fn types_do_not_depend_on_how_rows_are_spread_over_files() {
    each_seed(|random, folder| {
        let table = Table::random(random, true);
        let flat = Table::random(random, false);
        let parts = [table.parts(random), flat.parts(random)];
        std::fs::write(folder.join("whole.jsonl"), text::jsonl(&table, random)).unwrap();
        std::fs::write(folder.join("whole.csv"), text::csv(&flat, random)).unwrap();
        for (number, part) in parts[0].iter().enumerate() {
            std::fs::write(folder.join(format!("part{number}.jsonl")), text::jsonl(part, random)).unwrap();
        }
        for (number, part) in parts[1].iter().enumerate() {
            std::fs::write(folder.join(format!("part{number}.csv")), text::csv(part, random)).unwrap();
        }
        // A key without a value is left out at random, and then in some of the files only.
        let is_null = |(name, _): &(String, String)| {
            let at = table.names.iter().position(|known| known.to_lowercase() == *name);
            at.is_some_and(|at| table.rows.iter().all(|row| matches!(row[at], Cell::Null)))
        };
        for (end, format) in [("jsonl", Format::Jsonl), ("csv", Format::Csv(Csv::default()))] {
            let (whole, ..) = read(folder, &format!("whole.{end}"), format.clone());
            let (parts, ..) = read(folder, &format!("part*.{end}"), format);
            let (mut whole, mut parts) = (types(&whole), types(&parts));
            if end == "jsonl" {
                whole.retain(|column| !is_null(column));
                parts.retain(|column| !is_null(column));
            }
            assert_eq!(whole, parts);
        }
    });
}

#[test]
fn a_kept_proof_is_as_good_as_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let line = |i: i64| {
        format!(
            "{{\"id\":{i},\"n\":{i}.5,\"o\":{{\"A\":[{i},null],\"b\":\"x{i}\"}},\"m\":{},\"t\":[true]}}\n",
            ["1", "\"1\""][(i % 2) as usize]
        )
    };
    let lines: String = (0..30_000).map(line).collect();
    std::fs::write(&path, format!("{lines}broken\n")).unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(9)).unwrap();
    let set = FileSet::new(&path, Size(u64::MAX));
    let options = Options::new(Format::Jsonl);
    let made = describe(&set, &options).unwrap();
    let [kept] = &made.proofs[..] else { panic!("{:?}", made.proofs) };
    let found = |id: &etl::read::ProofId| (*id == kept.id).then(|| kept.proof.clone());
    let known = etl::read::describe_with(&set, &options, &found).unwrap();
    assert_eq!(known, Description { proofs: Vec::new(), ..made.clone() });
    let of = |name: &str| made.schema.get(name).unwrap().datatype.sql();
    assert_eq!(
        (of("id"), of("n"), of("m"), of("t")),
        ("BIGINT".into(), "DOUBLE".into(), "JSON".into(), "BOOLEAN[]".into())
    );
}

#[test]
fn every_line_is_a_row_or_a_bad_line() {
    each_seed(|random, folder| {
        let (mut csv, mut jsonl, mut lines) = ("id,a,b\n".to_owned(), String::new(), 0);
        let (mut bad_csv, mut bad_jsonl) = (0, 0);
        for id in 0..random.random_range(1..200) {
            lines += 1;
            let good = format!("{id},x{id},\"y, {id}\"");
            let broken = [
                format!("{id},x"),
                format!("{id},x,y,z"),
                format!("{id},\"x,y"),
                format!("{id},\"x\" z,y"),
                format!("{id},x,\"y"),
            ];
            let is_bad = random.random_bool(0.2);
            bad_csv += u64::from(is_bad);
            csv += if is_bad { &broken[random.random_range(0..broken.len())] } else { &good };
            csv.push('\n');
            let good = format!("{{\"id\":{id},\"a\":\"x\"}}");
            let broken = [
                format!("{{\"id\":{id},"),
                format!("{{\"id\":{id},\"id\":1}}"),
                format!("{{\"id\":{id},\"a\":NaN}}"),
                format!("[{id}]"),
                "{\"a\":\"\\ud800\"}".to_owned(),
            ];
            let is_bad = random.random_bool(0.2);
            bad_jsonl += u64::from(is_bad);
            jsonl += if is_bad { &broken[random.random_range(0..broken.len())] } else { &good };
            jsonl.push('\n');
        }
        std::fs::write(folder.join("a.csv"), csv).unwrap();
        std::fs::write(folder.join("a.jsonl"), jsonl).unwrap();
        for (name, format, wanted) in
            [("a.csv", Format::Csv(Csv::default()), bad_csv), ("a.jsonl", Format::Jsonl, bad_jsonl)]
        {
            let (_, rows, bad) = read(folder, name, format);
            assert_eq!((rows.len() as u64, bad.len() as u64), (lines - wanted, wanted), "{name}");
        }
    });
}
