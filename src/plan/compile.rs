//! The compiler: walks the stages in the order of their records, knows what fields each one gives,
//! and collects every mistake.

use std::{collections::HashMap, path::PathBuf};

use crate::{
    datatype::DataType,
    diagnostic::{Fault, Mistake, Mistakes, Place},
    record::FAILURE,
    region::{BASE_URL, base_url},
    spec::{Form, MistralSpec, Spec},
};

use super::{
    Mistral, NodeId, Plan, Port, Secret, Step, Throttle,
    batch::Collected,
    graph::{self, Graph},
    inputs::resolve,
    nodes,
};

/// The columns of a query, or why DuckDB refuses it.
pub(super) type Describe<'a> = dyn Fn(&str) -> Result<Vec<(String, DataType)>, String> + 'a;

/// What the compiler needs of the world beside the files that a spec names.
pub struct Surroundings<'a> {
    /// The columns of a query, or why DuckDB refuses it.
    pub describe: &'a Describe<'a>,
}

/// What is known of the records that leave by a port.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) fields: Vec<(String, DataType)>,
    /// Of these, what maps made, in order.
    pub(super) made: Vec<String>,
    /// The field that is the record's identity, if one is.
    pub(super) key: Option<String>,
    /// Whether a model's answer is among `made`.
    pub(super) answered: bool,
    /// Whether these are failures.
    pub(super) failed: bool,
    /// What failures look like that travel along to the next wave.
    pub(super) failures: Vec<Shape>,
}

pub(super) struct Compiler<'a> {
    pub(super) spec: &'a Spec,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) mistakes: Vec<Mistake>,
    /// By stage and port; absent where a mistake upstream leaves it unknown.
    pub(super) shapes: HashMap<(usize, Port), Shape>,
    pub(super) collected: Collected,
}

/// The database of a spec, which a query may be about before the plan is there.
pub fn database(spec: &Spec) -> PathBuf {
    spec.duckdb.as_ref().map(|text| resolve(text, &spec.folder)).unwrap_or_default()
}

/// Finds out what a spec means.
///
/// # Errors
/// Every mistake in the spec and the files that it names, all at once, in the order of the file.
pub fn compile(spec: &Spec, around: &Surroundings<'_>) -> Result<Plan, Mistakes> {
    let mut compiler = Compiler {
        spec,
        around,
        mistakes: spec.mistakes.clone(),
        shapes: HashMap::new(),
        collected: Collected::new(),
    };
    let graph = graph::build(&spec.stages, &spec.lost, &mut compiler.mistakes);
    let empty = spec.stages.is_empty() && spec.mistakes.is_empty();
    if empty {
        let fault = Fault::MissingKey { key: "source", within: "`stages:`", example: "- source: documents" };
        compiler.report(fault, Place::start_of(&spec.source));
    }
    let mut steps: HashMap<usize, Step> = HashMap::new();
    for &at in &graph.order {
        if let Some(step) = compiler.stage(at, &graph) {
            steps.insert(at, step);
        }
    }
    compiler.shared_targets(&steps);
    let mistral = spec.mistral.as_ref().map(|mistral| compiler.mistral(mistral));
    let (Some(name), Some(duckdb), true) = (&spec.name, &spec.duckdb, compiler.mistakes.is_empty()) else {
        return Err(Mistakes(in_order(compiler.mistakes, spec)));
    };
    Ok(Plan {
        name: name.value.to_string(),
        folder: spec.folder.clone(),
        database: compiler.path(duckdb),
        database_shown: if duckdb.secret {
            duckdb.shown().to_owned()
        } else {
            compiler.path(duckdb).display().to_string()
        },
        mistral,
        budget: spec.budget,
        prices: spec.prices.clone(),
        nodes: nodes::nodes(spec, &graph, steps),
    })
}

/// The spec's own mistakes in the order of its lines, then those of other files.
fn in_order(mut mistakes: Vec<Mistake>, spec: &Spec) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| {
        let own = mistake.place.source.name == spec.source.name;
        (!own, mistake.place.source.name.clone(), mistake.place.span.start)
    });
    mistakes.dedup();
    mistakes
}

