//! Gathers: the split that a gather undoes, and the type of its list.

use crate::{
    diagnostic::Fault,
    record::{LogicalType, same_name},
    spec::{GatherSpec, Name},
};

use super::{
    Gather, NodeId,
    compiler::Compiler,
    shape::{Shape, SplitLevel},
};

impl Compiler<'_> {
    /// Compiles a gather; its step names the split's node once that has an id.
    pub(super) fn gather(
        &mut self,
        name: &Name,
        spec: &GatherSpec,
        shape: Option<&Shape>,
    ) -> (Option<Gather>, Option<Shape>) {
        let Some(shape) = shape else { return (None, None) };
        let level = match (&spec.of, shape.splits.last()) {
            (_, None) => {
                let found = "no split above this gather, or a wave between them".to_owned();
                let wanted = "a `split:` or `samples:` above, whose pieces are gathered".into();
                self.report(Fault::WrongShape { found, wanted }, name.place.clone());
                return (None, None);
            }
            (Some(of), Some(last)) if !same_name(&of.value, &last.stage) => {
                let known = shape.splits.iter().map(|level| level.stage.clone()).collect::<Vec<_>>();
                let fault = match known.iter().any(|stage| same_name(stage, &of.value)) {
                    true => Fault::WrongShape {
                        found: format!(
                            "`{}`, inside of whose pieces `{}` splits again",
                            of.value, last.stage
                        ),
                        wanted: format!("a gather of `{}` first", last.stage).into(),
                    },
                    false => Fault::UnknownStage { name: of.value.clone(), known },
                };
                self.report(fault, of.place.clone());
                return (None, None);
            }
            (_, Some(last)) => last.clone(),
        };
        let SplitLevel { stage, own, before } = level;
        let fields = shape.schema.fields().iter().filter(|field| {
            let is_index = own.get(1).is_some_and(|index| same_name(index, &field.name));
            before.schema.get(&field.name).is_none() && !is_index
        });
        let fields: Vec<(String, LogicalType)> =
            fields.map(|field| (field.name.to_string(), field.datatype.clone())).collect();
        let item = LogicalType::Struct(fields.clone());
        let into = spec.into.as_ref().unwrap_or(name).value.to_string();
        let mut after = *before;
        if after.schema.get(&into).is_some() {
            self.report(Fault::FieldTaken { field: into.clone() }, name.place.clone());
        }
        let parent = std::sync::Arc::new(after.schema.clone());
        after.make(&into, LogicalType::List(Box::new(item)));
        after.bulky.push(into.clone());
        after.failures.clone_from(&shape.failures);
        let gather = Gather { split: NodeId(0), stage, into, needs: spec.needs, parent, fields };
        (Some(gather), Some(after))
    }
}
