//! Builds a spec in code: a pipeline for each of several tables, with the simulator instead of the service.
//!
//! `cargo run --example spec_in_code`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, path::Path};

use etl::prelude::*;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join("etl-spec-in-code");
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let end = runtime.block_on(run(&folder, &["Which town is named?", "Who is the author?"]))?;
    println!("the run is {}", end.word());
    Ok(())
}

/// A map for each question, in sequence; `docs/reference.md` describes all keys of a spec.
fn spec(questions: &[&str]) -> Value {
    let mut stages = vec![json!({
        "source": "letters",
        "rows": [{ "id": 1, "text": "I write from Basel." }, { "id": 2, "text": "My name is Anna." }],
        "key": "id",
    })];
    for (number, question) in questions.iter().enumerate() {
        stages.push(json!({
            "map": format!("answer_{}", number + 1),
            "chat": { "model": "mistral-small-latest", "prompt": format!("{question}\n\n{{{{ text }}}}") },
        }));
    }
    stages.push(json!({ "sink": "answers" }));
    json!({ "stages": stages })
}

/// Runs it into `letters.duckdb` in a folder.
pub(crate) async fn run(folder: &Path, questions: &[&str]) -> Result<RunEnd, Box<dyn Error>> {
    // JSON is valid YAML.
    let text = spec(questions).to_string();
    let pipeline = Pipeline::from_text(&folder.join("letters.yaml"), &text, &[])?;
    Ok(pipeline.builder().offline().run().await?)
}
