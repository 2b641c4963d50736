//! The program is killed, at random and at critical moments, and restarted: in the end the table equals that of
//! an undisturbed run, and no answered request was sent again.
#![cfg(unix)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::common::{ETL, Folder, SCHEMA, SimProcess};
use rand::{RngExt, SeedableRng, rngs::StdRng};

fn spec(records: usize, map: &str) -> String {
    format!(
        "
pipeline: killed
mistral: {{ api_key: test }}
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT 'text ' || range AS name, 'The ferryman measured river number ' || range || ' every day, and nobody knew why.' AS text FROM range({records})
    key: name
  - map: extract
    chat: {{ model: mistral-small-latest, prompt: 'describe {{{{ text }}}}', schema: schema.json, random_seed: 1 }}
    retry: {{ wait: 50ms, max_wait: 500ms }}
    {map}
  - wave: extracted
  - map: repair
    from: extracted.failed
    into: extract
    concurrency: 16
    chat: {{ model: mistral-medium-latest, prompt: 'Your last answer was refused: {{{{ etl.failure.reason }}}} {{{{ text }}}}', schema: schema.json, random_seed: 1 }}
    retry: {{ wait: 50ms, max_wait: 500ms }}
  - sink: metadata
    from: [extracted, repair]
    table: metadata
  - sink: rejected
    from: repair.failed
    table: rejected
    mode: replace
"
    )
}

fn folder(records: usize, map: &str) -> Folder {
    let folder = Folder::new();
    folder.write("schema.json", SCHEMA.as_bytes());
    folder.write("spec.yaml", spec(records, map).as_bytes());
    folder
}

fn start(folder: &Folder, url: &str, crash_at: Option<&str>) -> Child {
    let mut command = Command::new(ETL);
    command.arg("run").arg(folder.path("spec.yaml")).args(["--base-url", url, "--progress", "none"]);
    command.env_remove("ETL_FAULT").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(point) = crash_at {
        command.env("ETL_FAULT", point);
    }
    command.spawn().unwrap()
}

/// Waits for the end; returns the exit code, or `None` after a signal.
fn finish(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    panic!("the run does not end");
}

/// The rows without request metadata, for comparison with an undisturbed run.
fn rows(folder: &Folder) -> String {
    folder.sql("SELECT name, title, kind, score, model FROM metadata ORDER BY name")
        + &folder.sql("SELECT name, reason FROM rejected ORDER BY name")
}

/// An undisturbed run, on a separate server.
fn undisturbed(records: usize, map: &str, scenario: &str) -> String {
    let folder = folder(records, map);
    let sim = SimProcess::start(&folder, scenario);
    to_the_end(&folder, &sim);
    rows(&folder)
}

/// Runs it until nothing is pending; returns how each run ended.
fn to_the_end(folder: &Folder, sim: &SimProcess) -> Vec<Option<i32>> {
    let mut ends = Vec::new();
    // Requests that jobs left unanswered for all attempts of one run are sent again in the next.
    while ends.last().is_none_or(|end| matches!(end, Some(3 | 5))) && ends.len() < 5 {
        ends.push(finish(start(folder, &sim.url, None)));
    }
    let failures = "SELECT run, stage, kind, reason, count(*) FROM etl.failures GROUP BY ALL ORDER BY run";
    assert_eq!(ends.last(), Some(&Some(0)), "{ends:?}\n{}", folder.sql(failures));
    ends
}

