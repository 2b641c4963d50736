//! Sources: records as they are asked for, in a stable order.

use std::{ops::ControlFlow, sync::Arc};

use futures::{StreamExt, future, stream};

use crate::{
    fault,
    files::FileSet,
    plan::{Node, Origin, ReadFiles, Source},
    read::{self, Kept},
    record::{About, Failure, FailureKind, Outcome, Record, Schema, Value, json_text, origin_of},
    run::{error::RunError, progress::meter::Meter, stages::context::StageContext},
    stage::RecordStream,
    store::{Proven, Store, StoreError},
    task::{self, blocking_feed, joined},
};

/// Files that are read before they are asked for. Reading is quick beside what follows, and a document can be
/// large.
const FILES_AHEAD: usize = 8;

/// Rows of files that are read before they are asked for.
const ROWS_AHEAD: usize = 64;

/// Rows that are handed over together.
const ROWS_TOGETHER: usize = 256;

/// Bytes that are handed over together, about: long documents go one by one.
const BYTES_TOGETHER: usize = 256_000;

/// What is read for a record.
struct Read {
    values: Vec<Value>,
    /// The file, below the folder of the pattern, and the line.
    file: Option<Arc<str>>,
    line: Option<u64>,
}

/// What is read, or the name of what could not be read, and why.
type Raw = Result<Read, (String, String)>;

/// The records of a source; it ends early when the run is stopped.
pub(crate) async fn source(node: &Node, source: &Source, context: &Arc<StageContext>) -> RecordStream {
    let meter = Arc::clone(context.meters.of(node.id));
    let limit = source.limit.map_or(usize::MAX, |limit| limit as usize);
    let raw: stream::BoxStream<'static, Raw> = match &source.from {
        Origin::Files(set) => {
            let counted = count(set.clone(), limit, Arc::clone(&meter));
            files(set.clone(), limit).chain(counted).boxed()
        }
        Origin::Rows(rows) => {
            meter.set_total(rows.len().min(limit) as u64);
            let rows: Vec<Record> = rows.iter().take(limit).cloned().collect();
            stream::iter(rows)
                .map(|row| Ok(Read { values: row.values.to_vec(), file: None, line: None }))
                .boxed()
        }
        Origin::Read(read) => {
            let shutdown = context.database.shutdown.clone();
            proven_rows((**read).clone(), source.limit, context.database.store.clone())
                .scan((), move |(), rows| future::ready(shutdown.check(rows)))
                .flat_map(stream::iter)
                .boxed()
        }
        Origin::Query(sql) => {
            match context
                .database
                .shutdown
                .check(context.database.store.query(sql, &source.schema, source.limit).await)
            {
                None => stream::empty().boxed(),
                Some(rows) => {
                    let shutdown = context.database.shutdown.clone();
                    rows.scan((), move |(), row| future::ready(shutdown.check(row)))
                        .map(|values| Ok(Read { values, file: None, line: None }))
                        .boxed()
                }
            }
        }
    };
    let maker = Maker {
        name: Arc::clone(&node.name),
        schema: Arc::clone(&source.schema),
        key: source.key.iter().filter_map(|name| source.schema.position(name)).collect(),
    };
    let shutdown = context.database.shutdown.clone();
    let outcomes = raw.enumerate().scan((), move |(), (at, raw)| {
        if shutdown.check(fault::check("source")).is_none() {
            return future::ready(None);
        }
        meter.taken.add(1);
        let outcome = maker.record(at + 1, raw);
        match &outcome {
            Ok(_) => meter.done.add(1),
            Err(_) => meter.failed.add(1),
        }
        future::ready(Some(outcome))
    });
    let (name, meter, noted) =
        (Arc::clone(&node.name), Arc::clone(context.meters.of(node.id)), Arc::clone(context));
    let outcomes = outcomes.inspect(move |outcome| {
        if let Ok(record) = outcome {
            record.about.origin.iter().for_each(|id| noted.read.add(&name, Some(*id)));
        }
    });
    // A record that is not there has left the source only where all of the source was read.
    let (name, noted) = (Arc::clone(&node.name), Arc::clone(context));
    let end = stream::once(async move {
        if meter.failed.get() == 0
            && meter.taken.get() < limit as u64
            && !noted.database.shutdown.is_stopped()
        {
            noted.read.add(&name, None);
        }
    });
    let outcomes = outcomes.map(Some).chain(end.map(|()| None)).filter_map(future::ready);
    outcomes.take_until(context.database.shutdown.token().cancelled_owned()).boxed()
}

/// Makes records out of what is read.
struct Maker {
    name: Arc<str>,
    schema: Arc<Schema>,
    /// The places of the key's fields.
    key: Vec<usize>,
}

