//! Readers of files: CSV, JSON Lines and Parquet → typed rows, with values as written.
//!
//! [`describe`] proves the types over whole files; [`rows`] outputs each row, or the reason why a line is bad.
//! An error that ends the read is a [`ReadError`] and never looks like the end of the data. Called by
//! the plan (types) and by sources (rows); both block their thread.

mod buffer;
mod cast;
mod columns;
mod compression;
mod csv;
mod decode;
mod description;
mod error;
mod file_description;
#[cfg(test)]
mod fixture;
mod input;
mod jsonl;
mod key_counts;
mod options;
mod parquet;
mod proof;
mod row;
mod stored_proof;

use std::{ops::ControlFlow, sync::Arc};

use crate::files::FileSet;

pub use description::{Column, Description, Evidence};
pub use error::ReadError;
pub use file_description::FileDescription;
pub use jsonl::{Inferred, inferred};
pub use key_counts::KeyCounts;
pub use options::{Csv, Encoding, Format, Options, Types};
pub use row::{BadLine, Counts, Entry, Row};
pub use stored_proof::{ProofId, Proofs, StoredProof, no_proofs};

use row::Output;

/// The columns of the files of a set, with types proven over their whole content.
///
/// # Errors
/// An invalid pattern, no file (without `optional`), a file that cannot be read or has no usable header,
/// types of two files without a common type.
pub fn describe(set: &FileSet, options: &Options) -> Result<Description, ReadError> {
    describe_with(set, options, &no_proofs)
}

/// As [`describe`], but does not read an unchanged file with an earlier proof.
///
/// # Errors
/// As [`describe`].
pub fn describe_with(set: &FileSet, options: &Options, known: Proofs<'_>) -> Result<Description, ReadError> {
    let mut files = Vec::new();
    let mut skipped = Vec::new();
    let listed = set.paths().map_err(|error| ReadError::Pattern(error.to_string()))?;
    for item in listed {
        match item {
            Ok(path) => files.push(Arc::from(path)),
            Err(error) => skipped.push(BadLine {
                file: error.path().into(),
                line: 0,
                reason: error.to_string(),
                raw: String::new(),
            }),
        }
    }
    let is_empty = files.is_empty();
    if is_empty && !options.optional {
        let pattern = set.root.join(&set.pattern).display().to_string();
        return Err(ReadError::NoFile { pattern, skipped: skipped.into_iter().next() });
    }
    let mut description = match &options.format {
        Format::Csv(format) => csv::describe(set, files, format, options, known)?,
        Format::Jsonl => jsonl::describe(set, files, options, known)?,
        Format::Parquet => parquet::describe(set, files, options)?,
    };
    if is_empty {
        // Without files, only `types:` gives the columns.
        let columns = options.types.of.iter().map(|(name, of)| (name.as_str(), of.clone()));
        description.schema = crate::record::Schema::new(columns);
    }
    description.skipped = skipped;
    Ok(description)
}

/// Passes the rows and bad lines of the described files to `each`, file by file in order. `each` may end the
/// read early. Matches that are not files come first, as bad lines with number 0.
///
/// # Errors
/// A file that cannot be opened or read to its end, that is damaged, or that changed since it was described.
pub fn rows(
    set: &FileSet,
    options: &Options,
    description: &Description,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<Counts, ReadError> {
    let mut output = Output::new(each, options.max);
    for skipped in &description.skipped {
        if output.bad(skipped.clone()).is_break() {
            return Ok(output.counts);
        }
    }
    let engine = parquet::Engine::default();
    for file in &description.files {
        let flow = match &options.format {
            Format::Csv(format) => csv::rows(set, file, format, options, description, &mut output)?,
            Format::Jsonl => jsonl::rows(set, file, options, description, &mut output)?,
            Format::Parquet => parquet::rows(&engine, set, file, options, description, &mut output)?,
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(output.counts)
}
