//! The summary for each possible end of a run.

use insta::assert_snapshot;

use super::*;
use crate::{
    event::{Conservation, EventKind, RateLimits, StageCounts, TableChange},
    report::fixture::{PLAIN, Story, counts, final_counts, usage},
};

const NAMES: [&str; 4] = ["docs", "extract", "extracted", "metadata"];

fn reported(offline: bool, end: RunEnd, stages: &[StageCounts], usage: Usage, sum: Conservation) -> State {
    let mut story = Story::with(offline, &NAMES);
    story.ended(end, stages, usage, sum);
    story.state()
}

fn whole(rows: u64, failures: u64) -> Conservation {
    Conservation { read: 47, rows, failures, ..Conservation::default() }
}

fn all_well() -> [StageCounts; 4] {
    [counts(47, 47, 0); 4]
}

#[test]
fn complete() {
    let state = reported(false, RunEnd::Complete, &all_well(), usage(), whole(47, 0));
    assert_snapshot!(summary(&state, PLAIN), @"
    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    47   47       0        0
    extracted  47   47       0        0
    metadata   47   47       0        0

    47 records = 47 rows + 0 failures + 0 skipped

    requests  53, 6 of them retries
    tokens    1.2M in, 45.2k out
    cost      0.0123 USD
    time      1m 20s
    ");
    assert_eq!(troubles(&state, PLAIN), "");
}

#[test]
fn with_failures() {
    let state = reported(false, RunEnd::WithFailures, &final_counts(), usage(), whole(41, 6));
    assert_snapshot!(summary(&state, PLAIN), @r#"
    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    47   41       6        0
    extracted  41   41       0        0
    metadata   41   41       0        0

    47 records = 41 rows + 6 failures + 0 skipped

    requests  53, 6 of them retries
    tokens    1.2M in, 45.2k out
    cost      0.0123 USD
    time      1m 20s

    6 records failed; to see which and why:
      etl sql data/library.duckdb "SELECT key, stage, kind, reason FROM etl.failures WHERE run = 3"
    "#);
    assert_snapshot!(troubles(&state, PLAIN), @r#"
    6 records failed; to see which and why:
      etl sql data/library.duckdb "SELECT key, stage, kind, reason FROM etl.failures WHERE run = 3"
    "#);
}

#[test]
fn interrupted() {
    let stages = [counts(47, 47, 0), counts(20, 14, 1), counts(14, 0, 0), counts(0, 0, 0)];
    let usage = Usage { requests: 15, retries: 0, reused: 2, ..usage() };
    let state = reported(false, RunEnd::Interrupted, &stages, usage, whole(0, 1));
    assert_snapshot!(summary(&state, PLAIN), @r#"
    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    20   14       1        0
    extracted  14    0       0        0
    metadata    0    0       0        0

    47 records = 0 rows + 1 failure + 0 skipped + 46 pending

    requests  15; 2 answers reused from the ledger
    tokens    1.2M in, 45.2k out
    cost      0.0123 USD
    time      1m 20s

    1 record failed; to see which and why:
      etl sql data/library.duckdb "SELECT key, stage, kind, reason FROM etl.failures WHERE run = 3"
    stopped: 46 records pending, and those not read yet; rerun the same command to resume, nothing is paid for twice
    "#);
    let mut story = Story::with(false, &NAMES);
    story.stage_ended(70.0, 0).ended(RunEnd::Interrupted, &stages, usage, whole(0, 1));
    let all_read = summary(&story.state(), PLAIN);
    assert!(all_read.contains("stopped: 46 records pending; rerun"), "{all_read}");
}

#[test]
fn what_a_stopped_run_did_not_replace_is_said() {
    let mut story = Story::with(false, &NAMES);
    let discarded = TableChange { table: "out.csv".to_owned(), discarded: 41, ..TableChange::default() };
    story.ended(RunEnd::Interrupted, &all_well(), usage(), whole(41, 0));
    let Some(EventKind::RunEnded { tables, .. }) = story.events.last_mut().map(|event| &mut event.kind)
    else {
        panic!("the story has no end");
    };
    tables.push(discarded);
    let text = summary(&story.state(), PLAIN);
    let wanted = "\nout.csv: not replaced, 41 rows discarded: it is replaced only at the end of a run\n";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn fatal() {
    let end = RunEnd::Fatal("the database `data/library.duckdb` is locked by another process".to_owned());
    let stages = [counts(47, 47, 0), counts(20, 14, 0), counts(14, 0, 0), counts(0, 0, 0)];
    let state = reported(false, end, &stages, Usage::default(), whole(0, 0));
    assert_snapshot!(summary(&state, PLAIN), @"
    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    20   14       0        0
    extracted  14    0       0        0
    metadata    0    0       0        0

    47 records = 0 rows + 0 failures + 0 skipped + 47 pending

    requests  0
    time      1m 20s

    error: the database `data/library.duckdb` is locked by another process
    finished work is kept in data/library.duckdb; fix the cause and rerun the same command to resume
    ");
    assert_snapshot!(troubles(&state, PLAIN), @"
    error: the database `data/library.duckdb` is locked by another process
    finished work is kept in data/library.duckdb; fix the cause and rerun the same command to resume
    ");
}

#[test]
fn fatal_before_it_had_begun() {
    let mut story = Story::new();
    story.ended(RunEnd::Fatal("no space left".to_owned()), &[], Usage::default(), Conservation::default());
    story.events.remove(0);
    assert_snapshot!(summary(&story.state(), PLAIN), @"
    0 records = 0 rows + 0 failures + 0 skipped

    requests  0
    time      1m 20s

    error: no space left
    finished work is kept; fix the cause and rerun the same command to resume
    ");
}

#[test]
fn offline() {
    let usage = Usage { unpriced: 3, cached_tokens: 12_000, ..usage() };
    let state = reported(true, RunEnd::Complete, &all_well(), usage, whole(47, 0));
    assert_snapshot!(summary(&state, PLAIN), @"
    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    47   47       0        0
    extracted  47   47       0        0
    metadata   47   47       0        0

    47 records = 47 rows + 0 failures + 0 skipped

    requests  53, 6 of them retries
    tokens    1.2M in (12.0k of them from the cache), 45.2k out
    cost      simulated, not charged; would have cost 0.0123 USD; excludes 3 answers by models whose price is unknown
    time      1m 20s
    ");
}

#[test]
fn everything_was_in_the_ledger() {
    let mut stages = all_well();
    stages[1].reused = 47;
    let usage = Usage { reused: 47, ..Usage::default() };
    let state = reported(false, RunEnd::Complete, &stages, usage, whole(47, 0));
    assert_snapshot!(summary(&state, PLAIN), @"
    stage      in  out  failed  skipped  reused
    docs       47   47       0        0       0
    extract    47   47       0        0      47
    extracted  47   47       0        0       0
    metadata   47   47       0        0       0

    47 records = 47 rows + 0 failures + 0 skipped

    requests  none needed: all 47 answers were in the ledger
    time      1m 20s
    ");
}

#[test]
fn a_run_that_goes_on_has_no_summary() {
    assert_eq!(summary(&Story::new().state(), PLAIN), "");
}

#[test]
fn what_got_no_answer_is_pending_and_not_failed() {
    let sum = Conservation { read: 47, rows: 41, unanswered: 6, ..Conservation::default() };
    let text = summary(&reported(false, RunEnd::Pending, &final_counts(), usage(), sum), PLAIN);
    assert!(text.contains("47 records = 41 rows + 0 failures + 0 skipped + 6 pending"), "{text}");
    let words = "6 records pending without an answer; rerun the same command to retry, nothing is paid for twice; to see why:";
    assert!(text.contains(words) && !text.contains("6 records failed"), "{text}");
}

#[test]
fn the_sum_always_adds_up() {
    let reported = |read, added, rows, failures, skipped| {
        sum(Conservation { read, added, rows, failures, skipped, duplicates: 0, unanswered: 0 })
    };
    assert_snapshot!(reported(47, 0, 41, 6, 0), @"47 records = 41 rows + 6 failures + 0 skipped");
    assert_snapshot!(reported(1, 0, 1, 0, 0), @"1 record = 1 row + 0 failures + 0 skipped");
    assert_snapshot!(reported(47, 120, 160, 6, 1), @"47 records + 120 by splits, branches and queries = 160 rows + 6 failures + 1 skipped");
    assert_snapshot!(reported(47, -3, 44, 0, 0), @"47 records - 3 by queries and gathers = 44 rows + 0 failures + 0 skipped");
    assert_snapshot!(reported(12_345, 0, 345, 0, 0), @"12,345 records = 345 rows + 0 failures + 0 skipped + 12,000 pending");
    let repeated = Conservation { read: 47, rows: 40, duplicates: 7, ..Conservation::default() };
    assert_snapshot!(sum(repeated), @"47 records = 40 rows + 0 failures + 0 skipped + 7 duplicates");
    assert_snapshot!(reported(47, 0, 50, 0, 0), @"47 records = 50 rows + 0 failures + 0 skipped - 3 counted twice");
}

#[test]
fn a_path_can_be_pasted() {
    assert_eq!(shell_quoted("data/library.duckdb"), "data/library.duckdb");
    assert_eq!(shell_quoted("/data/Büro 1/it's.duckdb"), r"'/data/Büro 1/it'\''s.duckdb'");
    assert_eq!(shell_quoted("-x.duckdb"), "'./-x.duckdb'");
    assert_eq!(shell_quoted("$HOME.duckdb"), "'$HOME.duckdb'");
}

#[test]
fn what_limits_cost_is_said() {
    let mut story = Story::with(false, &NAMES);
    story.limits = RateLimits {
        refused: 4,
        lost: LostTime {
            configured_limit_ms: 40,
            account_limit_ms: 61_200,
            sporadic_refusals_ms: 1_400,
            outage_ms: 20_700,
        },
        ..RateLimits::default()
    };
    story.ended(RunEnd::Complete, &all_well(), usage(), whole(47, 0));
    let text = summary(&story.state(), PLAIN);
    let end = text.split_once("skipped\n\n").map(|(_, end)| end);
    assert_snapshot!(end.unwrap_or(&text), @"
    requests  53, 6 of them retries, 4 refused with 429 (7.5 %)
    tokens    1.2M in, 45.2k out
    cost      0.0123 USD
    time      1m 20s
    lost      1m 1s to the account limit, 1.4s to sporadic refusals, 21s to outages
    ");
}
