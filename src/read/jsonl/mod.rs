//! JSON Lines: one object per line, with values as written. Called by [`describe`](super::describe) and
//! [`rows`](super::rows).
//!
//! `serde_json` parses the grammar and returns each value as raw text, so that a number keeps all its
//! digits; the rest (duplicate keys, lone surrogates, positions in the line) is handled while descending.

mod inferred;
mod line_error;
mod lines;
mod node;
mod number;
mod shape;
mod value;

use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

use crate::{
    files::FileSet,
    record::{LogicalType, Schema, Value, same_name},
};

use super::{
    Description, FileDescription, Options, Proofs, ReadError, Row,
    cast::Cast,
    columns::{Names, check_declared},
    description::Column,
    key_counts::KeySet,
    row::Output,
    stored_proof::{FileProof, known_or},
};

pub use inferred::{Inferred, inferred};
pub(super) use number::decimal;
pub(super) use value::{is_json, nested};

use line_error::LineError;
use lines::{Lines, Step};
use node::{Kind, Member};
use shape::Shape;

/// The most top-level keys that can become columns.
const MOST_COLUMNS: usize = 10_000;

/// The columns of files: every key of every line.
pub(super) fn describe(
    set: &FileSet,
    files: Vec<Arc<str>>,
    options: &Options,
    known: Proofs<'_>,
) -> Result<Description, ReadError> {
    let mut names = Names::default();
    let mut shapes: Vec<Shape> = Vec::new();
    let (mut described, mut new) = (Vec::new(), Vec::new());
    for file in files {
        let lines = Lines::open(set, &file)?;
        let stamp = lines.stamp();
        let prove = || prove(lines, &file, options);
        let proof = known_or(&set.locate(&file), stamp, options, known, &mut new, prove)?;
        let (description, columns) = proof.described(Arc::clone(&file), stamp);
        described.push(description);
        for (name, shape) in columns {
            let at = names.add(&name);
            shapes.resize_with(names.len(), Shape::default);
            shapes[at].merge(shape);
        }
        few_columns(&names, &file)?;
    }
    check_declared(options, &names, false)?;
    // A column with a declared type exists even if no line has its key.
    for (name, _) in &options.types.of {
        names.add(name);
    }
    shapes.resize_with(names.len(), Shape::default);
    let declared = |name: &str| options.types.get(name).cloned();
    let fields = names
        .all()
        .iter()
        .zip(&shapes)
        .map(|(name, shape)| (Arc::clone(name), declared(name).unwrap_or_else(|| shape.datatype())));
    let rows: u64 = described.iter().map(|file| file.rows).sum();
    let columns = names.all().iter().zip(&shapes).map(|(name, shape)| Column {
        declared: declared(name).is_some(),
        evidence: None,
        empty: rows - shape.values(),
        mixed: declared(name).is_none() && shape.is_mixed(),
    });
    Ok(Description {
        schema: Schema::new(fields),
        columns: columns.collect(),
        files: described,
        skipped: Vec::new(),
        proofs: new,
    })
}

/// The proof for a single file.
fn prove(mut lines: Lines, file: &Arc<str>, options: &Options) -> Result<FileProof<Shape>, ReadError> {
    let mut names = Names::default();
    let mut shapes: Vec<Shape> = Vec::new();
    let mut keys = KeySet::default();
    let (mut rows, mut bad, mut whole) = (0, 0, true);
    loop {
        if options.prove.is_some_and(|most| lines.used() >= most) && !lines.at_end()? {
            whole = false;
            break;
        }
        match lines.advance()? {
            Step::End => break,
            Step::Bad(_) => bad += 1,
            Step::Line => match lines.text().and_then(node::object).and_then(|members| {
                let places = places(&mut names, &members)?;
                Ok((members, places))
            }) {
                Ok((members, places)) => {
                    rows += 1;
                    if !options.key.is_empty() {
                        keys.see(options.key.iter().map(|key| value_of(&members, key)));
                    }
                    shapes.resize_with(names.len(), Shape::default);
                    for (member, at) in members.iter().zip(places) {
                        shapes[at].see(&member.node);
                    }
                }
                Err(_) => bad += 1,
            },
        }
        few_columns(&names, file)?;
    }
    lines.finish()?;
    let columns = names.all().iter().cloned().zip(shapes).collect();
    let (names, delimiter, proven) = (Vec::new(), None, lines.used());
    Ok(FileProof { names, delimiter, proven, whole, rows, bad, keys: keys.counts, columns })
}

