//! The file formats of sinks: everything specific to a format is in its [`FileFormat`]. The language has a key for
//! each, and the store writes them.

/// A file format of sinks. To add one, add a constant and list it in [`FORMATS`].
#[derive(Debug)]
pub struct FileFormat {
    /// Its key in a sink.
    pub key: &'static str,
    /// An example of that key.
    pub example: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// The options of DuckDB's `COPY`.
    pub copy: &'static str,
    /// Whether integers of more than 64 bits are written exactly.
    pub exact_integers: bool,
    /// Whether a column may be a list or a struct; otherwise these are written as JSON.
    pub nests: bool,
    /// The same options without the header line, if the format has one.
    pub headless: Option<&'static str>,
}

/// All formats, in the order of the reference.
pub const FORMATS: [&FileFormat; 3] = [&JSONL, &CSV, &PARQUET];

const JSONL: FileFormat = FileFormat {
    key: "jsonl",
    example: "jsonl: out/metadata.jsonl",
    about: "A file with a JSON object in each line. Files are written whole, when the run has ended.",
    copy: "FORMAT json",
    exact_integers: true,
    nests: true,
    headless: None,
};

/// NULL is an empty field, and an empty text is `""`.
const CSV: FileFormat = FileFormat {
    key: "csv",
    example: "csv: out/metadata.csv",
    about: "A CSV file.",
    copy: "FORMAT csv, HEADER",
    exact_integers: true,
    nests: false,
    headless: Some("FORMAT csv, HEADER false"),
};

const PARQUET: FileFormat = FileFormat {
    key: "parquet",
    example: "parquet: out/metadata.parquet",
    about: "A Parquet file.",
    copy: "FORMAT parquet",
    exact_integers: false,
    nests: true,
    headless: None,
};

impl PartialEq for FileFormat {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for FileFormat {}
