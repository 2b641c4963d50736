//! The database under failure: one message that says what to do, and nothing is lost.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use crate::common::{Ended, Folder, SCHEMA, conserved, run_watched, sql};
use duckdb::Connection;
use etl::{
    event::{EventKind, RunEnd},
    ledger::{Entry, Generation, RequestId, Step},
    run::Options,
    sim::{Sim, SimConfig},
    sql::Resources,
    store::{Batch, RunRecord, Store},
};
use tokio_util::sync::CancellationToken;

fn spec(database: &Path, records: usize, map: &str) -> String {
    format!(
        "
pipeline: test
mistral: {{ api_key: test }}
duckdb: {}
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: name
  - map: extract
    chat: {{ model: mistral-small-latest, prompt: 'describe {{{{ text }}}}', schema: schema.json }}
    {map}
  - sink: metadata
    table: metadata
",
        database.display()
    )
}

/// Runs the binary with the simulator; a hang fails.
fn etl(folder: &Folder, database: &Path) -> Output {
    folder.write("schema.json", SCHEMA.as_bytes());
    folder.write("spec.yaml", spec(database, 10, "").as_bytes());
    let mut command = assert_cmd::Command::new(crate::common::ETL);
    command.arg("run").arg(folder.path("spec.yaml")).args(["--offline", "--quiet", "--progress", "none"]);
    command.timeout(Duration::from_secs(60)).output().unwrap()
}

/// Checks that it failed with exit code 1 and one message.
fn refused(output: &Output) -> String {
    let reported = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{reported}");
    assert_eq!(reported.matches("error:").count(), 1, "{reported}");
    reported
}

#[test]
fn a_database_of_a_newer_program_is_left_as_it_is() {
    let folder = Folder::new();
    let database = folder.path("out.duckdb");
    assert!(matches!(etl(&folder, &database).status.code(), Some(0 | 3)));
    Connection::open(&database).unwrap().execute_batch("UPDATE etl.meta SET version = version + 1").unwrap();
    let before = fs::read(&database).unwrap();
    let reported = refused(&etl(&folder, &database));
    assert!(
        reported.contains("has layout 3, but this version supports up to 2: use a newer etl"),
        "{reported}"
    );
    assert!(fs::read(&database).unwrap() == before, "not a byte is changed");
}

#[test]
fn a_damaged_database_is_left_as_it_is() {
    let folder = Folder::new();
    let database = folder.path("out.duckdb");
    assert!(matches!(etl(&folder, &database).status.code(), Some(0 | 3)));
    let whole = fs::read(&database).unwrap();
    let overwritten = |from: usize, to: usize| {
        let mut bytes = whole.clone();
        let to = to.min(bytes.len());
        bytes[from..to].fill(0xA5);
        bytes
    };
    let cases = [
        ("both headers are overwritten", overwritten(0, 12_288)),
        ("all after the headers is overwritten", overwritten(12_288, usize::MAX)),
        ("a third is left", whole[..whole.len() / 3].to_vec()),
        ("only the headers are left", whole[..12_288].to_vec()),
        ("a piece of a header is left", whole[..100].to_vec()),
        ("it is no database at all", b"name,title\na,b\n".repeat(1000)),
    ];
    for (what, bytes) in cases {
        fs::write(&database, &bytes).unwrap();
        let reported = refused(&etl(&folder, &database));
        eprintln!("{what}: {reported}");
        assert!(reported.contains("out.duckdb"), "{what}: {reported}");
        assert!(reported.contains("restore a copy, or move it away"), "{what}: {reported}");
        assert!(fs::read(&database).unwrap() == bytes, "{what}: not a byte is changed");
    }
    fs::write(&database, whole).unwrap();
    assert!(matches!(etl(&folder, &database).status.code(), Some(0 | 3)), "the copy goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_left_as_it_is() {
    let folder = Folder::new();
    let (path, copy) = (folder.path("out.duckdb"), folder.path("copy.duckdb"));
    let log = |path: &Path| PathBuf::from(format!("{}.wal", path.display()));
    let store = Store::open(&path, Path::new("."), &Resources::default()).await.unwrap();
    let run =
        store.begin(RunRecord { pipeline: "test".to_owned(), server: "here".to_owned() }).await.unwrap();
    for at in 0..40 {
        let entries = (0..20u32).map(|nth| Entry {
            request: RequestId::of("x", &(at * 20 + nth).to_le_bytes()),
            generation: Generation(1),
            attempt: 1,
            stage: "extract".to_owned(),
            key: "text".to_owned(),
            asked_model: "mistral-small-latest".to_owned(),
            job: None,
            step: Step::Invalid("no".to_owned()),
        });
        store.commit(run, "here", Batch { entries: entries.collect(), ..Batch::default() }).await.unwrap();
    }
    // As after a kill: the last steps are only in DuckDB's write-ahead log.
    let (database, whole) = (fs::read(&path).unwrap(), fs::read(log(&path)).unwrap());
    let left = |bytes: &[u8]| {
        fs::write(&copy, &database).unwrap();
        fs::write(log(&copy), bytes).unwrap();
    };
    let steps = "SELECT count(*) FROM etl.journal";
    left(&whole);
    assert_eq!(sql(&copy, steps), "800");
    // A truncated commit did not happen; earlier ones are intact.
    left(&whole[..whole.len() - 100]);
    assert_eq!(sql(&copy, steps), "780");
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 4096].fill(0xA5);
    left(&damaged);
    let reported = refused(&etl(&folder, &copy));
    eprintln!("{reported}");
    assert!(reported.contains("restore a copy, or move it away"), "{reported}");
    assert!(fs::read(log(&copy)).unwrap() == damaged, "not a byte is changed");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = Folder::new();
    // Permissions do not bind a superuser; a file in place of the folder does, and so does a read-only file system.
    folder.write("file", b"");
    let reported = refused(&etl(&folder, &folder.path("file/out.duckdb")));
    eprintln!("{reported}");
    assert!(reported.contains("cannot create the folder"), "{reported}");
    assert!(reported.contains("set another path in `duckdb:`"), "{reported}");
    let reported = refused(&etl(&folder, &folder.path(".")));
    assert!(reported.contains("Is a directory; set another path in `duckdb:`"), "{reported}");
    let Some(disk) = Disk::mount("8m") else { return };
    disk.remount("ro");
    let reported = refused(&etl(&folder, &disk.path("out.duckdb")));
    eprintln!("{reported}");
    assert!(reported.to_lowercase().contains("read-only file system"), "{reported}");
    assert!(reported.contains("`duckdb:`"), "{reported}");
    disk.remount("rw");
    assert!(matches!(etl(&folder, &disk.path("out.duckdb")).status.code(), Some(0 | 3)));
    let before = fs::read(disk.path("out.duckdb")).unwrap();
    disk.remount("ro");
    let reported = refused(&etl(&folder, &disk.path("out.duckdb")));
    eprintln!("{reported}");
    assert!(reported.to_lowercase().contains("read-only file system"), "{reported}");
    assert!(fs::read(disk.path("out.duckdb")).unwrap() == before);
}