/// A member that is not null, as it is compared: a text without its escapes.
fn value_of<'a>(members: &'a [Member<'_>], name: &str) -> Option<&'a str> {
    let member = members.iter().find(|member| same_name(&member.key, name))?;
    match &member.node.kind {
        Kind::Null => None,
        Kind::Text(text) => Some(text),
        _ => Some(member.node.raw),
    }
}

fn few_columns(names: &Names, file: &Arc<str>) -> Result<(), ReadError> {
    if names.len() <= MOST_COLUMNS {
        return Ok(());
    }
    let reason = format!(
        "the lines have more than {MOST_COLUMNS} different keys, too many for columns; move the varying \
         part of the keys into a separate field"
    );
    Err(ReadError::Header { file: Arc::clone(file), reason })
}

/// The columns of an object's members, with new ones added; an error if the keys cannot be columns.
fn places(names: &mut Names, members: &[Member<'_>]) -> Result<Vec<usize>, LineError> {
    let mut places = Vec::with_capacity(members.len());
    let mut taken = vec![false; names.len()];
    let mut new: HashSet<String> = HashSet::new();
    for (guess, member) in members.iter().enumerate() {
        LineError::if_empty(&member.key, member.at)?;
        let place = names.find_near(guess, &member.key);
        let is_new = match place {
            Some(at) => !std::mem::replace(&mut taken[at], true),
            None => new.insert(member.key.to_lowercase()),
        };
        if !is_new {
            return Err(LineError::twice(&member.key, member.at));
        }
        places.push(place);
    }
    let known = places.into_iter().zip(members);
    Ok(known.map(|(place, member)| place.unwrap_or_else(|| names.add(&member.key))).collect())
}

/// The rows of a file.
pub(super) fn rows(
    set: &FileSet,
    file: &FileDescription,
    options: &Options,
    description: &Description,
    output: &mut Output<'_>,
) -> Result<ControlFlow<()>, ReadError> {
    let mut lines = Lines::open(set, &file.path)?;
    if lines.stamp() != file.stamp {
        return Err(ReadError::changed(&file.path));
    }
    let columns = Columns::new(options, description);
    loop {
        let flow = match lines.advance()? {
            Step::End => break,
            Step::Bad(bad) => output.bad(bad),
            Step::Line => {
                let row = lines.text().and_then(node::object).and_then(|members| columns.row(&members));
                match row {
                    Ok(values) => {
                        let line = lines.line();
                        output.row(Row { values, file: Arc::clone(&file.path), line })
                    }
                    Err(fault) => {
                        let bad = lines.bad(&fault);
                        output.bad(bad)
                    }
                }
            }
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    lines.finish()?;
    Ok(ControlFlow::Continue(()))
}

/// The target columns of members, and their types.
struct Columns<'a> {
    names: Names,
    types: Vec<(&'a LogicalType, bool)>,
    cast: Cast,
}

impl<'a> Columns<'a> {
    fn new(options: &Options, description: &'a Description) -> Self {
        let fields = description.schema.fields();
        let types =
            fields.iter().map(|field| (&field.datatype, options.types.get(&field.name).is_some())).collect();
        Self { names: Names::of(description.schema.names()), types, cast: Cast::default() }
    }

    fn row(&self, members: &[Member<'_>]) -> Result<Vec<Value>, LineError> {
        let mut values = vec![Value::Null; self.types.len()];
        let mut filled = vec![false; self.types.len()];
        for (guess, member) in members.iter().enumerate() {
            LineError::if_empty(&member.key, member.at)?;
            let Some(at) = self.names.find_near(guess, &member.key) else {
                let reason = format!(
                    "the key `{}` first appears after the part of the file that the columns were read from; \
                     declare its type in `types:`",
                    member.key
                );
                return Err(LineError::new(member.at, reason));
            };
            if std::mem::replace(&mut filled[at], true) {
                return Err(LineError::twice(&member.key, member.at));
            }
            let (of, declared) = self.types[at];
            let value = match declared {
                true => value::declared(&member.node, of, &|text, of| self.cast.value(text, of)),
                false => value::proven(&member.node, of),
            };
            values[at] = value.ok_or_else(|| misfit(member, of))?;
        }
        Ok(values)
    }
}

fn misfit(member: &Member<'_>, of: &LogicalType) -> LineError {
    let shown = super::row::excerpt(member.node.raw.as_bytes());
    let reason = format!("the column `{}` has the type {}, and the value is {shown}", member.key, of.sql());
    LineError::new(member.at, reason)
}

#[cfg(test)]
mod tests;
