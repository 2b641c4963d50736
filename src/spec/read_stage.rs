//! From tree to stage. The first key of a stage is its kind, the value its name.

use serde_json::Value;

use crate::{
    diagnostic::{Fault, Place},
    event::StageKind,
    units::Size,
};

use super::{
    Name, read_ask,
    reader::{Mapping, Reader},
    stage::{
        CollectSpec, FieldsSpec, Form, From, Mode, PollSpec, SinkSpec, SourceForm, SourceSpec, SplitSpec,
        SplitWhat, StageSpec, Target, ThrottleSpec, WaveSpec,
    },
    tree::{Kind, Node},
};

pub(super) const SOURCE: &[&str] =
    &["source", "files", "rows", "sql", "jsonl", "csv", "parquet", "key", "limit", "max_bytes", "content"];
pub(super) const SOURCE_FORMS: &[&str] = &["files", "rows", "sql", "jsonl", "csv", "parquet"];
const MAP: &[&str] = &[
    "map", "from", "when", "chat", "embed", "ocr", "moderate", "classify", "submit", "collect", "fields",
    "split",
];
const MAP_FORMS: &[&str] =
    &["chat", "embed", "ocr", "moderate", "classify", "submit", "collect", "fields", "split"];
pub(super) const MAP_COLLECT: &[&str] = &["map", "from", "collect", "into"];
pub(super) const MAP_FIELDS: &[&str] = &["map", "from", "when", "fields", "keep", "drop", "rename"];
pub(super) const MAP_SPLIT: &[&str] = &["map", "from", "when", "split", "into"];
pub(super) const SPLIT: &[&str] = &["list", "text", "max_chars", "max_tokens", "overlap"];
pub(super) const SPLIT_FORMS: &[&str] = &["list", "text"];
pub(super) const THROTTLE: &[&str] = &["throttle", "from", "rate", "burst", "shared"];
pub(super) const POLL: &[&str] =
    &["poll", "from", "job", "every", "backoff", "timeout", "until", "on_timeout"];
pub(super) const WAVE: &[&str] = &["wave", "from", "sql", "stop_if"];
pub(super) const SINK: &[&str] =
    &["sink", "from", "when", "table", "jsonl", "csv", "parquet", "key", "columns", "mode"];
pub(super) const SINK_FORMS: &[&str] = &["table", "jsonl", "csv", "parquet"];

/// A token is about four characters of English; the exact count is the model's own affair.
const CHARS_A_TOKEN: usize = 4;

/// Larger texts are longer than any model reads at once.
const LARGEST_TEXT: Size = Size(32_000_000);

/// The largest file that goes with a question.
pub(crate) const LARGEST_FILE: Size = Size(50_000_000);

pub(super) fn read_all(node: Node, reader: &mut Reader<'_>) -> Vec<StageSpec> {
    match node.kind {
        Kind::List(items) => items.into_iter().filter_map(|item| read(item, reader)).collect(),
        _ => {
            reader.wrong(&node, "a list of stages, each `- kind: name`");
            Vec::new()
        }
    }
}

