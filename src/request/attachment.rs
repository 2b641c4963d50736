//! Images and documents sent with a prompt, by URL or from a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    plan,
    record::Record,
    spec::LARGEST_FILE,
    task,
    template::{RenderError, Template, TemplateMistake},
};

use super::media_type;

/// A URL or path rendered from a record.
pub(crate) struct Attachment {
    template: Template,
    base: PathBuf,
    within: Vec<PathBuf>,
    pub(crate) kind: Kind,
}

/// How it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Document,
}

/// Why a file cannot be attached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachmentError {
    #[error(transparent)]
    Template(#[from] RenderError),
    #[error("the template of an image or a document renders to nothing: expected a URL or a path")]
    Nothing,
    #[error("`{0}` cannot be fetched: expected a path, or a URL with `https://` or `data:`")]
    Scheme(String),
    #[error("cannot read `{path}`: {why}")]
    Io { path: String, why: String },
    #[error("`{path}` is outside of {folders}")]
    Outside { path: String, folders: String },
    #[error("`{0}` is not a file")]
    NotAFile(String),
    #[error("`{0}` is empty")]
    Empty(String),
    #[error("`{path}` has {bytes} bytes, and may have at most {LARGEST_FILE}")]
    TooLarge { path: String, bytes: u64 },
    #[error("the file extension of `{path}` is not one of {}", media_type::endings())]
    Ending { path: String },
    #[error("`{path}` is not an image but {media_type}: use `documents:`")]
    NoPicture { path: String, media_type: &'static str },
    #[error("an attached file has changed since the ledger was searched for the answer")]
    Changed,
}

impl Attachment {
    pub(crate) fn new(
        attachment: &plan::Attachment,
        kind: Kind,
        maps: &[Arc<str>],
    ) -> Result<Self, TemplateMistake> {
        let plan::Attachment { address, base, within, .. } = attachment;
        let template = Template::parse(&address.text, &address.includes, maps)?;
        Ok(Self { template, base: base.clone(), within: within.clone(), kind })
    }

    /// Its URL for a record: unchanged, or a `data:` URL with the file.
    pub(crate) async fn url(&self, record: &Record) -> Result<String, AttachmentError> {
        let text = self.template.render(record)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(AttachmentError::Nothing);
        }
        if let Some(url) = url_of(text) {
            return Ok(url);
        }
        if text.contains("://") {
            return Err(AttachmentError::Scheme(text.to_owned()));
        }
        let (path, within, kind) = (self.base.join(text), self.within.clone(), self.kind);
        // Files are large and disks are slow: other records continue meanwhile.
        let stopped =
            || AttachmentError::Io { path: text.to_owned(), why: "the program is stopping".to_owned() };
        let read = task::blocking(move || data_url(&path, &within, kind)).await;
        read.ok_or_else(stopped)?
    }
}

/// The text, if it is a URL, with its scheme in lower case. The media type of a `data:` URL is in lower case too.
fn url_of(text: &str) -> Option<String> {
    let scheme = ["http://", "https://", "data:"]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = &text[scheme.len()..];
    Some(match rest.split_once(',').filter(|_| scheme == "data:") {
        Some((head, data)) => format!("data:{},{data}", head.to_ascii_lowercase()),
        None => format!("{scheme}{rest}"),
    })
}

fn data_url(path: &Path, within: &[PathBuf], kind: Kind) -> Result<String, AttachmentError> {
    let shown = path.display().to_string();
    let io = |error: io::Error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or(&why).to_lowercase();
        AttachmentError::Io { path: shown.clone(), why }
    };
    // Symbolic links are resolved first, so that none leads outside the folder.
    let real = path.canonicalize().map_err(io)?;
    if !within.iter().filter_map(|folder| folder.canonicalize().ok()).any(|folder| real.starts_with(folder)) {
        let folders = within.iter().map(|folder| format!("`{}`", folder.display()));
        let folders = folders.collect::<Vec<_>>().join(" and ");
        return Err(AttachmentError::Outside { path: shown, folders });
    }
    let meta = fs::metadata(&real).map_err(io)?;
    // A pipe or a device might never end.
    if !meta.is_file() {
        return Err(AttachmentError::NotAFile(shown));
    }
    let media_type =
        media_type::of_path(path).ok_or_else(|| AttachmentError::Ending { path: shown.clone() })?;
    if kind == Kind::Image && !media_type::is_image(media_type) {
        return Err(AttachmentError::NoPicture { path: shown, media_type });
    }
    if meta.len() > LARGEST_FILE.0 {
        return Err(AttachmentError::TooLarge { path: shown, bytes: meta.len() });
    }
    let bytes = fs::read(&real).map_err(io)?;
    if bytes.is_empty() {
        return Err(AttachmentError::Empty(shown));
    }
    let mut url = format!("data:{media_type};base64,");
    STANDARD.encode_string(&bytes, &mut url);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(folder: &Path, path: &str, kind: Kind) -> String {
        let within = [folder.join("in")];
        let reported = data_url(&folder.join(path), &within, kind);
        let reported = reported.unwrap_or_else(|error| error.to_string());
        reported.replace(&format!("{}/", folder.display()), "")
    }

    #[test]
    fn a_scheme_and_a_media_type_are_sent_in_lower_case() {
        for (text, url) in [
            ("HTTPS://X.org/A.png", Some("https://X.org/A.png")),
            ("Data:Image/PNG;Base64,iVBO", Some("data:image/png;base64,iVBO")),
            ("data:nothing", Some("data:nothing")),
            ("a/data:.png", None),
            ("dät", None),
        ] {
            assert_eq!(url_of(text).as_deref(), url, "{text}");
        }
    }

    #[test]
    fn a_file_is_sent_as_what_its_ending_says() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        fs::create_dir_all(folder.join("in/deep.png")).unwrap();
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("in/a.PNG"), b"\x89PNG").unwrap();
        fs::write(folder.join("in/a.pdf"), b"%PDF").unwrap();
        fs::write(folder.join("in/a.exe"), b"MZ").unwrap();
        fs::write(folder.join("in/none.png"), b"").unwrap();
        fs::write(folder.join("inner/a.png"), b"secret").unwrap();
        fs::File::create(folder.join("in/large.png")).unwrap().set_len(50_000_001).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.join("inner"), folder.join("in/link")).unwrap();
        assert_eq!(reported(folder, "in/a.PNG", Kind::Image), "data:image/png;base64,iVBORw==");
        assert_eq!(reported(folder, "in/a.pdf", Kind::Document), "data:application/pdf;base64,JVBERg==");
        assert_eq!(reported(folder, "in/../in/a.PNG", Kind::Image), "data:image/png;base64,iVBORw==");
        let no = |path| reported(folder, path, Kind::Image);
        assert_eq!(no("in/a.pdf"), "`in/a.pdf` is not an image but application/pdf: use `documents:`");
        assert!(no("in/a.exe").starts_with("the file extension of `in/a.exe` is not one of `.png`, "));
        assert_eq!(no("in/b.png"), "cannot read `in/b.png`: no such file or directory");
        assert_eq!(no("in/none.png"), "`in/none.png` is empty");
        assert_eq!(no("in/deep.png"), "`in/deep.png` is not a file");
        assert_eq!(no("in/large.png"), "`in/large.png` has 50000001 bytes, and may have at most 50MB");
        assert_eq!(no("in/../inner/a.png"), "`in/../inner/a.png` is outside of `in`");
        #[cfg(unix)]
        assert_eq!(no("in/link/a.png"), "`in/link/a.png` is outside of `in`");
    }
}
