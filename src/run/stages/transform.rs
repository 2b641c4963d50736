//! Maps that call no model: reshape and split.

use std::sync::{Arc, atomic::Ordering};

use futures::{StreamExt, future, stream};

use crate::{
    expressions::{Expressions, When},
    fault_injection,
    plan::{NewField, Node, Reshape, Split, index_of},
    record::{Failure, FailureKind, LogicalType, Outcome, PieceOf, Record, Schema, Value, same_name, weight},
    run::{
        error::RunError,
        progress::meter::Meter,
        stages::{context::StageContext, gather::Parent},
    },
    spec::{Boundary, SplitWhat},
    stage::{Bounds, RecordStream, chunk, paragraphs, pieces, sections},
    task::Feed,
    template::{RenderError, Template},
};

/// Records evaluated together: those that are ready, without waiting for more.
const READY: Bounds = Bounds { items: 256, weight: 2_000_000, wait: std::time::Duration::ZERO };

/// A failure of a record whose expression raised an error.
pub(crate) fn expression_failure(record: Record, stage: &Arc<str>, reason: String) -> Box<Failure> {
    Failure::unsent(record, stage, FailureKind::Expression, reason)
}

/// Why a record fails here.
type Reason = (FailureKind, String);

fn of_expression(why: String) -> Reason {
    (FailureKind::Expression, why)
}

fn of_template(error: &RenderError) -> Reason {
    let kind = match error {
        RenderError::Null(_) | RenderError::Missing(_) => FailureKind::Null,
        RenderError::Other(_) => FailureKind::Template,
    };
    (kind, error.to_string())
}

/// The source of a field of a reshaped record.
enum From {
    Field(usize),
    Expression(usize),
    Template(usize),
}

/// Reshapes records of one schema. Expressions see the input record, regardless of fields dropped or renamed.
struct Shaper {
    schema: Arc<Schema>,
    from: Vec<From>,
    expressions: Option<Expressions>,
    templates: Vec<Template>,
}

impl Shaper {
    fn new(node: &Node, reshape: &Reshape, context: &StageContext) -> Result<Self, RunError> {
        let (mut schema, mut from) = (Schema::default(), Vec::new());
        let listed = |names: &[String], name: &str| names.iter().any(|other| same_name(other, name));
        for (at, field) in node.input.schema.fields().iter().enumerate() {
            let kept = reshape.keep.as_ref().is_none_or(|keep| listed(keep, &field.name))
                && !listed(&reshape.drop, &field.name);
            if kept {
                let renamed = reshape.rename.iter().find(|(_, old)| same_name(old, &field.name));
                let name = renamed.map_or_else(|| Arc::clone(&field.name), |(new, _)| new.as_str().into());
                schema.set(name, field.datatype.clone());
                from.push(From::Field(at));
            }
        }
        let (mut set, mut templates) = (Vec::new(), Vec::new());
        for (name, value, of) in &reshape.set {
            let place = schema.set(name.as_str(), of.clone());
            let source = match value {
                NewField::Expression(text) => {
                    set.push((text.clone(), of.clone()));
                    From::Expression(set.len() - 1)
                }
                NewField::Template(prompt) => {
                    let template = Template::parse(&prompt.text, &prompt.includes, &node.input.maps);
                    // Parsed before by the compiler.
                    templates
                        .push(template.map_err(|mistake| RunError::Plan(format!("{:?}", mistake.fault)))?);
                    From::Template(templates.len() - 1)
                }
            };
            match from.get_mut(place) {
                Some(known) => *known = source,
                None => from.push(source),
            }
        }
        let expressions = match set.is_empty() {
            true => None,
            false => Some(Expressions::new(&context.engine, &node.input, &set)?),
        };
        Ok(Self { schema: Arc::new(schema), from, expressions, templates })
    }

    fn shape(&self, records: &[&Record]) -> Vec<Result<Record, Reason>> {
        let values = match &self.expressions {
            Some(expressions) => expressions.evaluate(records),
            None => vec![Ok(Vec::new()); records.len()],
        };
        let shaped = records.iter().zip(values).map(|(record, values)| {
            let set = values.map_err(of_expression)?;
            let texts = self.templates.iter().map(|template| template.render(record));
            let texts =
                texts.collect::<Result<Vec<String>, RenderError>>().map_err(|error| of_template(&error))?;
            let value = |from: &From| match from {
                From::Field(at) => record.values[*at].clone(),
                From::Expression(at) => set[*at].clone(),
                From::Template(at) => texts[*at].as_str().into(),
            };
            Ok(record.with(&self.schema, self.from.iter().map(value).collect()))
        });
        shaped.collect()
    }
}

