//! A folder of files for tests to write and read back. Main type: [`Folder`].

use std::{fs, ops::ControlFlow};

use crate::{files::FileSet, record::Value, units::Size};

use super::{BadLine, Csv, Description, Entry, Format, Options, ReadError, Row, describe, rows};

pub(super) struct Folder(pub(super) tempfile::TempDir);

/// The result of reading files.
pub(super) struct Read {
    pub(super) description: Description,
    pub(super) rows: Vec<Row>,
    pub(super) bad: Vec<BadLine>,
}

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file.
    pub(super) fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, bytes);
        folder
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn set(&self, pattern: &str) -> FileSet {
        FileSet::new(&self.0.path().join(pattern), Size(u64::MAX))
    }

    pub(super) fn read(&self, pattern: &str, options: &Options) -> Result<Read, ReadError> {
        let set = self.set(pattern);
        let description = describe(&set, options)?;
        let (mut all, mut bad) = (Vec::new(), Vec::new());
        let counts = rows(&set, options, &description, &mut |entry| {
            match entry {
                Entry::Row(row) => all.push(row),
                Entry::Bad(line) => bad.push(line),
            }
            ControlFlow::Continue(())
        })?;
        assert_eq!((counts.rows, counts.bad), (all.len() as u64, bad.len() as u64));
        Ok(Read { description, rows: all, bad })
    }
}

impl Read {
    /// The columns and their types, as in `id BIGINT, name VARCHAR`.
    pub(super) fn types(&self) -> String {
        let fields = self.description.schema.fields().iter();
        fields.map(|field| format!("{} {}", field.name, field.datatype.sql())).collect::<Vec<_>>().join(", ")
    }

    /// The values of a column.
    pub(super) fn column(&self, name: &str) -> Vec<Value> {
        let at = self.description.schema.position(name).unwrap();
        self.rows.iter().map(|row| row.values[at].clone()).collect()
    }

    /// The texts of a column, `NULL` for NULL.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let text = |value: &Value| value.leaf().map_or("NULL".to_owned(), std::borrow::Cow::into_owned);
        self.column(name).iter().map(text).collect()
    }

    /// The numbers of the bad lines.
    pub(super) fn bad_lines(&self) -> Vec<u64> {
        self.bad.iter().map(|bad| bad.line).collect()
    }
}

pub(super) fn csv() -> Options {
    Options::new(Format::Csv(Csv::default()))
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
