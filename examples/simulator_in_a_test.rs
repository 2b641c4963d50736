//! A simulator of the service, for tests of programs that call it: it listens on loopback and counts its requests.
//!
//! `cargo run --example simulator_in_a_test`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, path::Path};

use etl::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join("etl-simulator-in-a-test");
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let stats = runtime.block_on(run(&folder))?;
    println!(
        "{} requests, {} answered, {} refused by its limit",
        stats.requests, stats.answered, stats.limited
    );
    Ok(())
}

const SPEC: &str = "
mistral: { api_key: any }
stages:
  - source: numbers
    repeat: 3
  - map: word
    chat: { model: mistral-small-latest, prompt: 'Write {{ n }} as a word.' }
  - sink: words
";

/// Starts a simulator, points a client at it (here a pipeline; any client of the API will do), and reads its counts.
pub(crate) async fn run(folder: &Path) -> Result<SimStats, Box<dyn Error>> {
    // The same seed and requests yield the same answers.
    let sim = Sim::start(SimConfig { seed: 7, misfits: 0.0, ..SimConfig::default() }).await?;
    let pipeline = Pipeline::from_text(&folder.join("words.yaml"), SPEC, &[])?;
    pipeline.builder().base_url(sim.url()).run().await?;
    Ok(sim.stats())
}
