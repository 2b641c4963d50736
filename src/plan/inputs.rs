//! What a plan reads from outside the spec: paths and files; and the mistakes that are found.

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

    /// Reads a file that the spec names.
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

/// The short names of types; DuckDB's own are known as well.
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

/// The path that a text means: from the spec's folder for what the spec says, from the working
/// folder for what the command line or the environment says.
pub(super) fn resolve(text: &Text, folder: &Path) -> PathBuf {
    match text.origin {
        Writer::Spec => clean(&folder.join(&text.value)),
        Writer::Caller => clean(Path::new(&text.value)),
    }
}

/// The path without `.` and, as far as they can be resolved without looking, without `..`.
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