/// Kills it up to `kills` times, then lets it finish; returns the number of kills.
fn kill_and_finish(folder: &Folder, sim: &SimProcess, kills: usize, longest: u64, seed: u64) -> usize {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut killed = 0;
    while killed < kills {
        let mut child = start(folder, &sim.url, None);
        std::thread::sleep(Duration::from_millis(chance.random_range(150..longest)));
        if child.try_wait().unwrap().is_some() {
            // It had finished: nothing is left to kill.
            break;
        }
        // SIGKILL: no handler, no destructor, no output.
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    let ends = to_the_end(folder, sim);
    eprintln!("after {killed} kills it ends with {ends:?}");
    killed
}

/// What the ledger must contain in the end, whatever happened.
fn accounted_for(folder: &Folder, records: u64) {
    let count = |query: &str| folder.sql(query).parse::<u64>().unwrap();
    assert_eq!(count("SELECT (SELECT count(*) FROM metadata) + (SELECT count(*) FROM rejected)"), records);
    assert_eq!(count("SELECT count(*) FROM etl.requests WHERE state = 'placed'"), 0);
    assert_eq!(count("SELECT count(*) FROM etl.jobs WHERE state NOT IN ('collected', 'lost')"), 0);
    let twice = "SELECT count(*) FROM (SELECT request FROM etl.answers WHERE state = 'answered' GROUP BY request HAVING count(DISTINCT attempt) > 1)";
    assert_eq!(count(twice), 0, "an answer that fits was asked for again");
}

/// The number of kills and the seed; for longer: `ETL_KILLS=500 ETL_SEED=7 cargo nextest run --test kill`.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

const CALM: &str = "{ seed: 3, latency: { median: 100ms, spread: 0.5 }, misfits: { share: 0.2 } }";

#[test]
fn killed_fifty_times_over_two_thousand_records() {
    let (records, slots) = (2000, 16);
    let map = format!("concurrency: {slots}");
    let wanted = undisturbed(records, &map, CALM);
    let folder = folder(records, &map);
    let sim = SimProcess::start(&folder, CALM);
    let kills =
        kill_and_finish(&folder, &sim, setting("ETL_KILLS", 50) as usize, 450, setting("ETL_SEED", 1));
    assert_eq!(rows(&folder), wanted);
    accounted_for(&folder, records as u64);
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers").parse().unwrap();
    let (answered, duplicates) = (sim.count("answered"), sim.count("duplicates"));
    eprintln!(
        "{kills} kills: the server gave {answered} answers, {kept} are kept, {duplicates} were given twice"
    );
    // Only requests in flight at a kill can be paid for twice.
    assert!(answered - kept <= (kills * slots) as u64, "{answered} given, {kept} kept, {kills} kills");
    assert!(kills >= 20, "only {kills} kills came in time");
}

/// Based on `pipelines/scenarios/hostile.yaml`, with short times: every fault of a server and its network, and
/// periods without a server, as during a restart.
const HOSTILE: &str = "
seed: 3
latency: { median: 60ms, spread: 0.8, tail: 0.03, tail_times: 5 }
misfits: { share: 0.2 }
faults:
  - { kind: cut, from: 1500ms, for: 400ms, every: 4s }
  - { kind: capacity, on: answers, share: 0.8, from: 3s, for: 600ms, every: 4s }
  - { kind: limit, on: answers, share: 0.03, retry_after: { form: ms, wait: 200ms } }
  - { kind: status, status: 500, share: 0.02 }
  - { kind: status, status: 503, share: 0.02, retry_after: { form: ms, wait: 100ms } }
  - { kind: html, status: 502, share: 0.02 }
  - { kind: html, status: 200, on: answers, share: 0.01 }
  - { kind: cut, share: 0.02 }
  - { kind: lost, share: 0.02 }
  - { kind: cut_body, share: 0.02 }
  - { kind: wrong_length, share: 0.02 }
  - { kind: slow_body, share: 0.02, over: 300ms }
  - { kind: hang, on: answers, share: 0.01 }";

#[test]
fn killed_again_and_again_while_everything_goes_wrong_at_the_server() {
    let (records, slots) = (400, 8);
    let folder = folder(records, &format!("concurrency: {slots}"));
    // Patient enough for an outage, but not so patient that a hanging request takes minutes.
    let spec = folder.read("spec.yaml");
    let spec =
        spec.replace("api_key: test", "api_key: test, timeouts: { connect: 1s, first_byte: 2s, whole: 3s }");
    let spec = spec.replace("retry: { wait: 50ms", "retry: { times: 12, wait: 50ms");
    folder.write("spec.yaml", spec.replace("concurrency: 16", "concurrency: 8").as_bytes());
    let sim = SimProcess::start(&folder, HOSTILE);
    let wanted = setting("ETL_KILLS", 12) as usize;
    let mut chance = StdRng::seed_from_u64(setting("ETL_SEED", 4));
    let (mut kills, mut ends) = (0, Vec::new());
    let started = Instant::now();
    // A run may end with unanswered records, or because the server seemed dead: then it is run again.
    let left = "SELECT count(*) FROM rejected WHERE reason LIKE '%no answer%'";
    while ends.last() != Some(&Some(0)) || folder.sql(left) != "0" {
        assert!(started.elapsed() < Duration::from_secs(120), "it does not come to its end: {ends:?}");
        let mut child = start(&folder, &sim.url, None);
        if kills < wanted {
            std::thread::sleep(Duration::from_millis(chance.random_range(300..1200)));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                continue;
            }
        }
        ends.push(finish(child));
    }
    accounted_for(&folder, records as u64);
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers").parse().unwrap();
    let (answered, duplicates) = (sim.count("answered"), sim.count("duplicates"));
    let (lost, faults) = (sim.count("lost"), sim.count("faults"));
    eprintln!(
        "{kills} kills, {faults} faults, ends {ends:?}: {answered} answers, {kept} kept, {lost} lost on their way, {duplicates} given twice"
    );
    let most = (kills * slots) as u64 + lost;
    assert!(answered - kept <= most, "{answered} given, {kept} kept, {kills} kills, {lost} lost");
    assert!(duplicates <= most, "{duplicates} given twice, {kills} kills, {lost} lost");
    assert!(kills >= 6 && faults >= 50, "{kills} kills, {faults} faults");
}

