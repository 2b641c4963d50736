//! What a plan reads from outside the spec: paths, files, globs, queries.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    datatype::DataType,
    diagnostic::{Fault, Mistake, Place, Source as Written},
    files::FileSet,
    spec::{Origin as Writer, SourceForm, SourceSpec, Text},
};

use super::{
    Origin, Source,
    compile::{Compiler, Shape},
};

/// What a source reads, its fields where they are known, and the one that identifies a record.
type Found = (Origin, Option<Vec<(String, DataType)>>, Option<String>);

impl Compiler<'_> {
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        resolve(text, &self.spec.folder)
    }

    /// Reads a file that the spec names.
    pub(super) fn file(&mut self, text: &Text, what: &'static str) -> Option<Arc<Written>> {
        let path = self.path(text);
        let shown = if text.secret { text.shown().to_owned() } else { path.display().to_string() };
        match read_text(&path) {
            Ok(text) => Some(Arc::new(Written { name: shown, text })),
            Err(error) => {
                let fault = Fault::Unreadable { what, path: shown, why: plain(&error) };
                self.report(fault, text.place.clone());
                None
            }
        }
    }

    /// Compiles a source; `None` for the shape where it cannot be known.
    pub(super) fn source(&mut self, spec: &SourceSpec) -> Option<(Source, Option<Shape>)> {
        let key = spec.key.as_ref().map(|key| key.value.clone());
        let (from, fields, key) = match &spec.form {
            SourceForm::Files(pattern) => {
                let set = self.files(pattern, spec)?;
                let fields = set.fields();
                (Origin::Files(set), Some(fields), key.or_else(|| Some("path".to_owned())))
            }
            SourceForm::Rows(rows) => {
                let rows: Vec<_> = rows.iter().map(|(_, row)| row.clone()).collect();
                let mut fields: Vec<(String, DataType)> = Vec::new();
                for (name, value) in rows.iter().filter_map(|row| row.as_object()).flatten() {
                    let of = DataType::of_value(value);
                    match fields.iter_mut().find(|(field, _)| field == name) {
                        Some((_, known)) => *known = known.or(&of),
                        None => fields.push((name.clone(), of)),
                    }
                }
                (Origin::Rows(rows), Some(fields), key)
            }
            SourceForm::Sql(query) => self.query(query, &query.value, key),
            SourceForm::Jsonl(path) => {
                self.table(path, "read_json", ", format = 'newline_delimited'", key)?
            }
            SourceForm::Csv(path) => self.table(path, "read_csv", "", key)?,
            SourceForm::Parquet(path) => self.table(path, "read_parquet", "", key)?,
        };
        if let (Some(fields), Some(spec_key)) = (&fields, &spec.key)
            && !fields.iter().any(|(name, _)| *name == spec_key.value)
        {
            let known = fields.iter().map(|(name, _)| name.clone()).collect();
            let fault = Fault::UnknownField { name: spec_key.value.clone(), known };
            self.report(fault, spec_key.place.clone());
        }
        let shape = fields.map(|fields| Shape { fields, key: key.clone(), ..Shape::default() });
        Some((Source { from, key, limit: spec.limit }, shape))
    }

    fn files(&mut self, pattern: &Text, spec: &SourceSpec) -> Option<FileSet> {
        let set = FileSet { content: spec.content, ..FileSet::new(&self.path(pattern), spec.max_bytes) };
        let shown = || {
            if pattern.secret {
                pattern.shown().to_owned()
            } else {
                set.root.join(&set.pattern).display().to_string()
            }
        };
        // An empty parameter at the start of a path makes another path of it, and a far larger one.
        let whole_disk = set.root == Path::new("/") && set.pattern.starts_with(['*', '?', '[', '{']);
        let fault = match set.paths() {
            _ if whole_disk => {
                let why = "it would read the whole disk; is a parameter or a variable empty?".to_owned();
                Fault::BadGlob { pattern: shown(), why }
            }
            Err(error) => Fault::BadGlob { pattern: shown(), why: error.kind().to_string() },
            Ok(mut paths) => match paths.find(Result::is_ok) {
                Some(_) => return Some(set),
                None => {
                    let missing = (!set.folder().is_dir()).then(|| set.folder().display().to_string());
                    Fault::EmptyGlob { pattern: shown(), missing }
                }
            },
        };
        self.report(fault, pattern.place.clone());
        None
    }

    fn table(&mut self, path: &Text, function: &str, options: &str, key: Option<String>) -> Option<Found> {
        let resolved = self.path(path);
        let set = FileSet::new(&resolved, crate::units::Size(u64::MAX));
        if !set.paths().is_ok_and(|mut paths| paths.any(|path| path.is_ok())) {
            let missing = (!set.folder().is_dir()).then(|| set.folder().display().to_string());
            self.report(
                Fault::EmptyGlob { pattern: resolved.display().to_string(), missing },
                path.place.clone(),
            );
            return None;
        }
        // Absolute, because relative paths in queries start at the spec's folder.
        let absolute = std::path::absolute(&resolved).unwrap_or(resolved);
        let literal = absolute.display().to_string().replace('\'', "''");
        Some(self.query(path, &format!("SELECT * FROM {function}('{literal}'{options})"), key))
    }

    fn query(&mut self, text: &Text, query: &str, key: Option<String>) -> Found {
        let query = query.trim().trim_end_matches(';').to_owned();
        let fields = match (self.around.describe)(&query) {
            Ok(fields) => Some(fields),
            Err(why) => {
                self.report(Fault::BadQuery(why), text.place.clone());
                None
            }
        };
        (Origin::Query(query), fields, key)
    }

    pub(super) fn report(&mut self, fault: Fault, place: Place) {
        self.mistakes.push(Mistake { fault, place });
    }
}

/// The path that a text means: from the spec's folder for what the spec says, from the working
/// folder for what the command line or the environment says.
pub(super) fn resolve(text: &Text, folder: &Path) -> PathBuf {
    match text.origin {
        Writer::Spec => clean(&folder.join(&text.value)),
        Writer::Caller => clean(Path::new(&text.value)),
    }
}

/// The path without `.` and, as far as they can be told without looking, without `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

pub(super) fn read_text(path: &Path) -> io::Result<String> {
    fs::read(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text (byte {at})"))
        })
    })
}

/// An error of the system without its number, which tells nobody anything.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
