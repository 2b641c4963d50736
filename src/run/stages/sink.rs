//! Sinks: records become rows; rows and failures are committed in batches.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;

use crate::{
    event::TableChange,
    expressions::{Expressions, When},
    plan::{ColumnValue, Node, NodeId, Plan, Sink, Step, Target},
    record::{Failure, FailureKind, LogicalType, Outcome, Record, Value, json_text, same_name, weight},
    run::{
        error::RunError,
        stages::{context::StageContext, transform::expression_failure},
    },
    spec::{self, Mode},
    stage::{Bounds, RecordStream, chunk, prefetch},
    store::{
        Batch, Committed, Duplicates, FailureRow, Origin, Owned, SinkMode, SinkRow, SinkRows, SinkTarget,
        Stale, Table,
    },
};

/// The batch of rows committed together: about a second's worth. Each commit checks the keys of all earlier rows,
/// so that few large commits cost less; two whole groups of rows, so that no checkpoint has to join parts of them.
const COMMIT: Bounds = Bounds { items: 40_960, weight: 6_000_000, wait: Duration::from_secs(1) };

/// The sink's table in the database.
pub(crate) fn table(node: &Node, sink: &Sink) -> Table {
    Table {
        stage: node.name.to_string(),
        target: match &sink.target {
            Target::Table(table) => SinkTarget::Table(table.clone()),
            Target::File { format, path, .. } => SinkTarget::File { path: path.clone(), format },
        },
        columns: sink
            .columns
            .iter()
            .map(|column| {
                let of = if is_json_text(sink, &column.datatype) {
                    &LogicalType::Varchar
                } else {
                    &column.datatype
                };
                (column.name.clone(), of.clone())
            })
            .collect(),
        key: sink.key.clone(),
        owned: sink.owned.map(|owned| Owned {
            stale: match owned.stale {
                spec::Stale::Keep => Stale::Keep,
                spec::Stale::Delete => Stale::Delete,
                spec::Stale::Mark => Stale::Mark,
            },
            gone: owned.gone,
        }),
        mode: match sink.mode {
            Mode::Upsert => SinkMode::Upsert,
            Mode::Append => SinkMode::Append,
            Mode::Replace => SinkMode::Replace,
        },
        duplicates: match sink.duplicates {
            spec::Duplicates::Fail => Duplicates::Fail,
            spec::Duplicates::First => Duplicates::First,
            spec::Duplicates::Last => Duplicates::Last,
        },
    }
}

/// Whether a column's values are written as JSON: some formats have no lists or structs.
fn is_json_text(sink: &Sink, of: &LogicalType) -> bool {
    let nested = matches!(of, LogicalType::List(_) | LogicalType::Array(..) | LogicalType::Struct(_));
    nested && matches!(sink.target, Target::File { format, .. } if !format.nests)
}

/// The source of a column's value, for records of one schema.
enum From {
    /// A field, by the indices of its path.
    Field(Vec<usize>),
    Model,
    Request,
    /// One of the expressions, by index.
    Expression(usize),
}

/// A sink ready to write.
struct Writer {
    stage: Arc<str>,
    when: When,
    expressions: Option<Expressions>,
    columns: Vec<(From, LogicalType, bool)>,
    /// The indices of the key's columns, with their names for failures.
    key: Vec<(usize, String)>,
    upserts: bool,
}

/// Writes a stream until it ends. Replaced tables and files are put in place by [`finish`].
pub(crate) async fn drive(
    input: RecordStream,
    node: Node,
    sink: Sink,
    context: Arc<StageContext>,
) -> Result<(), RunError> {
    let table = table(&node, &sink);
    let writer = Writer::new(&node, &sink, &context)?;
    // The next batch is prepared while one is being written.
    let prepared = chunk(input, COMMIT, weight).map(move |batch| writer.prepare(batch)).boxed();
    let mut batches = prefetch(prepared, 1);
    while let Some(prepared) = batches.next().await {
        write(prepared, &table, node.id, &context).await?;
    }
    context.written.send_modify(|written| {
        written.insert(node.id);
    });
    if !context.database.shutdown.is_stopped() {
        context.events.stage_ended(node.id).await;
    }
    Ok(())
}