impl Compiler<'_> {
    /// The spec, borrowed for longer than the compiler itself.
    fn stage(&mut self, at: usize, graph: &Graph) -> Option<Step> {
        let spec = self.spec;
        let stage = &spec.stages[at];
        let edges = &graph.inputs[at];
        let shapes: Option<Vec<Shape>> =
            edges.iter().map(|edge| self.shapes.get(&(edge.stage, edge.port)).cloned()).collect();
        // A stage with a mistaken `from` has nothing that its fields could be checked against.
        let complete = edges.len() == stage.from.as_ref().map_or(1, Vec::len) && !edges.is_empty();
        let shapes = shapes.filter(|_| complete);
        let shape = shapes.as_ref().map(|shapes| Shape::common(shapes));
        if let Some(when) = &stage.when {
            self.condition(when, shape.as_ref());
        }
        let form = stage.form.as_ref()?;
        let failed_read =
            graph.inputs.iter().flatten().any(|edge| edge.stage == at && edge.port == Port::Failed);
        // What fails in a stage that collects is the record as it was submitted, not the job.
        let mut submitted = None;
        let (step, mut after) = match form {
            Form::Source(source) => {
                let (source, shape) = self.source(source)?;
                (Some(Step::Source(source)), shape)
            }
            Form::Ask(ask) => {
                let into = ask.into.as_ref().unwrap_or(&stage.name).value.to_string();
                let (ask, after) = self.ask(&stage.name, ask, &into, shape.as_ref());
                (ask.map(|ask| Step::Ask(Box::new(ask))), after)
            }
            Form::Submit(ask) => self.submit(at, &stage.name, ask, graph, shape.as_ref()),
            Form::Poll(poll) => (Some(self.poll(&stage.name, poll, shape.as_ref())), shape.clone()),
            Form::Collect(_) => {
                let (before, after) = self.collect(at, &stage.name, graph).unzip();
                submitted = before;
                (Some(Step::Collect(NodeId(0))), after)
            }
            Form::Fields(fields) => {
                let (fields, after) = self.fields(fields, shape.as_ref());
                (Some(Step::Fields(fields)), after)
            }
            Form::Split(split) => {
                let (split, after) = self.split(&stage.name, split, shape.as_ref());
                (Some(Step::Split(split)), after)
            }
            Form::Throttle(throttle) => {
                let group = throttle.shared.as_ref().unwrap_or(&stage.name).value.clone();
                (
                    Some(Step::Throttle(Throttle { rate: throttle.rate, burst: throttle.burst, group })),
                    shape.clone(),
                )
            }
            Form::Wave(wave) => {
                let (wave, after) = self.wave(&stage.name, wave, shape.as_ref());
                (Some(Step::Wave(wave)), after)
            }
            Form::Sink(sink) => (self.sink(&stage.name, sink, shapes.as_deref()).map(Step::Sink), None),
        };
        let own = submitted.or(shape).or_else(|| after.clone());
        if let Some(after) = &mut after {
            if graph::fails_into_waves(Some(form)) && !failed_read {
                after.failures.extend(own.clone());
            }
            if matches!(form, Form::Wave(_)) {
                after.failures.clear();
            }
            self.shapes.insert((at, Port::Out), after.clone());
        }
        if let Some(own) = own {
            let failing = match form {
                Form::Wave(_) if !own.failures.is_empty() => Shape::common(&own.failures),
                _ => own,
            };
            self.shapes.insert((at, Port::Failed), failing.failed());
        }
        step
    }

    fn mistral(&mut self, mistral: &MistralSpec) -> Mistral {
        let base_url = mistral.base_url.as_ref().map(|text| {
            let url = base_url(&text.value);
            if url.is_none() {
                self.report(Fault::NoServer(text.shown().to_owned()), text.place.clone());
            }
            url.unwrap_or_default()
        });
        Mistral {
            api_key: mistral.api_key.as_ref().map(|key| Secret::new(key.value.clone())),
            key_variable: mistral.key_variable.clone(),
            base_url: base_url.unwrap_or_else(|| BASE_URL.to_owned()),
            requests: mistral.requests,
            tokens: mistral.tokens,
            timeouts: mistral.timeouts,
        }
    }

    fn shared_targets(&mut self, steps: &HashMap<usize, Step>) {
        let mut seen: Vec<(String, String)> = Vec::new();
        for (at, stage) in self.spec.stages.iter().enumerate() {
            let Some(Step::Sink(sink)) = steps.get(&at) else { continue };
            let target = sink.target.to_string();
            if let Some((_, first)) = seen.iter().find(|(known, _)| known.eq_ignore_ascii_case(&target)) {
                let fault = Fault::SharedTarget {
                    first: first.clone(),
                    second: stage.name.value.to_string(),
                    target,
                };
                self.mistakes.push(Mistake { fault, place: stage.name.place.clone() });
            } else {
                seen.push((target, stage.name.value.to_string()));
            }
        }
    }
}

impl Shape {
    /// What records of several shapes have in common.
    fn common(shapes: &[Shape]) -> Self {
        let [first, rest @ ..] = shapes else { return Self::default() };
        let mut common = first.clone();
        for shape in rest {
            common.fields.retain_mut(|(name, of)| {
                match shape.fields.iter().find(|(other, _)| other == name) {
                    Some((_, other)) => {
                        *of = common_type(of, other);
                        true
                    }
                    None => false,
                }
            });
            common.made.retain(|name| shape.made.contains(name));
            common.key = common.key.filter(|key| shape.key.as_ref() == Some(key));
            common.answered &= shape.answered;
            common.failed &= shape.failed;
            common.failures.extend(shape.failures.iter().cloned());
        }
        common
    }

    /// As they leave by a `failed` port.
    fn failed(mut self) -> Self {
        let text = |name: &str| (name.to_owned(), DataType::Text);
        let failure = vec![
            text("stage"),
            text("reason"),
            text("kind"),
            ("attempts".to_owned(), DataType::Integer),
            text("reply"),
        ];
        self.set(FAILURE, DataType::Struct(failure));
        self.made.retain(|name| name != FAILURE);
        self.made.push(FAILURE.to_owned());
        self.failed = true;
        self.answered = false;
        self.failures.clear();
        self
    }

    pub(super) fn set(&mut self, name: &str, of: DataType) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some(field) => field.1 = of,
            None => self.fields.push((name.to_owned(), of)),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.fields.retain(|(name, _)| keep(name));
        self.made.retain(|name| keep(name));
        self.key = self.key.take().filter(|key| keep(key));
    }

    pub(super) fn rename(&mut self, old: &str, new: &str) {
        self.fields.retain(|(name, _)| name != new);
        for name in self.fields.iter_mut().map(|(name, _)| name).chain(&mut self.made).chain(&mut self.key) {
            if name == old {
                new.clone_into(name);
            }
        }
    }
}

/// Structs keep the fields that both have, so that a name only one of them gives is told.
fn common_type(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (DataType::Struct(a), DataType::Struct(b)) => DataType::Struct(
            a.iter()
                .filter_map(|(name, of)| {
                    let (_, other) = b.iter().find(|(other, _)| other == name)?;
                    Some((name.clone(), common_type(of, other)))
                })
                .collect(),
        ),
        _ => a.or(b),
    }
}
