//! Names become ids: who reads whom, in which order, and whether it ends.

use std::collections::HashMap;

use crate::{
    diagnostic::{Fault, Mistake, nearest},
    event::StageKind,
    record::{ETL, RESERVED},
    spec::{Form, StageSpec, Text},
};

use super::Port;

/// An edge by the indices of the spec's stages, and where it is written.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) stage: usize,
    pub(super) port: Port,
    pub(super) text: Option<Text>,
}

/// The stages of a spec with their edges, in an order in which every stage comes after what it reads.
pub(super) struct Graph {
    pub(super) order: Vec<usize>,
    pub(super) inputs: Vec<Vec<Edge>>,
}

const PORTS: &[&str] = &["failed"];

pub(super) fn build(stages: &[StageSpec], lost: &[String], mistakes: &mut Vec<Mistake>) -> Graph {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (at, stage) in stages.iter().enumerate() {
        let name: &str = &stage.name.value;
        let place = stage.name.place.clone();
        if name == ETL || (stage.kind == StageKind::Map && RESERVED.contains(&name)) {
            mistakes.push(Mistake { fault: Fault::ReservedName(name.to_owned()), place });
        } else if let Some(first) =
            stages[..at].iter().position(|other| other.name.value.eq_ignore_ascii_case(name)).as_ref()
        {
            let first_line = stages[*first].name.place.line_column().0;
            mistakes
                .push(Mistake { fault: Fault::DuplicateName { name: name.to_owned(), first_line }, place });
        } else {
            by_name.insert(name, at);
        }
    }
    let inputs: Vec<Vec<Edge>> =
        (0..stages.len()).map(|at| inputs_of(at, stages, lost, &by_name, mistakes)).collect();
    let order = sort(stages, &inputs, mistakes);
    let graph = Graph { order, inputs };
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
        if at == 0 {
            let fault =
                Fault::NothingAbove { kind: kind_word(stage.kind), name: stage.name.value.to_string() };
            mistakes.push(Mistake { fault, place: stage.name.place.clone() });
            return Vec::new();
        }
        if stages[at - 1].kind == StageKind::Sink {
            let fault = Fault::ReadsSink(stages[at - 1].name.value.to_string());
            mistakes.push(Mistake { fault, place: stage.name.place.clone() });
            return Vec::new();
        }
        return vec![Edge { stage: at - 1, port: Port::Out, text: None }];
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
        // With its port the right name can be put in as it stands.
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
        None => return Some(Edge { stage: target, port: Port::Out, text: Some(text.clone()) }),
        // What fails there leaves by the port of the stage that collects.
        Some("failed") if matches!(stages[target].form, Some(Form::Submit(_))) => {
            report(Fault::UnknownPort { stage: name.to_owned(), port: "failed".to_owned(), known: &[] });
        }
        Some("failed") if !matches!(kind, StageKind::Throttle | StageKind::Poll | StageKind::Sink) => {
            return Some(Edge { stage: target, port: Port::Failed, text: Some(text.clone()) });
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

/// Upstream before downstream, otherwise as in the file. Stages on a cycle are left out, and reported.
fn sort(stages: &[StageSpec], inputs: &[Vec<Edge>], mistakes: &mut Vec<Mistake>) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(stages.len());
    let mut placed = vec![false; stages.len()];
    while let Some(next) =
        (0..stages.len()).find(|&at| !placed[at] && inputs[at].iter().all(|edge| placed[edge.stage]))
    {
        placed[next] = true;
        order.push(next);
    }
    if let Some(start) = placed.iter().position(|placed| !placed) {
        // Every stage that is left reads another one that is left: following them must come round.
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
    order
}

impl Graph {
    fn report_unread(&self, stages: &[StageSpec], mistakes: &mut Vec<Mistake>) {
        for (at, stage) in stages.iter().enumerate() {
            let read = self.inputs.iter().flatten().any(|edge| edge.stage == at && edge.port == Port::Out);
            // A reader whose own `from` is mistaken may have meant this one.
            let doubtful = stages.iter().zip(&self.inputs).any(|(other, inputs)| {
                other.kind != StageKind::Source && inputs.len() < other.from.as_ref().map_or(1, Vec::len)
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
        StageKind::Throttle => "throttle",
        StageKind::Poll => "poll",
        StageKind::Wave => "wave",
        StageKind::Sink => "sink",
    }
}

/// Whether failures of a stage are what a wave's `failed` port collects: a record that a source could
/// not make has nothing in it to work on again, and goes to the failures table.
pub(super) fn fails_into_waves(form: Option<&Form>) -> bool {
    matches!(form, Some(Form::Ask(_) | Form::Submit(_) | Form::Collect(_) | Form::Fields(_) | Form::Split(_)))
}
