//! Where sinks write: no rows twice, and not over a file that a source reads. Called when all stages are compiled.

use std::{collections::HashMap, path::Path};

use crate::{
    diagnostic::{Fault, Mistake, RowsFault},
    record::same_name,
    spec::{Duplicates, Mode},
};

use super::{ColumnValue, Origin, Sink, Source, Step, Target, compiler::Compiler, graph::Graph};

impl Compiler<'_> {
    /// Checks that sinks do not write over each other, over a source, or the same rows twice.
    pub(super) fn check_targets(&mut self, graph: &Graph, steps: &HashMap<usize, Step>) {
        let sinks: Vec<(usize, &Sink)> = (0..self.spec.stages.len())
            .filter_map(|at| match steps.get(&at) {
                Some(Step::Sink(sink)) => Some((at, sink)),
                _ => None,
            })
            .collect();
        self.shared_targets(&sinks);
        self.same_records(graph, &sinks);
        self.replaced_sources(steps);
    }

    /// Two sinks may share a table if they use the same mode and key; other targets must be unique.
    fn shared_targets(&mut self, sinks: &[(usize, &Sink)]) {
        let stages = &self.spec.stages;
        let mut seen: Vec<(usize, &Sink)> = Vec::new();
        for (at, sink) in sinks {
            let Some((first, known)) = seen.iter().find(|(_, known)| same_target(known, sink)) else {
                seen.push((*at, sink));
                continue;
            };
            let is_table = matches!(sink.target, Target::Table(_)) && sink.mode != Mode::Replace;
            let same = (&known.key, known.mode, known.duplicates, known.owned)
                == (&sink.key, sink.mode, sink.duplicates, sink.owned);
            if !is_table || !same {
                let [first, second] = [*first, *at].map(|at| stages[at].name.value.to_string());
                let fault = Fault::SharedTarget { first, second, target: sink.target.to_string() };
                self.mistakes.push(Mistake { fault, place: stages[*at].name.place.clone() });
            }
        }
    }

    /// Two sinks into one table must not write all of the same records.
    fn same_records(&mut self, graph: &Graph, sinks: &[(usize, &Sink)]) {
        let stages = &self.spec.stages;
        let mut seen: Vec<(usize, &Sink)> = Vec::new();
        for (at, sink) in sinks {
            let takes_all = stages[*at].when.is_none();
            if !takes_all || sink.mode != Mode::Upsert || sink.duplicates != Duplicates::Fail {
                continue;
            }
            let twin = seen.iter().find(|(other, known)| {
                same_target(known, sink)
                    && same_inputs(graph, *other, *at)
                    && key_values(known).is_some_and(|known| key_values(sink) == Some(known))
            });
            let Some((first, _)) = twin else {
                seen.push((*at, sink));
                continue;
            };
            let [first, second] = [*first, *at].map(|at| stages[at].name.value.to_string());
            let fault = RowsFault::SameRecords { first, second, target: sink.target.to_string() };
            self.mistakes.push(Mistake { fault: Fault::Rows(fault), place: stages[*at].name.place.clone() });
        }
    }

    /// A sink must not replace a file that a source reads.
    fn replaced_sources(&mut self, steps: &HashMap<usize, Step>) {
        let stages = &self.spec.stages;
        let reads = |step: &Step, file: &Path| match step {
            Step::Source(Source { from: Origin::Read(files), .. }) => files.set.matches(file),
            Step::Source(Source { from: Origin::Files(set), .. }) => set.matches(file),
            _ => false,
        };
        for (at, stage) in stages.iter().enumerate() {
            let Some(Step::Sink(Sink { target: Target::File { path, shown, .. }, .. })) = steps.get(&at)
            else {
                continue;
            };
            if let Some((source, _)) = steps.iter().find(|(_, step)| reads(step, path)) {
                let source_name = stages[*source].name.value.to_string();
                let fault = RowsFault::OverwritesSource { file: shown.clone(), source_name };
                self.report(Fault::Rows(fault), stage.name.place.clone());
            }
        }
    }
}

/// Whether two sinks write to the same place.
fn same_target(one: &Sink, other: &Sink) -> bool {
    one.target.to_string().eq_ignore_ascii_case(&other.target.to_string())
}

/// Whether two stages read the same ports of the same stages.
pub(super) fn same_inputs(graph: &Graph, one: usize, other: usize) -> bool {
    let (one, other) = (&graph.inputs[one], &graph.inputs[other]);
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a.stage, a.port) == (b.stage, b.port))
}

/// The fields that the key's columns of a sink hold; nothing for an expression, which may give another value each time.
fn key_values(sink: &Sink) -> Option<Vec<&Vec<String>>> {
    let field = |name: &String| {
        let column = sink.columns.iter().find(|column| same_name(&column.name, name))?;
        match &column.value {
            ColumnValue::Field(path) => Some(path),
            _ => None,
        }
    };
    sink.key.iter().map(field).collect()
}
