//! Sinks: records become rows, rows and failures become durable, batch by batch.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use serde_json::{Map, Value};

use crate::{
    event::EventKind,
    plan::{Column, ColumnValue, Format, Node, NodeId, Plan, Sink, Step, Target},
    record::{ANSWER, Failure, FailureKind, Outcome, Record, weight},
    spec::Mode,
    stage::{Bounds, RecordStream, chunk},
    store::{Batch, FailureRow, Origin, SinkMode, SinkRows, SinkTarget, Table},
    template::Expression,
};

use super::{
    Context, RunError,
    transform::{When, expression, template_failure},
};

/// Rows that become durable together: a second's worth, or what is worth a batch of columns.
const COMMIT: Bounds = Bounds { items: 10_000, weight: 8_000_000, wait: Duration::from_secs(1) };

/// The sink as the database knows it.
pub(super) fn table(node: &Node, sink: &Sink) -> Table {
    Table {
        stage: node.name.to_string(),
        target: match &sink.target {
            Target::Table(table) => SinkTarget::Table(table.clone()),
            Target::File { format, path, .. } => SinkTarget::File {
                path: path.clone(),
                options: match format {
                    Format::Jsonl => "FORMAT json",
                    Format::Csv => "FORMAT csv, HEADER",
                    Format::Parquet => "FORMAT parquet",
                },
            },
        },
        columns: sink.columns.iter().map(|column| (column.name.clone(), column.datatype.clone())).collect(),
        key: sink.key.clone(),
        mode: match sink.mode {
            Mode::Upsert => SinkMode::Upsert,
            Mode::Append => SinkMode::Append,
            Mode::Replace => SinkMode::Replace,
        },
    }
}

/// A sink, ready to write.
struct Writer {
    stage: Arc<str>,
    when: When,
    columns: Vec<(Column, Option<Expression>)>,
    key: Option<String>,
}

/// Writes a stream until it ends. What replaces a table or a file is put in its place by [`finish`].
pub(super) async fn drive(
    input: RecordStream,
    node: Node,
    sink: Sink,
    context: Arc<Context>,
) -> Result<(), RunError> {
    let table = table(&node, &sink);
    let columns = sink.columns.iter().map(|column| match &column.value {
        ColumnValue::Expression(text) => Ok((column.clone(), Some(expression(text)?))),
        ColumnValue::Key | ColumnValue::Paths(_) => Ok((column.clone(), None)),
    });
    let writer = Writer {
        stage: Arc::clone(&node.name),
        when: When::new(node.when.as_deref())?,
        columns: columns.collect::<Result<_, RunError>>()?,
        key: sink.key.clone(),
    };
    let mut batches = chunk(input, COMMIT, weight);
    while let Some(batch) = batches.next().await {
        writer.write(batch, &table, node.id, &context).await?;
    }
    if !context.halt.is_stopped() {
        context.ended(node.id).await;
    }
    Ok(())
}

/// Replaces the tables and files of a run in which every stage ended well. A run that was cut off has only
/// some of the rows that are to replace the others.
pub(super) async fn finish(plan: &Plan, context: &Context) {
    let tables: Vec<Table> = plan
        .nodes
        .iter()
        .filter_map(|node| match &node.step {
            Step::Sink(sink) => Some(table(node, sink)),
            _ => None,
        })
        .collect();
    if !context.halt.is_stopped() {
        // A failure is reported as the run's end.
        let _: Option<()> = context.halt.check(context.store.finish(tables).await);
    }
}

