//! Maps that do not call a model: reshape and split.

use crate::{
    diagnostic::Fault,
    record::{LogicalType, same_name},
    spec::{FieldsSpec, Name, NewField as NewFieldSpec, SplitSpec, SplitWhat, Text},
};

use super::{
    NewField, Reshape, Split,
    compiler::Compiler,
    shape::{Shape, SplitLevel},
};

impl Compiler<'_> {
    pub(super) fn fields(&mut self, spec: &FieldsSpec, shape: Option<&Shape>) -> (Reshape, Option<Shape>) {
        self.siblings = spec.set.iter().map(|(name, _)| name.value.to_string()).collect();
        let types: Vec<Option<LogicalType>> =
            spec.set.iter().map(|(_, value)| self.new_field(value, shape)).collect();
        let values = spec.set.iter().map(|(_, value)| match value {
            NewFieldSpec::Expression(text) => Some(NewField::Expression(text.value.clone())),
            NewFieldSpec::Template(prompt) => self.prompt(prompt, shape).map(NewField::Template),
        });
        let values: Vec<Option<NewField>> = values.collect();
        self.siblings.clear();
        let known = |text: &Text, this: &mut Self| {
            if let Some(shape) = shape
                && shape.schema.get(&text.value).is_none()
            {
                let known = shape.schema.names().map(str::to_owned).collect();
                this.report(Fault::UnknownField { name: text.value.clone(), known }, text.place.clone());
            }
            text.value.clone()
        };
        let keep =
            spec.keep.as_ref().map(|keep| keep.iter().map(|text| known(text, self)).collect::<Vec<_>>());
        let drop: Vec<String> = spec.drop.iter().map(|text| known(text, self)).collect();
        let rename: Vec<(String, String)> =
            spec.rename.iter().map(|(new, old)| (new.value.to_string(), known(old, self))).collect();
        if let Some(shape) = shape {
            self.rename_targets(spec, shape);
        }
        let after = shape.map(|shape| {
            let mut after = shape.clone();
            after.retain(|name| {
                keep.as_ref().is_none_or(|keep| keep.iter().any(|kept| same_name(kept, name)))
                    && !drop.iter().any(|dropped| same_name(dropped, name))
            });
            after.rename(|name| {
                rename.iter().find(|(_, old)| same_name(old, name)).map(|(new, _)| new.clone())
            });
            for ((name, _), of) in spec.set.iter().zip(&types) {
                after.make(&name.value, of.clone().unwrap_or(LogicalType::Json));
                // A key field with a new value may not identify the record any more.
                if after.key.iter().any(|key| same_name(key, &name.value)) {
                    after.key.clear();
                }
            }
            after
        });
        let set = spec
            .set
            .iter()
            .zip(values)
            .zip(types)
            .filter_map(|(((name, _), value), of)| {
                Some((name.value.to_string(), value?, of.unwrap_or(LogicalType::Json)))
            })
            .collect();
        (Reshape { set, keep, drop, rename }, after)
    }

    /// The type of a new field.
    fn new_field(&mut self, value: &NewFieldSpec, shape: Option<&Shape>) -> Option<LogicalType> {
        match value {
            NewFieldSpec::Expression(text) => {
                self.stable(text, shape);
                self.expression(text, shape)
            }
            NewFieldSpec::Template(_) => Some(LogicalType::Varchar),
        }
    }

    /// A new name must be free: the same map must rename or drop an existing field with that name.
    fn rename_targets(&mut self, spec: &FieldsSpec, shape: &Shape) {
        for (new, _) in &spec.rename {
            let leaves = |name: &str| {
                spec.rename.iter().any(|(_, old)| same_name(&old.value, name))
                    || spec.drop.iter().any(|dropped| same_name(&dropped.value, name))
            };
            if shape.schema.get(&new.value).is_some() && !leaves(&new.value) {
                self.report(Fault::FieldTaken { field: new.value.to_string() }, new.place.clone());
            }
        }
    }

    pub(super) fn split(
        &mut self,
        name: &Name,
        into: &str,
        spec: &SplitSpec,
        shape: Option<&Shape>,
    ) -> (Split, Option<Shape>) {
        let of = match &spec.what {
            SplitWhat::Values(_) | SplitWhat::Samples => None,
            SplitWhat::Items | SplitWhat::Chunks { .. } => self.expression(&spec.of, shape),
        };
        self.stable(&spec.of, shape.filter(|_| of.is_some()));
        let item = match (&spec.what, &of) {
            (SplitWhat::Items, Some(LogicalType::List(item) | LogicalType::Array(item, _))) => {
                Some((**item).clone())
            }
            (SplitWhat::Chunks { .. }, Some(LogicalType::Varchar)) | (SplitWhat::Values(_), _) => {
                Some(LogicalType::Varchar)
            }
            _ => None,
        };
        if let (None, Some(of)) = (&item, &of) {
            let wanted = match spec.what {
                SplitWhat::Items => "an expression that gives a list",
                _ => "an expression that gives a text",
            };
            let found = format!("`{}`, which is {}", spec.of.value, of.sql());
            self.report(Fault::WrongShape { found, wanted: wanted.into() }, spec.of.place.clone());
        }
        let item = item.unwrap_or(LogicalType::Varchar);
        let index = index_of(into);
        let after = shape.map(|shape| {
            let mut after = shape.clone();
            let own = vec![into.to_owned(), index.clone()];
            let stage = name.value.to_string();
            after.splits.push(SplitLevel { stage, own, before: Box::new(shape.clone()) });
            after.make(into, item.clone());
            after.make(&index, LogicalType::BigInt);
            // The list is contained in its parts. Literal values are not a field.
            let is_field = !matches!(spec.what, SplitWhat::Values(_));
            if is_field && !same_name(spec.of.value.trim(), into) {
                after.bulky.push(spec.of.value.trim().to_owned());
            }
            if !after.key.is_empty() {
                // A literal value identifies its part, regardless of its position in the list.
                let by_value = matches!(spec.what, SplitWhat::Values(_));
                after.key.push(if by_value { into.to_owned() } else { index.clone() });
            }
            after
        });
        (Split { of: spec.of.value.clone(), what: spec.what.clone(), into: into.to_owned(), item }, after)
    }
}

/// The field for the number of a part.
pub(crate) fn index_of(into: &str) -> String {
    format!("{into}_index")
}
