//! Stages that ask a model: what is asked, how often, at once or in jobs.

use std::time::Duration;

use crate::units::Span;

use super::{
    Name, Text, bounds,
    read_chat::{CHAT, chat, prompt},
    read_stage::only_form,
    reader::{Mapping, Reader},
    stage::{AskSpec, BatchSpec, OnTimeout, PollSchedule, Prompt, Retry, TaskSpec},
    tree::{Kind, Node},
};

pub(super) const TASKS: &[&str] = &["chat", "embed", "ocr", "moderate", "classify"];
pub(super) const MAP_ASK: &[&str] = &[
    "map",
    "from",
    "when",
    "chat",
    "embed",
    "ocr",
    "moderate",
    "classify",
    "batch",
    "concurrency",
    "attempts",
    "retry",
    "into",
];
pub(super) const MAP_SUBMIT: &[&str] = &["map", "from", "when", "submit", "concurrency", "attempts"];
pub(super) const SUBMIT: &[&str] =
    &["chat", "embed", "ocr", "moderate", "classify", "max_requests", "max_bytes", "wait", "timeout_hours"];
pub(super) const BATCH: &[&str] =
    &["max_requests", "max_bytes", "wait", "timeout_hours", "every", "backoff", "timeout", "on_timeout"];
pub(super) const EMBED: &[&str] = &["model", "input", "dimension"];
pub(super) const OCR: &[&str] = &["model", "document", "pages"];
pub(super) const INPUT: &[&str] = &["model", "input"];
pub(super) const RETRY: &[&str] = &["times", "wait", "max_wait"];
pub(super) const BACKOFF: &[&str] = &["factor", "max"];

/// A map that asks by itself or, with `batch:`, in jobs.
pub(super) fn ask(
    mapping: &mut Mapping,
    form: &'static str,
    node: Node,
    reader: &mut Reader<'_>,
) -> Option<AskSpec> {
    let batch = mapping.take("batch").map(|node| batch(node, reader));
    let retry = mapping.take("retry").map_or(Retry::DEFAULT, |node| retry(node, reader));
    let into = mapping.take("into").and_then(|node| reader.name(node));
    finish(mapping, form, node, batch, reader).map(|ask| AskSpec { retry, into, ..ask })
}

/// A map that groups requests into jobs.
pub(super) fn submit(
    mapping: &mut Mapping,
    node: Node,
    name: Option<&Name>,
    reader: &mut Reader<'_>,
) -> Option<AskSpec> {
    let mut submit = reader.mapping(node, "`submit:`", SUBMIT)?;
    let bounds = bounds(&mut submit, reader);
    let (form, node) = only_form(&mut submit, "submit of", name, TASKS, reader)?;
    reader.finish(submit);
    finish(mapping, form, node, Some(bounds), reader)
}

fn finish(
    mapping: &mut Mapping,
    form: &'static str,
    node: Node,
    batch: Option<BatchSpec>,
    reader: &mut Reader<'_>,
) -> Option<AskSpec> {
    // What goes on at once in a job is the service's affair.
    let concurrency = match batch {
        Some(_) => bounds::slots(mapping, reader),
        None => bounds::concurrency(mapping, reader),
    };
    let attempts = mapping
        .take("attempts")
        .and_then(|node| reader.count(&node, (1, 100), "a number of attempts, 1 to 100"))
        .unwrap_or(1);
    let (model, task) = task(form, node, reader)?;
    Some(AskSpec {
        model,
        task,
        concurrency,
        attempts: attempts as u32,
        retry: Retry::DEFAULT,
        into: None,
        batch,
    })
}

fn task(form: &'static str, node: Node, reader: &mut Reader<'_>) -> Option<(Text, TaskSpec)> {
    let (within, known, example) = match form {
        "chat" => ("`chat:`", CHAT, "model: mistral-small-latest"),
        "embed" => ("`embed:`", EMBED, "model: mistral-embed"),
        "ocr" => ("`ocr:`", OCR, "model: mistral-ocr-latest"),
        "moderate" => ("`moderate:`", INPUT, "model: mistral-moderation-latest"),
        _ => ("`classify:`", INPUT, "model: ft:classifier:…"),
    };
    let mut mapping = reader.mapping(node, within, known)?;
    let model = reader.need(&mut mapping, "model", example).and_then(|node| reader.text(node));
    let task = match form {
        "chat" => chat(&mut mapping, reader).map(|chat| TaskSpec::Chat(Box::new(chat))),
        "embed" => {
            const NUMBERS: &str = "a number of numbers, 1 or more";
            let dimension =
                mapping.take("dimension").and_then(|node| reader.count(&node, (1, 1 << 16), NUMBERS));
            input(&mut mapping, reader).map(|input| TaskSpec::Embed { input, dimension })
        }
        "ocr" => {
            let document = reader.need(&mut mapping, "document", "document: \"{{ url }}\"");
            let document = document.and_then(|node| reader.text(node));
            let pages = mapping.take("pages").and_then(|node| reader.text(node));
            document.map(|document| TaskSpec::Ocr { document, pages })
        }
        "moderate" => input(&mut mapping, reader).map(|input| TaskSpec::Moderate { input }),
        _ => input(&mut mapping, reader).map(|input| TaskSpec::Classify { input }),
    };
    reader.finish(mapping);
    Some((model?, task?))
}

