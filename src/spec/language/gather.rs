//! `gather:` undoes a split: its keys, and the struct they are read into.

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Preset, Shape, Type, Word, Written, key},
    text::{Name, Text},
    value::Checked,
};

/// `gather:`
#[derive(Debug, Clone, PartialEq)]
pub struct GatherSpec {
    /// The split to undo; by default the innermost.
    pub of: Option<Text>,
    /// Which pieces a record needs.
    pub needs: Needs,
    /// The field for the list; by default the stage's name.
    pub into: Option<Name>,
}

/// Which pieces a record needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// All: a failed piece fails its record.
    All,
    /// Any: a failed piece is left out of the list.
    Any,
}

impl Needs {
    /// The word for it in a spec.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }
}

pub(crate) static SHAPE: Shape = Shape::new(
    "gather",
    "a gather",
    "Undoes a split: each record continues as one, with a list of its pieces in their order. A piece is a struct of \
     the item, under the split's name, and the fields that were added since.",
    &[&[
        stage_name("gather", "gather: parts"),
        FROM,
        key("of", Type::Text(Written::Plain), "of: chunk", "The map with the `split:` that is undone.")
            .or(Preset::Says("the innermost")),
        key(
            "needs",
            Type::Word(
                "needs",
                &[
                    Word(Needs::All.word(), "a record with a piece that failed fails"),
                    Word(Needs::Any.word(), "pieces that failed are missing in the list"),
                ],
            ),
            "needs: any",
            "Which pieces a record needs.",
        )
        .or(Preset::Word(Needs::All.word())),
        key("into", Type::Name, "into: parts", "The field that the list is written to.")
            .or(Preset::Says("the stage's name")),
    ]],
);

pub(super) fn build(mut map: Checked) -> GatherSpec {
    let needs = if map.get("needs") == Some(Needs::Any.word()) { Needs::Any } else { Needs::All };
    GatherSpec { of: map.get("of"), needs, into: map.get("into") }
}