/// Replaces the tables and files of a run in which every stage succeeded. An interrupted run has only some of the
/// rows.
pub(crate) async fn finish(plan: &Plan, context: &StageContext) -> Vec<TableChange> {
    let tables: Vec<Table> = plan
        .nodes
        .iter()
        .filter_map(|node| match &node.step {
            Step::Sink(sink) => Some(table(node, sink)),
            _ => None,
        })
        .collect();
    if context.database.shutdown.is_stopped() {
        return discarded(plan, context);
    }
    context.note_read().await;
    // A source that `--limit` cut short has more records.
    let is_incomplete = |node: &&Node| match &node.step {
        Step::Source(source) => {
            let meter = context.meters.of(node.id);
            meter.failed.get() > 0 && source.limit.is_none_or(|limit| meter.taken.get() < limit)
        }
        _ => false,
    };
    let incomplete = plan.nodes.iter().filter(is_incomplete).map(|node| node.name.to_string()).collect();
    // A failure is reported as the run's end.
    context
        .database
        .shutdown
        .check(context.database.store.finish(context.database.run, &plan.name, tables, incomplete).await)
        .unwrap_or_default()
}

/// The rows of a stopped run that are in no table or file: each is replaced as a whole, or not at all.
fn discarded(plan: &Plan, context: &StageContext) -> Vec<TableChange> {
    let discarded = plan.nodes.iter().filter_map(|node| match &node.step {
        Step::Sink(sink) if sink.mode == Mode::Replace => Some(TableChange {
            table: sink.target.to_string(),
            discarded: context.meters.of(node.id).done.get(),
            ..TableChange::default()
        }),
        _ => None,
    });
    discarded.collect()
}

impl Writer {
    fn new(node: &Node, sink: &Sink, context: &StageContext) -> Result<Self, RunError> {
        let wrong = || RunError::Plan(node.name.to_string());
        let mut expressions = Vec::new();
        let mut columns = Vec::new();
        for column in &sink.columns {
            let from = match &column.value {
                ColumnValue::Field(path) => From::Field(places(node, path).ok_or_else(wrong)?),
                ColumnValue::Model => From::Model,
                ColumnValue::Request => From::Request,
                ColumnValue::Expression(text) => {
                    expressions.push((text.clone(), column.datatype.clone()));
                    From::Expression(expressions.len() - 1)
                }
            };
            columns.push((from, column.datatype.clone(), is_json_text(sink, &column.datatype)));
        }
        let place = |name: &String| {
            let at = sink.columns.iter().position(|column| same_name(&column.name, name))?;
            Some((at, sink.columns[at].name.clone()))
        };
        Ok(Self {
            stage: Arc::clone(&node.name),
            when: When::new(&context.engine, &node.input, node.when.as_deref())?,
            expressions: match expressions.is_empty() {
                true => None,
                false => Some(Expressions::new(&context.engine, &node.input, &expressions)?),
            },
            columns,
            key: sink.key.iter().filter_map(place).collect(),
            upserts: sink.mode == Mode::Upsert,
        })
    }

