//! The speed and memory of describing files (types verified over every byte) and reading them.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    fmt::Write as _,
    fs::File,
    hint::black_box,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::Path,
    time::Instant,
};

use etl::{
    files::FileSet,
    read::{Csv, Entry, Format, Options, describe, rows},
    units::Size,
};

/// A file: its name, its number of rows, and a function that writes a row.
type Case = (&'static str, u64, fn(u64, &mut String));

const CASES: [Case; 5] = [
    ("narrow.csv", 1_000_000, |i, line| {
        let _ = writeln!(
            line,
            "{i},name {i},{}.25,2024-01-{:02},true,{},some text that is not so long,\"quoted, {i}\",x{i}",
            i % 1000,
            1 + i % 28,
            i * 7919 % 100_003
        );
    }),
    ("documents.csv", 15_000, |i, line| {
        let _ = writeln!(line, "{i},name {i},{}.25,\"{}\"", i % 1000, text(i, 12_000).replace('"', "\"\""));
    }),
    ("narrow.jsonl", 700_000, |i, line| {
        let _ = writeln!(
            line,
            "{{\"id\":{i},\"name\":\"name {i}\",\"price\":{}.25,\"ok\":true,\"tags\":[\"a\",\"b\"],\"at\":{{\"x\":{i},\"y\":\"z\"}},\"note\":\"some text that is not so long\"}}",
            i % 1000
        );
    }),
    ("middling.jsonl", 200_000, |i, line| {
        let _ = writeln!(line, "{{\"id\":{i},\"name\":\"name {i}\",\"text\":\"{}\"}}", text(i, 800));
    }),
    ("documents.jsonl", 15_000, |i, line| {
        let _ = writeln!(line, "{{\"id\":{i},\"name\":\"name {i}\",\"text\":\"{}\"}}", text(i, 12_000));
    }),
];

const DOCUMENTS: u64 = 40_000;
const READ: &str = "--read-parquet";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == READ) {
        measure(
            Path::new(&arguments[at + 1]),
            "documents.parquet",
            DOCUMENTS,
            12_000 * DOCUMENTS,
            Format::Parquet,
        );
        return println!("  peak memory: {}", peak());
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, count, row) in CASES {
        let bytes = write(&folder.path().join(name), name, count, row);
        let format = if name.ends_with("csv") { Format::Csv(Csv::default()) } else { Format::Jsonl };
        measure(folder.path(), name, count, bytes, format);
        let _ = std::fs::remove_file(folder.path().join(name));
        println!("  peak memory so far: {}", peak());
    }
    let path = folder.path().join("documents.parquet");
    let query = format!(
        "SELECT range AS id, 1.25::DECIMAL(9,2) AS price, repeat(md5(range::VARCHAR), 375) AS text \
         FROM range({DOCUMENTS})"
    );
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    duckdb
        .execute_batch(&format!("COPY ({query}) TO '{}' (FORMAT parquet)", path.display()))
        .expect("a file");
    // In a separate process, so that the memory of writing is not counted.
    let program = std::env::current_exe().expect("this binary");
    let status = std::process::Command::new(program).arg(READ).arg(folder.path()).status();
    assert!(status.expect("it runs").success());
}

fn measure(folder: &Path, name: &str, count: u64, bytes: u64, format: Format) {
    let set = FileSet::new(&folder.join(name), Size(u64::MAX));
    let options = Options::new(format);
    let start = Clock::start();
    let description = describe(&set, &options).expect("a description");
    let described = start.seconds();
    let start = Clock::start();
    let counts = rows(&set, &options, &description, &mut |entry| {
        match black_box(entry) {
            Entry::Row(row) => drop(row),
            Entry::Bad(bad) => panic!("{}: {}", bad.line, bad.reason),
        }
        ControlFlow::Continue(())
    });
    let read = start.seconds();
    assert_eq!(counts.expect("all rows").rows, count);
    let figure = |(wall, processor): (f64, f64)| {
        let per = |seconds: f64, what: f64| what / seconds.max(0.01);
        let megabytes = bytes as f64 / 1e6;
        format!(
            "{:.0} rows/s, {:.0} MB/s (of processor time: {:.0} rows/s, {:.0} MB/s)",
            per(wall, count as f64),
            per(wall, megabytes),
            per(processor, count as f64),
            per(processor, megabytes)
        )
    };
    println!("{name}: {count} rows, {} MB", bytes / 1_000_000);
    println!("  described: {}", figure(described));
    println!("  read:      {}", figure(read));
}

/// Wall-clock time, and processor time, which other work on the machine does not affect.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    fn seconds(&self) -> (f64, f64) {
        (self.0.elapsed().as_secs_f64(), processor() - self.1)
    }
}

/// The processor time of this process in seconds, from Linux, which counts hundredths.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn write(path: &Path, name: &str, count: u64, row: fn(u64, &mut String)) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let (mut line, mut bytes) = (String::new(), 0);
    match name {
        "narrow.csv" => line.push_str("id,name,price,day,ok,n,text,quoted,code\n"),
        "documents.csv" => line.push_str("id,name,price,text\n"),
        _ => {}
    }
    for i in 0..count {
        row(i, &mut line);
        bytes += line.len() as u64;
        file.write_all(line.as_bytes()).expect("written");
        line.clear();
    }
    file.flush().expect("written");
    bytes
}

/// Words, some of them not ASCII.
fn text(seed: u64, length: usize) -> String {
    const WORDS: [&str; 8] = ["time", "naïve", "of the", "philosophy", "and", "a", "größer", "question"];
    let mut text = String::with_capacity(length + 16);
    let mut state = seed;
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 61) as usize]);
        text.push(' ');
    }
    text
}

/// The peak memory of the process, from Linux.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or("unknown".to_owned(), |line| line.trim_start_matches("VmHWM:").trim().to_owned())
}
