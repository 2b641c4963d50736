//! How the bytes of a file lie. Main type: [`Kind`].

/// How the bytes lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Gzip,
}
