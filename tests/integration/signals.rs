//! Signals that end a run: cleanly if the program can catch them, and recorded as killed if it cannot.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::common::{ETL, Folder};

/// Records that take ten seconds.
const SPEC: &str = "
duckdb: out.duckdb
stages:
  - source: numbers
    sql: SELECT range AS id FROM range(400)
    key: id
  - throttle: slow
    rate: 40/s
  - sink: rows
";

fn start(folder: &Folder) -> Child {
    folder.write("spec.yaml", SPEC.as_bytes());
    let mut command = Command::new(ETL);
    command.args(["run", "spec.yaml", "--progress", "none"]).current_dir(folder.path(""));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Sends a signal once the run has written a row.
fn signal(folder: &Folder, child: &Child, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !folder.path("out.duckdb").exists() {
        assert!(Instant::now() < deadline, "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1500));
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn ended(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the run does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hanging_up_ends_a_run_like_a_request_to_end() {
    let ends = ["TERM", "HUP"].map(|name| {
        let folder = Folder::new();
        let child = start(&folder);
        signal(&folder, &child, name);
        let status = ended(child);
        let kept = folder.sql("SELECT count(*) BETWEEN 1 AND 399 FROM rows");
        (status.code(), folder.sql("SELECT ended FROM etl.runs"), kept)
    });
    assert_eq!(ends[0], ends[1]);
    assert_eq!((ends[0].1.as_str(), ends[0].2.as_str()), ("interrupted", "true"), "{ends:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_under_nohup_goes_on_without_its_terminal() {
    let folder = Folder::new();
    folder.write("spec.yaml", SPEC.replace("400", "120").as_bytes());
    let mut command = Command::new("nohup");
    command.args([ETL, "run", "spec.yaml", "--progress", "none"]).current_dir(folder.path(""));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
    signal(&folder, &child, "HUP");
    assert_eq!(ended(child).code(), Some(0));
    assert_eq!(folder.sql("SELECT count(*) FROM rows"), "120");
}

#[test]
fn a_run_that_was_killed_is_named_so_by_the_next() {
    let folder = Folder::new();
    let child = start(&folder);
    signal(&folder, &child, "KILL");
    assert_eq!(ended(child).code(), None);
    assert!(folder.path("out.duckdb").exists());
    folder.run(&SPEC.replace("400", "4"));
    assert_eq!(folder.sql("SELECT run, ended FROM etl.runs ORDER BY run"), "1 | killed\n2 | complete");
}
