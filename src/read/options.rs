//! How files are read: the options of a source. Main type: [`Options`].

use crate::record::{LogicalType, same_name};

/// How the files of a set are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The format of the files.
    pub format: Format,
    /// Declared types, which are not proven.
    pub types: Types,
    /// The columns of the source's key: VARCHAR in a CSV file, except where [`Types::of`] declares a type.
    pub key: Vec<String>,
    /// Whether matching no file is allowed.
    pub optional: bool,
    /// The most entries (rows and bad lines) to output.
    pub max: Option<u64>,
    /// The most bytes of a file to prove types over; by default all. Not used for Parquet, whose
    /// files contain their types.
    pub prove: Option<u64>,
}

impl Options {
    /// Files of a format, with default options.
    pub fn new(format: Format) -> Self {
        Self { format, types: Types::default(), key: Vec::new(), optional: false, max: None, prove: None }
    }
}

/// The format of the files.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Lines of fields with a separator.
    Csv(Csv),
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// Types that are declared instead of proven.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Types {
    /// Every other column of a CSV file is text.
    pub text: bool,
    /// Columns with their types.
    pub of: Vec<(String, LogicalType)>,
}

impl Types {
    /// The declared type of a column.
    pub fn get(&self, name: &str) -> Option<&LogicalType> {
        self.of.iter().find(|(known, _)| same_name(known, name)).map(|(_, of)| of)
    }
}

/// The format of a CSV file.
#[derive(Debug, Clone, PartialEq)]
pub struct Csv {
    /// The separator, an ASCII character; by default detected in the header line.
    pub delimiter: Option<u8>,
    /// Whether the first line has the column names; otherwise they are `column0`, `column1`, ….
    pub header: bool,
    /// The quote character, if any; ASCII.
    pub quote: Option<u8>,
    /// The encoding of a file without a byte order mark.
    pub encoding: Encoding,
    /// Texts that mean NULL, quoted or not. An unquoted empty field always does.
    pub nulls: Vec<String>,
    /// The number of lines to skip above the header.
    pub skip: u64,
    /// The prefix of comment lines.
    pub comment: Option<String>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: None,
            header: true,
            quote: Some(b'"'),
            encoding: Encoding::Utf8,
            nulls: Vec::new(),
            skip: 0,
            comment: None,
        }
    }
}

/// The encoding of a text file without a byte order mark; with one, the mark decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, little-endian.
    Utf16Le,
    /// UTF-16, big-endian.
    Utf16Be,
    /// ISO 8859-1.
    Latin1,
    /// Windows-1252: Latin-1 with `€` and typographic quotes.
    Windows1252,
}

impl Encoding {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Latin1 => "Latin-1",
            Self::Windows1252 => "Windows-1252",
        }
    }
}
