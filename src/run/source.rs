//! Sources: records as they are asked for, in a stable order.

use std::sync::Arc;

use crate::{
    fault,
    files::FileSet,
    plan::{Node, Origin, Source},
    record::{Failure, FailureKind, Fields, Outcome, Record},
    stage::RecordStream,
    task::{self, blocking_feed, joined},
};
use futures::{StreamExt, future, stream};
use serde_json::Value;

use super::{Context, meter::Meter};

/// Files that are read before somebody asks for them. Reading is quick beside what follows, and a
/// document can be large.
const FILES_AHEAD: usize = 8;

/// Fields and, for a file, its path; or what could not be read, and why.
type Raw = Result<(Option<String>, Fields), (String, String)>;

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
            let rows: Vec<Fields> = rows.iter().filter_map(Value::as_object).take(limit).cloned().collect();
            stream::iter(rows).map(|fields| Ok((None, fields))).boxed()
        }
        Origin::Query(sql) => match context.halt.check(context.store.query(sql, source.limit).await) {
            None => stream::empty().boxed(),
            Some(rows) => {
                let halt = context.halt.clone();
                rows.scan((), move |(), row| future::ready(halt.check(row)))
                    .map(|fields| Ok((None, fields)))
                    .boxed()
            }
        },
    };
    let stage = Arc::clone(&node.name);
    let key = source.key.clone();
    let halt = context.halt.clone();
    let outcomes = raw.enumerate().scan((), move |(), (at, raw)| {
        if halt.check(fault::check("source")).is_none() {
            return future::ready(None);
        }
        meter.taken.add(1);
        let outcome = record(at, raw, key.as_deref(), &stage);
        match &outcome {
            Ok(_) => meter.done.add(1),
            Err(_) => meter.failed.add(1),
        }
        future::ready(Some(outcome))
    });
    outcomes.take_until(context.halt.token().cancelled_owned()).boxed()
}

fn record(at: usize, raw: Raw, key: Option<&str>, stage: &Arc<str>) -> Outcome {
    let unreadable = |name: String, fields: Fields, reason: String| {
        let record = Record { key: name.into(), fields };
        let kind = FailureKind::Unreadable;
        Err(Box::new(Failure { record, stage: Arc::clone(stage), kind, reason, attempts: 0, reply: None }))
    };
    let number = (at + 1).to_string();
    match raw {
        Err((name, reason)) => unreadable(name, Fields::new(), reason),
        Ok((name, fields)) => match (key, name) {
            (_, Some(name)) => Ok(Record { key: name.into(), fields }),
            (None, None) => Ok(Record { key: number.into(), fields }),
            (Some(key), None) => match fields.get(key) {
                Some(Value::String(text)) => Ok(Record { key: text.as_str().into(), fields }),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                    Ok(Record { key: value.to_string().into(), fields })
                }
                _ => unreadable(number, fields, format!("the record has no `{key}`, which is its key")),
            },
        },
    }
}

fn files(set: FileSet, limit: usize) -> stream::BoxStream<'static, Raw> {
    blocking_feed(FILES_AHEAD, move |feed| {
        // The pattern has been compiled before, when the plan was made.
        let Ok(paths) = set.paths() else { return };
        for path in paths.take(limit) {
            let read = match path {
                Ok(path) => match set.read(&path) {
                    Ok(fields) => Ok((Some(path), fields)),
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