/// An in-memory file system of a few megabytes, for as long as this lives.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` without the permission to mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                eprintln!("skipped: a file system of its own cannot be mounted here");
                None
            }
        }
    }

    fn remount(&self, how: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills the file system.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.path("ballast")).unwrap();
        while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn sim() -> SimConfig {
    let text = "batch: { queue: { median: 5min, spread: 0.3 }, run: 5min, line: 1s }";
    let config = SimConfig { latency: Duration::from_millis(10), misfits: 0.0, ..SimConfig::default() };
    config.with_yaml("quick", text).unwrap()
}

async fn run(folder: &Folder, spec: &str, sim: &Sim, watch: impl FnMut(&EventKind)) -> Ended {
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let running = run_watched(&folder.pipeline(spec, &[]), &options, CancellationToken::new(), watch).await;
    running.unwrap()
}

/// The disk is full in the middle of a run, and has space again before the next one.
async fn full_disk(map: &str, wanted: fn(&EventKind) -> bool) {
    let Some(disk) = Disk::mount("24m") else { return };
    let (folder, sim) = (Folder::new(), Sim::start(sim()).await.unwrap());
    folder.write("schema.json", SCHEMA.as_bytes());
    let (records, database) = (600, disk.path("out.duckdb"));
    let spec = spec(&database, records, map);
    let mut is_full = false;
    let watch = |kind: &EventKind| {
        if !is_full && wanted(kind) {
            disk.fill();
            is_full = true;
        }
    };
    let ended =
        tokio::time::timeout(Duration::from_secs(60), run(&folder, &spec, &sim, watch)).await.unwrap();
    let RunEnd::Fatal(reported) = &ended.end else { panic!("{:?}", ended.end) };
    eprintln!("{reported}");
    assert!(reported.starts_with("the disk is full"), "{reported}");
    assert!(reported.contains("the same command resumes"), "{reported}");
    assert_eq!(ended.end.exit_code(), 1);

    // While the disk is full, it sends no more requests than it can have in flight.
    let first = sim.stats();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let again = run_watched(&folder.pipeline(&spec, &[]), &options, CancellationToken::new(), |_| ()).await;
    let reported = match again {
        Err(error) => error.to_string(),
        Ok(Ended { end: RunEnd::Fatal(reported), .. }) => reported,
        Ok(ended) => panic!("{:?}", ended.end),
    };
    eprintln!("{reported}");
    assert!(reported.starts_with("the disk is full"), "{reported}");
    assert!(sim.stats().requests <= first.requests + 32, "{:?}", sim.stats());

    disk.free();
    let count = |query: &str| sql(&database, query).parse::<u64>().unwrap();
    let kept = count("SELECT count(*) FROM etl.answers");
    let first = sim.stats();
    let ended = run(&folder, &spec, &sim, |_| ()).await;
    conserved(&ended);
    let stats = sim.stats();
    eprintln!("{} answers were given, {kept} kept; then {}", first.answered, stats.answered - first.answered);
    assert_eq!(ended.sum.rows, records as u64);
    assert_eq!(count("SELECT count(*) FROM metadata"), records as u64);
    assert_eq!(count("SELECT count(DISTINCT request) FROM etl.answers"), records as u64);
    if stats.jobs == 0 {
        assert_eq!(
            stats.answered - first.answered,
            records as u64 - kept,
            "what was kept is not asked again"
        );
        // Only requests in flight when it was full are paid for twice.
        assert!(first.answered - kept <= 64 + 8, "{} given, {kept} kept", first.answered);
    } else {
        // A created job persists; its answers wait at the service.
        assert_eq!((stats.answered, stats.duplicates, stats.jobs_twice), (records as u64, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_while_answers_come() {
    full_disk("concurrency: 8", |kind| match kind {
        EventKind::Progress(progress) => {
            progress.stages.iter().any(|stage| stage.done >= 100 && stage.in_flight > 0)
        }
        _ => false,
    })
    .await;
}

const BATCH: &str =
    "batch: { max_requests: 120, wait: 200ms, every: 50ms, backoff: { factor: 1.2, max: 200ms } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_while_jobs_are_created() {
    full_disk(BATCH, |kind| matches!(kind, EventKind::JobChanged { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_while_jobs_are_collected() {
    full_disk(BATCH, |kind| matches!(kind, EventKind::JobChanged { status, .. } if status == "SUCCESS"))
        .await;
}
