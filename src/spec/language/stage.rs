//! `stages:`: the list of all kinds of stage, and the struct that a stage is read into.

use crate::event::StageKind;

use super::{
    ask::{self, AskSpec},
    filter::{self, FilterSpec},
    gather::{self, GatherSpec},
    poll::{self, PollSpec},
    reshape::{self, FieldsSpec},
    sink::{self, SinkSpec, Target},
    source::{self, SourceForm, SourceSpec},
    split::{self, SplitSpec},
    submit::{self, CollectSpec},
    throttle::{self, ThrottleSpec},
    wave::{self, WaveSet, WaveSpec},
};
use crate::spec::{
    describe::Type,
    text::{Name, Text},
    value::{Checked, FromValue, Value},
};

/// A stage as written.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: StageKind,
    /// Its inputs; `None` for the stage above.
    pub from: Option<Vec<From>>,
    /// The condition under which it processes a record.
    pub when: Option<Text>,
    /// What it does; `None` if it could not be read, which has been reported.
    pub form: Option<Form>,
}

impl StageSpec {
    /// The table that a sink writes to.
    pub fn table(&self) -> Option<&str> {
        match &self.form {
            Some(Form::Sink(SinkSpec { target: None, .. })) => Some(&self.name.value),
            Some(Form::Sink(SinkSpec { target: Some(Target::Table(table)), .. })) => Some(&table.value),
            _ => None,
        }
    }

    /// The query of a source or a wave that has one.
    pub fn query(&self) -> Option<&Text> {
        match &self.form {
            Some(Form::Source(SourceSpec { form: SourceForm::Sql(query), .. })) => Some(query),
            Some(Form::Wave(WaveSpec { set: Some(WaveSet::Query(text)), .. })) => Some(text),
            _ => None,
        }
    }
}

/// One entry of `from:`.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The stage and, after a dot, its port.
    pub text: Text,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is documented by what it holds")]
pub enum Form {
    Source(SourceSpec),
    Ask(Box<AskSpec>),
    Submit(Box<AskSpec>),
    Poll(PollSpec),
    Collect(CollectSpec),
    Fields(FieldsSpec),
    Filter(FilterSpec),
    Split(SplitSpec),
    Gather(GatherSpec),
    Throttle(ThrottleSpec),
    Wave(WaveSpec),
    Sink(SinkSpec),
}

/// A stage: its first key is its kind, the value its name.
pub(super) const STAGE: Type = Type::Tagged(
    "kind of stage",
    "a stage, `- kind: name`",
    &[
        &source::SHAPE,
        &ask::SHAPE,
        &submit::SUBMITS,
        &submit::COLLECTS,
        &reshape::SHAPE,
        &filter::SHAPE,
        &split::SHAPE,
        &gather::SHAPE,
        &throttle::SHAPE,
        &poll::SHAPE,
        &wave::SHAPE,
        &sink::SHAPE,
    ],
);

impl FromValue for StageSpec {
    fn from_value(value: Value) -> Option<Self> {
        let mut map = Checked::from_value(value)?;
        let (kind, word) = match map.shape {
            "source" => (StageKind::Source, "source"),
            "gather" => (StageKind::Gather, "gather"),
            "throttle" => (StageKind::Throttle, "throttle"),
            "poll" => (StageKind::Poll, "poll"),
            "wave" => (StageKind::Wave, "wave"),
            "sink" => (StageKind::Sink, "sink"),
            _ => (StageKind::Map, "map"),
        };
        let name = map.get(word)?;
        let from: Option<Vec<Text>> = map.get("from");
        let from = from.map(|texts| texts.into_iter().map(|text| From { text }).collect());
        let when = map.get("when");
        Some(Self { name, kind, from, when, form: form(map) })
    }
}

fn form(map: Checked) -> Option<Form> {
    match map.shape {
        "source" => source::build(map).map(Form::Source),
        "asks" => ask::build(map).map(|ask| Form::Ask(Box::new(ask))),
        "submits" => submit::submit(map).map(|ask| Form::Submit(Box::new(ask))),
        "collects" => submit::collect(map).map(Form::Collect),
        "reshapes" => Some(Form::Fields(reshape::build(map))),
        "filters" => filter::build(map).map(Form::Filter),
        "splits" => split::build(map).map(Form::Split),
        "gather" => Some(Form::Gather(gather::build(map))),
        "throttle" => throttle::build(map).map(Form::Throttle),
        "poll" => poll::build(map).map(Form::Poll),
        "wave" => Some(Form::Wave(wave::build(map))),
        "sink" => sink::build(map).map(Form::Sink),
        _ => None,
    }
}