fn input(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Option<Prompt> {
    reader.need(mapping, "input", "input: \"{{ text }}\"").and_then(|node| prompt(node, reader))
}

fn bounds(mapping: &mut Mapping, reader: &mut Reader<'_>) -> BatchSpec {
    const REQUESTS: &str = "a number of requests, 1 to 1000000";
    const HOURS: &str = "a number of hours, 1 to 168";
    let mut batch = BatchSpec::DEFAULT;
    let count = mapping.take("max_requests").and_then(|node| reader.count(&node, (1, 1_000_000), REQUESTS));
    if let Some(count) = count {
        batch.max_requests = count as usize;
    }
    if let Some(node) = mapping.take("max_bytes") {
        let span = node.span.clone();
        match reader.unit::<crate::units::Size>(node) {
            Some(size) if size.0 > LARGEST.0 => {
                let fault = crate::diagnostic::Fault::OutOfBounds {
                    found: size.to_string(),
                    wanted: "at most 512MB",
                };
                reader.report(span, fault);
            }
            Some(size) => batch.max_bytes = size,
            None => {}
        }
    }
    if let Some(Span(wait)) = mapping.take("wait").and_then(|node| reader.unit(node)) {
        batch.wait = wait;
    }
    if let Some(hours) = mapping.take("timeout_hours").and_then(|node| reader.count(&node, (1, 168), HOURS)) {
        batch.timeout_hours = hours as u32;
    }
    batch
}

/// The largest file that the service takes.
const LARGEST: crate::units::Size = crate::units::Size(512_000_000);

fn batch(node: Node, reader: &mut Reader<'_>) -> BatchSpec {
    let Some(mut mapping) = reader.mapping(node, "`batch:`", BATCH) else { return BatchSpec::DEFAULT };
    let mut batch = bounds(&mut mapping, reader);
    batch.poll = schedule(&mut mapping, reader);
    reader.finish(mapping);
    batch
}

/// When a poll asks.
pub(super) fn schedule(mapping: &mut Mapping, reader: &mut Reader<'_>) -> PollSchedule {
    const WORDS: &[(&str, OnTimeout)] = &[("fail", OnTimeout::Fail), ("cancel", OnTimeout::Cancel)];
    let mut schedule = PollSchedule::DEFAULT;
    let mut span = |name: &str, reader: &mut Reader<'_>| -> Option<Duration> {
        let node = mapping.take(name)?;
        let place = node.span.clone();
        let Span(time) = reader.unit(node)?;
        if time.is_zero() {
            let fault = crate::diagnostic::Fault::OutOfBounds {
                found: "0".to_owned(),
                wanted: "a time above nothing, such as `30s`",
            };
            reader.report(place, fault);
            return None;
        }
        Some(time)
    };
    if let Some(every) = span("every", reader) {
        schedule.every = every;
        schedule.max = schedule.max.max(every);
    }
    if let Some(timeout) = span("timeout", reader) {
        schedule.timeout = timeout;
    }
    if let Some(word) = mapping.take("on_timeout").and_then(|node| reader.word(node, "end", WORDS)) {
        schedule.on_timeout = word;
    }
    if let Some(node) = mapping.take("backoff")
        && let Some(mut backoff) = reader.mapping(node, "`backoff:`", BACKOFF)
    {
        let factor = backoff
            .take("factor")
            .and_then(|node| reader.number(&node, (1.0, 100.0), "a number from 1 to 100"));
        schedule.factor = factor.unwrap_or(schedule.factor);
        if let Some(Span(max)) = backoff.take("max").and_then(|node| reader.unit(node)) {
            schedule.max = max;
        }
        reader.finish(backoff);
    }
    schedule
}

fn retry(node: Node, reader: &mut Reader<'_>) -> Retry {
    const TIMES: &str = "a number of retries, 0 to 100";
    let mut retry = Retry::DEFAULT;
    if !matches!(node.kind, Kind::Map(_)) {
        if let Some(times) = reader.count(&node, (0, 100), TIMES) {
            retry.times = times as u32;
        }
        return retry;
    }
    let Some(mut mapping) = reader.mapping(node, "`retry:`", RETRY) else { return retry };
    if let Some(times) = mapping.take("times").and_then(|node| reader.count(&node, (0, 100), TIMES)) {
        retry.times = times as u32;
    }
    if let Some(Span(wait)) = mapping.take("wait").and_then(|node| reader.unit(node)) {
        retry.wait = wait;
    }
    if let Some(Span(wait)) = mapping.take("max_wait").and_then(|node| reader.unit(node)) {
        retry.max_wait = wait;
    }
    reader.finish(mapping);
    retry
}
