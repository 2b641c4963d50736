//! Where sinks write: no rows twice, and not over a file that a source reads. Called when all stages are compiled.

use std::{collections::HashMap, path::Path};

use crate::{
    diagnostic::{Fault, Mistake, RowsFault},
    record::same_name,
    spec::{Duplicates, Mode},
};

use super::{ColumnValue, Origin, Sink, Source, Step, Target, compiler::Compiler, graph::Graph};

impl Compiler<'_> {
    /// Two sinks may share a table if they use the same mode and key and different records; other targets must be
    /// unique.
    pub(super) fn shared_targets(&mut self, graph: &Graph, steps: &HashMap<usize, Step>) {
        let mut seen: Vec<(&Sink, String)> = Vec::new();
        let mut whole: Vec<(usize, &Sink)> = Vec::new();
        for (at, stage) in self.spec.stages.iter().enumerate() {
            let Some(Step::Sink(sink)) = steps.get(&at) else { continue };
            let target = sink.target.to_string();
            let first = seen.iter().find(|(known, _)| known.target.to_string().eq_ignore_ascii_case(&target));
            if let Some((known, first)) = first {
                let is_table = matches!(sink.target, Target::Table(_)) && sink.mode != Mode::Replace;
                let same = (&known.key, known.mode, known.duplicates, known.owned)
                    == (&sink.key, sink.mode, sink.duplicates, sink.owned);
                if !is_table || !same {
                    let fault = Fault::SharedTarget {
                        first: first.clone(),
                        second: stage.name.value.to_string(),
                        target: target.clone(),
                    };
                    self.mistakes.push(Mistake { fault, place: stage.name.place.clone() });
                }
            } else {
                seen.push((sink, stage.name.value.to_string()));
            }
            if stage.when.is_some() || sink.mode != Mode::Upsert || sink.duplicates != Duplicates::Fail {
                continue;
            }
            let twin = whole.iter().find(|(other, known)| {
                known.target.to_string().eq_ignore_ascii_case(&target)
                    && same_inputs(graph, *other, at)
                    && key_values(known).is_some_and(|known| key_values(sink) == Some(known))
            });
            if let Some((other, _)) = twin {
                let first = self.spec.stages[*other].name.value.to_string();
                let fault = RowsFault::SameRecords { first, second: stage.name.value.to_string(), target };
                self.mistakes.push(Mistake { fault: Fault::Rows(fault), place: stage.name.place.clone() });
            } else {
                whole.push((at, sink));
            }
        }
        self.replaced_sources(steps);
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
