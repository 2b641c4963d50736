//! Sources: records as they are asked for, in a stable order.

use std::sync::Arc;

use futures::{StreamExt, future, stream};

use crate::{
    fault,
    files::FileSet,
    plan::{Node, Origin, Source},
    record::{About, Failure, FailureKind, Outcome, Record, Schema, Value, json_text, origin_of},
    stage::RecordStream,
    task::{self, blocking_feed, joined},
};

use super::{Context, meter::Meter};

/// Files that are read before they are asked for. Reading is quick beside what follows, and a document can be
/// large.
const FILES_AHEAD: usize = 8;

/// What is read for a record.
struct Read {
    values: Vec<Value>,
    /// The file, below the folder of the pattern.
    file: Option<String>,
}

/// What is read, or the name of what could not be read, and why.
type Raw = Result<Read, (String, String)>;

/// The records of a source; it ends early when the run is stopped.
pub(super) async fn source(node: &Node, source: &Source, context: &Arc<Context>) -> RecordStream {
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
            stream::iter(rows).map(|row| Ok(Read { values: row.values.to_vec(), file: None })).boxed()
        }
        Origin::Query(sql) => {
            match context.halt.check(context.store.query(sql, &source.schema, source.limit).await) {
                None => stream::empty().boxed(),
                Some(rows) => {
                    let halt = context.halt.clone();
                    rows.scan((), move |(), row| future::ready(halt.check(row)))
                        .map(|values| Ok(Read { values, file: None }))
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
    let halt = context.halt.clone();
    let outcomes = raw.enumerate().scan((), move |(), (at, raw)| {
        if halt.check(fault::check("source")).is_none() {
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
    outcomes.take_until(context.halt.token().cancelled_owned()).boxed()
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
            Ok(Read { values, file }) => {
                let key = self.key_of(&values).unwrap_or_else(|| number.to_string());
                let about = About {
                    source: Arc::clone(&self.name),
                    file: file.map(Into::into),
                    origin: Arc::new([origin_of(&self.name, &key)]),
                    ..About::default()
                };
                let record = Record::new(key, Arc::clone(&self.schema), values);
                Ok(Record { about: Arc::new(about), ..record })
            }
        }
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
                    Ok(values) => Ok(Read { values, file: Some(path) }),
                    Err(error) => Err((path, error.to_string())),
                },
                Err(error) => {
                    let path = error.path().map(|path| path.display().to_string()).unwrap_or_default();
                    Err((path, error.to_string()))
                }
            };
            if feed.blocking_send(read).is_err() {
                return;
            }
        }
    })
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