impl Writer {
    async fn write(
        &self,
        batch: Vec<Outcome>,
        table: &Table,
        id: NodeId,
        context: &Context,
    ) -> Result<(), RunError> {
        let meter = context.meters.of(id);
        let (mut rows, mut origins, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let (mut skipped, mut failed, mut taken) = (0, 0, 0);
        for outcome in batch {
            let record = match outcome {
                Ok(record) => record,
                Err(failure) => {
                    failures.push(failure_row(*failure));
                    continue;
                }
            };
            taken += 1;
            match self.when.holds(&record) {
                Ok(true) => {}
                Ok(false) => {
                    skipped += 1;
                    continue;
                }
                Err(error) => {
                    failed += 1;
                    failures.push(failure_row(*template_failure(record, &self.stage, &error)));
                    continue;
                }
            }
            let (key, request) = (Arc::clone(&record.key), request(&record));
            match self.row(record) {
                Ok(row) => {
                    let named = if row.0.is_empty() { key.to_string() } else { row.0.clone() };
                    origins.extend(request.map(|request| Origin {
                        row: named,
                        record: key.to_string(),
                        request,
                    }));
                    rows.push(row);
                }
                Err(failure) => {
                    failed += 1;
                    failures.push(failure_row(*failure));
                }
            }
        }
        let (written, lost) = (rows.len() as u64, failures.len() as u64);
        let rows =
            if rows.is_empty() { Vec::new() } else { vec![SinkRows { table: table.clone(), rows, origins }] };
        let batch = Batch { rows, failures, ..Batch::default() };
        context.store.commit(context.run, &context.server, batch).await?;
        // What is counted is durable.
        meter.taken.add(taken);
        meter.done.add(written);
        meter.skipped.add(skipped);
        meter.failed.add(failed);
        context.meters.failures.add(lost);
        Ok(())
    }

    /// The value of the key, and the row as JSON that fits the columns.
    fn row(&self, record: Record) -> Result<(String, String), Box<Failure>> {
        let mut row = Map::with_capacity(self.columns.len());
        let mut key = String::new();
        for (column, expression) in &self.columns {
            let value = match (&column.value, expression) {
                (_, Some(expression)) => match expression.eval(&record.fields) {
                    Ok(value) => value,
                    Err(error) => return Err(template_failure(record, &self.stage, &error)),
                },
                (ColumnValue::Paths(paths), None) => {
                    paths.iter().find_map(|path| at(&record, path)).unwrap_or_default()
                }
                (ColumnValue::Key | ColumnValue::Expression(_), None) => Value::from(&*record.key),
            };
            let found = short(&value);
            let Some(value) = column.datatype.fit(value) else {
                let reason = format!(
                    "column `{}` wants {}, and the value is {found}",
                    column.name,
                    column.datatype.sql()
                );
                return Err(self.misfit(record, reason));
            };
            if self.key.as_deref() == Some(&column.name) {
                if value.is_null() {
                    return Err(self.misfit(record, format!("the key column `{}` has no value", column.name)));
                }
                key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            }
            row.insert(column.name.clone(), value);
        }
        Ok((key, Value::Object(row).to_string()))
    }

    fn misfit(&self, record: Record, reason: String) -> Box<Failure> {
        let kind = FailureKind::Type;
        Box::new(Failure { record, stage: Arc::clone(&self.stage), kind, reason, attempts: 0, reply: None })
    }
}

/// The request whose answer a record holds.
fn request(record: &Record) -> Option<String> {
    record.fields.get(ANSWER)?["request"].as_str().map(str::to_owned)
}

fn at(record: &Record, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let mut value = record.fields.get(first)?;
    for part in rest {
        value = value.get(part)?;
    }
    Some(value.clone())
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn failure_row(failure: Failure) -> FailureRow {
    FailureRow {
        stage: failure.stage.to_string(),
        key: failure.record.key.to_string(),
        kind: failure.kind,
        reason: failure.reason,
        attempts: failure.attempts,
        reply: failure.reply,
    }
}

/// Keeps the failures that no stage reads and no sink comes to see.
pub(super) async fn keep_failures(input: RecordStream, context: Arc<Context>) -> Result<(), RunError> {
    let mut batches = chunk(input, COMMIT, weight);
    while let Some(batch) = batches.next().await {
        let failures: Vec<FailureRow> = batch
            .into_iter()
            .filter_map(|outcome| outcome.err().map(|failure| failure_row(*failure)))
            .collect();
        let lost = failures.len() as u64;
        let batch = Batch { failures, ..Batch::default() };
        context.store.commit(context.run, &context.server, batch).await?;
        context.meters.failures.add(lost);
    }
    Ok(())
}

impl Context {
    /// Tells that a stage has seen its last record.
    pub(super) async fn ended(&self, id: NodeId) {
        if let Some(stage) = self.visible(id) {
            self.tell(EventKind::StageEnded { stage }).await;
        }
    }
}
