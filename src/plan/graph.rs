//! Resolves stage names: the edges between stages, their order, and cycles.

use std::collections::HashMap;

use crate::{
    diagnostic::{Fault, Mistake, nearest},
    event::StageKind,
    record::{ETL, RESERVED},
    spec::{Form, StageSpec, Text},
    sql::Relation,
};

use super::Port;

/// An edge by the index of a spec stage, and its place in the spec.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) stage: usize,
    pub(super) port: Port,
    pub(super) text: Option<Text>,
    /// The name in a wave's query, if only the query reads the records.
    pub(super) relation: Option<String>,
}

/// The stages of a spec with their edges, in topological order.
pub(super) struct Graph {
    pub(super) order: Vec<usize>,
    pub(super) inputs: Vec<Vec<Edge>>,
    /// The tables read by the queries of stages, in lower case.
    pub(super) tables: Vec<(usize, String)>,
    /// By wave, the sinks that must end before its query reads their tables.
    pub(super) waits: HashMap<usize, Vec<usize>>,
}

/// The names in FROM of a stage's query.
pub(super) type Reads<'a> = dyn Fn(&StageSpec) -> Vec<Relation> + 'a;

const PORTS: &[&str] = &["failed"];

pub(super) fn build(
    stages: &[StageSpec],
    lost: &[String],
    reads: &Reads<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Graph {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (at, stage) in stages.iter().enumerate() {
        let name: &str = &stage.name.value;
        let place = stage.name.place.clone();
        if name == ETL || (stage.kind == StageKind::Map && RESERVED.contains(&name)) {
            mistakes.push(Mistake { fault: Fault::ReservedName(name.to_owned()), place });
            continue;
        }
        // Nothing reads a sink, so it may share its name with another stage.
        let is_sink = |stage: &StageSpec| stage.kind == StageKind::Sink;
        let twin = stages[..at].iter().position(|other| {
            is_sink(other) == is_sink(stage) && other.name.value.eq_ignore_ascii_case(name)
        });
        if let Some(first) = twin {
            let first_line = stages[first].name.place.line_column().0;
            mistakes
                .push(Mistake { fault: Fault::DuplicateName { name: name.to_owned(), first_line }, place });
        } else if is_sink(stage) {
            by_name.entry(name).or_insert(at);
        } else {
            by_name.insert(name, at);
        }
    }
    let mut inputs: Vec<Vec<Edge>> =
        (0..stages.len()).map(|at| inputs_of(at, stages, lost, &by_name, mistakes)).collect();
    let mut tables: Vec<(usize, String)> = Vec::new();
    for (at, stage) in stages.iter().enumerate() {
        for relation in reads(stage) {
            let name = relation.name.to_lowercase();
            let target = by_name.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            match target.map(|(_, target)| *target) {
                Some(target)
                    if stage.kind == StageKind::Wave
                        && relation.schema.is_empty()
                        && stages[target].kind != StageKind::Sink =>
                {
                    let own: Vec<&Edge> = inputs[at].iter().filter(|edge| edge.relation.is_none()).collect();
                    let is_own = matches!(own[..], [edge] if edge.stage == target && edge.port == Port::Out);
                    if target != at && !is_own {
                        let relation = Some(relation.name);
                        inputs[at].push(Edge { stage: target, port: Port::Out, text: None, relation });
                    }
                }
                _ => tables.push((at, name)),
            }
        }
    }
    report_past_waves(stages, &inputs, mistakes);
    let mut order = sort(stages, &inputs, &HashMap::new());
    let mut waits = HashMap::new();
    if order.len() == stages.len() {
        waits = waits_of(stages, &inputs, &tables);
        order = sort(stages, &inputs, &waits);
    } else {
        report_cycle(stages, &inputs, &order, mistakes);
    }
    let graph = Graph { order, inputs, tables, waits };
    graph.report_unread(stages, mistakes);
    graph
}

fn inputs_of(
    at: usize,
    stages: &[StageSpec],
    lost: &[String],
    by_name: &HashMap<&str, usize>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Edge> {
    let stage = &stages[at];
    if stage.kind == StageKind::Source {
        return Vec::new();
    }
    let Some(from) = &stage.from else {
        let Some(above) = stages[..at].iter().rposition(|above| above.kind != StageKind::Sink) else {
            let fault =
                Fault::NothingAbove { kind: kind_word(stage.kind), name: stage.name.value.to_string() };
            mistakes.push(Mistake { fault, place: stage.name.place.clone() });
            return Vec::new();
        };
        return vec![Edge { stage: above, port: Port::Out, text: None, relation: None }];
    };
    from.iter().filter_map(|from| edge(&from.text, stages, lost, by_name, mistakes)).collect()
}

fn edge(
    text: &Text,
    stages: &[StageSpec],
    lost: &[String],
    by_name: &HashMap<&str, usize>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Edge> {
    let (name, port) =
        text.value.split_once('.').map_or((text.value.as_str(), None), |(name, port)| (name, Some(port)));
    let mut report = |fault| mistakes.push(Mistake { fault, place: text.place.clone() });
    let Some(&target) = by_name.get(name) else {
        if lost.iter().any(|lost| lost == name) {
            return None;
        }
        let known: Vec<String> = stages.iter().map(|stage| stage.name.value.to_string()).collect();
        // Keep the port, so that the suggestion can be pasted unchanged.
        let name = match (nearest(name, known.iter().map(String::as_str)), port) {
            (None, Some(_)) => &text.value,
            _ => name,
        };
        report(Fault::UnknownStage { name: name.to_owned(), known });
        return None;
    };
    let kind = stages[target].kind;
    match port {
        None if kind == StageKind::Sink => report(Fault::ReadsSink(name.to_owned())),
        None => {
            return Some(Edge { stage: target, port: Port::Out, text: Some(text.clone()), relation: None });
        }
        // Its failures leave by the port of the collect stage.
        Some("failed") if matches!(stages[target].form, Some(Form::Submit(_))) => {
            report(Fault::UnknownPort { stage: name.to_owned(), port: "failed".to_owned(), known: &[] });
        }
        Some("failed") if !matches!(kind, StageKind::Throttle | StageKind::Poll | StageKind::Sink) => {
            return Some(Edge {
                stage: target,
                port: Port::Failed,
                text: Some(text.clone()),
                relation: None,
            });
        }
        Some(port) => {
            let known = if matches!(kind, StageKind::Throttle | StageKind::Poll | StageKind::Sink) {
                &[]
            } else {
                PORTS
            };
            report(Fault::UnknownPort { stage: name.to_owned(), port: port.to_owned(), known });
        }
    }
    None
}

/// Upstream before downstream, otherwise in file order. Stages on a cycle are left out.
fn sort(stages: &[StageSpec], inputs: &[Vec<Edge>], waits: &HashMap<usize, Vec<usize>>) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(stages.len());
    let mut placed = vec![false; stages.len()];
    let is_ready = |at: usize, placed: &[bool]| {
        let waits = waits.get(&at).map(Vec::as_slice).unwrap_or_default();
        inputs[at].iter().all(|edge| placed[edge.stage]) && waits.iter().all(|sink| placed[*sink])
    };
    while let Some(next) = (0..stages.len()).find(|&at| !placed[at] && is_ready(at, &placed)) {
        placed[next] = true;
        order.push(next);
    }
    order
}

/// The sinks whose tables the query of a wave reads with the rows of this run: those not below the wave.
fn waits_of(
    stages: &[StageSpec],
    inputs: &[Vec<Edge>],
    tables: &[(usize, String)],
) -> HashMap<usize, Vec<usize>> {
    let mut waits: HashMap<usize, Vec<usize>> = HashMap::new();
    for (wave, table) in tables.iter().filter(|(at, _)| stages[*at].kind == StageKind::Wave) {
        for (sink, stage) in stages.iter().enumerate() {
            let writes = stage.table().is_some_and(|name| name.eq_ignore_ascii_case(table));
            if writes && !above(inputs, sink).contains(wave) {
                waits.entry(*wave).or_default().push(sink);
            }
        }
    }
    waits
}

fn above(inputs: &[Vec<Edge>], at: usize) -> Vec<usize> {
    let mut above: Vec<usize> = Vec::new();
    let mut open = vec![at];
    while let Some(at) = open.pop() {
        for edge in &inputs[at] {
            if !above.contains(&edge.stage) {
                above.push(edge.stage);
                open.push(edge.stage);
            }
        }
    }
    above
}

/// Reports a stage below a wave in the file that reads a `failed` port above the wave. It must read the wave's own
/// `failed` port; otherwise the wave does not count those failures, and the stage starts before the wave closes.
fn report_past_waves(stages: &[StageSpec], inputs: &[Vec<Edge>], mistakes: &mut Vec<Mistake>) {
    for (at, edges) in inputs.iter().enumerate() {
        for edge in edges.iter().filter(|edge| edge.port == Port::Failed) {
            let from = edge.stage;
            if stages[from].kind == StageKind::Wave || from > at {
                continue;
            }
            let between = (from + 1..at)
                .find(|wave| stages[*wave].kind == StageKind::Wave && above(inputs, *wave).contains(&from));
            if let (Some(wave), Some(text)) = (between, &edge.text) {
                let fault =
                    Fault::PastWave { port: text.value.clone(), wave: stages[wave].name.value.to_string() };
                mistakes.push(Mistake { fault, place: text.place.clone() });
            }
        }
    }
}

fn report_cycle(stages: &[StageSpec], inputs: &[Vec<Edge>], order: &[usize], mistakes: &mut Vec<Mistake>) {
    let placed: Vec<bool> = (0..stages.len()).map(|at| order.contains(&at)).collect();
    if let Some(start) = placed.iter().position(|placed| !placed) {
        // Every remaining stage reads another remaining one, so following the edges finds a cycle.
        let mut path = vec![start];
        let cycle = loop {
            let last = path[path.len() - 1];
            let Some(edge) = inputs[last].iter().find(|edge| !placed[edge.stage]) else { break path };
            if let Some(from) = path.iter().position(|&at| at == edge.stage) {
                path.push(edge.stage);
                break path.split_off(from);
            }
            path.push(edge.stage);
        };
        let at = cycle[0];
        let place = inputs[at]
            .iter()
            .find(|edge| cycle.contains(&edge.stage))
            .and_then(|edge| edge.text.as_ref())
            .map_or_else(|| stages[at].name.place.clone(), |text| text.place.clone());
        let names = cycle.iter().rev().map(|&at| stages[at].name.value.to_string()).collect();
        mistakes.push(Mistake { fault: Fault::Cycle(names), place });
    }
}

impl Graph {
    /// All stages that a stage reads, directly or through others.
    pub(super) fn above(&self, at: usize) -> Vec<usize> {
        above(&self.inputs, at)
    }

    fn report_unread(&self, stages: &[StageSpec], mistakes: &mut Vec<Mistake>) {
        for (at, stage) in stages.iter().enumerate() {
            let read = self.inputs.iter().flatten().any(|edge| edge.stage == at && edge.port == Port::Out);
            // A reader with an invalid `from` may have meant this stage.
            let doubtful = stages.iter().zip(&self.inputs).any(|(other, inputs)| {
                let own = inputs.iter().filter(|edge| edge.relation.is_none()).count();
                other.kind != StageKind::Source && own < other.from.as_ref().map_or(1, Vec::len)
            });
            if stage.kind != StageKind::Sink && !read && !doubtful {
                let fault = Fault::Unread(stage.name.value.to_string());
                mistakes.push(Mistake { fault, place: stage.name.place.clone() });
            }
        }
    }
}

pub(super) fn kind_word(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Source => "source",
        StageKind::Map => "map",
        StageKind::Gather => "gather",
        StageKind::Throttle => "throttle",
        StageKind::Poll => "poll",
        StageKind::Wave => "wave",
        StageKind::Sink => "sink",
    }
}

/// Whether a wave's `failed` port collects the failures of a stage. A record that a source could not
/// read has no content to process again, and goes to the failures table.
pub(super) fn fails_into_waves(form: Option<&Form>) -> bool {
    matches!(
        form,
        Some(
            Form::Ask(_)
                | Form::Submit(_)
                | Form::Collect(_)
                | Form::Fields(_)
                | Form::Filter(_)
                | Form::Split(_)
                | Form::Gather(_)
        )
    )
}
