//! Maps that ask nobody: reshape and split.

use crate::{
    datatype::DataType,
    diagnostic::Fault,
    spec::{FieldsSpec, Name, SplitSpec, SplitWhat, Text},
};

use super::{
    Reshape, Split,
    compile::{Compiler, Shape},
};

impl Compiler<'_> {
    pub(super) fn fields(&mut self, spec: &FieldsSpec, shape: Option<&Shape>) -> (Reshape, Option<Shape>) {
        let types: Vec<Option<DataType>> =
            spec.set.iter().map(|(_, text)| self.expression(text, shape)).collect();
        let known = |text: &Text, this: &mut Self| {
            if let Some(shape) = shape
                && !shape.fields.iter().any(|(name, _)| *name == text.value)
            {
                let known = shape.fields.iter().map(|(name, _)| name.clone()).collect();
                this.report(Fault::UnknownField { name: text.value.clone(), known }, text.place.clone());
            }
            text.value.clone()
        };
        let keep =
            spec.keep.as_ref().map(|keep| keep.iter().map(|text| known(text, self)).collect::<Vec<_>>());
        let drop: Vec<String> = spec.drop.iter().map(|text| known(text, self)).collect();
        let rename: Vec<(String, String)> =
            spec.rename.iter().map(|(new, old)| (new.value.to_string(), known(old, self))).collect();
        let after = shape.map(|shape| {
            let mut after = shape.clone();
            if let Some(keep) = &keep {
                after.retain(|name| keep.iter().any(|kept| kept == name));
            }
            after.retain(|name| !drop.iter().any(|dropped| dropped == name));
            for (new, old) in &rename {
                after.rename(old, new);
            }
            for ((name, _), of) in spec.set.iter().zip(types) {
                after.set(&name.value, of.unwrap_or(DataType::Json));
                if !after.made.iter().any(|made| **made == *name.value) {
                    after.made.push(name.value.to_string());
                }
                // A field that is set anew need not be the record's identity any more.
                if after.key.as_deref() == Some(&*name.value) {
                    after.key = None;
                }
            }
            after
        });
        let set = spec.set.iter().map(|(name, text)| (name.value.to_string(), text.value.clone())).collect();
        (Reshape { set, keep, drop, rename }, after)
    }

    pub(super) fn split(
        &mut self,
        name: &Name,
        spec: &SplitSpec,
        shape: Option<&Shape>,
    ) -> (Split, Option<Shape>) {
        let of = self.expression(&spec.of, shape);
        let fits = match (&spec.what, &of) {
            (_, None | Some(DataType::Json | DataType::Unseen)) => true,
            (SplitWhat::Items, Some(of)) => matches!(of, DataType::List(_)),
            (SplitWhat::Chunks { .. }, Some(of)) => *of == DataType::Text,
        };
        if let (false, Some(of)) = (fits, &of) {
            let wanted = if spec.what == SplitWhat::Items {
                "an expression that gives a list"
            } else {
                "an expression that gives a text"
            };
            let found = format!("`{}`, which is {}", spec.of.value, of.sql());
            self.report(Fault::WrongShape { found, wanted: wanted.into() }, spec.of.place.clone());
        }
        let into = spec.into.as_ref().unwrap_or(name).value.to_string();
        let part = match (spec.what, of) {
            (SplitWhat::Chunks { .. }, _) => ("text".to_owned(), DataType::Text),
            (SplitWhat::Items, Some(DataType::List(item))) => ("item".to_owned(), *item),
            (SplitWhat::Items, _) => ("item".to_owned(), DataType::Json),
        };
        let after = shape.map(|shape| {
            let mut after = shape.clone();
            let count = |name: &str| (name.to_owned(), DataType::Integer);
            after.set(&into, DataType::Struct(vec![part, count("index"), count("of")]));
            // The parts share the fields of the whole, so none of these tells them apart.
            after.key = None;
            after
        });
        (Split { of: spec.of.value.clone(), what: spec.what, into }, after)
    }
}