pub(crate) fn fields(
    input: RecordStream,
    node: &Node,
    reshape: &Reshape,
    context: &StageContext,
) -> Result<RecordStream, RunError> {
    let when = When::new(&context.engine, &node.input, node.when.as_deref())?;
    let shaper = Shaper::new(node, reshape, context)?;
    let (stage, meter) = (Arc::clone(&node.name), Arc::clone(context.meters.of(node.id)));
    let work = move |batch: Vec<Outcome>| {
        let shaped = |records: &[&Record]| shaper.shape(records);
        evaluated(batch, &when, &meter, &stage, shaped, |_, shaped| vec![Ok(shaped)])
    };
    let shutdown = context.database.shutdown.clone();
    let batches = chunk(input, READY, weight).scan((), move |(), batch| {
        let faulty = batch.iter().any(|_| shutdown.check(fault_injection::check("map")).is_none());
        future::ready((!faulty).then(|| stream::iter(work(batch))))
    });
    Ok(batches.flatten().boxed())
}

/// Applies `of` to the records of a batch for which `when` is true, and `then` to the result; all others pass
/// through. Counts outputs and failures.
fn evaluated<T>(
    batch: Vec<Outcome>,
    when: &When,
    meter: &Meter,
    stage: &Arc<str>,
    of: impl Fn(&[&Record]) -> Vec<Result<T, Reason>>,
    mut then: impl FnMut(Record, T) -> Vec<Outcome>,
) -> Vec<Outcome> {
    let mut out = Vec::with_capacity(batch.len());
    let mut records: Vec<Record> = Vec::with_capacity(batch.len());
    for outcome in batch {
        match outcome {
            Ok(record) => records.push(record),
            failure => out.push(failure),
        }
    }
    meter.taken.add(records.len() as u64);
    let wanted = when.test(&records.iter().collect::<Vec<_>>());
    let chosen: Vec<&Record> = records
        .iter()
        .zip(&wanted)
        .filter(|(_, wanted)| **wanted == Ok(true))
        .map(|(record, _)| record)
        .collect();
    let mut results = of(&chosen).into_iter();
    for (record, wanted) in records.into_iter().zip(wanted) {
        let result = match wanted {
            Ok(false) => {
                meter.done.add(1);
                out.push(Ok(record));
                continue;
            }
            Ok(true) => results
                .next()
                .unwrap_or_else(|| Err(of_expression("the expression returned nothing".to_owned()))),
            Err(error) => Err(of_expression(error)),
        };
        match result {
            Ok(value) => {
                let given = then(record, value);
                meter.done.add(given.len() as u64);
                out.extend(given);
            }
            Err((kind, reason)) => {
                meter.failed.add(1);
                out.push(Err(Failure::unsent(record, stage, kind, reason)));
            }
        }
    }
    out
}

/// Keeps the records for which a condition is true; the others are skipped.
pub(crate) fn filter(
    input: RecordStream,
    node: &Node,
    condition: &str,
    context: &StageContext,
) -> Result<RecordStream, RunError> {
    let condition = When::new(&context.engine, &node.input, Some(condition))?;
    let (stage, meter) = (Arc::clone(&node.name), Arc::clone(context.meters.of(node.id)));
    let work = move |batch: Vec<Outcome>| {
        let kept = |records: &[&Record]| -> Vec<Result<bool, Reason>> {
            condition.test(records).into_iter().map(|kept| kept.map_err(of_expression)).collect()
        };
        let only = |record: Record, kept: bool| {
            if kept {
                return vec![Ok(record)];
            }
            // A failure that nothing downstream sees still counts.
            let left_out = record.unrepaired();
            meter.skipped.add(u64::from(left_out.is_ok()));
            left_out.is_err().then_some(left_out).into_iter().collect()
        };
        evaluated(batch, &When::none(), &meter, &stage, kept, only)
    };
    Ok(chunk(input, READY, weight).map(move |batch| stream::iter(work(batch))).flatten().boxed())
}

