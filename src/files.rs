//! Files as records: listed in a stable order, read one at a time. Main type: [`FileSet`].

mod format;
mod walk;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};
use sha2::{Digest, Sha256};

use crate::{
    record::{LogicalType, Schema, Value},
    units::Size,
};

pub use format::{FORMATS, FileFormat};
pub use walk::{ListError, Walk};

/// A set of files: a folder and a pattern below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSet {
    /// The folder.
    pub root: PathBuf,
    /// The pattern, relative to the folder, with `/` between its parts.
    pub pattern: String,
    /// A larger file is not read.
    pub max_bytes: Size,
    /// Whether the text of files is read. Other files (images, PDFs) are records with only a path.
    pub content: bool,
    /// Whether the folder may be missing.
    pub optional: bool,
}

/// Why a file cannot become a record.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says it")]
pub enum FileError {
    #[error("the file is empty")]
    Empty,
    #[error("the file has {0}, more than `max_bytes: {1}`")]
    TooLarge(Size, Size),
    #[error("this is a binary file: it has a zero byte at offset {0}")]
    Binary(usize),
    #[error("the text is not UTF-8: byte 0x{byte:02x} at offset {offset}")]
    NotUtf8 { offset: usize, byte: u8 },
    #[error(
        "the file changed while it was read: it had {before} and has {after} now; run again when it is complete"
    )]
    Changed { before: String, after: String },
    #[error("this is {0}, not a file: it is not read")]
    NoFile(&'static str),
    #[error("cannot read the file: {0}")]
    Io(io::Error),
}

impl FileSet {
    /// Splits a path with wildcards into the folder before the first wildcard and the pattern below it. The name of
    /// an existing file or folder is literal, even with wildcard characters.
    pub fn new(path: &Path, max_bytes: Size) -> Self {
        let parts: Vec<_> = path.components().collect();
        let wild = |at: &usize| {
            parts[*at].as_os_str().to_string_lossy().contains(['*', '?', '[', '{'])
                && !parts[..=*at].iter().collect::<PathBuf>().exists()
        };
        let wild = (0..parts.len()).find(wild);
        let at = wild.unwrap_or(parts.len().saturating_sub(1));
        let pattern: PathBuf = parts[at..].iter().collect();
        let pattern = pattern.to_string_lossy();
        // Without a wildcard the file itself is the pattern.
        let pattern = if wild.is_some() { pattern.into_owned() } else { globset::escape(&pattern) };
        Self { root: parts[..at].iter().collect(), pattern, max_bytes, content: true, optional: false }
    }

    /// The fields of a file's record and their types.
    pub fn schema(&self) -> Schema {
        let mut fields = vec![("path", LogicalType::Varchar), ("name", LogicalType::Varchar)];
        fields.push((if self.content { "text" } else { "file" }, LogicalType::Varchar));
        fields.push(("bytes", LogicalType::BigInt));
        fields.push(("modified", LogicalType::Timestamp));
        fields.extend(self.content.then_some(("sha256", LogicalType::Varchar)));
        Schema::new(fields)
    }

    /// The pattern, compiled.
    ///
    /// # Errors
    /// An invalid pattern.
    pub fn matcher(&self) -> Result<GlobMatcher, globset::Error> {
        let glob = GlobBuilder::new(&self.pattern).literal_separator(true).empty_alternates(true).build()?;
        Ok(glob.compile_matcher())
    }

