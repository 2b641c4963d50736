//! A readable plan: every stage with its inputs and every applied default.

use std::fmt;

use crate::{
    event::StageKind,
    spec::{
        BatchSpec, Boundary, Duplicates, Mode, Needs, OnTimeout, PollSchedule, SplitWhat, Stale, Timeouts,
    },
    sql::Resources,
    units::Span,
};

use super::{
    Ask, Attachment, Field, Input, Mock, NewField, Node, Output, Owned, Plan, Poll, Port, Set, Sink, Step,
    Target, Task, fold::folded_json, line::one_line, without_login,
};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} → {}", self.name, self.database_shown)?;
        resources(&self.resources, f)?;
        if let Some(mistral) = &self.mistral {
            write!(f, "server {}", without_login(&mistral.base_url))?;
            let limits = [("requests", mistral.requests), ("tokens", mistral.tokens)];
            for (name, rate) in limits.iter().filter_map(|(name, rate)| Some((name, rate.as_ref()?))) {
                write!(f, ", {name} {rate}")?;
            }
            let Timeouts { connect, first_byte, whole } = mistral.timeouts;
            let (connect, first_byte, whole) = (Span(connect), Span(first_byte), Span(whole));
            writeln!(f, "\ntimeouts: connect {connect}, first byte {first_byte}, whole answer {whole}")?;
        }
        if let Some(budget) = self.budget {
            writeln!(f, "budget {budget}")?;
        }
        let width = self.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
        for node in &self.nodes {
            let mut reads: Vec<String> = Vec::new();
            for input in node.inputs.iter().map(|input| self.port(*input)) {
                if !reads.contains(&input) {
                    reads.push(input);
                }
            }
            let reads = if reads.is_empty() { String::new() } else { format!("  ← {}", reads.join(" + ")) };
            let head = format!("{:<8} {:<width$}{reads}", kind(node), node.name);
            writeln!(f, "\n{}", head.trim_end())?;
            for line in self.details(node) {
                writeln!(f, "         {line}")?;
            }
        }
        Ok(())
    }
}

fn kind(node: &Node) -> &'static str {
    match (&node.step, node.kind) {
        (Step::Lookup(_), _) => "lookup",
        (_, StageKind::Source) => "source",
        (_, StageKind::Map) => "map",
        (_, StageKind::Gather) => "gather",
        (_, StageKind::Throttle) => "throttle",
        (_, StageKind::Poll) => "poll",
        (_, StageKind::Wave) => "wave",
        (_, StageKind::Sink) => "sink",
    }
}

impl Plan {
    fn port(&self, input: Input) -> String {
        let name = &self.node(input.node).name;
        match input.port {
            Port::Out => name.to_string(),
            Port::Failed => format!("{name}.failed"),
        }
    }

