//! The output of a reporter in each mode, for the same run.

use std::sync::{Arc, Mutex};

use indicatif::{InMemoryTerm, ProgressDrawTarget};
use insta::assert_snapshot;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::{
    event::{Conservation, RunEnd},
    report::{
        fixture::{Story, final_counts, usage},
        live::Window,
    },
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn whole_run() -> Story {
    let mut story = Story::midway(true, &["docs", "extract", "extracted", "metadata"]);
    story.wave_closed(70.0, 2, 41, 6).stage_ended(71.0, 2);
    let sum = Conservation { read: 47, rows: 41, failures: 6, ..Conservation::default() };
    story.ended(RunEnd::WithFailures, &final_counts(), usage(), sum);
    story
}

fn written(mode: Mode, quiet: bool, story: &Story) -> String {
    let out = Written::default();
    let mut reporter = Reporter::with_bars(mode, Box::new(out.clone()), Bars::hidden()).quiet(quiet);
    for event in &story.events {
        reporter.on(event);
    }
    reporter.finish().unwrap();
    out.text()
}

#[test]
fn lines() {
    assert_snapshot!(written(Mode::Lines, false, &whole_run()), @r#"
    run 3 of `extract` (offline: answers are simulated), into data/library.duckdb
    docs 47/47 (24/s); extract 4/47 (2.0/s, 5 in flight, 4 failed, 3 throttled); 9 requests, 6 retried, 1.3M tokens, 0.0123 USD (simulated), 2s elapsed, at least 22s left
    docs 47/47 (3.9/s); extract 24/47 (2.0/s, 5 in flight, 6 failed, 3 throttled); extracted 18 (2.0/s); 29 requests, 6 retried, 1.3M tokens, 0.0123 USD (simulated), 12s elapsed, at least 12s left
    wave `extracted` closed: 41 records passed, 6 failed above it

    stage      in  out  failed  skipped
    docs       47   47       0        0
    extract    47   41       6        0
    extracted  41   41       0        0
    metadata   41   41       0        0

    47 records = 41 rows + 6 failures + 0 skipped

    requests  53, 6 of them retries
    tokens    1.2M in, 45.2k out
    cost      simulated, not charged; would have cost 0.0123 USD
    time      1m 20s

    6 records failed; to see which and why:
      etl sql data/library.duckdb "SELECT key, stage, kind, reason FROM etl.failures WHERE run = 3"
    "#);
}

#[test]
fn quiet_tells_only_of_failures() {
    assert_snapshot!(written(Mode::Lines, true, &whole_run()), @r#"
    6 records failed; to see which and why:
      etl sql data/library.duckdb "SELECT key, stage, kind, reason FROM etl.failures WHERE run = 3"
    "#);
    assert_eq!(written(Mode::Bars, true, &whole_run()), written(Mode::Lines, true, &whole_run()));

    let mut story = Story::new();
    story.ended(RunEnd::Complete, &[], usage(), Conservation::default());
    assert_eq!(written(Mode::Lines, true, &story), "");
}

#[test]
fn none_writes_only_why_a_run_could_not_be_completed() {
    assert_eq!(written(Mode::None, false, &whole_run()), "");

    let mut story = Story::new();
    story.ended(RunEnd::Fatal("no space left".to_owned()), &[], usage(), Conservation::default());
    let expected = "error: no space left\nfinished work is kept in data/library.duckdb; fix the cause and rerun the same command to resume\n";
    assert_eq!(written(Mode::None, false, &story), expected);
}

#[test]
fn json_is_the_events_and_nothing_else() {
    let story = whole_run();
    let text = written(Mode::Json, true, &story);
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let events: Vec<_> = story.events.iter().map(|e| serde_json::to_value(e).unwrap()).collect();
    assert_eq!(lines, events);
    assert_snapshot!(text.lines().last().unwrap(), @r#"{"at":"2023-11-14T22:14:40Z","event":"run_ended","end":"with_failures","progress":{"stages":[{"total":null,"taken":47,"done":47,"failed":0,"skipped":0,"duplicates":0,"reused":0,"in_flight":0,"waiting":0},{"total":null,"taken":47,"done":41,"failed":6,"skipped":0,"duplicates":0,"reused":0,"in_flight":0,"waiting":0},{"total":null,"taken":41,"done":41,"failed":0,"skipped":0,"duplicates":0,"reused":0,"in_flight":0,"waiting":0},{"total":null,"taken":41,"done":41,"failed":0,"skipped":0,"duplicates":0,"reused":0,"in_flight":0,"waiting":0}],"usage":{"requests":53,"retries":6,"reused":0,"prompt_tokens":1234567,"cached_tokens":0,"completion_tokens":45210,"cost_micros":12345,"unpriced":0,"simulated":false},"limits":{"waiting_for":null,"accepted_per_second":0.0,"refused_share":0.0,"refused":0,"lost":{"configured_limit_ms":0,"account_limit_ms":0,"sporadic_refusals_ms":0,"outage_ms":0}}},"sum":{"read":47,"added":0,"rows":41,"failures":6,"unanswered":0,"skipped":0,"duplicates":0},"tables":[],"seconds":80.0}"#);
}

#[test]
fn a_broken_pipe_ends_the_report_and_not_the_run() {
    for mode in [Mode::Lines, Mode::Json] {
        let mut reporter = Reporter::with_bars(mode, Box::new(Broken), Bars::hidden());
        for event in &whole_run().events {
            reporter.on(event);
        }
        assert_eq!(reporter.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

fn on_screen(width: u16, height: u16) -> (Reporter, InMemoryTerm, Written) {
    let term = InMemoryTerm::new(height, width);
    let window = Window { width: width.into(), height: height.into() };
    let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
    let out = Written::default();
    let bars = Bars::new(target, Box::new(move || window));
    (Reporter::with_bars(Mode::Bars, Box::new(out.clone()), bars), term, out)
}

#[test]
fn bars_stay_below_the_log() {
    for (width, height) in [(40, 16), (80, 12), (120, 12)] {
        let (mut reporter, term, out) = on_screen(width, height);
        let log = reporter.log_writer();
        let story = whole_run();
        let (last, others) = story.events.split_last().unwrap();
        for (at, event) in others.iter().enumerate() {
            reporter.on(event);
            if at % 5 == 2 {
                writeln!(log.make_writer(), "WARN\trequest {at} was answered 429, going on in 2 s").unwrap();
            }
        }
        match width {
            40 => assert_snapshot!(term.contents(), @"
            WARN    request 2 was answered 429, goin
            g on in 2 s
            WARN    request 7 was answered 429, goin
            g on in 2 s
            WARN    request 12 was answered 429, goi
            ng on in 2 s
            ✓ docs         47/47
            ▸ extract      24/47  6 failed
            ✓ extracted    18/18
            · metadata   waiting
            29 requests, 0.0123 USD (simulated)
            "),
            80 => assert_snapshot!(term.contents(), @"
            WARN    request 2 was answered 429, going on in 2 s
            WARN    request 7 was answered 429, going on in 2 s
            WARN    request 12 was answered 429, going on in 2 s
            ✓ docs       ━━━━━━━━━━━    47/47
            ▸ extract    ━━━━━──────    24/47  6 failed    2.0/s   5 in flight      12s left
            ✓ extracted  ━━━━━━━━━━━    18/18
            · metadata                waiting
            29 requests, 1.3M tokens, 0.0123 USD (simulated), 1m 11s elapsed, 12s left
            "),
            _ => assert_snapshot!(term.contents(), @"
            WARN    request 2 was answered 429, going on in 2 s
            WARN    request 7 was answered 429, going on in 2 s
            WARN    request 12 was answered 429, going on in 2 s
            ✓ docs       ━━━━━━━━━━━━━━━━━━━━━━━━    47/47
            ▸ extract    ━━━━━━━━━━━━────────────    24/47  6 failed    2.0/s   5 in flight  12 reused   3 throttled      12s left
            ✓ extracted  ━━━━━━━━━━━━━━━━━━━━━━━━    18/18
            · metadata                             waiting
            29 requests, 6 retried, 1.3M tokens, 0.0123 USD (simulated), 1m 11s elapsed, 12s left
            "),
        }
        reporter.on(last);
        assert!(!term.contents().contains("extracted"), "cleared at the end: {}", term.contents());
        assert!(term.contents().contains("request 12"), "the log stays: {}", term.contents());
        assert!(out.text().contains("47 records = 41 rows"), "{}", out.text());
        reporter.finish().unwrap();
    }
}

#[test]
fn quiet_draws_no_bars() {
    let (reporter, term, _) = on_screen(80, 12);
    let mut reporter = reporter.quiet(true);
    for event in &whole_run().events {
        reporter.on(event);
    }
    assert_eq!(term.contents(), "");
}
