//! A pattern of files, with one record per file.

use std::path::Path;

use crate::{
    diagnostic::Fault,
    files::FileSet,
    plan::compiler::Compiler,
    spec::{SourceSpec, Text},
};

impl Compiler<'_> {
    /// The files of a pattern. At least one must match, unless the source is optional.
    pub(super) fn files(&mut self, pattern: &Text, spec: &SourceSpec) -> Option<FileSet> {
        let set = FileSet {
            content: spec.content,
            optional: spec.optional,
            ..FileSet::new(&self.path(pattern), spec.max_bytes)
        };
        let shown = || {
            if pattern.secret {
                pattern.shown().to_owned()
            } else {
                set.root.join(&set.pattern).display().to_string()
            }
        };
        // An empty parameter at the start of a path turns it into a pattern over the root folder.
        let whole_disk = set.root == Path::new("/") && set.pattern.starts_with(['*', '?', '[', '{']);
        let fault = match set.paths() {
            _ if whole_disk => {
                let why = "it would read the whole disk; is a parameter or a variable empty?".to_owned();
                Fault::BadGlob { pattern: shown(), why }
            }
            Err(error) => Fault::BadGlob { pattern: shown(), why: error.kind().to_string() },
            Ok(mut paths) => match paths.find(Result::is_ok) {
                found if found.is_some() || spec.optional => return Some(set),
                _ => Fault::EmptyGlob { pattern: shown(), why: why_empty(&set, pattern) },
            },
        };
        self.report(fault, pattern.place.clone());
        None
    }
}

/// Why a pattern matches no file, unless its folder has none.
pub(super) fn why_empty(set: &FileSet, pattern: &Text) -> Option<String> {
    if pattern.secret {
        return None;
    }
    let folder = set.folder();
    let whole = set.root.join(&set.pattern);
    if whole.is_dir() {
        return Some(format!(
            "this is a folder; its files are `{}`",
            Path::new(&set.pattern).join("*").display()
        ));
    }
    (!folder.is_dir()).then(|| format!("there is no folder `{}`", folder.display()))
}
