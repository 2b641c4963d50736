//! Inputs of a plan from outside the spec: paths and files; and the mistakes found in them.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    diagnostic::{Fault, Mistake, Place, Source as Written, Warning},
    record::LogicalType,
    spec::{Origin as Writer, Text},
};

use super::compiler::Compiler;

impl Compiler<'_> {
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        resolve(text, &self.spec.folder)
    }

    /// Reads a file named in the spec.
    pub(super) fn file(&mut self, text: &Text, what: &'static str) -> Option<Arc<Written>> {
        let path = self.path(text);
        let shown = if text.secret { text.shown().to_owned() } else { path.display().to_string() };
        match read_text(&path) {
            Ok(text) => Some(Written::new(&shown, &text)),
            Err(error) => {
                let fault = Fault::Unreadable { what, path: shown, why: plain(&error) };
                self.report(fault, text.place.clone());
                None
            }
        }
    }

    pub(super) fn report(&mut self, fault: Fault, place: Place) {
        self.mistakes.push(Mistake { fault, place });
    }

    pub(super) fn warn(&mut self, warning: Warning, place: Place) {
        self.warnings.push(Mistake { fault: Fault::Warning(warning), place });
    }
}

/// The short names of types; DuckDB's own names are also valid.
const DECLARED: &[(&str, LogicalType)] = &[
    ("text", LogicalType::Varchar),
    ("integer", LogicalType::BigInt),
    ("number", LogicalType::Double),
    ("boolean", LogicalType::Boolean),
    ("date", LogicalType::Date),
    ("timestamp", LogicalType::Timestamp),
    ("decimal", LogicalType::Decimal { width: 18, scale: 2 }),
    ("json", LogicalType::Json),
];

pub(super) fn declared_words() -> Vec<String> {
    DECLARED.iter().map(|(word, _)| (*word).to_owned()).collect()
}

pub(super) fn declared(word: &str) -> Option<LogicalType> {
    let word = word.trim();
    let short = DECLARED.iter().find(|(short, _)| short.eq_ignore_ascii_case(word)).map(|(_, of)| of.clone());
    short.or_else(|| Some(crate::record::parse_type(word)).filter(|of| !matches!(of, LogicalType::Other(_))))
}

/// Resolves a path: relative to the spec's folder if it is from the spec, relative to the working
/// folder if it is from the command line or the environment.
pub(super) fn resolve(text: &Text, folder: &Path) -> PathBuf {
    match text.origin {
        Writer::Spec => clean(&folder.join(&text.value)),
        Writer::Caller => clean(Path::new(&text.value)),
    }
}

/// The path without `.` and, if resolvable lexically, without `..`.
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

/// A system error without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