const JOBS: &str = "
seed: 3
misfits: { share: 0.2 }
batch: { queue: { median: 15min, spread: 0.5 }, run: 10min, line: 2s, missing: 0.02, failed: 0.02 }";

const BATCH: &str =
    "batch: { max_requests: 200, wait: 200ms, every: 100ms, backoff: { factor: 1.2, max: 300ms } }
    attempts: 3";

#[test]
fn killed_twenty_times_over_ten_jobs() {
    let records = 2000;
    let wanted = undisturbed(records, BATCH, JOBS);
    let folder = folder(records, BATCH);
    let sim = SimProcess::start(&folder, JOBS);
    let kills =
        kill_and_finish(&folder, &sim, setting("ETL_KILLS", 20) as usize, 900, setting("ETL_SEED", 2));
    assert_eq!(rows(&folder), wanted);
    accounted_for(&folder, records as u64);
    let (jobs, twice) = (sim.count("jobs"), sim.count("jobs_twice"));
    let known: u64 = folder.sql("SELECT count(*) FROM etl.jobs WHERE job IS NOT NULL").parse().unwrap();
    eprintln!("{kills} kills: {jobs} jobs at the server, {known} in the ledger, {twice} created twice");
    assert_eq!((jobs, twice), (known, 0), "no job is lost, and none is there twice");
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers WHERE stage = 'extract'").parse().unwrap();
    assert_eq!(sim.count("batch_answered"), kept, "every answer out of a job is in the ledger");
    assert!(kills >= 5, "only {kills} kills came in time");
}

/// Crashes at one point, then lets it finish; the rows equal those of an undisturbed run.
fn crashed_at(point: &str) {
    let records = 400;
    let map = BATCH.replace("max_requests: 200", "max_requests: 150");
    let scenario =
        "{ seed: 3, misfits: { share: 0.2 }, batch: { queue: { median: 5min }, run: 5min, line: 1s } }";
    let wanted = undisturbed(records, &map, scenario);
    let folder = folder(records, &map);
    let sim = SimProcess::start(&folder, scenario);
    assert_eq!(finish(start(&folder, &sim.url, Some(point))), None, "it crashes at `{point}`");
    assert_eq!(finish(start(&folder, &sim.url, None)), Some(0));
    assert_eq!(rows(&folder), wanted);
    accounted_for(&folder, records as u64);
    let known: u64 = folder.sql("SELECT count(*) FROM etl.jobs WHERE job IS NOT NULL").parse().unwrap();
    assert_eq!((sim.count("jobs"), sim.count("jobs_twice")), (known, 0));
    let kept: u64 = folder.sql("SELECT count(*) FROM etl.answers WHERE job IS NOT NULL").parse().unwrap();
    assert_eq!(sim.count("batch_answered"), kept);
}

#[test]
fn a_crash_after_the_intent_and_before_the_upload() {
    crashed_at("planned");
}

#[test]
fn a_crash_after_the_upload_and_before_the_job() {
    crashed_at("uploaded");
}

#[test]
fn a_crash_after_the_job_and_before_its_id_is_stored() {
    crashed_at("created");
}

#[test]
fn a_crash_after_the_download_and_before_the_commit() {
    crashed_at("downloaded");
}

#[test]
fn a_crash_inside_a_commit() {
    crashed_at("inside_commit");
}

#[test]
fn a_crash_between_the_commit_and_the_close_of_the_wave() {
    crashed_at("before_close");
}

#[test]
fn a_second_run_on_the_same_database_says_who_holds_it() {
    let folder = folder(500, "concurrency: 4");
    let sim = SimProcess::start(&folder, CALM);
    let mut first = start(&folder, &sim.url, None);
    let wait_for = |path: &Path| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !path.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(&folder.path("out.duckdb.run"));
    std::thread::sleep(Duration::from_millis(200));
    let second = Command::new(ETL)
        .arg("run")
        .arg(folder.path("spec.yaml"))
        .args(["--base-url", &sim.url])
        .output()
        .unwrap();
    let reported = String::from_utf8_lossy(&second.stderr).into_owned();
    let _ = first.kill();
    let _ = first.wait();
    assert_eq!(second.status.code(), Some(1), "{reported}");
    assert!(reported.contains(&format!("process {}", first.id())), "{reported}");
    assert!(reported.contains("run 1 of `killed`, since "), "{reported}");
}
