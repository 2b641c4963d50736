//! Runs a pipeline file offline and reads its events.
//!
//! `cargo run --example run_a_spec -- pipelines/extract.yaml`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, path::Path};

use etl::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "pipelines/extract.yaml".to_owned());
    let runtime = tokio::runtime::Runtime::new()?;
    for line in runtime.block_on(run(Path::new(&path)))? {
        println!("{line}");
    }
    Ok(())
}

/// Runs it with the simulator; returns a line for each stage that ends, and one for the end.
pub(crate) async fn run(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let pipeline = Pipeline::from_file(path, &[])?;
    let mut names = Vec::new();
    let mut lines = Vec::new();
    let run = pipeline.builder().offline().limit(5).on_event(|event| match &event.kind {
        EventKind::RunStarted { stages, .. } => {
            names = stages.iter().map(|stage| stage.name.clone()).collect();
        }
        EventKind::StageEnded { stage } => lines.push(format!("`{}` has ended", names[*stage])),
        EventKind::RunEnded { sum, .. } => {
            lines.push(format!("{} records, {} rows, {} failures", sum.read, sum.rows, sum.failures));
        }
        _ => {}
    });
    let end = run.run().await?;
    lines.push(format!("the run is {}", end.word()));
    Ok(lines)
}