fn read(node: Node, reader: &mut Reader<'_>) -> Option<StageSpec> {
    const KINDS: &[(&str, StageKind)] = &[
        ("source", StageKind::Source),
        ("map", StageKind::Map),
        ("throttle", StageKind::Throttle),
        ("poll", StageKind::Poll),
        ("wave", StageKind::Wave),
        ("sink", StageKind::Sink),
    ];
    let Kind::Map(entries) = node.kind else {
        reader.wrong(&node, "a stage, `- kind: name`");
        return None;
    };
    let Some((key, _)) = entries.first() else {
        reader.report(
            node.span,
            Fault::WrongShape { found: "an empty stage".to_owned(), wanted: "`kind: name`" },
        );
        return None;
    };
    let Some((word, kind)) = KINDS.iter().find(|(word, _)| *word == key.name) else {
        let known: Vec<String> = KINDS.iter().map(|(word, _)| (*word).to_owned()).collect();
        let fault = Fault::UnknownWord { what: "kind of stage", found: key.name.clone(), known };
        reader.report(key.span.clone(), fault);
        reader.lose(&entries[0].1);
        return None;
    };
    let kind = *kind;
    let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
    let (within, known) = match kind {
        StageKind::Source => ("a source", SOURCE),
        StageKind::Map if has("submit") => ("a map with `submit:`", read_ask::MAP_SUBMIT),
        StageKind::Map if has("collect") => ("a map with `collect:`", MAP_COLLECT),
        StageKind::Map if read_ask::TASKS.iter().any(|task| has(task)) => {
            ("a map that asks", read_ask::MAP_ASK)
        }
        StageKind::Map if has("split") => ("a map with `split:`", MAP_SPLIT),
        StageKind::Map if ["fields", "keep", "drop", "rename"].iter().any(|name| has(name)) => {
            ("a map with `fields:`", MAP_FIELDS)
        }
        StageKind::Map => ("a map", MAP),
        StageKind::Throttle => ("a throttle", THROTTLE),
        StageKind::Poll => ("a poll", POLL),
        StageKind::Wave => ("a wave", WAVE),
        StageKind::Sink => ("a sink", SINK),
    };
    let key_span = key.span.clone();
    let mut mapping = reader.mapping_of(entries, key_span, within, known);
    let name = mapping.take(word).and_then(|node| {
        reader.lose(&node);
        reader.name(node)
    });
    if name.is_some() {
        reader.lost.pop();
    }
    let from_node = if kind == StageKind::Source { None } else { mapping.take("from") };
    let from = from_node.map(|node| reader.texts(node).into_iter().map(|text| From { text }).collect());
    let when = mapping.take("when").and_then(|node| reader.text(node));
    // A stage without a readable name still has its other mistakes told.
    let form = match kind {
        StageKind::Source => source(&mut mapping, name.as_ref(), reader).map(Form::Source),
        StageKind::Map => map(&mut mapping, name.as_ref(), reader),
        StageKind::Throttle => throttle(&mut mapping, reader).map(Form::Throttle),
        StageKind::Poll => poll(&mut mapping, reader).map(Form::Poll),
        StageKind::Wave => Some(Form::Wave(WaveSpec {
            sql: mapping.take("sql").and_then(|node| reader.text(node)),
            stop_if: mapping.take("stop_if").and_then(|node| reader.text(node)),
        })),
        StageKind::Sink => sink(&mut mapping, name.as_ref(), reader).map(Form::Sink),
    };
    reader.finish(mapping);
    Some(StageSpec { name: name?, kind, from, when, form })
}

/// Takes the one key that says what the stage does.
pub(super) fn only_form(
    mapping: &mut Mapping,
    kind: &'static str,
    name: Option<&Name>,
    forms: &'static [&'static str],
    reader: &mut Reader<'_>,
) -> Option<(&'static str, Node)> {
    let present: Vec<&str> = forms.iter().copied().filter(|form| mapping.has(form)).collect();
    if let [form] = present[..] {
        return mapping.take(form).map(|node| (form, node));
    }
    if let Some(name) = name {
        let fault = Fault::Forms { kind, name: name.value.to_string(), count: present.len(), known: forms };
        reader.report(name.place.span.clone(), fault);
    }
    present.iter().for_each(|form| drop(mapping.take(form)));
    None
}

fn source(mapping: &mut Mapping, name: Option<&Name>, reader: &mut Reader<'_>) -> Option<SourceSpec> {
    let key = mapping.take("key").and_then(|node| reader.text(node));
    let limit = mapping
        .take("limit")
        .and_then(|node| reader.count(&node, (1, u64::MAX), "a number of records, 1 or more"));
    let content = mapping.take("content").and_then(|node| reader.flag(&node)).unwrap_or(true);
    let most = if content { LARGEST_TEXT } else { LARGEST_FILE };
    let max_bytes = mapping.take("max_bytes").and_then(|node| reader.unit(node)).unwrap_or(most);
    let (form, node) = only_form(mapping, "source", name, SOURCE_FORMS, reader)?;
    let form = match form {
        "rows" => SourceForm::Rows(rows(node, reader)?),
        _ => {
            let text = reader.text(node)?;
            match form {
                "files" => SourceForm::Files(text),
                "sql" => SourceForm::Sql(text),
                "jsonl" => SourceForm::Jsonl(text),
                "csv" => SourceForm::Csv(text),
                _ => SourceForm::Parquet(text),
            }
        }
    };
    Some(SourceSpec { form, key, limit, max_bytes, content })
}

fn rows(node: Node, reader: &mut Reader<'_>) -> Option<Vec<(Place, Value)>> {
    let Kind::List(items) = node.kind else {
        reader.wrong(&node, "a list of records, each a mapping");
        return None;
    };
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        if matches!(item.kind, Kind::Map(_)) {
            rows.push((reader.place(item.span.clone()), reader.json(&item)));
        } else {
            reader.wrong(&item, "a record, `{ name: value }`");
        }
    }
    Some(rows)
}

