//! The compiler: walks the stages from upstream to downstream, tracks the fields of each, and collects
//! every mistake.

use std::{collections::HashMap, path::PathBuf};

use crate::{
    diagnostic::{Fault, Mistake, Mistakes, Place, QueryFault, RowsFault},
    record::{ETL, same_name},
    region::{BASE_URL, base_url},
    spec::{Form, MistralSpec, Spec, StageSpec, Text},
    sql::{self, Engine, Resources},
};

use super::{
    Mistral, Node, NodeId, Output, Paces, Plan, Port, RecordType, Secret, Step, Target, Throttle,
    caveat::{Caveat, Guards},
    compiler::{Collected, CompileContext, Compiler, Tables},
    graph::{self, Edge, Graph},
    inputs::resolve,
    nodes,
    shape::Shape,
};

/// The database of a spec, needed by queries before the plan exists.
pub fn database(spec: &Spec) -> PathBuf {
    resolve(&spec.duckdb.path, &spec.folder)
}

/// The resource limits of DuckDB.
pub fn resources(spec: &Spec) -> Resources {
    spec.duckdb.resources(|text: &Text| resolve(text, &spec.folder))
}

/// Compiles a spec into a plan.
///
/// # Errors
/// Every mistake in the spec and the files that it names, all at once, in the order of the file.
pub fn compile(spec: &Spec, around: &CompileContext<'_>) -> Result<Plan, Mistakes> {
    let mut tables = Tables::new();
    for _ in 0..PASSES {
        let pass = pass(spec, around, &tables);
        if !pass.assumed || pass.found == tables {
            return pass.plan;
        }
        tables = pass.found;
    }
    let fault = Fault::CircularTypes(tables.into_keys().collect());
    Err(Mistakes(vec![Mistake { fault, place: Place::start_of(&spec.source) }]))
}

/// A table may depend on itself through a query; if it has not settled after this many passes, it never will.
const PASSES: usize = 4;

/// The result of one pass over a spec.
struct Pass {
    plan: Result<Plan, Mistakes>,
    found: Tables,
    assumed: bool,
}

fn pass(spec: &Spec, around: &CompileContext<'_>, tables: &Tables) -> Pass {
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(error) => {
            let place = Place::start_of(&spec.source);
            let plan = Err(Mistakes(vec![Mistake {
                fault: Fault::Query(QueryFault::Refused(error.to_string())),
                place,
            }]));
            return Pass { plan, found: Tables::new(), assumed: false };
        }
    };
    let reads = |stage: &StageSpec| {
        stage.query().map(|query| sql::facts(&engine, &query.value).reads).unwrap_or_default()
    };
    let mut mistakes = spec.mistakes.clone();
    let graph = graph::build(&spec.stages, &spec.lost, &reads, &mut mistakes);
    let mut compiler = Compiler {
        spec,
        around,
        engine,
        mistakes,
        warnings: Vec::new(),
        guards: Guards::default(),
        siblings: Vec::new(),
        shapes: HashMap::new(),
        collected: Collected::new(),
        tables,
        found: Tables::new(),
        assumed: false,
    };
    let empty = spec.stages.is_empty() && spec.mistakes.is_empty();
    if empty {
        let fault = Fault::MissingKey { key: "source", within: "`stages:`", example: "- source: documents" };
        compiler.report(fault, Place::start_of(&spec.source));
    }
    let mut steps: HashMap<usize, Step> = HashMap::new();
    let mut inputs: HashMap<usize, RecordType> = HashMap::new();
    for &at in &graph.order {
        let shape = compiler.input(at, &graph);
        inputs.insert(at, shape.as_ref().map(Shape::record_type).unwrap_or_default());
        if let Some(step) = compiler.stage(at, &graph, shape) {
            if let Step::Sink(sink) = &step {
                compiler.note_table(sink);
            }
            steps.insert(at, step);
        }
    }
    compiler.check_targets(&graph, &steps);
    compiler.null_routes(&graph);
    compiler.keep_what_is_read(&graph, &mut steps);
    let mistral = compiler.mistral(&spec.mistral);
    let (found, assumed) = (std::mem::take(&mut compiler.found), compiler.assumed);
    if !compiler.mistakes.is_empty() {
        let plan = Err(Mistakes(in_order(compiler.mistakes, spec)));
        return Pass { plan, found, assumed };
    }
    let (name, duckdb) = (&spec.name, &spec.duckdb);
    let asks = steps.values().any(|step| matches!(step, Step::Ask(_) | Step::Submit(_)));
    let outputs = compiler.outputs();
    let nodes = nodes::nodes(spec, &graph, steps, &inputs, &outputs);
    let plan = Plan {
        name: name.value.to_string(),
        folder: spec.folder.clone(),
        database: compiler.path(&duckdb.path),
        database_shown: if duckdb.path.secret {
            duckdb.path.shown().to_owned()
        } else {
            compiler.path(&duckdb.path).display().to_string()
        },
        resources: Resources { columns: nodes.iter().map(columns).sum(), ..resources(spec) },
        mistral: asks.then_some(mistral),
        budget: spec.budget,
        prices: spec.prices.clone(),
        nodes,
        warnings: in_order(compiler.warnings, spec),
    };
    Pass { plan: Ok(plan), found, assumed }
}

