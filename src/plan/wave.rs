//! Waves: how they transform their records.

use std::sync::Arc;

use crate::{
    diagnostic::Fault,
    record::{LogicalType, Schema, same_name},
    spec::{Mode, Name, StageSpec, Text, WaveSet, WaveSpec},
    sql::{self, QueryFacts},
};

use super::{
    Relation, Set, Wave, WaveQuery,
    caveat::{Caveat, CaveatKind},
    compiler::Compiler,
    graph::Graph,
    query_error::Readable,
    shape::Shape,
};

/// The query of a wave, and its inputs.
struct Over<'a> {
    text: String,
    written: &'a Text,
    /// The names of the wave's own records.
    names: Vec<String>,
    own: &'a Shape,
    relations: Vec<(Relation, Shape)>,
}

impl Compiler<'_> {
    pub(super) fn wave(
        &mut self,
        at: usize,
        name: &Name,
        spec: &WaveSpec,
        graph: &Graph,
        shape: Option<&Shape>,
    ) -> (Wave, Option<Shape>) {
        if let Some(stop_if) = &spec.stop_if {
            self.condition_over(stop_if, &counts());
        }
        if let (Some(key), false) = (spec.key.first(), matches!(spec.set, Some(WaveSet::Query(_)))) {
            let fault = Fault::WrongShape {
                found: "`key:` without `sql:`".to_owned(),
                wanted: "no `key:`: the records keep the one that they have".into(),
            };
            self.report(fault, key.place.clone());
        }
        let stop_if = spec.stop_if.as_ref().map(|text| text.value.clone());
        let wave = |set| Wave { set, stop_if, waits: Vec::new() };
        match &spec.set {
            None => (wave(None), shape.cloned()),
            Some(WaveSet::Sample(count)) => (wave(Some(Set::Sample(*count))), shape.cloned()),
            Some(WaveSet::Unique(of)) if of.is_empty() => {
                let fault = Fault::WrongShape {
                    found: "`unique:` without an expression".to_owned(),
                    wanted: "at least one".into(),
                };
                self.report(fault, name.place.clone());
                (wave(None), shape.cloned())
            }
            Some(WaveSet::Unique(of)) => {
                for text in of {
                    self.expression(text, shape);
                }
                let of = of.iter().map(|text| text.value.clone()).collect();
                let has = |shape: &Shape, name: &String| shape.schema.get(name).is_some();
                let key =
                    shape.map(|shape| shape.key.iter().filter(|name| has(shape, name)).cloned().collect());
                (wave(Some(Set::Unique { of, key: key.unwrap_or_default() })), shape.cloned())
            }
            Some(WaveSet::Query(text)) => {
                let facts = sql::facts(&self.engine, &text.value);
                self.stable_query(text, &facts);
                let over = self.over(at, name, text, graph, shape);
                match over.and_then(|over| self.query_of(&over, &facts, &spec.key)) {
                    Some((query, after)) => (wave(Some(Set::Query(query))), Some(after)),
                    None => (wave(None), None),
                }
            }
        }
    }

    /// The inputs of a wave's query, if all of them are known.
    fn over<'a>(
        &mut self,
        at: usize,
        name: &Name,
        written: &'a Text,
        graph: &Graph,
        own: Option<&'a Shape>,
    ) -> Option<Over<'a>> {
        let text = written.value.trim().trim_end_matches(';').to_owned();
        let edges = &graph.inputs[at];
        let mut names = vec![name.value.to_string()];
        if let [edge] = &edges.iter().filter(|edge| edge.relation.is_none()).collect::<Vec<_>>()[..] {
            names.push(self.spec.stages[edge.stage].name.value.to_string());
        }
        self.tables_of_this_run(at, written, graph);
        let mut relations = Vec::new();
        for (input, edge) in edges.iter().enumerate() {
            if let Some(name) = &edge.relation {
                let shape = self.shapes.get(&(edge.stage, edge.port))?.clone();
                let schema = Arc::new(shape.schema.clone());
                relations.push((Relation { name: name.clone(), input, schema }, shape));
            }
        }
        Some(Over { text, written, names, own: own?, relations })
    }

    /// A replaced table gets its rows only at the end of the run.
    fn tables_of_this_run(&mut self, at: usize, written: &Text, graph: &Graph) {
        let spec = self.spec;
        for sink in graph.waits.get(&at).into_iter().flatten() {
            let stage: &StageSpec = &spec.stages[*sink];
            if let Some(crate::spec::Form::Sink(sink)) = &stage.form
                && sink.mode == Some(Mode::Replace)
            {
                let table = stage.table().unwrap_or_default();
                let found = format!(
                    "table `{table}`, which sink `{}` replaces at the end of the run",
                    stage.name.value
                );
                let wanted = "the stage that the sink reads, or `mode: upsert` on the sink".into();
                self.report(Fault::WrongShape { found, wanted }, written.place.clone());
            }
        }
    }

    fn query_of(&mut self, over: &Over<'_>, facts: &QueryFacts, key: &[Text]) -> Option<(WaveQuery, Shape)> {
        // Described over empty relations: only the types matter.
        let own = over.names.iter().map(|name| (name.as_str(), &over.own.schema));
        let others = over.relations.iter().map(|(of, _)| (of.name.as_str(), &*of.schema));
        let readable: Vec<Readable<'_>> = own.chain(others).collect();
        let output = self.describe(&readable, &over.text, (over.written, facts))?;
        self.ambiguous_names(&readable, over.written, facts);
        if let Some(error) = sql::implicit_cast_in_query(&self.engine, &readable, &over.written.value) {
            let place = error
                .span
                .clone()
                .map_or_else(|| over.written.place.clone(), |span| over.written.place_of(span));
            let help = error.help.unwrap_or_default();
            self.report(Fault::Expression { what: error.message, help }, place);
        }
        self.key_fields(key, &output);
        let is_scalar = |name: &String| {
            let of = output.get(name).map(|field| &field.datatype);
            of.is_some_and(|of| {
                !matches!(of, LogicalType::List(_) | LogicalType::Array(..) | LogicalType::Struct(_))
            })
        };
        let grouped =
            facts.grouped.clone().filter(|names| names.len() <= LONGEST_KEY && names.iter().all(is_scalar));
        let kept = |name: &String| output.get(name).is_some();
        let only = match &facts.reads[..] {
            [only] => over.shape_of(&only.name),
            _ => None,
        };
        let kept_key = only.filter(|only| facts.keeps_rows && only.key.iter().all(kept));
        let key = match (key, kept_key) {
            ([], Some(only)) => only.key.clone(),
            ([], None) => grouped.unwrap_or_default(),
            (key, _) => key.iter().map(|name| name.value.clone()).collect(),
        };
        let is_record = |name: &str| over.shape_of(name).is_some();
        let origins = sql::with_origins(&self.engine, &over.text, &is_record);
        let all = |names: fn(&Shape) -> &[String]| {
            let mut found: Vec<String> = Vec::new();
            for shape in over.shapes() {
                found.extend(
                    names(shape)
                        .iter()
                        .filter(|name| kept(name) && !found.contains(name))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
            found
        };
        let ties = facts.ties.iter().cloned().map(|(column, function)| {
            let kind = CaveatKind::Ties { function, query: over.written.place.clone() };
            Caveat { path: column, kind }
        });
        let after = Shape {
            made: all(|shape| &shape.made),
            answers: all(|shape| &shape.answers),
            // A column named in the query is wanted.
            bulky: all(|shape| &shape.bulky)
                .into_iter()
                .filter(|name| facts.has_star && !facts.named.iter().any(|named| same_name(named, name)))
                .collect(),
            key: key.clone(),
            // A query may return fewer rows for a record than it had pieces.
            source_key: Vec::new(),
            schema: output.clone(),
            failed: false,
            splits: Vec::new(),
            maps: Vec::new(),
            failures: over.own.failures.clone(),
            caveats: ties.collect(),
        };
        let query = WaveQuery {
            text: over.text.clone(),
            names: over.names.clone(),
            relations: over.relations.iter().map(|(relation, _)| relation.clone()).collect(),
            origins,
            output: Arc::new(output),
            key,
        };
        Some((query, after))
    }
}

impl Over<'_> {
    /// The shape of a relation named in the query.
    fn shape_of(&self, name: &str) -> Option<&Shape> {
        if self.names.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Some(self.own);
        }
        self.relations.iter().find(|(of, _)| of.name.eq_ignore_ascii_case(name)).map(|(_, shape)| shape)
    }

    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        [self.own].into_iter().chain(self.relations.iter().map(|(_, shape)| shape))
    }
}

/// GROUP BY columns are the key of a query if there are at most this many.
const LONGEST_KEY: usize = 3;

/// The columns available to `stop_if:`.
pub(crate) fn counts() -> Schema {
    Schema::new(["total", "ok", "failed"].map(|name| (name, LogicalType::BigInt)))
}