    fn details(&self, node: &Node) -> Vec<String> {
        let mut lines = match &node.step {
            Step::Source(source) => {
                let mut lines = source.from.lines();
                lines.extend(source.limit.map(|limit| format!("limit {limit}")));
                lines
            }
            Step::Lookup(chat) => {
                vec![format!(
                    "answers in the ledger are used at once; the others are requested by `{}`",
                    self.node(*chat).name
                )]
            }
            Step::Ask(ask) => ask_lines(ask),
            Step::Submit(ask) => submit_lines(ask),
            Step::Poll(poll) => poll_lines(poll),
            Step::Collect(submit) => vec![format!(
                "the answers of the jobs of `{}`: each record answered, refused or missing",
                self.node(*submit).name
            )],
            Step::Fields(reshape) => {
                let mut lines: Vec<String> = reshape
                    .set
                    .iter()
                    .map(|(name, value, of)| match value {
                        NewField::Expression(text) => format!("{name} = {} ({})", one_line(text), of.sql()),
                        NewField::Template(prompt) => format!("{name} = a text, {}", one_line(&prompt.text)),
                    })
                    .collect();
                lines.extend(reshape.keep.as_ref().map(|keep| format!("keep {}", keep.join(", "))));
                if !reshape.drop.is_empty() {
                    lines.push(format!("drop {}", reshape.drop.join(", ")));
                }
                lines.extend(reshape.rename.iter().map(|(new, old)| format!("rename {old} to {new}")));
                lines
            }
            Step::Filter(condition) => vec![format!("keeps records where {}", one_line(condition))],
            Step::Split(split) => vec![match &split.what {
                SplitWhat::Items => format!("one record for each item of {} → {}", split.of, split.into),
                SplitWhat::Values(values) => {
                    format!("one record for each of {} → {}", values.join(", "), split.into)
                }
                SplitWhat::Samples => format!("{} of each record → {}", one_line(&split.of), split.into),
                SplitWhat::Chunks { max_chars, overlap, by } => {
                    let by = match by {
                        Boundary::Length => "",
                        Boundary::Paragraph => " of whole paragraphs",
                        Boundary::Heading => " from heading to heading",
                    };
                    let overlap = match overlap {
                        0 => String::new(),
                        overlap => format!(", overlap {overlap}"),
                    };
                    format!("{} in chunks{by} of {max_chars} characters{overlap} → {}", split.of, split.into)
                }
            }],
            Step::Gather(gather) => {
                let needs = match gather.needs {
                    Needs::All => "a record with a piece that failed fails",
                    Needs::Any => "pieces that failed are missing",
                };
                let fields: Vec<&str> = gather.fields.iter().map(|(name, _)| name.as_str()).collect();
                vec![
                    format!(
                        "the pieces of `{}` → {}, each with {}",
                        gather.stage,
                        gather.into,
                        fields.join(", ")
                    ),
                    needs.to_owned(),
                ]
            }
            Step::Throttle(throttle) => {
                let mut line = format!("rate {}, burst {}", throttle.rate, throttle.burst);
                if throttle.group != node.name {
                    line.push_str(&format!(", shared as {}", throttle.group));
                }
                vec![line]
            }
            Step::Wave(wave) => {
                let mut lines =
                    vec!["holds everything below until everything above has ended and is on disk".to_owned()];
                match &wave.set {
                    Some(Set::Query(query)) => {
                        lines.push(format!("query {}", one_line(&query.text)));
                        if query.origins.is_none() {
                            lines.push(
                                "each row comes from all records of the wave: the form of the query does not show from which"
                                    .to_owned(),
                            );
                        }
                    }
                    Some(Set::Sample(count)) => {
                        lines.push(format!("a sample of {count} records, by a hash of their keys"));
                    }
                    Some(Set::Unique { of, .. }) => {
                        lines.push(format!("one record for each {}", one_line(&of.join(", "))));
                    }
                    None => {}
                }
                lines.extend(wave.stop_if.as_ref().map(|stop_if| format!("stops the run if {stop_if}")));
                lines
            }
            Step::Sink(sink) => sink_lines(sink),
        };
        lines.extend(node.when.as_ref().map(|when| format!("when {when}")));
        lines.extend(output_lines(node));
        lines
    }
}

/// The fields and the key of the records that leave a stage, if it changes the fields.
fn output_lines(node: &Node) -> Vec<String> {
    let is_query = matches!(&node.step, Step::Wave(wave) if matches!(wave.set, Some(Set::Query(_))));
    let is_new = |output: &&Output| is_query || output.schema != *node.input.schema;
    let Some(Output { schema, key }) = node.output.as_ref().filter(is_new) else { return Vec::new() };
    let fields = schema.fields().iter().map(|field| format!("{} {}", field.name, field.datatype.sql()));
    let mut lines = wrapped("fields ", fields);
    lines.push(match &key[..] {
        [] => "no key".to_owned(),
        key => format!("key {}", key.join(", ")),
    });
    lines
}

/// Items behind a word, separated by commas, on as many lines as needed.
fn wrapped(word: &str, items: impl Iterator<Item = String>) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    let mut line = word.to_owned();
    let mut items = items.peekable();
    while let Some(item) = items.next() {
        let end = if items.peek().is_some() { "," } else { "" };
        if line.len() > word.len() && line.chars().count() + item.chars().count() > WIDTH {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(word.len());
        }
        line.push_str(&format!("{item}{end} "));
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The lines of a model call.
fn ask_lines(ask: &Ask) -> Vec<String> {
    let mut lines = vec![format!("{} {}, {} → {}", verb(&ask.task), ask.model, ask.concurrency, ask.into)];
    lines.extend(task_lines(&ask.task));
    let retry = ask.retry;
    lines.extend(expect_lines(ask));
    lines.extend(mock_line(ask));
    lines.push(format!(
        "attempts {} for a refused answer{}; without an answer {} retries, {} to {} apart",
        ask.attempts,
        feedback(ask),
        retry.times,
        Span(retry.wait),
        Span(retry.max_wait)
    ));
    lines
}

fn expect_lines(ask: &Ask) -> impl Iterator<Item = String> {
    ask.expect.iter().map(|(name, text)| format!("expects {name}: {}", one_line(text)))
}

fn mock_line(ask: &Ask) -> Option<String> {
    Some(match ask.mock.as_ref()? {
        Mock::Expression(text, _) => format!("offline it answers {}", one_line(text)),
        Mock::ByKey(answers) => format!("offline it answers by key, for {} records", answers.len()),
    })
}

fn feedback(ask: &Ask) -> &'static str {
    match (&ask.task, ask.attempts > 1, ask.feedback) {
        (Task::Chat(_), true, true) => ", each shown the one before and why it was refused",
        (_, true, _) => ", with the same request",
        _ => "",
    }
}