impl Maker {
    fn record(&self, number: usize, raw: Raw) -> Outcome {
        match raw {
            Err((name, reason)) => {
                let record = Record::new(name, Arc::default(), Vec::new());
                Err(Failure::unsent(record, &self.name, FailureKind::Unreadable, reason))
            }
            Ok(Read { values, file, line }) => {
                let key = self.key_of(&values).unwrap_or_else(|| number.to_string());
                let about = About {
                    source: Arc::clone(&self.name),
                    file,
                    line: line.map(|line| line as i64),
                    origin: Arc::new([self.identity(&key, &values)]),
                    ..About::default()
                };
                let record = Record::new(key, Arc::clone(&self.schema), values);
                Ok(Record { about: Arc::new(about), ..record })
            }
        }
    }

    /// What identifies the record in every run: its key, and without one all that it holds, as a line's number is
    /// another's tomorrow.
    fn identity(&self, key: &str, values: &[Value]) -> i64 {
        if !self.key.is_empty() {
            return origin_of(&self.name, key);
        }
        let fields = self.schema.fields().iter().zip(values);
        let texts = fields.map(|(field, value)| json_text(value, &field.datatype));
        origin_of(&self.name, &texts.collect::<Vec<_>>().join(","))
    }

    /// The key for people; its number for a record without one.
    fn key_of(&self, values: &[Value]) -> Option<String> {
        match self.key[..] {
            [] => None,
            [at] => values[at].leaf().map(std::borrow::Cow::into_owned),
            _ => {
                let part = |at: &usize| json_text(&values[*at], &self.schema.fields()[*at].datatype);
                Some(format!("[{}]", self.key.iter().map(part).collect::<Vec<_>>().join(",")))
            }
        }
    }
}

fn files(set: FileSet, limit: usize) -> stream::BoxStream<'static, Raw> {
    blocking_feed(FILES_AHEAD, move |feed| {
        // The pattern has been compiled before, when the plan was made.
        let Ok(paths) = set.paths() else { return };
        for path in paths.take(limit) {
            let read = match path {
                Ok(path) => match set.read(&path) {
                    Ok(values) => Ok(Read { values, file: Some(path.into()), line: None }),
                    Err(error) => Err((path, error.to_string())),
                },
                Err(error) => Err((error.path().to_owned(), error.to_string())),
            };
            if feed.blocking_send(read).is_err() {
                return;
            }
        }
    })
}

/// The rows of files whose types are proven first; what was newly proven is kept for later runs.
fn proven_rows(
    files: ReadFiles,
    limit: Option<u64>,
    store: Store,
) -> stream::BoxStream<'static, Result<Vec<Raw>, RunError>> {
    let proven = async move {
        let proven = task::blocking(move || proven(files)).await;
        let mut files = proven.unwrap_or_else(|| Err(StoreError::Stopped.into()))?;
        let kept = std::mem::take(&mut files.description.proofs)
            .into_iter()
            .map(|Kept { id, proof }| Proven { file: id.file, stamp: id.stamp, options: id.options, proof });
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

/// The rows of files, some at a time; an error is the last item.
fn rows(files: ReadFiles, limit: Option<u64>) -> stream::BoxStream<'static, Result<Vec<Raw>, RunError>> {
    blocking_feed(ROWS_AHEAD, move |feed| {
        let (mut together, mut bytes) = (Vec::new(), 0);
        let mut each = |entry: read::Entry| {
            let raw = match entry {
                read::Entry::Row(row) => {
                    bytes += row.values.iter().map(Value::bytes).sum::<usize>();
                    Ok(Read { values: row.values, file: Some(row.file), line: Some(row.line) })
                }
                read::Entry::Bad(bad) => Err(match bad.line {
                    0 => (bad.file.to_string(), bad.reason),
                    line => (format!("{}:{line}", bad.file), bad.reason),
                }),
            };
            together.push(raw);
            if together.len() < ROWS_TOGETHER && bytes < BYTES_TOGETHER {
                return ControlFlow::Continue(());
            }
            bytes = 0;
            match feed.blocking_send(Ok(std::mem::take(&mut together))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let ReadFiles { set, options, description } = files;
        let options = read::Options { max: limit, ..options };
        let read = read::rows(&set, &options, &description, &mut each);
        // Without a reader neither the rest nor the error interests anyone.
        let _ = feed.blocking_send(Ok(together));
        if let Err(error) = read {
            let _ = feed.blocking_send(Err(error.into()));
        }
    })
}

/// The files with types that are proven over all that is in them: what `check` has read in part is proven before
/// the first record.
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

/// Counts the files beside the run, so that the bars know how far there is to go. The stream is empty; it
/// ends when the count has.
fn count(set: FileSet, limit: usize, meter: Arc<Meter>) -> stream::BoxStream<'static, Raw> {
    let counting = task::spawn_blocking(move || {
        if let Ok(paths) = set.paths() {
            meter.set_total(paths.take(limit).count() as u64);
        }
    });
    stream::once(counting).filter_map(async |counted| joined(counted).and(None)).boxed()
}
