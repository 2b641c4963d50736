//! Runs the examples.
#![allow(dead_code, clippy::print_stdout, reason = "an example has a `main` of its own")]

use crate::common::Folder;

#[path = "../../examples/run_a_spec.rs"]
mod run_a_spec;
#[path = "../../examples/simulator_in_a_test.rs"]
mod simulator_in_a_test;
#[path = "../../examples/spec_in_code.rs"]
mod spec_in_code;

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_is_run_and_its_events_are_read() {
    let folder = Folder::new();
    folder.write("count.yaml", b"stages:\n  - source: numbers\n    repeat: 9\n  - sink: counted\n");
    let lines = run_a_spec::run(&folder.path("count.yaml")).await.unwrap();
    assert_eq!(
        lines,
        [
            "`numbers` has ended",
            "`counted` has ended",
            "5 records, 5 rows, 0 failures",
            "the run is complete"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_is_built_in_code() {
    let folder = Folder::new();
    let end = spec_in_code::run(&folder.path(""), &["Who?", "Where?"]).await.unwrap();
    assert_eq!(end, etl::event::RunEnd::Complete);
    let columns = "SELECT count(*), count(answer_1), count(answer_2) FROM answers";
    assert_eq!(crate::common::sql(&folder.path("letters.duckdb"), columns), "2 | 2 | 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulator_counts_what_it_was_asked() {
    let folder = Folder::new();
    let stats = simulator_in_a_test::run(&folder.path("")).await.unwrap();
    assert_eq!((stats.answered, stats.duplicates, stats.misfits), (3, 0, 0));
}
