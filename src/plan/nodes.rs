//! The nodes of a plan: the stages in order, with short forms expanded.

use std::{collections::HashMap, sync::Arc};

use crate::{
    event::StageKind,
    record::LogicalType,
    spec::{Form, Spec, SplitWhat, StageSpec},
};

use super::{
    Input, Node, NodeId, Output, Paces, Poll, Port, RecordType, Split, Step,
    ask::sample_of,
    batch,
    graph::{Edge, Graph},
};

/// The nodes added so far. A stage of the spec is one node, or the last of several.
#[derive(Default)]
struct Nodes {
    list: Vec<Node>,
    /// The output node of each spec stage.
    ids: HashMap<usize, NodeId>,
    /// The submit node of each spec stage, where records whose request cannot be built fail.
    submits: HashMap<usize, NodeId>,
}

impl Nodes {
    fn add(
        &mut self,
        name: Arc<str>,
        kind: StageKind,
        (inputs, input): (Vec<Input>, RecordType),
        when: Option<String>,
        step: Step,
    ) -> NodeId {
        let id = NodeId(self.list.len());
        self.list.push(Node { id, name, kind, inputs, input, output: None, when, step });
        id
    }
}

/// Builds the nodes: before each stage that calls a model a ledger lookup, ahead of the throttles that pace only
/// that stage; and for `batch:` the three stages of the long form.
pub(super) fn nodes(
    spec: &Spec,
    graph: &Graph,
    mut steps: HashMap<usize, Step>,
    types: &HashMap<usize, RecordType>,
    outputs: &HashMap<usize, Output>,
) -> Vec<Node> {
    let lookup_before = lookups(spec, graph, &steps);
    let mut nodes = Nodes::default();
    let mut lookups: Vec<(NodeId, usize)> = Vec::new();
    for &at in &graph.order {
        let StageSpec { name, kind, when, .. } = &spec.stages[at];
        let Some(step) = steps.remove(&at) else { continue };
        let of = types.get(&at).cloned().unwrap_or_default();
        let mut inputs: Vec<Input> = graph.inputs[at]
            .iter()
            .filter_map(|edge| Some(Input { node: *nodes.ids.get(&edge.stage)?, port: edge.port }))
            .collect();
        let mut of = of;
        // Samples are split off before the ledger lookup, which may be above a throttle.
        let is_head = lookup_before.contains_key(&at) || !lookup_before.values().any(|asking| *asking == at);
        let asking = lookup_before.get(&at).copied().unwrap_or(at);
        let sampled = samples(spec, asking);
        if let Some((_, field)) = &sampled
            && !is_head
        {
            of = with_field(&of, field);
        }
        if let Some((samples, field)) = sampled.filter(|_| is_head) {
            let name: Arc<str> = format!("{}.samples", spec.stages[asking].name.value).into();
            let counted = match &spec.stages[asking].when {
                // A record that skips the stage is not split.
                Some(when) => format!("CASE WHEN ({}\n) THEN {samples} ELSE 1 END", when.value),
                None => samples.to_string(),
            };
            let split = Split {
                of: counted,
                what: SplitWhat::Samples,
                into: field.clone(),
                item: LogicalType::BigInt,
            };
            let before = (std::mem::take(&mut inputs), of.clone());
            let id = nodes.add(name, StageKind::Map, before, None, Step::Split(split));
            inputs = vec![Input { node: id, port: Port::Out }];
            of = with_field(&of, &field);
        }
        if let Some(&asking) = lookup_before.get(&at) {
            let name = format!("{}.lookup", spec.stages[asking].name.value).into();
            let id = nodes.add(name, StageKind::Map, (inputs, of.clone()), None, Step::Lookup(NodeId(0)));
            lookups.push((id, asking));
            inputs = vec![Input { node: id, port: Port::Out }];
        }
        let name = Arc::clone(&name.value);
        let when = when.as_ref().map(|when| when.value.clone());
        let id = match step {
            Step::Ask(ask) if ask.batch.is_some() => {
                let schedule = ask.batch.unwrap_or(crate::spec::BatchSpec::DEFAULT).poll;
                let out = |node| (vec![Input { node, port: Port::Out }], of.clone());
                let part = |part: &str| format!("{name}.{part}").into();
                let submit =
                    nodes.add(part("submit"), StageKind::Map, (inputs, of.clone()), when, Step::Submit(ask));
                let poll = Step::Poll(Poll { schedule, until: None });
                let poll = nodes.add(part("poll"), StageKind::Poll, out(submit), None, poll);
                nodes.submits.insert(at, submit);
                nodes.add(name, StageKind::Map, out(poll), None, Step::Collect(submit))
            }
            Step::Collect(_) => {
                let submit = batch::submits(spec, graph, at).and_then(|(submit, _)| nodes.ids.get(&submit));
                let step = Step::Collect(submit.copied().unwrap_or(NodeId(0)));
                nodes.add(name, *kind, (inputs, of), when, step)
            }
            step => nodes.add(name, *kind, (inputs, of), when, step),
        };
        nodes.list[id.0].output = outputs.get(&at).cloned();
        nodes.ids.insert(at, id);
    }
    let splits: HashMap<Arc<str>, NodeId> = nodes
        .list
        .iter()
        .filter(|node| matches!(node.step, Step::Split(_)))
        .map(|node| (node.name.strip_suffix(".samples").unwrap_or(&node.name).into(), node.id))
        .collect();
    for node in &mut nodes.list {
        if let Step::Gather(gather) = &mut node.step
            && let Some(split) = splits.get(&*gather.stage)
        {
            gather.split = *split;
        }
    }
    for (wave, sinks) in &graph.waits {
        let sinks = sinks.iter().filter_map(|sink| nodes.ids.get(sink).copied()).collect();
        if let Some(Step::Wave(wave)) = nodes.ids.get(wave).map(|id| &mut nodes.list[id.0].step) {
            wave.waits = sinks;
        }
    }
    for (lookup, asking) in lookups {
        let id = nodes.submits.get(&asking).or_else(|| nodes.ids.get(&asking));
        if let Some(id) = id {
            nodes.list[lookup.0].step = Step::Lookup(*id);
        }
    }
    for at in 0..nodes.list.len() {
        let paces = paces(&nodes.list, at);
        if let Step::Throttle(throttle) = &mut nodes.list[at].step {
            throttle.paces = paces;
        }
    }
    nodes.list
}