    /// The folder to open: an empty path is the working folder.
    pub fn folder(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// The paths of the files, relative to the folder, sorted by name folder by folder, without hidden
    /// files, as in a shell. Lazy: only one folder's names are held at a time.
    ///
    /// # Errors
    /// An invalid pattern. An item is an error for an unreadable folder, a loop of links, or a match that is
    /// not a regular file (a named pipe, a socket, a device), which is never opened.
    pub fn paths(&self) -> Result<Walk, globset::Error> {
        Ok(Walk::new(self.folder().to_owned(), self.matcher()?, self.optional))
    }

    /// Whether a file is in the set, or will be once it exists.
    pub fn matches(&self, file: &Path) -> bool {
        let whole = |path: &Path| match (path.canonicalize(), path.parent(), path.file_name()) {
            (Ok(path), ..) => Some(path),
            (Err(_), Some(folder), Some(name)) => folder.canonicalize().ok().map(|folder| folder.join(name)),
            (Err(_), ..) => None,
        };
        let (Some(file), Some(folder)) = (whole(file), whole(self.folder())) else { return false };
        let relative = file.strip_prefix(folder);
        relative.is_ok_and(|path| self.matcher().is_ok_and(|matcher| matcher.is_match(path)))
    }

    /// The location of a file returned by [`FileSet::paths`].
    pub fn locate(&self, path: &str) -> PathBuf {
        walk::located(self.folder(), path)
    }

    /// The fields of the file at a path returned by [`FileSet::paths`].
    ///
    /// # Errors
    /// See [`FileError`]; none of these ends a run.
    pub fn read(&self, path: &str) -> Result<Vec<Value>, FileError> {
        let at = self.locate(path);
        let name = path.rsplit('/').next().unwrap_or(path);
        let modified = |meta: &fs::Metadata| {
            let at = meta.modified().ok().and_then(|at| jiff::Timestamp::try_from(at).ok());
            let at = at.map(|at| at.round(jiff::Unit::Microsecond).unwrap_or(at));
            let at = at.map(|at| at.to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime().to_string());
            at.map_or(Value::Null, |at| Value::from(at.replace('T', " ")))
        };
        let meta = fs::metadata(&at).map_err(FileError::Io)?;
        // Opening a pipe would block.
        walk::kind(meta.file_type()).map_or(Ok(()), |kind| Err(FileError::NoFile(kind)))?;
        if !self.content {
            self.fits(&meta)?;
            // Absolute, because the reader of the record does not know the base folder.
            let file = std::path::absolute(&at).unwrap_or(at);
            return Ok(vec![
                path.into(),
                name.into(),
                Value::from(&*file.to_string_lossy()),
                Value::Integer(meta.len() as i64),
                modified(&meta),
            ]);
        }
        let mut file = fs::File::open(&at).map_err(FileError::Io)?;
        let meta = file.metadata().map_err(FileError::Io)?;
        self.fits(&meta)?;
        let mut bytes = Vec::with_capacity(meta.len() as usize);
        file.read_to_end(&mut bytes).map_err(FileError::Io)?;
        Stamp::of(&meta).unchanged(&file)?;
        if bytes.is_empty() {
            return Err(FileError::Empty);
        }
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(FileError::Binary(at));
        }
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let size = bytes.len();
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            FileError::NotUtf8 { offset, byte: error.as_bytes()[offset] }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(vec![
            path.into(),
            name.into(),
            text.into(),
            Value::Integer(size as i64),
            modified(&meta),
            sha256.into(),
        ])
    }

    fn fits(&self, meta: &fs::Metadata) -> Result<(), FileError> {
        match meta.len() > self.max_bytes.0 {
            true => Err(FileError::TooLarge(Size(meta.len()), self.max_bytes)),
            false => Ok(()),
        }
    }
}

/// Detects writes to a file: its size and modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    modified: Option<std::time::SystemTime>,
}

/// After this time, another write changes the modification time for certain.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(2);

impl Stamp {
    /// The stamp of a file.
    pub fn of(meta: &fs::Metadata) -> Self {
        Self { bytes: meta.len(), modified: meta.modified().ok() }
    }

    /// The file's size.
    pub const fn bytes(self) -> u64 {
        self.bytes
    }

    /// As text, to be compared in a later run. `None` for a file without a time, and for one modified just
    /// now: another write could leave the same time.
    pub fn lasting(self) -> Option<String> {
        let modified = self.modified?;
        let age = std::time::SystemTime::now().duration_since(modified).ok()?;
        let time = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        (age > SETTLED)
            .then(|| format!("{} bytes, {}.{:09}", self.bytes, time.as_secs(), time.subsec_nanos()))
    }

    /// Compares it with the current stamp of the file.
    ///
    /// # Errors
    /// A file modified since.
    pub fn unchanged(self, file: &fs::File) -> Result<(), FileError> {
        let now = Self::of(&file.metadata().map_err(FileError::Io)?);
        if now == self {
            return Ok(());
        }
        let shown = |stamp: Self| match stamp.bytes == now.bytes && stamp.bytes == self.bytes {
            true => {
                let at = stamp.modified.and_then(|at| jiff::Timestamp::try_from(at).ok());
                at.map_or_else(|| "another time".to_owned(), |at| format!("the time {at}"))
            }
            false => format!("{}", Size(stamp.bytes)),
        };
        Err(FileError::Changed { before: shown(self), after: shown(now) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(folder: &Path, pattern: &str) -> FileSet {
        FileSet::new(&folder.join(pattern), Size(100))
    }

    #[test]
    fn files_come_in_a_stable_order_without_the_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b/2.txt", "b/1.txt", "a.txt", "c.md", "b/.git/x.txt", ".hidden.txt"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let paths =
            |pattern| set(dir.path(), pattern).paths().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(paths("**/*.txt"), ["a.txt", "b/1.txt", "b/2.txt"]);
        assert_eq!(paths("*.txt"), ["a.txt"]);
        assert_eq!(paths("c.md"), ["c.md"]);
        assert_eq!(paths("*.pdf"), Vec::<String>::new());
    }

    #[test]
    fn without_its_content_a_file_is_known_by_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.png"), b"\x89PNG\0").unwrap();
        let set = FileSet { content: false, ..set(dir.path(), "*.png") };
        let values = set.read("a.png").unwrap();
        assert_eq!(set.schema().len(), values.len());
        assert_eq!(fs::read(&*values[2].leaf().unwrap()).unwrap(), b"\x89PNG\0");
        assert_eq!(values[3], Value::Integer(5));
        assert!(set.read("b.png").is_err());
    }

    #[test]
    fn what_is_no_text_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let reported = |name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(name), bytes).unwrap();
            set(dir.path(), "*")
                .read(name)
                .map(|values| values[2].leaf().unwrap().into_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(reported("a", b"").unwrap_err(), "the file is empty");
        assert_eq!(
            reported("b", b"ab\0c").unwrap_err(),
            "this is a binary file: it has a zero byte at offset 2"
        );
        assert_eq!(reported("c", b"ab\xffc").unwrap_err(), "the text is not UTF-8: byte 0xff at offset 2");
        assert_eq!(
            reported("d", &[b'x'; 101]).unwrap_err(),
            "the file has 101B, more than `max_bytes: 100B`"
        );
        assert_eq!(reported("e", "\u{feff}ok".as_bytes()).unwrap(), "ok");
    }