fn verb(task: &Task) -> &'static str {
    match task {
        Task::Chat(_) => "prompts",
        Task::Call(call) => call.kind.verb,
    }
}

fn task_lines(task: &Task) -> Vec<String> {
    let chat = match task {
        Task::Chat(chat) => chat,
        Task::Call(call) => {
            let line = |(name, field): &(&str, Field)| match field {
                Field::Document(document) => Some(attachment_line(name, document)),
                Field::Text(_) | Field::Texts(_) | Field::Constant(_) => None,
            };
            return call.fields.iter().filter_map(line).collect();
        }
    };
    let mut lines: Vec<String> = chat.images.iter().map(|image| attachment_line("image", image)).collect();
    lines.extend(chat.documents.iter().map(|document| attachment_line("document", document)));
    if let Some(schema) = &chat.schema {
        let file = schema.file.as_ref().map(|file| format!(" {file}")).unwrap_or_default();
        lines.push(format!("schema{file}, sent as `{}`", schema.name));
        lines.extend(folded_json(&schema.json, "  "));
    }
    let settings: Vec<String> =
        chat.settings.iter().map(|setting| format!("{} {}", setting.name, setting.shown)).collect();
    if !settings.is_empty() {
        lines.push(settings.join(", "));
    }
    lines
}

fn attachment_line(what: &str, attachment: &Attachment) -> String {
    format!("{what} {}", attachment.shown.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn submit_lines(ask: &Ask) -> Vec<String> {
    let batch = ask.batch.unwrap_or(BatchSpec::DEFAULT);
    let mut lines =
        vec![format!("{} {} in jobs, at half the price → {}", verb(&ask.task), ask.model, ask.into)];
    lines.extend(task_lines(&ask.task));
    lines.push(format!(
        "a job has up to {} requests and {}, and waits {} for more; the service may take up to {} h",
        batch.max_requests,
        batch.max_bytes,
        Span(batch.wait),
        batch.timeout_hours
    ));
    lines.extend(expect_lines(ask));
    lines.extend(mock_line(ask));
    lines.push(format!(
        "attempts {} for what is refused or missing{}; {} jobs are sent at a time",
        ask.attempts,
        feedback(ask),
        ask.concurrency.most()
    ));
    lines
}

fn poll_lines(poll: &Poll) -> Vec<String> {
    let PollSchedule { every, factor, max, timeout, on_timeout } = poll.schedule;
    let end = match on_timeout {
        OnTimeout::Fail => "its records are pending",
        OnTimeout::Cancel => "it is cancelled",
    };
    let mut lines = vec![format!(
        "one check now, then every {}, {factor} times as long each time up to {}; after {} {end}",
        Span(every),
        Span(max),
        Span(timeout)
    )];
    lines.extend(poll.until.as_ref().map(|until| format!("until {until}")));
    lines
}

/// The resource limits set by the pipeline.
fn resources(
    Resources { memory, threads, temp, columns: _ }: &Resources,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let said = [
        memory.map(|memory| format!("memory {memory}")),
        threads.map(|threads| format!("threads {threads}")),
        temp.as_ref().map(|temp| format!("temp {}", temp.display())),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { Ok(()) } else { writeln!(f, "duckdb may use {}", said.join(", ")) }
}

fn sink_lines(sink: &Sink) -> Vec<String> {
    let mode = match sink.mode {
        Mode::Upsert => "upsert",
        Mode::Append => "append",
        Mode::Replace => "replace",
    };
    let by = sink.mode == Mode::Upsert && !sink.key.is_empty();
    let key = if by { format!(" by {}", sink.key.join(", ")) } else { String::new() };
    let mut lines = vec![format!("{}, {mode}{key}", sink.target)];
    match &sink.owned {
        None if sink.mode == Mode::Upsert && matches!(sink.target, Target::Table(_)) => {
            lines.push("rows of earlier runs stay: a query above reads the table".to_owned());
        }
        None => {}
        Some(Owned { gone, stale }) => {
            let gone = if *gone { "that left the source or " } else { "" };
            lines.push(format!(
                "rows of records {gone}that no longer produce them are removed at the end of a run"
            ));
            match stale {
                Stale::Keep => {}
                Stale::Delete => lines.push("rows of records that fail are removed".to_owned()),
                Stale::Mark => lines.push("rows of records that fail are marked in `stale`".to_owned()),
            }
        }
    }
    match sink.duplicates {
        Duplicates::Fail => {}
        Duplicates::First => lines.push("of rows with the same key the first is kept".to_owned()),
        Duplicates::Last => lines.push("of rows with the same key the last is kept".to_owned()),
    }
    let width = sink.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    lines.extend(
        sink.columns.iter().map(|column| format!("  {:<width$}  {}", column.name, column.datatype.sql())),
    );
    lines
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table}"),
            Self::File { shown, .. } => f.write_str(shown),
        }
    }
}
