//! Maps that ask nobody, and the conditions on any stage.

use std::sync::{Arc, atomic::Ordering};

use futures::{StreamExt, future, stream};
use serde_json::Value;

use crate::{
    fault,
    plan::{Node, Reshape, Split},
    record::{Failure, FailureKind, Fields, Outcome, Record},
    spec::SplitWhat,
    stage::{RecordStream, chunks, items},
    template::{Expression, RenderError},
};

use super::{Context, RunError};

/// A condition, ready to be tested.
pub(super) struct When(Option<Expression>);

impl When {
    pub(super) fn new(text: Option<&str>) -> Result<Self, RunError> {
        text.map(expression).transpose().map(Self)
    }

    /// Whether a record meets it.
    pub(super) fn holds(&self, record: &Record) -> Result<bool, RenderError> {
        self.0.as_ref().map_or(Ok(true), |expression| expression.test(&record.fields))
    }
}

pub(super) fn expression(text: &str) -> Result<Expression, RunError> {
    Expression::parse(text).map_err(|_| RunError::Plan(text.to_owned()))
}

/// A failure of a stage before anything was asked.
pub(super) fn template_failure(record: Record, stage: &Arc<str>, error: &RenderError) -> Box<Failure> {
    let (kind, reason) = (FailureKind::Template, error.to_string());
    Box::new(Failure { record, stage: Arc::clone(stage), kind, reason, attempts: 0, reply: None })
}

pub(super) fn fields(
    input: RecordStream,
    node: &Node,
    reshape: &Reshape,
    context: &Context,
) -> Result<RecordStream, RunError> {
    let when = When::new(node.when.as_deref())?;
    let set: Vec<(String, Expression)> = reshape
        .set
        .iter()
        .map(|(name, text)| Ok((name.clone(), expression(text)?)))
        .collect::<Result<_, RunError>>()?;
    let (reshape, stage, meter) =
        (reshape.clone(), Arc::clone(&node.name), Arc::clone(context.meters.of(node.id)));
    let work = move |outcome: Outcome| {
        let mut record = outcome?;
        meter.taken.add(1);
        let shaped = match when.holds(&record) {
            Ok(true) => shape(&record, &reshape, &set).map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        match shaped {
            Ok(shaped) => {
                meter.done.add(1);
                record.fields = shaped.unwrap_or(record.fields);
                Ok(record)
            }
            Err(error) => {
                meter.failed.add(1);
                Err(template_failure(record, &stage, &error))
            }
        }
    };
    let halt = context.halt.clone();
    Ok(input
        .scan((), move |(), outcome| future::ready(halt.check(fault::check("map")).map(|()| work(outcome))))
        .boxed())
}

/// Expressions see the record as it came in, whatever is dropped or renamed beside them.
fn shape(record: &Record, reshape: &Reshape, set: &[(String, Expression)]) -> Result<Fields, RenderError> {
    let mut fields = Fields::new();
    for (name, value) in &record.fields {
        let kept =
            reshape.keep.as_ref().is_none_or(|keep| keep.contains(name)) && !reshape.drop.contains(name);
        if kept {
            let new = reshape.rename.iter().find(|(_, old)| old == name).map_or(name, |(new, _)| new);
            fields.insert(new.clone(), value.clone());
        }
    }
    for (name, expression) in set {
        fields.insert(name.clone(), expression.eval(&record.fields)?);
    }
    Ok(fields)
}

pub(super) fn split(
    input: RecordStream,
    node: &Node,
    split: &Split,
    context: &Arc<Context>,
) -> Result<RecordStream, RunError> {
    let when = When::new(node.when.as_deref())?;
    let of = expression(&split.of)?;
    let (split, stage, context) = (split.clone(), Arc::clone(&node.name), Arc::clone(context));
    let meter = Arc::clone(context.meters.of(node.id));
    let work = move |outcome: Outcome| {
        let record = match outcome {
            Ok(record) => record,
            Err(failure) => return stream::iter(vec![Err(failure)]),
        };
        meter.taken.add(1);
        let parts = match when.holds(&record) {
            Ok(true) => of.eval(&record.fields).map(|of| parts(&record, of, &split)),
            Ok(false) => Ok(Ok(vec![record.clone()])),
            Err(error) => Err(error),
        };
        let failure = match parts {
            Ok(Ok(parts)) => {
                meter.done.add(parts.len() as u64);
                match parts.len() {
                    0 => meter.skipped.add(1),
                    n => drop(context.meters.added.fetch_add(n as i64 - 1, Ordering::Relaxed)),
                }
                return stream::iter(parts.into_iter().map(Ok).collect::<Vec<_>>());
            }
            Ok(Err(found)) => {
                let wanted = if split.what == SplitWhat::Items { "a list" } else { "a text" };
                let reason = format!("`{}` gives {found}, and the split wants {wanted}", split.of);
                let kind = FailureKind::Template;
                Box::new(Failure {
                    record,
                    stage: Arc::clone(&stage),
                    kind,
                    reason,
                    attempts: 0,
                    reply: None,
                })
            }
            Err(error) => template_failure(record, &stage, &error),
        };
        meter.failed.add(1);
        stream::iter(vec![Err(failure)])
    };
    Ok(input.map(work).flatten().boxed())
}

/// The parts of a record, or what was found where a list or a text is wanted.
fn parts(record: &Record, of: Value, split: &Split) -> Result<Vec<Record>, &'static str> {
    match (split.what, of) {
        (_, Value::Null) => Ok(Vec::new()),
        (SplitWhat::Items, Value::Array(list)) => Ok(items(record, list, &split.into)),
        (SplitWhat::Chunks { max_chars, overlap }, Value::String(text)) => {
            Ok(chunks(record, &text, max_chars, overlap, &split.into))
        }
        (_, Value::String(_)) => Err("a text"),
        (_, Value::Array(_)) => Err("a list"),
        (_, Value::Object(_)) => Err("a mapping"),
        (_, Value::Number(_) | Value::Bool(_)) => Err("a single value"),
    }
}
