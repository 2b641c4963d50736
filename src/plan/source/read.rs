//! Files with rows in them. Main type: [`ReadFiles`].

use crate::{
    diagnostic::Fault,
    files::FileSet,
    plan::{compiler::Compiler, line::one_line},
    read::{self, Evidence, Format},
    spec::{SourceSpec, Text, TypesSpec},
    units::Size,
};

use super::files::why_empty;

/// Files with rows in them.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadFiles {
    /// The files.
    pub set: FileSet,
    /// How they are read.
    pub options: read::Options,
    /// What was found in them when the plan was compiled.
    pub description: read::Description,
}

/// The bytes of a file read by `etl check`; the run reads a larger file completely before its first record.
const PROVEN_AT_CHECK: u64 = 64_000_000;

/// Whether the files are of another format: lines were read, and none has a field.
fn format_is_wrong(description: &read::Description) -> bool {
    description.schema.is_empty()
        && description.rows() == 0
        && description.files.iter().any(|file| file.bad > 0)
}

/// The most columns whose type is explained.
const MOST_SHOWN: usize = 8;

impl Compiler<'_> {
    /// Files with rows: their columns, and types proven over the part that `check` reads.
    pub(super) fn read(&mut self, path: &Text, format: Format, spec: &SourceSpec) -> Option<ReadFiles> {
        let set = FileSet::new(&self.path(path), Size(u64::MAX));
        let options = read::Options {
            types: self.types(&spec.types),
            key: spec.key.iter().map(|key| key.value.clone()).collect(),
            optional: spec.optional,
            prove: Some(PROVEN_AT_CHECK),
            ..read::Options::new(format)
        };
        match read::describe_with(&set, &options, self.around.proofs) {
            Ok(description) if format_is_wrong(&description) => {
                let bad: u64 = description.files.iter().map(|file| file.bad).sum();
                let what = format!(
                    "no line of the files is a JSON object ({bad} lines were read); for lines of values write `csv:`"
                );
                self.report(Fault::BadFile(what), path.place.clone());
                None
            }
            Ok(description)
                if description.schema.is_empty() && spec.optional && description.files.is_empty() =>
            {
                let what = format!("no file matches `{}`, so its columns are unknown", set.pattern);
                let help =
                    "write `types: { name: text }` with the columns that the stages below use".to_owned();
                self.report(Fault::Expression { what, help }, path.place.clone());
                None
            }
            Ok(description) => Some(ReadFiles { set, options, description }),
            Err(read::ReadError::NoFile { pattern, skipped: None }) => {
                self.report(Fault::EmptyGlob { pattern, why: why_empty(&set, path) }, path.place.clone());
                None
            }
            Err(error) => {
                self.report(Fault::BadFile(error.to_string()), path.place.clone());
                None
            }
        }
    }

    /// The types declared in `types:`.
    fn types(&mut self, spec: &TypesSpec) -> read::Types {
        let mut types = read::Types { text: spec.text, of: Vec::new() };
        for (name, word) in &spec.of {
            let of = self.declared(word);
            types.of.extend(of.map(|of| (name.value.to_string(), of)));
        }
        types
    }
}

/// What is read, and which values decided the types of columns.
pub(super) fn lines(files: &ReadFiles) -> Vec<String> {
    let ReadFiles { set, options, description } = files;
    let what = match options.format {
        Format::Csv(_) => "CSV",
        Format::Jsonl => "JSON lines",
        Format::Parquet => "Parquet",
    };
    let delimiter = description.files.iter().find_map(|file| file.delimiter);
    let delimiter = match delimiter {
        None => String::new(),
        Some(b'\t') => ", separated by tabs".to_owned(),
        Some(byte) => format!(", separated by `{}`", char::from(byte)),
    };
    let proven: u64 = description.files.iter().map(|file| file.proven).sum();
    let part = match description.is_whole() {
        true => String::new(),
        false => format!(", types from the first {}", Size(proven)),
    };
    let mut lines = vec![format!("{what} {}{delimiter}{part}", set.root.join(&set.pattern).display())];
    let columns = description.schema.fields().iter().zip(&description.columns);
    let mut decided = columns.filter_map(|(field, column)| Some((field, column.evidence.as_ref()?)));
    lines.extend(decided.by_ref().take(MOST_SHOWN).map(|(field, evidence)| {
        let Evidence { file, line, value } = evidence;
        format!(
            "{} is {} because of `{}` in {file}, line {line}",
            field.name,
            field.datatype.sql(),
            one_line(value)
        )
    }));
    let more = decided.count();
    if more > 0 {
        lines.push(format!("and {more} more columns because of such values"));
    }
    lines
}
