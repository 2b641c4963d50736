//! CSV as in RFC 4180, with types proven over whole files. Called by [`describe`](super::describe) and
//! [`rows`](super::rows).
//!
//! The tokenizer is our own, based on `memchr`: after an unclosed quote, the crate `csv` reads to the end of the
//! file. It neither reports where the quote was opened nor can resume at the next line.

mod header;
mod records;
mod scan;

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    files::FileSet,
    record::{LogicalType, Schema, Value, same_name},
};

use super::{
    BadLine, Csv, Description, FileDescription, Options, Proofs, ReadError, Row,
    cast::Cast,
    columns::{Names, check_declared},
    description::Column,
    key_counts::KeySet,
    proof::{self, Proof},
    row::Output,
    stored_proof::{FileProof, known_or},
};

use records::{Record, Records, Step};

/// The columns of files, with types proven over all files together.
pub(super) fn describe(
    set: &FileSet,
    files: Vec<Arc<str>>,
    format: &Csv,
    options: &Options,
    known: Proofs<'_>,
) -> Result<Description, ReadError> {
    let mut names = Names::default();
    let mut proofs: Vec<Proof> = Vec::new();
    let (mut described, mut new) = (Vec::new(), Vec::new());
    for file in files {
        let records = header::open(set, &file, format)?;
        let stamp = records.stamp();
        let prove = || prove(records, options);
        let proof = known_or(&set.locate(&file), stamp, options, known, &mut new, prove)?;
        let (description, columns) = proof.described(Arc::clone(&file), stamp);
        described.push(description);
        for (name, proof) in columns {
            let at = names.add(&name);
            proofs.resize_with(names.len(), Proof::default);
            proofs[at].merge(proof, &file);
        }
    }
    if let [only] = &*described
        && only.names.is_empty()
    {
        let reason = "the file is empty; expected a line with the names of the columns".to_owned();
        return Err(ReadError::Header { file: Arc::clone(&only.path), reason });
    }
    check_declared(options, &names, true)?;
    let declared = |name: &str| options.types.get(name).cloned();
    let fields = names
        .all()
        .iter()
        .zip(&proofs)
        .map(|(name, proof)| (Arc::clone(name), declared(name).unwrap_or_else(|| proof.datatype())));
    let rows: u64 = described.iter().map(|file| file.rows).sum();
    let columns = names.all().iter().zip(&proofs).map(|(name, proof)| Column {
        declared: options.types.text || declared(name).is_some(),
        evidence: proof.evidence(),
        empty: rows - proof.values(),
        mixed: false,
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
fn prove(mut records: Records, options: &Options) -> Result<FileProof<Proof>, ReadError> {
    let is_key = |name: &str| options.key.iter().any(|key| same_name(key, name));
    let is_text = |name: &str| options.types.text || options.types.get(name).is_some() || is_key(name);
    let names = records.names().to_vec();
    let start = |name: &Arc<str>| if is_text(name) { Proof::text() } else { Proof::default() };
    let mut proofs: Vec<Proof> = names.iter().map(start).collect();
    let place = |key: &String| names.iter().position(|name| same_name(name, key));
    let key: Option<Vec<usize>> = options.key.iter().map(place).collect();
    let key = key.filter(|key| !key.is_empty());
    let mut keys = KeySet::default();
    let (mut rows, mut bad, mut whole) = (0, 0, true);
    loop {
        if options.prove.is_some_and(|most| records.used() >= most) && !records.at_end()? {
            whole = false;
            break;
        }
        match records.advance()? {
            Step::End => break,
            Step::Bad(_) => bad += 1,
            Step::Record => match records.record() {
                Err(_) => bad += 1,
                Ok(record) => {
                    rows += 1;
                    if let Some(key) = &key {
                        keys.see(key.iter().map(|cell| record.text(*cell)));
                    }
                    for (cell, proof) in proofs.iter_mut().enumerate() {
                        if let Some(text) = record.text(cell) {
                            proof.see(&text, || records.line());
                        }
                    }
                }
            },
        }
    }
    records.finish()?;
    let (delimiter, proven) = (Some(records.delimiter()), records.used());
    let columns = names.iter().cloned().zip(proofs).collect();
    Ok(FileProof { names, delimiter, proven, whole, rows, bad, keys: keys.counts, columns })
}

/// The rows of a file.
pub(super) fn rows(
    set: &FileSet,
    file: &FileDescription,
    format: &Csv,
    options: &Options,
    description: &Description,
    output: &mut Output<'_>,
) -> Result<ControlFlow<()>, ReadError> {
    let mut records = header::open(set, &file.path, format)?;
    if records.stamp() != file.stamp || records.names() != file.names {
        return Err(ReadError::changed(&file.path));
    }
    let fields = description.schema.fields();
    let places: Vec<(usize, &LogicalType, bool)> = records
        .names()
        .iter()
        .filter_map(|name| description.schema.position(name))
        .map(|at| (at, &fields[at].datatype, options.types.get(&fields[at].name).is_some()))
        .collect();
    if places.len() != file.names.len() {
        return Err(ReadError::changed(&file.path));
    }
    let cast = Cast::default();
    loop {
        let flow = match records.advance()? {
            Step::End => break,
            Step::Bad(bad) => output.bad(bad),
            Step::Record => {
                let line = records.line();
                let values = records.record().and_then(|record| {
                    let mut values = vec![Value::Null; fields.len()];
                    for (cell, (at, of, declared)) in places.iter().enumerate() {
                        values[*at] = value(&record, cell, of, *declared, &cast)
                            .map_err(|text| misfit(&records, &record, &fields[*at].name, &text, of))?;
                    }
                    Ok(values)
                });
                match values {
                    Ok(values) => output.row(Row { values, file: Arc::clone(&file.path), line }),
                    Err(bad) => output.bad(bad),
                }
            }
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    records.finish()?;
    Ok(ControlFlow::Continue(()))
}

/// The value of a field, or its text if it is invalid for the type.
fn value(
    record: &Record<'_>,
    cell: usize,
    of: &LogicalType,
    declared: bool,
    cast: &Cast,
) -> Result<Value, String> {
    let Some(text) = record.text(cell) else { return Ok(Value::Null) };
    let value = match declared {
        true => cast.value(&text, of),
        false => proof::value(&text, of),
    };
    value.ok_or_else(|| text.into_owned())
}

fn misfit(records: &Records, record: &Record<'_>, column: &str, text: &str, of: &LogicalType) -> BadLine {
    let shown = super::row::excerpt(text.as_bytes());
    let of = of.sql();
    let reason = format!(
        "the column `{column}` has the type {of}, and the value is `{shown}`; correct the line, or write \
         `types: {{ {column}: varchar }}`"
    );
    records.bad_record(record, reason)
}

#[cfg(test)]
mod tests;
