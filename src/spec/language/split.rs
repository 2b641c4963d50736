//! `map:` with `split:` makes many records out of one: its keys, and the struct they are read into.

use crate::diagnostic::Fault;

use super::common::{FROM, INTO, WHEN, stage_name};
use crate::spec::{
    describe::{Broken, Choice, Preset, Shape, Type, Word, Written, key},
    text::{Name, Text},
    value::{Checked, FromValue, Value},
};

/// `map:` with `split:`
#[derive(Debug, Clone, PartialEq)]
pub struct SplitSpec {
    /// The expression for the list or the text; for literal values, the first of them.
    pub of: Text,
    /// How it is split.
    pub what: SplitWhat,
    /// The field for the part; by default the stage's name.
    pub into: Option<Name>,
}

/// How a split makes parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitWhat {
    /// One record for each item of a list.
    Items,
    /// One record for each of these values.
    Values(Vec<String>),
    /// The number of records is the value of the expression: `samples:` of a map that calls a model.
    Samples,
    /// One record for each chunk of a text.
    Chunks {
        /// The most characters in a chunk.
        max_chars: usize,
        /// Characters repeated from the previous chunk.
        overlap: usize,
        /// Where a chunk ends.
        by: Boundary,
    },
}

/// Where a chunk of a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// As late as possible, at the end of a paragraph, a sentence or a word.
    Length,
    /// At the end of a paragraph.
    Paragraph,
    /// Before a Markdown heading.
    Heading,
}

impl Boundary {
    /// The word for it in a spec.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Paragraph => "paragraph",
            Self::Heading => "heading",
        }
    }
}

/// A token is about four characters of English; the exact count depends on the model.
const CHARS_A_TOKEN: usize = 4;

/// The default of `max_chars`.
const MAX_CHARS: usize = 8_000;

/// The default of `overlap`.
const OVERLAP: usize = 0;

pub(crate) static SHAPE: Shape = Shape {
    family: "a map",
    ..Shape::new(
        "splits",
        "a map with `split:`",
        "Makes many records out of one: the field with the stage's name is the item itself, `NAME_index` its number \
         from 1, which extends the key.",
        &[&[
            stage_name("map", "map: chunk"),
            FROM,
            WHEN,
            key(
                "split",
                Type::Either(&[Type::Text(Written::Expression), Type::Map(&SPLIT)]),
                "split: extract.topics",
                "An expression that gives a list: one record for each item; or a text, or values that are written out.",
            )
            .required(),
            INTO,
        ]],
    )
    .choice(Choice::One("map", &["split"]))
};

static SPLIT: Shape = Shape {
    refused: &[("list", "a list is an expression by itself: write `split: extract.topics`")],
    ..Shape::new(
        "split",
        "`split:`",
        "A text in chunks, or values that are written out.",
        &[&[
            key(
                "values",
                Type::Many(&Type::Text(Written::Plain)),
                "values: [German, French]",
                "Values that are written out: one record for each, with the value in its key.",
            ),
            key(
                "text",
                Type::Text(Written::Expression),
                "text: text",
                "An expression that gives a text: one record for each chunk.",
            ),
            key(
                "max_chars",
                Type::Count("characters", 1, 1 << 40),
                "max_chars: 4000",
                "The longest chunk, in characters.",
            )
            .or(Preset::Count(MAX_CHARS as u64)),
            key(
                "max_tokens",
                Type::Count("tokens", 1, 1 << 38),
                "max_tokens: 1000",
                "The longest chunk, in tokens of four characters.",
            ),
            key(
                "overlap",
                Type::Count("characters or tokens", 0, 1 << 38),
                "overlap: 200",
                "The most that a chunk repeats of the one before, in the unit of the longest chunk: from the first word that begins there. A chunk that begins with a paragraph or heading of `by:` repeats nothing.",
            )
            .or(Preset::Count(OVERLAP as u64)),
            key(
                "by",
                Type::Word(
                    "boundary",
                    &[
                        Word(
                            Boundary::Length.word(),
                            "chunks as long as they may be, which end at a paragraph, a sentence or a word",
                        ),
                        Word(Boundary::Paragraph.word(), "whole paragraphs, several in a chunk"),
                        Word(
                            Boundary::Heading.word(),
                            "a chunk for each heading of Markdown and what is below it",
                        ),
                    ],
                ),
                "by: paragraph",
                "Where a chunk ends. What is longer than a chunk may be is cut within.",
            )
            .or(Preset::Word(Boundary::Length.word())),
        ]],
    )
    .choice(Choice::One("split of", &["text", "values"]))
    .rule(|split| {
        // Otherwise the next chunk would not start later, and the split would never end.
        let (found, max_chars) = (split.count("overlap")?, length(split).0 as u64);
        let is_broken = split.form == Some("text") && found * length(split).1 as u64 >= max_chars;
        let wanted = "an `overlap` below the chunk's length".into();
        is_broken.then(|| Broken {
            key: "overlap",
            fault: Fault::OutOfBounds { found: found.to_string(), wanted },
        })
    })
};

/// The longest chunk in characters, and the characters per unit of `overlap`.
fn length(split: &Checked) -> (usize, usize) {
    let tokens = split.count("max_tokens");
    let unit = if tokens.is_some() { CHARS_A_TOKEN } else { 1 };
    let longest = split.count("max_chars").or(tokens);
    (longest.map_or(MAX_CHARS, |count| count as usize * unit), unit)
}

pub(super) fn build(mut map: Checked) -> Option<SplitSpec> {
    let into = map.get("into");
    let mut split = match map.take("split")?.value {
        Value::Text(of) => return Some(SplitSpec { of, what: SplitWhat::Items, into }),
        value => Checked::from_value(value)?,
    };
    if split.form? == "values" {
        let values: Vec<Text> = split.get("values")?;
        let of = values.first()?.clone();
        // Keep `01067` and `1.50` as written.
        let written = |value: Text| match value.raw.chars().next() {
            Some(first) if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') => value.raw,
            _ => value.value,
        };
        let values = values.into_iter().map(written).collect();
        return Some(SplitSpec { of, what: SplitWhat::Values(values), into });
    }
    let of = split.get("text")?;
    let (max_chars, unit) = length(&split);
    let overlap = split.or("overlap", OVERLAP) * unit;
    let by = match split.get("by") {
        Some("paragraph") => Boundary::Paragraph,
        Some("heading") => Boundary::Heading,
        _ => Boundary::Length,
    };
    Some(SplitSpec { of, what: SplitWhat::Chunks { max_chars, overlap, by }, into })
}
