//! The parts of a language description: mappings ([`Shape`]), their keys ([`Key`]) and the types of the
//! values ([`Type`]).
//!
//! The descriptions themselves are data beside the types that they describe (`spec/language`). The
//! reader (`check`), the JSON Schema, the reference and `etl explain` are folds over them.

use std::time::Duration;

use crate::{
    diagnostic::Fault,
    units::{Size, Span},
};

use super::value::Checked;

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its unique name in the schema and `etl explain`.
    pub(crate) name: &'static str,
    /// Its name in messages.
    pub(crate) within: &'static str,
    /// Its name in messages while it could still be one of several shapes with the same first key.
    pub(crate) family: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    /// Its keys, in groups because shapes share some of them.
    pub(crate) keys: &'static [&'static [Key]],
    /// Which of them exclude each other.
    pub(crate) choice: Choice,
    /// Keys that are refused here, each with the reason.
    pub(crate) refused: &'static [(&'static str, &'static str)],
    /// Keys that begin with this are ignored.
    pub(crate) ignored: Option<&'static str>,
    /// A rule across several keys.
    pub(crate) rule: Option<Rule>,
}

/// A rule across the keys of a mapping.
pub(crate) type Rule = fn(&Checked) -> Option<Broken>;

/// How a [`Rule`] is broken.
pub(crate) struct Broken {
    /// The key whose value is reported and left out.
    pub(crate) key: &'static str,
    pub(crate) fault: Fault,
}

/// Keys of which one is required.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice {
    /// No such keys.
    Free,
    /// Exactly one of these; messages call the mapping by the title.
    One(&'static str, &'static [&'static str]),
    /// One of these, or none; messages call the mapping by the title.
    Optional(&'static str, &'static [&'static str]),
    /// One or more of these.
    Some(&'static [&'static str]),
}

/// One key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) holds: Type,
    pub(crate) required: bool,
    pub(crate) default: Preset,
    /// One sentence or two.
    pub(crate) about: &'static str,
    /// The key with a value, as written in a spec.
    pub(crate) example: &'static str,
}

/// The default of an absent key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// Nothing.
    None,
    Count(u64),
    Number(f64),
    Flag(bool),
    Duration(Duration),
    Size(Size),
    Word(&'static str),
    /// In words, if it depends on something else.
    Says(&'static str),
    /// In words built from constants.
    Made(fn() -> String),
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    Text(Written),
    /// A text that is never shown and may stay unset until it is needed.
    Secret,
    /// A name chosen by the user.
    Name,
    Flag,
    /// A whole number of something, both bounds included.
    Count(&'static str, u64, u64),
    /// A number, both bounds included.
    Number(f64, f64),
    /// A number greater than 0 and at most 1.
    Share,
    /// One of several words; messages call them by the title.
    Word(&'static str, &'static [Word]),
    Rate,
    /// A length of time, zero included.
    Wait,
    /// A length of time above zero.
    Duration,
    /// A number of bytes up to a bound.
    Size(Size),
    Money,
    /// A list, and its name in messages.
    List(&'static Type, &'static str),
    /// One value or a list of them.
    Many(&'static Type),
    Map(&'static Shape),
    /// A mapping with the user's own keys: whether they must be names, the type of the values, and its form.
    Own(bool, &'static Type, &'static str),
    /// A mapping that is passed on unchanged, and its name in messages.
    Json(&'static str),
    /// A path, a JSON Schema, or the short form of one.
    Schema,
    /// One of several types, which differ in the kind of YAML value.
    Either(&'static [Type]),
    /// A mapping whose first key selects one of these shapes; the name of that key in messages, and its form.
    Tagged(&'static str, &'static str, &'static [&'static Shape]),
}

/// A word that may be a value, and what it means.
#[derive(Debug)]
pub(crate) struct Word(pub(crate) &'static str, pub(crate) &'static str);

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Plain,
    /// The name of a field or a column.
    Field,
    /// A stage or its port.
    Port,
    Path,
    /// A glob pattern.
    Pattern,
    /// A region or a URL.
    Server,
    /// A Jinja template.
    Template,
    /// An SQL expression over the fields.
    Expression,
    /// An SQL expression that is true or false.
    Condition,
    /// An SQL query.
    Query,
}

/// A key that may be absent.
pub(crate) const fn key(name: &'static str, holds: Type, example: &'static str, about: &'static str) -> Key {
    Key { name, holds, required: false, default: Preset::None, about, example }
}

impl Key {
    /// Makes the key required.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the default.
    pub(crate) const fn or(mut self, default: Preset) -> Self {
        self.default = default;
        self
    }
}

impl Shape {
    /// A shape whose keys are independent of each other.
    pub(crate) const fn new(
        name: &'static str,
        within: &'static str,
        about: &'static str,
        keys: &'static [&'static [Key]],
    ) -> Self {
        Self {
            name,
            within,
            family: within,
            about,
            keys,
            choice: Choice::Free,
            refused: &[],
            ignored: None,
            rule: None,
        }
    }

    /// Sets which of its keys exclude each other.
    pub(crate) const fn choice(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    /// Sets the rule across its keys.
    pub(crate) const fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// All keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().flat_map(|group| group.iter())
    }

    /// Whether `{}` is valid.
    pub(crate) fn may_be_empty(&self) -> bool {
        self.keys().all(|key| !key.required) && matches!(self.choice, Choice::Free | Choice::Optional(..))
    }

    /// The key that identifies the mapping among several.
    pub(crate) fn tag(&self) -> &'static str {
        self.keys().next().map_or("", |key| key.name)
    }
}

impl Choice {
    /// The keys of which one is required.
    pub(crate) const fn forms(&self) -> &'static [&'static str] {
        match self {
            Self::Free => &[],
            Self::One(_, forms) | Self::Optional(_, forms) | Self::Some(forms) => forms,
        }
    }

    /// The keys that exclude those of other shapes with the same first key.
    pub(crate) fn exclusive(&self) -> &'static [&'static str] {
        match self {
            Self::Some(forms) => &forms[..forms.len().min(1)],
            Self::Free | Self::One(..) | Self::Optional(..) => self.forms(),
        }
    }
}

impl Type {
    /// The mappings with known keys that a value of this type can be or hold.
    pub(crate) fn shapes(&self) -> Vec<&'static Shape> {
        match self {
            Self::Map(shape) => vec![shape],
            Self::Tagged(_, _, shapes) => shapes.to_vec(),
            Self::List(of, _) | Self::Many(of) | Self::Own(_, of, _) => of.shapes(),
            Self::Either(types) => types.iter().flat_map(Self::shapes).collect(),
            _ => Vec::new(),
        }
    }

    /// The words that may be a value.
    pub(crate) fn words(&self) -> &'static [Word] {
        match self {
            Self::Word(_, words) => words,
            Self::Either(types) => {
                types.iter().map(Self::words).find(|words| !words.is_empty()).unwrap_or(&[])
            }
            _ => &[],
        }
    }
}

impl Preset {
    /// The default as written in a spec; `None` if there is none.
    pub(crate) fn written(&self) -> Option<String> {
        let code = |text: String| Some(format!("`{text}`"));
        match self {
            Self::None => None,
            Self::Count(value) => code(value.to_string()),
            Self::Number(value) => code(value.to_string()),
            Self::Flag(value) => code(value.to_string()),
            Self::Duration(value) => code(Span(*value).to_string()),
            Self::Size(value) => code(value.to_string()),
            Self::Word(value) => code((*value).to_owned()),
            Self::Says(value) => Some((*value).to_owned()),
            Self::Made(value) => Some(value()),
        }
    }
}
