//! The database when things go wrong with it: one message that says what to do, and nothing lost.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by panic, and says when it skips"
)]

mod common;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use common::{Ended, Folder, conserved, run_watched, sql};
use duckdb::Connection;
use etl::{
    event::{EventKind, RunEnd},
    ledger::{Answer, Entry, Generation, History, JobState, JobStep, Refusal, RequestId, RequestState, Step},
    record::FailureKind,
    run::Options,
    sim::{Sim, SimConfig},
    store::{Batch, JobRecord, RunRecord, Store},
    units::Usd,
};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["title", "kind", "score"],
  "properties": {
    "title": { "type": "string", "minLength": 3 },
    "kind": { "enum": ["essay", "letter", "speech"] },
    "score": { "type": "number", "minimum": 0, "maximum": 1 }
  }
}"#;

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

/// Runs the binary on the simulator; a hang fails.
fn etl(folder: &Folder, database: &Path) -> Output {
    folder.write("schema.json", SCHEMA.as_bytes());
    folder.write("spec.yaml", spec(database, 10, "").as_bytes());
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_etl"));
    command.arg("run").arg(folder.path("spec.yaml")).args(["--offline", "--quiet", "--progress", "none"]);
    command.timeout(Duration::from_secs(60)).output().unwrap()
}

/// It could not go on: exit code 1, and one message.
fn refused(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.matches("error:").count(), 1, "{told}");
    told
}

#[test]
fn a_database_of_a_newer_program_is_left_as_it_is() {
    let folder = Folder::new();
    let database = folder.path("out.duckdb");
    assert!(matches!(etl(&folder, &database).status.code(), Some(0 | 3)));
    Connection::open(&database).unwrap().execute_batch("UPDATE etl.meta SET version = version + 1").unwrap();
    let before = fs::read(&database).unwrap();
    let told = refused(&etl(&folder, &database));
    assert!(told.contains("has layout 2, and this program knows up to 1: use the newer program"), "{told}");
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
        let told = refused(&etl(&folder, &database));
        eprintln!("{what}: {told}");
        assert!(told.contains("out.duckdb"), "{what}: {told}");
        assert!(told.contains("put a copy in its place, or move it away"), "{what}: {told}");
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
    let store = Store::open(&path, Path::new(".")).await.unwrap();
    let run =
        store.begin(RunRecord { pipeline: "test".to_owned(), server: SERVER.to_owned() }).await.unwrap();
    for at in 0..40 {
        let entries = (0..20u32).map(|nth| entry(RequestId::of("x", &(at * 20 + nth).to_le_bytes()), 1, 1));
        store.commit(run, SERVER, Batch { entries: entries.collect(), ..Batch::default() }).await.unwrap();
    }
    // As a kill would leave it: the last steps are only in the log that DuckDB writes ahead.
    let (database, whole) = (fs::read(&path).unwrap(), fs::read(log(&path)).unwrap());
    let left = |bytes: &[u8]| {
        fs::write(&copy, &database).unwrap();
        fs::write(log(&copy), bytes).unwrap();
    };
    let answers = "SELECT count(*) FROM etl.answers";
    left(&whole);
    assert_eq!(sql(&copy, answers), "800");
    // A commit that was cut off was none; those before it are there.
    left(&whole[..whole.len() - 100]);
    assert_eq!(sql(&copy, answers), "780");
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 4096].fill(0xA5);
    left(&damaged);
    let told = refused(&etl(&folder, &copy));
    eprintln!("{told}");
    assert!(told.contains("put a copy in its place, or move it away"), "{told}");
    assert!(fs::read(log(&copy)).unwrap() == damaged, "not a byte is changed");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = Folder::new();
    // Permissions do not bind a superuser; what stands where the folder should be does, and a file system that
    // is mounted to be read does, too.
    folder.write("file", b"");
    let told = refused(&etl(&folder, &folder.path("file/out.duckdb")));
    eprintln!("{told}");
    assert!(told.contains("cannot create the folder"), "{told}");
    assert!(told.contains("`duckdb:` may name another place"), "{told}");
    let told = refused(&etl(&folder, &folder.path(".")));
    assert!(told.contains("Is a directory; `duckdb:` may name another place"), "{told}");
    let Some(disk) = Disk::mount("8m") else { return };
    disk.remount("ro");
    let told = refused(&etl(&folder, &disk.path("out.duckdb")));
    eprintln!("{told}");
    assert!(told.to_lowercase().contains("read-only file system"), "{told}");
    assert!(told.contains("`duckdb:`"), "{told}");
    disk.remount("rw");
    assert!(matches!(etl(&folder, &disk.path("out.duckdb")).status.code(), Some(0 | 3)));
    let before = fs::read(disk.path("out.duckdb")).unwrap();
    disk.remount("ro");
    let told = refused(&etl(&folder, &disk.path("out.duckdb")));
    eprintln!("{told}");
    assert!(told.to_lowercase().contains("read-only file system"), "{told}");
    assert!(fs::read(disk.path("out.duckdb")).unwrap() == before);
}