/// What a throttle at a node paces, depending on its input.
fn paces(nodes: &[Node], at: usize) -> Paces {
    match nodes[at].inputs.first().map(|input| &nodes[input.node.0].step) {
        Some(Step::Lookup(asking)) => Paces::Lookups(*asking),
        Some(Step::Submit(_) | Step::Poll(_)) => Paces::Jobs,
        Some(Step::Throttle(above)) => above.paces,
        _ => Paces::Records,
    }
}

fn with_field(of: &RecordType, field: &str) -> RecordType {
    let mut schema = (*of.schema).clone();
    schema.set(field, LogicalType::BigInt);
    RecordType { schema: Arc::new(schema), ..of.clone() }
}

/// The number of samples per record of a stage, and the field for the sample's number.
fn samples(spec: &Spec, asking: usize) -> Option<(u64, String)> {
    let stage = &spec.stages[asking];
    match &stage.form {
        Some(Form::Ask(ask)) => Some((ask.samples?, sample_of(&stage.name.value))),
        _ => None,
    }
}

/// For each stage that calls a model, the stage that its records enter first: itself, or the first of its
/// throttles. A submit stage does its own ledger lookup, and needs this only for a throttle.
fn lookups(spec: &Spec, graph: &Graph, steps: &HashMap<usize, Step>) -> HashMap<usize, usize> {
    let mut before: HashMap<usize, usize> = HashMap::new();
    for (&at, step) in steps {
        let batched = match step {
            Step::Ask(ask) => ask.batch.is_some(),
            Step::Submit(_) => true,
            _ => continue,
        };
        let mut head = at;
        while let [Edge { stage, port: Port::Out, .. }] = graph.inputs[head][..] {
            let readers = graph.inputs.iter().flatten().filter(|edge| edge.stage == stage).count();
            let paces = matches!(spec.stages[stage].form, Some(Form::Throttle(_)));
            if !paces || readers != 1 {
                break;
            }
            head = stage;
        }
        if !batched || head != at {
            before.insert(head, at);
        }
    }
    before
}
