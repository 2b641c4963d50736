//! `rate: 200/s` over 2,000 records, as counted by the server.
#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod common;

use std::time::Duration;

use common::{Server, asking, busiest, check, run, runtime, serve_if_asked, spread};

const RECORDS: usize = 2_000;

fn main() {
    serve_if_asked();
    let server = Server::start(Duration::from_millis(20));
    runtime().block_on(async {
        let http = reqwest::Client::new();
        let folder = tempfile::tempdir().expect("a folder");
        let spec = asking(RECORDS, "  - throttle: pace\n    rate: 200/s", 64);
        let (_, sum) = run(folder.path(), &spec, Some(&server.url)).await;
        assert_eq!(sum.rows as usize, RECORDS);
        let times = server.arrivals(&http).await;
        assert_eq!(times.len(), RECORDS, "nothing is dropped");
        let (most, seconds) = (busiest(&times), spread(&times).as_secs_f64());
        let figures = format!(
            "{most} in the busiest second (wanted at most 202), {seconds:.2} s in all (wanted 10 s ± 1 %)"
        );
        check("throttle", &figures, most <= 202 && (9.9..=10.1).contains(&seconds));

        let (elapsed, sum) = run(folder.path(), &spec, Some(&server.url)).await;
        assert_eq!(sum.rows as usize, RECORDS);
        let asked = server.arrivals(&http).await.len();
        let figures = format!("{asked} requests, {:.2} s", elapsed.as_secs_f64());
        check("the same again", &figures, asked == 0 && elapsed < Duration::from_secs(5));
    });
}
