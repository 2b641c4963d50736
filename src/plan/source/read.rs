//! Files with rows in them. Main type: [`ReadFiles`].

use crate::{
    diagnostic::Fault,
    files::FileSet,
    plan::compiler::Compiler,
    read::{self, Format},
    spec::{SourceSpec, Text, TypesSpec},
    units::Size,
};

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
            Ok(description) => Some(ReadFiles { set, options, description }),
            Err(read::ReadError::NoFile { pattern, skipped: None }) => {
                let missing = (!set.folder().is_dir()).then(|| set.folder().display().to_string());
                self.report(Fault::EmptyGlob { pattern, missing }, path.place.clone());
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

/// A one-line description of the files and their types.
pub(super) fn line(files: &ReadFiles) -> String {
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
    format!("{what} {}{delimiter}{part}", set.root.join(&set.pattern).display())
}
