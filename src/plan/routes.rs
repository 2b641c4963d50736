//! Routes that lose records: a condition and its opposite, which are both not true for NULL. Called when all stages are
//! compiled.

use crate::{
    diagnostic::Warning,
    spec::{Form, StageSpec, Text},
};

use super::{compiler::Compiler, graph::Graph, targets::same_inputs};

impl Compiler<'_> {
    /// Warns of two conditions over the same records that exclude each other and leave NULL out.
    pub(super) fn null_routes(&mut self, graph: &Graph) {
        let spec = self.spec;
        let routes: Vec<(usize, &Text)> =
            spec.stages.iter().enumerate().filter_map(|(at, stage)| Some((at, route(stage)?))).collect();
        for (number, (at, condition)) in routes.iter().enumerate() {
            let excludes = |(other, text): &&(usize, &Text)| {
                same_inputs(graph, *other, *at) && are_opposite(&text.value, &condition.value)
            };
            let [edge] = &graph.inputs[*at][..] else { continue };
            let (Some(_), Some(shape)) =
                (routes[..number].iter().find(excludes), self.shapes.get(&(edge.stage, edge.port)))
            else {
                continue;
            };
            let caveat = shape.caveats.iter().filter(|caveat| caveat.is_null());
            let name =
                caveat.clone().find_map(|caveat| names(&condition.value).find(|name| caveat.concerns(name)));
            if let Some(name) = name {
                self.warn(Warning::NoRoute(name.to_owned()), condition.place.clone());
            }
        }
    }
}

/// The condition on which records take this route.
fn route(stage: &StageSpec) -> Option<&Text> {
    match &stage.form {
        Some(Form::Filter(filter)) => Some(&filter.condition),
        Some(Form::Sink(_)) => stage.when.as_ref(),
        _ => None,
    }
}

fn are_opposite(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    let negated = |text: &str| text.strip_prefix("not ").map(plain);
    negated(&one).is_some_and(|one| one == other) || negated(&other).is_some_and(|other| one == other)
}

/// A condition in lower case, without brackets around it.
fn plain(condition: &str) -> String {
    let text = condition.trim().to_lowercase();
    match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inside) if !inside.contains(['(', ')']) => inside.trim().to_owned(),
        _ => text,
    }
}

/// The names and paths in a condition.
fn names(condition: &str) -> impl Iterator<Item = &str> {
    condition
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))
        .filter(|name| !name.is_empty())
}
