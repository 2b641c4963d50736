//! Requests per second against a server with 20 ms latency, 64 at a time: the whole pipeline, with its ledger and
//! rows in DuckDB, compared with a bare loop of requests.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::time::Duration;

use common::{Server, asking, bare_loop, check, run, runtime, serve_if_asked, spread};

const RECORDS: usize = 20_000;
const SLOTS: usize = 64;

fn main() {
    serve_if_asked();
    let server = Server::start(Duration::from_millis(20));
    runtime().block_on(async {
        let http = reqwest::Client::new();
        // The two alternate, so that other load on the machine affects both.
        let (mut bare, mut piped) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            bare_loop(&server.url, RECORDS, SLOTS).await;
            bare.push(per_second(&server.arrivals(&http).await));
            let folder = tempfile::tempdir().expect("a folder");
            let (_, sum) = run(folder.path(), &asking(RECORDS, "", SLOTS), Some(&server.url)).await;
            assert_eq!(sum.rows as usize, RECORDS);
            piped.push(per_second(&server.arrivals(&http).await));
        }
        let (bare, piped) = (median(&mut bare), median(&mut piped));
        let share = piped / bare * 100.0;
        let figures = format!(
            "{piped:.0}/s of {bare:.0}/s in a bare loop, {share:.1} % (wanted 95 %); {:.0}/s is the theory",
            SLOTS as f64 / 0.020
        );
        check("throughput", &figures, share >= 95.0);
    });
}

fn per_second(times: &[Duration]) -> f64 {
    assert_eq!(times.len(), RECORDS);
    times.len() as f64 / spread(times).as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
