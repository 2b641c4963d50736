//! Files and URLs attached to a request: the checks that need no record.

use std::path::{Path, PathBuf};

use crate::{
    diagnostic::Fault,
    files::FileSet,
    spec::{Form, LARGEST_FILE, Origin, Prompt, SourceForm, Text},
};

use super::{Attachment, compiler::Compiler, inputs::clean, shape::Shape};

impl Compiler<'_> {
    /// Compiles the template of a URL or a path.
    ///
    /// The values of a record select a file, never the folder. The folder is the constant prefix of the template
    /// or, without a prefix, the spec's own folder and the folders that its sources read from.
    pub(super) fn attachment(
        &mut self,
        text: &Text,
        what: &'static str,
        shape: Option<&Shape>,
    ) -> Option<Attachment> {
        let address = self.prompt(&Prompt::Inline(text.clone()), shape)?;
        let base = match text.origin {
            Origin::Spec => self.spec.folder.clone(),
            Origin::Caller => PathBuf::new(),
        };
        let (prefix, is_constant) = constant(&text.value);
        if is_constant && !is_address(prefix) {
            let path = clean(&base.join(prefix));
            if !path.is_file() {
                let shown = if text.secret { text.shown().to_owned() } else { path.display().to_string() };
                let why = "there is no such file".to_owned();
                self.report(Fault::Unreadable { what, path: shown, why }, text.place.clone());
            }
        }
        let within = match prefix {
            "" => [or_here(&base)].into_iter().chain(self.source_folders()).collect(),
            _ => vec![clean(&base.join(prefix.rfind('/').map_or("", |at| &prefix[..=at])))],
        };
        let folders: Vec<String> = within.iter().map(|folder| folder.display().to_string()).collect();
        let shown = match text.secret {
            true => text.shown().to_owned(),
            false => {
                format!("{}, files up to {LARGEST_FILE} from {}", text.value.trim(), folders.join(" or "))
            }
        };
        Some(Attachment { address, shown, base, within })
    }

    fn source_folders(&self) -> Vec<PathBuf> {
        let sources = self.spec.stages.iter().filter_map(|stage| match &stage.form {
            Some(Form::Source(source)) => match &source.form {
                SourceForm::Files(pattern) => Some((self.path(pattern), source.max_bytes)),
                _ => None,
            },
            _ => None,
        });
        sources.map(|(pattern, size)| FileSet::new(&pattern, size).folder().to_owned()).collect()
    }
}

fn or_here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
}

/// The constant prefix of a template, and whether it is the whole template.
fn constant(template: &str) -> (&str, bool) {
    let text = template.trim();
    let values = ["{{", "{%", "{#"];
    match values.iter().filter_map(|open| text.find(open)).min() {
        Some(at) => (&text[..at], false),
        None => (text, true),
    }
}

/// Whether a text is a URL rather than a path.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_in_any_case() {
        assert!(["https://x.org", "DATA:image/png;base64,AA"].into_iter().all(is_address));
        assert!(!["data", "dä:x", "pages/a.png"].into_iter().any(is_address));
    }

    #[test]
    fn a_template_begins_with_what_no_record_can_change() {
        assert_eq!(constant(" pages/{{ name }}.png"), ("pages/", false));
        assert_eq!(constant("{% if a %}a{% endif %}"), ("", false));
        assert_eq!(constant("logo.png"), ("logo.png", true));
    }
}