fn map(mapping: &mut Mapping, name: Option<&Name>, reader: &mut Reader<'_>) -> Option<Form> {
    if !MAP_FORMS.iter().any(|form| mapping.has(form))
        && ["keep", "drop", "rename"].iter().any(|key| mapping.has(key))
    {
        return Some(Form::Fields(fields(mapping, None, reader)));
    }
    let (form, node) = only_form(mapping, "map", name, MAP_FORMS, reader)?;
    match form {
        "submit" => read_ask::submit(mapping, node, name, reader).map(|ask| Form::Submit(Box::new(ask))),
        "collect" => {
            let into = mapping.take("into").and_then(|node| reader.name(node));
            let rest = reader.mapping(node, "`collect:`", &[])?;
            reader.finish(rest);
            Some(Form::Collect(CollectSpec { into }))
        }
        task if read_ask::TASKS.contains(&task) => {
            read_ask::ask(mapping, task, node, reader).map(|ask| Form::Ask(Box::new(ask)))
        }
        "split" => split(mapping, node, name, reader).map(Form::Split),
        _ => Some(Form::Fields(fields(mapping, Some(node), reader))),
    }
}

fn fields(mapping: &mut Mapping, node: Option<Node>, reader: &mut Reader<'_>) -> FieldsSpec {
    FieldsSpec {
        set: node.map(|node| reader.named_texts(node)).unwrap_or_default(),
        keep: mapping.take("keep").map(|node| reader.texts(node)),
        drop: mapping.take("drop").map(|node| reader.texts(node)).unwrap_or_default(),
        rename: mapping.take("rename").map(|node| reader.named_texts(node)).unwrap_or_default(),
    }
}

fn split(
    mapping: &mut Mapping,
    node: Node,
    name: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Option<SplitSpec> {
    const CHARS: &str = "a number of characters, 1 or more";
    let into = mapping.take("into").and_then(|node| reader.name(node));
    let mut split = reader.mapping(node, "`split:`", SPLIT)?;
    let chars = split.take("max_chars").and_then(|node| reader.count(&node, (1, 1 << 40), CHARS));
    let tokens = split
        .take("max_tokens")
        .and_then(|node| reader.count(&node, (1, 1 << 38), "a number of tokens, 1 or more"));
    let overlap =
        split.take("overlap").and_then(|node| reader.count(&node, (0, 1 << 38), "a number, 0 or more"));
    let (form, of) = only_form(&mut split, "split of", name, SPLIT_FORMS, reader)?;
    let of = reader.text(of)?;
    let scale = if tokens.is_some() { CHARS_A_TOKEN } else { 1 };
    let max_chars = chars.or(tokens).map_or(8_000, |count| count as usize * scale);
    let overlap = overlap.unwrap_or(0) as usize * scale;
    reader.finish(split);
    if form == "list" {
        return Some(SplitSpec { of, what: SplitWhat::Items, into });
    }
    if overlap >= max_chars {
        // The next chunk would begin no further on, and the split would never end.
        let fault = Fault::OutOfBounds {
            found: overlap.to_string(),
            wanted: "an `overlap` below the chunk's length",
        };
        reader.report(of.place.span.clone(), fault);
        return None;
    }
    Some(SplitSpec { of, what: SplitWhat::Chunks { max_chars, overlap }, into })
}

fn poll(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Option<PollSpec> {
    const JOBS: &[(&str, ())] = &[("mistral", ())];
    let job = reader.need(mapping, "job", "job: mistral").and_then(|node| reader.word(node, "job", JOBS));
    let schedule = read_ask::schedule(mapping, reader);
    let until = mapping.take("until").and_then(|node| reader.text(node));
    job.map(|()| PollSpec { schedule, until })
}

fn throttle(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Option<ThrottleSpec> {
    let rate = reader.need(mapping, "rate", "rate: 5/s").and_then(|node| reader.unit(node));
    let burst = mapping
        .take("burst")
        .and_then(|node| reader.count(&node, (1, 1_000_000), "a number of records, 1 or more"))
        .unwrap_or(1);
    let shared = mapping.take("shared").and_then(|node| reader.name(node));
    Some(ThrottleSpec { rate: rate?, burst: burst as u32, shared })
}

fn sink(mapping: &mut Mapping, name: Option<&Name>, reader: &mut Reader<'_>) -> Option<SinkSpec> {
    const MODES: &[(&str, Mode)] =
        &[("upsert", Mode::Upsert), ("append", Mode::Append), ("replace", Mode::Replace)];
    let key = mapping.take("key").and_then(|node| reader.text(node));
    let columns = mapping.take("columns").map(|node| reader.named_texts(node));
    let mode = mapping.take("mode").and_then(|node| reader.word(node, "mode", MODES));
    let (form, node) = only_form(mapping, "sink", name, SINK_FORMS, reader)?;
    let target = match form {
        "table" => Target::Table(reader.name(node)?),
        "jsonl" => Target::Jsonl(reader.text(node)?),
        "csv" => Target::Csv(reader.text(node)?),
        _ => Target::Parquet(reader.text(node)?),
    };
    Some(SinkSpec { target, key, columns, mode })
}
