//! Rows of CSV, JSON Lines and Parquet as records, after their types are verified.

use std::ops::ControlFlow;

use futures::{StreamExt, future, stream};

use crate::{
    plan::ReadFiles,
    read::{self, StoredProof},
    record::Value,
    run::error::RunError,
    store::{Proven, Store, StoreError},
    task::{self, BatchSender, ReaderGone, blocking_feed},
};

use super::raw::{Raw, Read};

/// Batches of rows read ahead.
const BATCHES_AHEAD: usize = 64;

/// The rows of files after their types are verified; new verifications are stored for later runs.
pub(super) fn proven_rows(
    files: ReadFiles,
    limit: Option<u64>,
    store: Store,
) -> stream::BoxStream<'static, Result<Vec<Raw>, RunError>> {
    let proven = async move {
        let proven = task::blocking(move || proven(files)).await;
        let mut files = proven.unwrap_or_else(|| Err(StoreError::Stopped.into()))?;
        let kept =
            std::mem::take(&mut files.description.proofs).into_iter().map(|StoredProof { id, proof }| {
                Proven { file: id.file, stamp: id.stamp, options: id.options, proof }
            });
        store.keep_proofs(kept.collect()).await?;
        Ok(files)
    };
    stream::once(proven)
        .flat_map(move |files| match files {
            Ok(files) => rows(files, limit),
            Err(error) => stream::once(future::ready(Err(error))).boxed(),
        })
        .boxed()
}

/// The rows of files in batches; an error is the last item.
fn rows(files: ReadFiles, limit: Option<u64>) -> stream::BoxStream<'static, Result<Vec<Raw>, RunError>> {
    blocking_feed(BATCHES_AHEAD, move |feed| {
        let mut batches = BatchSender::new(feed);
        let mut each = |entry: read::Entry| {
            let (raw, bytes) = match entry {
                read::Entry::Row(row) => {
                    let bytes = row.values.iter().map(Value::bytes).sum();
                    (Ok(Read { values: row.values, file: Some(row.file), line: Some(row.line) }), bytes)
                }
                read::Entry::Bad(bad) => match bad.line {
                    0 => (Err((bad.file.to_string(), bad.reason)), 0),
                    line => (Err((format!("{}:{line}", bad.file), bad.reason)), 0),
                },
            };
            match batches.add(raw, bytes) {
                Ok(()) => ControlFlow::Continue(()),
                Err(ReaderGone) => ControlFlow::Break(()),
            }
        };
        let ReadFiles { set, options, description } = files;
        let options = read::Options { max: limit, ..options };
        let read = read::rows(&set, &options, &description, &mut each);
        // Without a reader, neither the rest nor the error is needed.
        let _ = batches.send();
        if let Err(error) = read {
            let _ = feed.blocking_send(Err(error.into()));
        }
    })
}

/// Verifies the types of files over their whole content, before the first record: `check` has read only part of it.
fn proven(files: ReadFiles) -> Result<ReadFiles, RunError> {
    let ReadFiles { set, options, description } = files;
    let options = read::Options { prove: None, ..options };
    if description.is_whole() {
        return Ok(ReadFiles { set, options, description });
    }
    let proven = read::describe(&set, &options)?;
    for (at, (field, found)) in description.schema.fields().iter().zip(proven.schema.fields()).enumerate() {
        if field != found {
            let evidence = proven.columns.get(at).and_then(|column| column.evidence.clone());
            return Err(RunError::ColumnType {
                column: field.name.to_string(),
                checked: field.datatype.sql(),
                found: found.datatype.sql(),
                place: evidence
                    .map(|e| format!(" (`{}` at {}:{})", e.value, e.file, e.line))
                    .unwrap_or_default(),
            });
        }
    }
    if let Some(more) = proven.schema.fields().get(description.schema.len()) {
        return Err(RunError::ColumnType {
            column: more.name.to_string(),
            checked: "not there".to_owned(),
            found: more.datatype.sql(),
            place: String::new(),
        });
    }
    Ok(ReadFiles { set, options, description: proven })
}
