//! The controller against simulated servers, in virtual time: many seeds of each case within moments.
//!
//! `ETL_SEEDS=200` runs more seeds of each case, `ETL_FIRST_SEED` different ones. To compare some cases with a
//! common client and one that knows the server:
//! `ETL_CASE=sporadic cargo test --release figures -- --ignored --nocapture`.

mod bounds;
mod cases;
mod clients;
mod properties;
mod server;

use std::ops::Range;

/// The seeds to run, unless the environment sets fewer.
fn seeds() -> Range<u64> {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let first = number("ETL_FIRST_SEED", 1);
    first..first + number("ETL_SEEDS", 20)
}

/// The quantile of the values at `share`.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}
