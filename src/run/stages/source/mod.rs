//! Sources: records on demand, in a stable order. One file per kind yields [`raw::Raw`] items, which are
//! converted to records here.

mod files;
mod raw;
mod rows;

use std::sync::Arc;

use futures::{StreamExt, future, stream};

use crate::{
    fault_injection,
    plan::{Node, Origin, Source},
    record::{About, Failure, FailureKind, Outcome, Record, Schema, Value, json_text, origin_of},
    run::stages::context::StageContext,
    stage::RecordStream,
};

use raw::{Raw, Read};

/// The records of a source; ends early when the run is stopped.
pub(crate) async fn source(node: &Node, source: &Source, context: &Arc<StageContext>) -> RecordStream {
    let meter = Arc::clone(context.meters.of(node.id));
    let limit = source.limit.map_or(usize::MAX, |limit| limit as usize);
    let raw: stream::BoxStream<'static, Raw> = match &source.from {
        Origin::Files(set) => {
            let counted = files::count(set.clone(), limit, Arc::clone(&meter));
            files::files(set.clone(), limit).chain(counted).boxed()
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
            rows::proven_rows((**read).clone(), source.limit, context.database.store.clone())
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
                    rows.scan((), move |(), rows| future::ready(shutdown.check(rows)))
                        .flat_map(stream::iter)
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
        if shutdown.check(fault_injection::check("source")).is_none() {
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
    // A missing record counts as removed only if the source was read completely.
    let (name, id, noted) = (Arc::clone(&node.name), node.id, Arc::clone(context));
    let end = stream::once(async move {
        if noted.database.shutdown.is_stopped() {
            return;
        }
        if meter.failed.get() == 0 && meter.taken.get() < limit as u64 {
            noted.read.add(&name, None);
        }
        noted.events.stage_ended(id).await;
    });
    let outcomes = outcomes.map(Some).chain(end.map(|()| None)).filter_map(future::ready);
    outcomes.take_until(context.database.shutdown.token().cancelled_owned()).boxed()
}

/// Converts raw items to records.
struct Maker {
    name: Arc<str>,
    schema: Arc<Schema>,
    /// The indices of the key's fields.
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
                let key = self.key_of(&values);
                let identity = self.identity(key.as_deref(), &values);
                // A number would be the key of another record.
                let key = key.unwrap_or_else(|| match (&file, line) {
                    _ if self.key.is_empty() => number.to_string(),
                    (Some(file), Some(line)) => format!("{file}:{line}"),
                    _ => format!("row {number}"),
                });
                let about = About {
                    source: Arc::clone(&self.name),
                    file,
                    line: line.map(|line| line as i64),
                    origin: Arc::new([identity]),
                    ..About::default()
                };
                let record = Record::new(key, Arc::clone(&self.schema), values);
                Ok(Record { about: Arc::new(about), ..record })
            }
        }
    }

    /// Identifies the record across runs: by its key, or without one by all its values, because line numbers change.
    fn identity(&self, key: Option<&str>, values: &[Value]) -> i64 {
        if let Some(key) = key {
            return origin_of(&self.name, key);
        }
        let fields = self.schema.fields().iter().zip(values);
        let texts = fields.map(|(field, value)| json_text(value, &field.datatype));
        origin_of(&self.name, &texts.collect::<Vec<_>>().join(","))
    }

    /// The key; `None` if the source has none, or if it is NULL.
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