    fn prepare(&self, batch: Vec<Outcome>) -> Prepared {
        let (mut rows, mut failures, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for outcome in batch {
            match outcome {
                Ok(record) => records.push(record),
                Err(failure) => failures.push(failure_row(*failure)),
            }
        }
        let taken = records.len() as u64;
        let (mut skipped, mut failed) = (0, 0);
        let wanted = self.when.test(&records.iter().collect::<Vec<_>>());
        let mut chosen = Vec::with_capacity(records.len());
        for (record, wanted) in records.into_iter().zip(wanted) {
            match wanted {
                Ok(true) => chosen.push(record),
                Ok(false) => skipped += 1,
                Err(error) => {
                    failed += 1;
                    failures.push(failure_row(*expression_failure(record, &self.stage, error)));
                }
            }
        }
        let values = match &self.expressions {
            Some(expressions) => expressions.evaluate(&chosen.iter().collect::<Vec<_>>()),
            None => vec![Ok(Vec::new()); chosen.len()],
        };
        for (record, values) in chosen.into_iter().zip(values) {
            let row = match values {
                Ok(values) => self.row(record, &values),
                Err(error) => Err(expression_failure(record, &self.stage, error)),
            };
            match row {
                Ok(row) => rows.push(row),
                Err(failure) => {
                    failed += 1;
                    failures.push(failure_row(*failure));
                }
            }
        }
        Prepared { rows, failures, taken, skipped, failed }
    }

    fn row(&self, record: Record, set: &[Value]) -> Result<SinkRow, Box<Failure>> {
        let by = record.about.last_answer();
        let mut values = Vec::with_capacity(self.columns.len() + 1);
        values.extend(self.columns.iter().map(|(from, of, as_json)| {
            let value = match from {
                From::Field(places) => at(&record.values, places),
                From::Model => by.map_or(Value::Null, |by| Value::Text(Arc::clone(&by.model))),
                From::Request => by.map_or(Value::Null, |by| Value::Text(Arc::clone(&by.request))),
                From::Expression(at) => set.get(*at).cloned().unwrap_or(Value::Null),
            };
            match (*as_json, value.is_null()) {
                (true, false) => Value::from(json_text(&value, of)),
                _ => value,
            }
        }));
        if self.upserts
            && let Some((_, name)) = self.key.iter().find(|(at, _)| values[*at].is_null())
        {
            let reason = format!("the key column `{name}` is NULL");
            return Err(Failure::unsent(record, &self.stage, FailureKind::Type, reason));
        }
        let origin = by.map(|by| Origin {
            row: self.named(&record, &values),
            record: record.key.to_string(),
            request: by.request.to_string(),
        });
        let sources = Arc::clone(&record.about.origin);
        Ok(SinkRow::new(values, record.key, sources, origin))
    }

    /// The key of a row in the ledger.
    fn named(&self, record: &Record, values: &[Value]) -> String {
        match &self.key[..] {
            [] => record.key.to_string(),
            [(at, _)] => values[*at].leaf().unwrap_or_default().into_owned(),
            key => {
                let part = |(at, _): &(usize, String)| json_text(&values[*at], &self.columns[*at].1);
                format!("[{}]", key.iter().map(part).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// The rows and failures from a batch of records, before they are durable.
struct Prepared {
    rows: Vec<SinkRow>,
    failures: Vec<FailureRow>,
    /// Records taken.
    taken: u64,
    /// Records excluded by `when:`.
    skipped: u64,
    /// Records that failed here.
    failed: u64,
}

async fn write(
    prepared: Prepared,
    table: &Table,
    id: NodeId,
    context: &StageContext,
) -> Result<(), RunError> {
    let meter = context.meters.of(id);
    let Prepared { rows, failures, taken, skipped, failed } = prepared;
    let (tried, (lost, unanswered)) = (rows.len() as u64, counts(&failures));
    let rows = if rows.is_empty() { Vec::new() } else { vec![SinkRows { table: table.clone(), rows }] };
    let batch = Batch { rows, failures, read: context.read.take(), ..Batch::default() };
    let Committed { failures: repeated, duplicates } =
        context.database.store.commit(context.database.run, &context.database.server, batch).await?;
    // Only durable records are counted.
    meter.taken.add(taken);
    meter.done.add(tried - repeated - duplicates);
    meter.duplicates.add(duplicates);
    meter.skipped.add(skipped);
    meter.failed.add(failed + repeated);
    context.meters.failures.add(lost + repeated);
    context.meters.unanswered.add(unanswered);
    Ok(())
}

/// The indices along a field path.
fn places(node: &Node, path: &[String]) -> Option<Vec<usize>> {
    let (first, rest) = path.split_first()?;
    let at = node.input.schema.position(first)?;
    let (mut places, mut of) = (vec![at], &node.input.schema.fields()[at].datatype);
    for part in rest {
        let LogicalType::Struct(fields) = of else { return None };
        let at = fields.iter().position(|(name, _)| name == part)?;
        places.push(at);
        of = &fields[at].1;
    }
    Some(places)
}

fn at(values: &[Value], places: &[usize]) -> Value {
    let Some((first, rest)) = places.split_first() else { return Value::Null };
    let mut value = &values[*first];
    for place in rest {
        match value {
            Value::Struct(values) => value = &values[*place],
            _ => return Value::Null,
        }
    }
    value.clone()
}

fn failure_row(failure: Failure) -> FailureRow {
    FailureRow {
        stage: failure.stage.to_string(),
        key: failure.record.key.to_string(),
        kind: failure.kind,
        reason: failure.reason,
        attempts: failure.attempts,
        reply: failure.reply,
        sources: Arc::clone(&failure.record.about.origin),
    }
}

/// The number of failures, and of records pending without an answer.
fn counts(failures: &[FailureRow]) -> (u64, u64) {
    let unanswered = failures.iter().filter(|row| row.kind == FailureKind::Unanswered).count();
    ((failures.len() - unanswered) as u64, unanswered as u64)
}

/// Stores the failures that no stage and no sink reads.
pub(crate) async fn keep_failures(input: RecordStream, context: Arc<StageContext>) -> Result<(), RunError> {
    let mut batches = chunk(input, COMMIT, weight);
    while let Some(batch) = batches.next().await {
        let failures: Vec<FailureRow> = batch
            .into_iter()
            .filter_map(|outcome| outcome.err().map(|failure| failure_row(*failure)))
            .collect();
        let (lost, unanswered) = counts(&failures);
        let batch = Batch { failures, ..Batch::default() };
        context.database.store.commit(context.database.run, &context.database.server, batch).await?;
        context.meters.failures.add(lost);
        context.meters.unanswered.add(unanswered);
    }
    Ok(())
}
