//! The files below a folder that match a pattern. Main type: [`Walk`].
//!
//! A link target is read once: a folder with two links is read by the first, a file that is also in the folder
//! by its own path, and a link to an enclosing folder is an error.

use std::{
    borrow::Cow,
    collections::HashSet,
    ffi::OsStr,
    fs::FileType,
    path::{Path, PathBuf},
};

use globset::GlobMatcher;
use walkdir::{DirEntry, WalkDir};

/// An entry below the folder that cannot be read as a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ListError {
    path: String,
    reason: String,
}

impl ListError {
    /// Its path, relative to the set's folder.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The paths of files, sorted by name, folder by folder.
pub struct Walk {
    root: PathBuf,
    /// The folder without links, resolved at the first link.
    real_root: Option<PathBuf>,
    matcher: GlobMatcher,
    hidden: bool,
    /// The depth below which no file can match.
    deepest: usize,
    /// Whether the folder may be missing.
    optional: bool,
    entries: walkdir::IntoIter,
    /// The folders that links point to.
    followed: HashSet<PathBuf>,
}

impl Walk {
    pub(super) fn new(root: PathBuf, matcher: GlobMatcher, optional: bool) -> Self {
        let pattern = matcher.glob().glob();
        let hidden = pattern.starts_with('.') || pattern.contains("/.");
        let deepest = if pattern.contains("**") { usize::MAX } else { 1 + pattern.matches('/').count() };
        let walk = WalkDir::new(&root).follow_links(true).max_depth(deepest).sort_by_file_name();
        let entries = walk.into_iter();
        Self { root, real_root: None, matcher, hidden, deepest, optional, entries, followed: HashSet::new() }
    }

    /// Whether the folder of a link was already followed, itself or as part of an enclosing folder.
    fn is_followed(&mut self, link: &Path) -> bool {
        let Ok(real) = std::fs::canonicalize(link) else { return false };
        self.real_root
            .get_or_insert_with(|| std::fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone()));
        let is_known = self.followed.iter().any(|known| real.starts_with(known));
        !self.followed.insert(real) || is_known
    }

    /// Whether a file below a link is also found by its own path.
    fn is_found_itself(&self, path: &Path) -> bool {
        let Some(root) = &self.real_root else { return false };
        if self.followed.is_empty() {
            return false;
        }
        let Some(folder) = path.parent().and_then(|folder| std::fs::canonicalize(folder).ok()) else {
            return false;
        };
        let real = folder.join(path.file_name().unwrap_or_default());
        let is_hidden =
            |part: &Path| part.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        match (real.strip_prefix(root), path.strip_prefix(&self.root)) {
            (Ok(real), Ok(here)) => {
                real != here && self.matcher.is_match(real) && (self.hidden || !is_hidden(real))
            }
            _ => false,
        }
    }

    fn is_hidden(&self, path: &Path) -> bool {
        !self.hidden && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// A path or an error for an entry; `None` if it is not wanted.
    fn entry(&mut self, entry: &DirEntry) -> Option<Result<String, ListError>> {
        if self.is_hidden(entry.path()) && entry.depth() > 0 {
            if entry.file_type().is_dir() {
                self.entries.skip_current_dir();
            }
            return None;
        }
        if entry.file_type().is_dir() {
            if entry.path_is_symlink() && entry.depth() > 0 && self.is_followed(entry.path()) {
                self.entries.skip_current_dir();
            }
            return None;
        }
        let relative = self.relative(entry.path());
        if !self.matcher.is_match(&relative) || self.is_found_itself(entry.path()) {
            return None;
        }
        let path = shown(&relative);
        match kind(entry.file_type()) {
            None => Some(Ok(path)),
            Some(kind) => {
                Some(Err(ListError { path, reason: format!("this is {kind}, not a file: it is not read") }))
            }
        }
    }

    fn error(&self, error: &walkdir::Error) -> Option<ListError> {
        let at = error.path().unwrap_or(&self.root);
        let relative = self.relative(at);
        // A broken link or an unreadable entry only matters if the pattern matches it.
        let is_folder = at.is_dir() || error.loop_ancestor().is_some() || error.depth() == 0;
        let is_meant = match is_folder {
            true => error.depth() < self.deepest,
            false => self.matcher.is_match(&relative),
        };
        if error.depth() > 0 && (self.is_hidden(at) || !is_meant) {
            return None;
        }
        let reason = match (error.loop_ancestor(), error.io_error()) {
            (Some(ancestor), _) => {
                let ancestor = match self.relative(ancestor) {
                    own if own.as_os_str().is_empty() => self.root.clone(),
                    below => below,
                };
                let ancestor = shown(&ancestor);
                format!("this link leads back to `{ancestor}`, the folder that it is in: it is not followed")
            }
            (None, Some(error)) => format!("cannot read it: {error}"),
            (None, None) => error.to_string(),
        };
        Some(ListError { path: shown(&relative), reason })
    }
}

impl Iterator for Walk {
    type Item = Result<String, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.entries.next()? {
                Ok(entry) => self.entry(&entry),
                Err(error) if self.optional && is_missing(&error) => None,
                Err(error) => self.error(&error).map(Err),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Whether the folder itself is missing.
fn is_missing(error: &walkdir::Error) -> bool {
    error.depth() == 0 && error.io_error().is_some_and(|io| io.kind() == std::io::ErrorKind::NotFound)
}

/// The kind of a file that is not regular; `None` for a regular one.
pub(super) fn kind(of: FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if of.is_fifo() {
            return Some("a named pipe");
        }
        if of.is_socket() {
            return Some("a socket");
        }
        if of.is_char_device() || of.is_block_device() {
            return Some("a device");
        }
    }
    match () {
        () if of.is_file() => None,
        () if of.is_dir() => Some("a folder"),
        () => Some("something else"),
    }
}

/// A path as text, with `/` between its parts. In a name that is not UTF-8 each invalid byte becomes `%XX` (and
/// `%` becomes `%25`), so that such names stay distinct.
pub(super) fn shown(path: &Path) -> String {
    let parts = path.components().map(|part| match part.as_os_str().to_str() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(escaped(part.as_os_str())),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn escaped(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The path of a file from its text by [`shown`].
pub(super) fn located(root: &Path, text: &str) -> PathBuf {
    let plain = root.join(text);
    #[cfg(unix)]
    if text.contains('%') && !plain.exists() {
        use std::os::unix::ffi::OsStrExt;
        let parts = text.split('/').map(|part| match unescaped(part) {
            Some(bytes) => OsStr::from_bytes(&bytes).to_owned(),
            None => part.into(),
        });
        let found = root.join(parts.collect::<PathBuf>());
        if found.exists() {
            return found;
        }
    }
    plain
}

/// The bytes of an escaped name; `None` for a UTF-8 name, which is never escaped.
#[cfg(unix)]
fn unescaped(part: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend(rest.as_bytes());
    std::str::from_utf8(&bytes).is_err().then_some(bytes)
}
