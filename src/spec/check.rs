//! Tree + description → checked values: the generic part of reading a spec.
//!
//! Reports all shape mistakes at once, each with its place. Typed shapes are built from the checked values.

use std::ops::Range;

use crate::diagnostic::Fault;

use super::{
    describe::{self, Shape, Type},
    keys::{self, Entries, Expected},
    reader::Reader,
    scalar::{fits, scalar, wrong},
    schema::{self, SchemaSpec},
    short_schema::{self, Short},
    text::Name,
    tree::{Kind, Node},
    unquoted,
    value::{Checked, Entry, Value},
};

/// The value of a node, if it fits; otherwise its mistakes are reported. `stage` is the stage that contains the
/// node, for messages.
pub(crate) fn check(
    node: &Node,
    holds: &Type,
    stage: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Option<Value> {
    match (holds, &node.kind) {
        (Type::List(of, _) | Type::Many(of), Kind::List(items)) => {
            Some(Value::List(items.iter().filter_map(|item| check(item, of, stage, reader)).collect()))
        }
        (Type::Many(of), kind) if fits(kind, of) => check(node, of, stage, reader),
        // An empty list, because an absent key means something else: a stage without `from:` reads the one above.
        (Type::Many(_), _) => {
            reader.wrong(node, holds.wanted());
            Some(Value::List(Vec::new()))
        }
        (Type::Map(shape), Kind::Map(entries)) => {
            Some(Value::Map(mapping(entries, &node.span, shape, stage, reader)))
        }
        (Type::Own(is_name, of, _), Kind::Map(entries)) => {
            let mut own = Vec::with_capacity(entries.len());
            let mut skip = 0;
            for (at, (key, node)) in entries.iter().enumerate() {
                if at < skip {
                    continue;
                }
                let cut = unquoted::is_expression(of)
                    .then(|| unquoted::cut_at_commas(&reader.source.text, &entries[at..]))
                    .flatten();
                if let Some((count, write)) = cut {
                    let what =
                        format!("the comma ends the value of `{}` in a flow mapping of YAML", key.name);
                    reader.report(node.span.clone(), Fault::Unquoted { what, write });
                    skip = at + count;
                    continue;
                }
                let (name, value) = (reader.own_key(key, *is_name), check(node, of, stage, reader));
                own.extend(name.zip(value));
            }
            Some(Value::Own(own))
        }
        (Type::Json(_), Kind::Map(_)) => {
            Some(Value::Json(reader.place(node.span.clone()), reader.json(node), reader.json_text(node)))
        }
        (Type::Schema, Kind::Map(entries)) if short_schema::is_json_schema(entries) => {
            Some(Value::Schema(json_schema(node, reader).unwrap_or(SchemaSpec::Wrong)))
        }
        (Type::Schema, Kind::Map(_) | Kind::List(_)) => {
            let place = reader.place(node.span.clone());
            let short = short_schema::read(node, reader);
            let schema = short.map(|Short { json, datatype, .. }| SchemaSpec::Short(place, json, datatype));
            Some(Value::Schema(schema.unwrap_or(SchemaSpec::Wrong)))
        }
        (Type::Tagged(what, _, shapes), Kind::Map(entries)) if !entries.is_empty() => {
            tagged(entries, what, shapes, reader).map(Value::Map)
        }
        (holds, kind @ (Kind::List(_) | Kind::Map(_)))
            if unquoted::is_expression(holds) && (!fits(kind, holds) || is_struct(kind, reader)) =>
        {
            match unquoted::brackets(&reader.source.text, node) {
                Some(write) => {
                    let what =
                        "an expression that begins with a bracket is a list or a mapping of YAML".to_owned();
                    reader.report(node.span.clone(), Fault::Unquoted { what, write });
                    None
                }
                None => wrong(node, holds, reader),
            }
        }
        (Type::Either(types), kind) => match types.iter().find(|holds| fits(kind, holds)) {
            Some(one) if matches!(kind, Kind::Map(_) | Kind::List(_)) => check(node, one, stage, reader),
            Some(one) => scalar(node, one, holds, reader),
            None => wrong(node, holds, reader),
        },
        _ => scalar(node, holds, holds, reader),
    }
}

/// Whether a mapping is an SQL struct, whose names are in single quotes.
fn is_struct(kind: &Kind, reader: &Reader<'_>) -> bool {
    let Kind::Map(entries) = kind else { return false };
    entries.first().is_some_and(|(key, _)| {
        let written = reader.source.text.get(key.span.clone()).unwrap_or_default();
        written.starts_with('\'')
    })
}

/// A JSON Schema written in the spec.
fn json_schema(node: &Node, reader: &mut Reader<'_>) -> Option<SchemaSpec> {
    let json = reader.json(node);
    if let Err(error) = jsonschema::options().build(&json) {
        // Follow the path of keys to the mistake through the tree.
        let mut at = node;
        for name in error.instance_path().as_str().split('/').skip(1) {
            let inner = match &at.kind {
                Kind::Map(entries) => {
                    entries.iter().find(|(key, _)| key.name == name).map(|(_, inner)| inner)
                }
                Kind::List(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            let Some(inner) = inner else { break };
            at = inner;
        }
        reader.report(at.span.clone(), Fault::BadSchema { why: error.to_string() });
        return None;
    }
    if let Some((word, fault)) = schema::flaw(&json) {
        let text = reader.source.text.get(node.span.start..).unwrap_or_default();
        let at = node.span.start + text.find(&word).unwrap_or_default();
        let span = at..at + word.len();
        reader.report(span, Fault::Schema(fault));
        return None;
    }
    Some(SchemaSpec::Json(reader.place(node.span.clone()), json))
}

/// A mapping with the keys of a shape.
pub(crate) fn mapping(
    entries: &Entries,
    at: &Range<usize>,
    shape: &'static Shape,
    stage: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Checked {
    let expected = Expected::of(shape);
    let form = keys::review(entries, at, &expected, stage, reader);
    let entries = values(entries, &expected.known, stage, reader);
    let mut checked = Checked { shape: shape.name, form, entries };
    if let Some(broken) = shape.rule.and_then(|rule| rule(&checked)) {
        let place = checked.take(broken.key).map_or_else(|| at.clone(), |entry| entry.span);
        reader.report(place, broken.fault);
    }
    checked
}

/// A mapping whose first key selects one of several shapes, with its name as the value.
fn tagged(
    entries: &Entries,
    what: &'static str,
    shapes: &'static [&'static Shape],
    reader: &mut Reader<'_>,
) -> Option<Checked> {
    let (tag, name) = entries.first()?;
    let candidates: Vec<&'static Shape> =
        shapes.iter().copied().filter(|shape| shape.tag() == tag.name).collect();
    let Some(first) = candidates.first() else {
        let mut known: Vec<String> = shapes.iter().map(|shape| shape.tag().to_owned()).collect();
        known.dedup();
        reader.report(tag.span.clone(), Fault::UnknownWord { what, found: tag.name.clone(), known });
        reader.lose(name);
        return None;
    };
    let stage = reader.name_of(name);
    if stage.is_none() {
        reader.lose(name);
    }
    let count = match keys::select(entries, &candidates) {
        Ok(shape) => return Some(mapping(entries, &tag.span, shape, stage.as_ref(), reader)),
        Err(count) => count,
    };
    let expected = Expected::any_of(&candidates);
    keys::review(entries, &tag.span, &expected, stage.as_ref(), reader);
    let forms = candidates.iter().flat_map(|shape| shape.choice.exclusive()).copied().collect();
    keys::forms_fault(first.tag(), count, forms, stage.as_ref(), reader);
    let entries = values(entries, &expected.known, stage.as_ref(), reader);
    Some(Checked { shape: first.tag(), form: None, entries })
}

/// The values of the known keys; the first of duplicate keys, since the others have been reported.
fn values(
    entries: &Entries,
    known: &[&'static describe::Key],
    stage: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Vec<Entry> {
    let mut checked: Vec<Entry> = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let Some(known) = known.iter().find(|known| known.name == key.name) else { continue };
        if checked.iter().any(|entry| entry.name == known.name) {
            continue;
        }
        let value = check(node, &known.holds, stage, reader);
        let (span, secret) = (node.span.clone(), node.is_secret());
        checked.extend(value.map(|value| Entry { name: known.name, span, secret, value }));
    }
    checked
}
