//! JSON Schemas of real projects, with documents that they permit as the answers. They are not in the repository:
//! `ETL_SCHEMAS` names a folder with `schemas/json/NAME.json` and `test/NAME/*.json`, such as `src` of SchemaStore.
//! `ETL_SCHEMAS_MOST` is the number of schemas, 100 unless set.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use etl::{event::RunEnd, run::Pipeline};
use serde_json::Value;

use super::{Folder, one_for_each, run_against, serving, values::normal};

/// A larger document would not be an answer.
const LARGEST: u64 = 64_000;

/// The result for a schema.
#[derive(Debug, Default)]
struct Outcome {
    /// The first line of the mistake, if `check` refuses the schema.
    mistake: Option<String>,
    stored: usize,
    refused: Vec<String>,
    /// Violations.
    wrong: Vec<String>,
}

fn documents(folder: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() <= LARGEST);
    let read = |path: PathBuf| serde_json::from_str(&fs::read_to_string(path).ok()?).ok();
    paths.into_iter().filter(small).filter_map(read).take(5).collect()
}

async fn one(schema: &str, answers: Vec<Value>) -> Outcome {
    let mut result = Outcome::default();
    let folder = Folder::new();
    folder.write("schema.json", schema.as_bytes());
    let spec = one_for_each(answers.len());
    let pipeline = match Pipeline::from_text(&folder.path("spec.yaml"), &spec, &[]) {
        Ok(pipeline) => pipeline,
        Err(mistakes) => {
            let shown = mistakes.render(false);
            // A mistake says what to do.
            assert!(shown.contains("help:") || shown.contains("╰── "), "{shown}");
            result.mistake = shown.lines().next().map(|line| line.trim().to_owned());
            return result;
        }
    };
    let answers = Arc::new(answers);
    let server = serving(&answers).await;
    let ended = run_against(&server, &pipeline).await;
    let is_whole = (ended.sum.rows + ended.sum.failures) as usize == answers.len();
    if !is_whole || !matches!(ended.end, RunEnd::Complete | RunEnd::WithFailures) {
        result.wrong.push(format!("{:?}, {:?}", ended.end, ended.sum));
        return result;
    }
    for (id, answer) in answers.iter().enumerate() {
        let found = folder.sql(&format!("SELECT to_json(answer) FROM out WHERE id = {id}"));
        if found.is_empty() {
            let why = folder.sql(&format!("SELECT kind, reason FROM etl.failures WHERE key = '{id}'"));
            let to = if why.starts_with("refused | ") { &mut result.refused } else { &mut result.wrong };
            to.push(why);
            continue;
        }
        let found: Value = serde_json::from_str(&found).unwrap_or(Value::Null);
        let (found, answer) = (normal(&found), normal(answer));
        let note = folder.sql(&format!("SELECT coalesce(reason, '') FROM etl.requests WHERE key = '{id}'"));
        let is_noted = found == answer || note.contains("ignored, not in the schema");
        if !is_noted || !is_within(&found, &answer) {
            result.wrong.push(format!("{found:#}\nis not\n{answer:#}\n{note}"));
            continue;
        }
        result.stored += 1;
    }
    result
}

/// Whether all that was stored is in the answer: what a schema does not name is left out, and noted.
fn is_within(found: &Value, answer: &Value) -> bool {
    match (found, answer) {
        (Value::Object(found), Value::Object(answer)) => {
            found.iter().all(|(name, value)| answer.get(name).is_some_and(|answer| is_within(value, answer)))
        }
        (Value::Array(found), Value::Array(answer)) => {
            found.len() == answer.len() && found.iter().zip(answer).all(|(a, b)| is_within(a, b))
        }
        (found, answer) => found == answer,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_real_schemas_read_back_the_same() {
    let Some(root) = std::env::var_os("ETL_SCHEMAS").map(PathBuf::from) else {
        eprintln!("skipped: `ETL_SCHEMAS` names no folder");
        return;
    };
    let most = crate::common::number("ETL_SCHEMAS_MOST", 100) as usize;
    let mut names: Vec<PathBuf> =
        fs::read_dir(root.join("schemas/json")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut results: BTreeMap<String, Outcome> = BTreeMap::new();
    for path in names {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let answers = documents(&root.join("test").join(&name));
        let Ok(schema) = fs::read_to_string(&path) else { continue };
        if answers.is_empty() || results.len() == most {
            continue;
        }
        eprintln!("{name}");
        results.insert(name, one(&schema, answers).await);
    }
    let mut wrong = String::new();
    for (name, result) in &results {
        let Outcome { mistake, stored, refused, .. } = result;
        eprintln!("{name}: {stored} stored, {} refused {refused:?} {mistake:?}", refused.len());
        wrong += &result.wrong.iter().map(|what| format!("{name}: {what}\n")).collect::<String>();
    }
    let refused: usize = results.values().map(|result| result.refused.len()).sum();
    let stored: usize = results.values().map(|result| result.stored).sum();
    let mistakes = results.values().filter(|result| result.mistake.is_some()).count();
    eprintln!(
        "{} schemas, {mistakes} with a mistake at check; {stored} documents stored, {refused} refused",
        results.len()
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(stored > results.len(), "{stored}");
}