/// The columns that a stage writes to the database.
fn columns(node: &Node) -> usize {
    match &node.step {
        Step::Sink(sink) => sink.columns.iter().map(|column| column.datatype.leaves()).sum(),
        Step::Wave(_) | Step::Gather(_) => {
            node.input.schema.fields().iter().map(|field| field.datatype.leaves()).sum()
        }
        _ => 0,
    }
}

/// The spec's own mistakes in the order of its lines, then those of other files.
fn in_order(mut mistakes: Vec<Mistake>, spec: &Spec) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| {
        let own = mistake.place.source.name == spec.source.name;
        (!own, mistake.place.source.name.clone(), mistake.place.span.start)
    });
    mistakes.dedup();
    // A misplaced template is not also reported as a missing file.
    let templates: Vec<Place> =
        mistakes.iter().filter(|m| m.fault == Fault::NoTemplate).map(|m| m.place.clone()).collect();
    let is_around = |place: &Place, inner: &Place| {
        place.source.name == inner.source.name
            && place.span.start <= inner.span.start
            && inner.span.end <= place.span.end
    };
    mistakes.retain(|mistake| {
        mistake.fault == Fault::NoTemplate || !templates.iter().any(|inner| is_around(&mistake.place, inner))
    });
    mistakes
}

impl Compiler<'_> {
    /// The input shape of a stage, if known completely.
    fn input(&mut self, at: usize, graph: &Graph) -> Option<Shape> {
        let stage = &self.spec.stages[at];
        let edges: Vec<&Edge> = graph.inputs[at].iter().filter(|edge| edge.relation.is_none()).collect();
        let shapes: Option<Vec<Shape>> =
            edges.iter().map(|edge| self.shapes.get(&(edge.stage, edge.port)).cloned()).collect();
        // Without a valid `from`, the fields of a stage cannot be checked.
        let complete = edges.len() == stage.from.as_ref().map_or(1, Vec::len) && !edges.is_empty();
        match Shape::union(&shapes.filter(|_| complete)?) {
            Ok(shape) => Some(shape),
            Err(clash) => {
                let fault = Fault::FieldTypes {
                    field: clash.field,
                    first: clash.first.sql(),
                    second: clash.second.sql(),
                };
                self.report(fault, stage.name.place.clone());
                None
            }
        }
    }

    /// What leaves each stage, jobs apart.
    fn outputs(&self) -> HashMap<usize, Output> {
        let has_records =
            |at: usize| !matches!(self.spec.stages[at].form, Some(Form::Submit(_) | Form::Poll(_)));
        let out = self.shapes.iter().filter(|((at, port), _)| *port == Port::Out && has_records(*at));
        out.map(|((at, _), shape)| (*at, Output { schema: shape.schema.clone(), key: shape.key.clone() }))
            .collect()
    }

    fn stage(&mut self, at: usize, graph: &Graph, shape: Option<Shape>) -> Option<Step> {
        let spec = self.spec;
        let stage = &spec.stages[at];
        if let Some(when) = &stage.when {
            self.condition(when, shape.as_ref());
            self.stable(when, shape.as_ref());
        }
        self.guards =
            stage.when.as_ref().map(|when| Guards::of(&self.engine, &when.value)).unwrap_or_default();
        let form = stage.form.as_ref()?;
        let failed_read =
            graph.inputs.iter().flatten().any(|edge| edge.stage == at && edge.port == Port::Failed);
        // A failure in a collect stage is the submitted record, not the job.
        let mut submitted = None;
        let (step, mut after) = match form {
            Form::Source(source) => {
                let (source, shape) = self.source(source)?;
                (Some(Step::Source(source)), shape)
            }
            Form::Ask(ask) => {
                let into = ask.into.as_ref().unwrap_or(&stage.name).value.to_string();
                self.free_name(stage, &into, shape.as_ref());
                let sampled = self.sampled(stage, &stage.name.value, ask, shape.as_ref());
                let (ask, mut after) = self.ask(ask, &stage.name.value, &into, sampled.as_ref());
                let is_new = shape.as_ref().is_some_and(|shape| shape.schema.get(&into).is_none());
                if let (Some(after), true, Some(_)) = (&mut after, is_new, &stage.when) {
                    let why = format!("`{}` has a `when:`", stage.name.value);
                    after.caveats.push(Caveat::null(&into, &why));
                }
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
            Form::Filter(filter) => {
                self.condition(&filter.condition, shape.as_ref());
                self.stable(&filter.condition, shape.as_ref());
                let guards = Guards::of(&self.engine, &filter.condition.value);
                let mut after = shape.clone();
                if let Some(after) = &mut after {
                    after.caveats.retain(|caveat| !guards.cover(caveat));
                }
                (Some(Step::Filter(filter.condition.value.clone())), after)
            }
            Form::Split(split) => {
                let into = split.into.as_ref().unwrap_or(&stage.name).value.to_string();
                self.free_name(stage, &into, shape.as_ref());
                let (split, after) = self.split(&stage.name, &into, split, shape.as_ref());
                (Some(Step::Split(split)), after)
            }
            Form::Gather(gather) => {
                let (gather, after) = self.gather(&stage.name, gather, shape.as_ref());
                (gather.map(Step::Gather), after)
            }
            Form::Throttle(throttle) => {
                let group = throttle.shared.as_ref().unwrap_or(&stage.name).value.clone();
                (
                    Some(Step::Throttle(Throttle {
                        rate: throttle.rate,
                        burst: throttle.burst,
                        group,
                        // Set when the nodes are built.
                        paces: Paces::Records,
                    })),
                    shape.clone(),
                )
            }
            Form::Wave(wave) => {
                let (wave, after) = self.wave(at, &stage.name, wave, graph, shape.as_ref());
                (Some(Step::Wave(wave)), after)
            }
            Form::Sink(sink) => (self.sink(&stage.name, sink, shape.as_ref()).map(Step::Sink), None),
        };
        let own = submitted.or(shape).or_else(|| after.clone());
        if let Some(after) = &mut after {
            if matches!(form, Form::Source(_) | Form::Wave(_)) && after.schema.get(ETL).is_some() {
                self.report(Fault::Rows(RowsFault::OwnField), stage.name.place.clone());
            }
            if graph::fails_into_waves(Some(form)) && !failed_read {
                after.failures.extend(own.clone());
            }
            if matches!(form, Form::Wave(_)) {
                // After a wave, the records of pieces are not known.
                after.splits.clear();
                after.failures.clear();
            }
            self.shapes.insert((at, Port::Out), after.clone());
        }
        if let Some(own) = own {
            let failing = match form {
                Form::Wave(_) if !own.failures.is_empty() => {
                    // Failures of stages that disagree on a field cannot be read together.
                    Shape::union(&own.failures).unwrap_or_else(|_| own.clone())
                }
                _ => own,
            };
            self.shapes.insert((at, Port::Failed), failing.failed());
        }
        step
    }

    /// A map's field must not hide a source field; it replaces a field of an earlier map only with `into:`.
    pub(super) fn free_name(&mut self, stage: &StageSpec, into: &str, shape: Option<&Shape>) {
        let Some(shape) = shape else { return };
        let taken = shape.schema.get(into).is_some();
        let replaces = *stage.name.value != *into && shape.made.iter().any(|made| same_name(made, into));
        if taken && !replaces {
            let fault = Fault::FieldTaken { field: into.to_owned() };
            self.report(fault, stage.name.place.clone());
        }
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

    /// A table read by a query above its sink keeps its rows: a source that reads only records not yet in the
    /// table would empty it every second run.
    fn keep_what_is_read(&self, graph: &Graph, steps: &mut HashMap<usize, Step>) {
        for at in 0..self.spec.stages.len() {
            let Some(Step::Sink(sink)) = steps.get(&at) else { continue };
            let Target::Table(table) = &sink.target else { continue };
            let above = graph.above(at);
            let is_read =
                graph.tables.iter().any(|(reader, name)| above.contains(reader) && same_name(name, table));
            if let (true, Some(Step::Sink(sink))) = (is_read, steps.get_mut(&at)) {
                sink.owned = None;
            }
        }
    }
}