pub(crate) fn split(
    input: RecordStream,
    node: &Node,
    split: &Split,
    parents: Option<Feed<Parent>>,
    context: &Arc<StageContext>,
) -> Result<RecordStream, RunError> {
    let when = When::new(&context.engine, &node.input, node.when.as_deref())?;
    let of = match &split.what {
        SplitWhat::Items => Some(LogicalType::List(Box::new(split.item.clone()))),
        SplitWhat::Chunks { .. } => Some(LogicalType::Varchar),
        SplitWhat::Samples => Some(LogicalType::BigInt),
        SplitWhat::Values(_) => None,
    };
    let expressions = |of| Expressions::new(&context.engine, &node.input, &[(split.of.clone(), of)]);
    let of = of.map(expressions).transpose()?;
    let mut schema = (*node.input.schema).clone();
    let item = schema.set(split.into.as_str(), split.item.clone());
    let has_index = split.what != SplitWhat::Samples;
    let index = has_index.then(|| schema.set(index_of(&split.into), LogicalType::BigInt));
    let schema = Arc::new(schema);
    let (what, stage, context) = (split.what.clone(), Arc::clone(&node.name), Arc::clone(context));
    let meter = Arc::clone(context.meters.of(node.id));
    let (is_gathered, mut seen) = (parents.is_some(), 0);
    let work = move |batch: Vec<Outcome>| {
        let list = |records: &[&Record]| match &of {
            Some(of) => {
                let values = of.evaluate(records).into_iter();
                values.map(|values| Ok(values.map_err(of_expression)?.pop().unwrap_or(Value::Null))).collect()
            }
            None => vec![Ok(Value::Null); records.len()],
        };
        let mut split = Vec::new();
        let parts = |record: Record, value: Value| {
            let parts = parts(value, &what);
            let count = parts.len();
            match count {
                // The gather emits it.
                0 if is_gathered => {}
                0 => meter.skipped.add(1),
                n => drop(context.meters.added.fetch_add(n as i64 - 1, Ordering::Relaxed)),
            }
            seen += i64::from(is_gathered);
            let part = |(at, part): (usize, Value)| {
                let number = at + 1;
                let mut values = record.values.to_vec();
                values.resize(schema.len(), Value::Null);
                values[item] = part;
                if let Some(index) = index {
                    values[index] = Value::Integer(number as i64);
                }
                let key = format!("{}#{number}", record.key).into();
                let mut piece = Record { key, ..record.with(&schema, values) };
                if is_gathered {
                    let mut about = (*record.about).clone();
                    about.pieces.push(PieceOf { record: seen, at: number as i64 });
                    piece.about = Arc::new(about);
                }
                Ok(piece)
            };
            let pieces = parts.into_iter().enumerate().map(part).collect();
            if is_gathered {
                split.push(Parent { number: seen, record: record.clone(), pieces: count as u64 });
            }
            pieces
        };
        let pieces = evaluated(batch, &when, &meter, &stage, list, parts);
        (split, pieces)
    };
    let batches = chunk(input, READY, weight).map(work);
    let Some(parents) = parents else {
        return Ok(batches.flat_map(|(_, pieces)| stream::iter(pieces)).boxed());
    };
    let handed_over = stream::unfold((batches, Some(parents)), |(mut batches, mut feed)| async move {
        let Some((split, pieces)) = batches.next().await else {
            feed.take()?.end().await;
            return None;
        };
        for parent in split {
            // Without a reader nothing waits for the pieces.
            let _ = feed.as_ref()?.send(parent).await;
        }
        Some((stream::iter(pieces), (batches, feed)))
    });
    Ok(handed_over.flatten().boxed())
}

/// The parts of a list or a text; NULL and an empty list have none. A chunk of white space alone is no part.
fn parts(of: Value, what: &SplitWhat) -> Vec<Value> {
    match (what, of) {
        (SplitWhat::Values(values), _) => values.iter().map(|value| Value::from(value.as_str())).collect(),
        (SplitWhat::Samples, Value::Integer(count)) => (1..=count).map(Value::Integer).collect(),
        (SplitWhat::Items, Value::List(items)) => items.to_vec(),
        (SplitWhat::Chunks { max_chars, overlap, by }, Value::Text(text)) => {
            let sections = match by {
                Boundary::Length => vec![&*text],
                Boundary::Paragraph => paragraphs(&text, *max_chars),
                Boundary::Heading => sections(&text),
            };
            let chunks = sections.into_iter().flat_map(|section| pieces(section, *max_chars, *overlap));
            chunks.filter(|chunk| !chunk.trim().is_empty()).map(Value::from).collect()
        }
        _ => Vec::new(),
    }
}