/// A file system of a few megabytes, in memory, for as long as this lives.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Nothing where this may not be done.
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

    /// Takes all the room that is left.
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

/// The disk is full in the middle of a run, and has room again before the next one.
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
    let RunEnd::Fatal(told) = &ended.end else { panic!("{:?}", ended.end) };
    eprintln!("{told}");
    assert!(told.starts_with("the disk is full"), "{told}");
    assert!(told.contains("the same command goes on from there"), "{told}");
    assert_eq!(ended.end.exit_code(), 1);

    // As long as there is no room it asks no more than it can have under way.
    let first = sim.stats();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let again = run_watched(&folder.pipeline(&spec, &[]), &options, CancellationToken::new(), |_| ()).await;
    let told = match again {
        Err(error) => error.to_string(),
        Ok(Ended { end: RunEnd::Fatal(told), .. }) => told,
        Ok(ended) => panic!("{:?}", ended.end),
    };
    eprintln!("{told}");
    assert!(told.starts_with("the disk is full"), "{told}");
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
        // What was under way when it was full is all that is paid for twice.
        assert!(first.answered - kept <= 64 + 8, "{} given, {kept} kept", first.answered);
    } else {
        // A job that was created stays; its answers wait at the service.
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

/// A step of one of a few requests or jobs, as chance has it; those that cannot follow are left out.
#[derive(Debug, Clone, Copy)]
enum Thrown {
    Request {
        which: usize,
        step: usize,
        next: bool,
    },
    Job {
        which: usize,
        step: usize,
    },
    /// What was thrown so far is committed together.
    Commit,
    /// The program ends, and begins again.
    Reopen,
}

fn thrown() -> impl Strategy<Value = Thrown> {
    prop_oneof![
        8 => (0..4usize, 0..5usize, any::<bool>()).prop_map(|(which, step, next)| Thrown::Request { which, step, next }),
        5 => (0..3usize, 0..6usize).prop_map(|(which, step)| Thrown::Job { which, step }),
        3 => Just(Thrown::Commit),
        1 => Just(Thrown::Reopen),
    ]
}

fn answer(attempt: u32) -> Answer {
    Answer {
        model: "simulated:small".to_owned(),
        reply: format!("{{\"title\": \"it's “{attempt}”\"}}"),
        finish_reason: Some("stop".to_owned()),
        prompt_tokens: u64::from(attempt) * 7,
        completion_tokens: 3,
        cost: (attempt % 2 == 0).then(|| Usd::from_micros(12)),
        latency_ms: (attempt % 2 == 1).then_some(40),
        correlation_id: None,
    }
}

fn entry(request: RequestId, step: usize, attempt: u32) -> Entry {
    let step = self::step(step, attempt);
    Entry {
        request,
        generation: Generation(1),
        attempt,
        stage: "extract".to_owned(),
        key: request.to_string(),
        asked_model: "mistral-small-latest".to_owned(),
        job: (step == Step::Placed).then(|| "token".to_owned()),
        step,
    }
}

fn step(at: usize, attempt: u32) -> Step {
    let refusal = Refusal { kind: FailureKind::Length, reason: "too long".to_owned() };
    match at {
        0 => Step::Placed,
        1 => Step::Answered(answer(attempt)),
        2 => Step::Refused(answer(attempt), refusal),
        3 => Step::Invalid("no".to_owned()),
        _ => Step::Missing("gone".to_owned()),
    }
}

const JOB_STEPS: [JobStep; 6] =
    [JobStep::Planned, JobStep::Uploaded, JobStep::Created, JobStep::Seen, JobStep::Collected, JobStep::Lost];

fn job(token: &str) -> JobRecord {
    JobRecord {
        token: token.to_owned(),
        stage: "extract".to_owned(),
        server: SERVER.to_owned(),
        account: "ours".to_owned(),
        endpoint: "/v1/chat/completions".to_owned(),
        model: "mistral-small-latest".to_owned(),
        requests: 4,
        state: JobState::New,
        job: None,
        input_file: None,
        output_file: None,
        error_file: None,
        status: None,
        completed: 0,
        succeeded: 0,
        failed: 0,
        planned_at: None,
    }
}

const SERVER: &str = "here";

/// What the program has in memory while it goes on.
#[derive(Default)]
struct Live {
    requests: HashMap<RequestId, (RequestState, Vec<Entry>)>,
    jobs: HashMap<String, JobRecord>,
}

impl Live {
    /// Takes a step if it may follow; a request's goes into the batch with its entry, a job's with its record.
    fn take(&mut self, thrown: Thrown, batch: &mut Batch) {
        match thrown {
            Thrown::Request { which, step: at, next } => {
                let id = RequestId::of("/v1/chat/completions", &[which as u8]);
                let (state, entries) = self.requests.entry(id).or_default();
                let attempt = state.attempts().max(1) + u32::from(next && state.attempts() > 0);
                let entry = entry(id, at, attempt);
                let Ok(after) = state.next(attempt, &entry.step) else { return };
                *state = after;
                entries.push(entry.clone());
                batch.entries.push(entry);
            }
            Thrown::Job { which, step } => {
                let token = format!("job {which}");
                let record = self.jobs.entry(token.clone()).or_insert_with(|| job(&token));
                let step = JOB_STEPS[step].clone();
                if record.step(&step).is_err() {
                    return;
                }
                if step == JobStep::Created {
                    record.job = Some(format!("id of {token}"));
                }
                if step == JobStep::Seen {
                    record.completed += 1;
                    record.status = Some("RUNNING".to_owned());
                }
                batch.jobs.push((record.clone(), step));
            }
            Thrown::Commit | Thrown::Reopen => {}
        }
    }

    /// What is read back is what is here.
    async fn is_read_back(&self, store: &Store) {
        let ids = self.requests.keys().copied().collect();
        let known = store.known(SERVER, ids).await.unwrap();
        for (id, (state, entries)) in &self.requests {
            let none = History::new(Generation(1));
            let history = known.get(id).unwrap_or(&none);
            assert_eq!(history.state().as_ref(), Ok(state));
            assert_eq!(&history.entries, entries);
        }
        let jobs = store.jobs(SERVER).await.unwrap();
        let begun = self.jobs.values().filter(|job| job.state != JobState::New);
        assert_eq!(jobs.len(), begun.count());
        for found in jobs {
            assert!(found.planned_at.is_some());
            assert_eq!(Some(&JobRecord { planned_at: None, ..found.clone() }), self.jobs.get(&found.token));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever groups it becomes durable, however often the program begins again: what
    /// is read back comes to the state that the program had when it wrote it.
    #[test]
    fn the_ledger_replayed_is_the_live_state(steps in proptest::collection::vec(thrown(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger.duckdb");
            let open = || async { Store::open(&path, folder.path()).await.unwrap() };
            let record = || RunRecord { pipeline: "test".to_owned(), server: SERVER.to_owned() };
            let mut store = open().await;
            let mut run = store.begin(record()).await.unwrap();
            let (mut live, mut batch) = (Live::default(), Batch::default());
            for thrown in steps {
                live.take(thrown, &mut batch);
                if matches!(thrown, Thrown::Commit | Thrown::Reopen) {
                    store.commit(run, SERVER, std::mem::take(&mut batch)).await.unwrap();
                    if matches!(thrown, Thrown::Reopen) {
                        drop(store);
                        store = open().await;
                        run = store.begin(record()).await.unwrap();
                    }
                    live.is_read_back(&store).await;
                }
            }
            store.commit(run, SERVER, batch).await.unwrap();
            live.is_read_back(&store).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_and_is_not_polled_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("x.duckdb"), folder.path()).await.unwrap();
    let run =
        store.begin(RunRecord { pipeline: "test".to_owned(), server: SERVER.to_owned() }).await.unwrap();
    let entries = (0..200_000u32).map(|at| entry(RequestId::of("x", &at.to_le_bytes()), 1, 1));
    let batch = Batch { entries: entries.collect(), ..Batch::default() };
    // Long work has the connection; one that waits behind it is polled once, and never again.
    let long = store.commit(run, SERVER, batch);
    tokio::pin!(long);
    assert!(futures::poll!(&mut long).is_pending());
    let mut left = Box::pin(store.jobs(SERVER));
    assert!(futures::poll!(&mut left).is_pending());
    long.await.unwrap();
    let mut left_too = Box::pin(store.jobs(SERVER));
    let _ = futures::poll!(&mut left_too);
    for _ in 0..3 {
        let others = tokio::time::timeout(Duration::from_secs(1), store.spent("test", SERVER));
        others.await.expect("it gets its turn").unwrap();
    }
    // And whoever comes back to it later has its answer.
    assert!(tokio::time::timeout(Duration::from_secs(1), left).await.unwrap().unwrap().is_empty());
}