    #[cfg(unix)]
    fn listed(folder: &Path, pattern: &str) -> (Vec<String>, Vec<String>) {
        let (mut paths, mut errors) = (Vec::new(), Vec::new());
        for item in set(folder, pattern).paths().unwrap() {
            match item {
                Ok(path) => paths.push(path),
                Err(error) => errors.push(format!("{}: {error}", error.path())),
            }
        }
        (paths, errors)
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_once_and_a_loop_is_an_error() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(inside.join("real")).unwrap();
        fs::create_dir_all(outside.join("deep")).unwrap();
        fs::write(inside.join("real/a.txt"), "a").unwrap();
        fs::write(outside.join("deep/b.txt"), "b").unwrap();
        symlink(&outside, inside.join("link1")).unwrap();
        symlink(&outside, inside.join("link2")).unwrap();
        symlink(outside.join("deep"), inside.join("link3")).unwrap();
        symlink(inside.join("real"), inside.join("alias")).unwrap();
        symlink(&inside, inside.join("real/up")).unwrap();
        symlink(inside.join("nothing.bin"), inside.join("broken")).unwrap();
        symlink(inside.join("nothing.bin"), inside.join(".#lock.txt")).unwrap();
        let (paths, errors) = listed(&inside, "**/*.txt");
        assert_eq!(paths, ["link1/deep/b.txt", "real/a.txt"]);
        assert!(
            !errors.is_empty() && errors.iter().all(|error| error.contains("leads back to")),
            "{errors:?}"
        );
        // Only the link has the name in the pattern.
        assert_eq!(listed(&inside, "al*/*.txt").0, ["alias/a.txt"]);
        assert_eq!(listed(&inside, "alias/*.txt").0, ["a.txt"]);
        let (_, errors) = listed(&inside, "br*");
        assert!(errors.len() == 1 && errors[0].starts_with("broken: cannot read it"), "{errors:?}");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_sockets_are_reported_and_never_opened() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), "a").unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("p.txt")).status().unwrap();
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s.txt")).unwrap();
        let (paths, errors) = listed(dir.path(), "*.txt");
        assert_eq!(paths, ["a.txt"]);
        assert_eq!(
            errors,
            [
                "p.txt: this is a named pipe, not a file: it is not read",
                "s.txt: this is a socket, not a file: it is not read"
            ]
        );
        assert_eq!(listed(dir.path(), "p.txt").1.len(), 1);
        let error = set(dir.path(), "*").read("p.txt").unwrap_err();
        assert_eq!(error.to_string(), "this is a named pipe, not a file: it is not read");
        assert_eq!(listed(dir.path(), "*.md"), (vec![], vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_stay_apart() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [(&b"a\xff.txt"[..], "1"), (b"a\xfe%.txt", "2"), (b"caf%C3%A9.txt", "3")] {
            fs::write(dir.path().join(OsStr::from_bytes(name)), text).unwrap();
        }
        let (paths, _) = listed(dir.path(), "*.txt");
        assert_eq!(paths, ["a%FE%25.txt", "a%FF.txt", "caf%C3%A9.txt"]);
        let texts = paths.iter().map(|path| set(dir.path(), "*").read(path).unwrap()[2].clone());
        assert_eq!(texts.collect::<Vec<_>>(), ["2", "1", "3"].map(Value::from));
    }

    #[test]
    fn one_syntax_and_a_name_that_exists_wins() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a.csv", "b.csv", "c.csv", "x[1].csv", "x1.csv", "d[2]/e.csv", "deep/er/f.csv"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let paths =
            |pattern| set(dir.path(), pattern).paths().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(paths("{a,b}.csv"), ["a.csv", "b.csv"]);
        assert_eq!(paths("x[1].csv"), ["x[1].csv"]);
        assert_eq!(paths("x[12].csv"), ["x1.csv"]);
        assert_eq!(paths("d[2]/*.csv"), ["e.csv"]);
        assert_eq!(paths("**/{e,f}.csv"), ["d[2]/e.csv", "deep/er/f.csv"]);
        assert_eq!(paths("{deep,d}/**/*.csv"), ["deep/er/f.csv"]);
    }
}
