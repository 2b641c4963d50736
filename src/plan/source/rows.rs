//! Records written in the spec, and the types of their fields: those of the same objects in a file of JSON Lines.

use std::sync::Arc;

use crate::{
    diagnostic::{Fault, Mistake},
    plan::{caveat::Caveat, compiler::Compiler},
    read::{self, Inferred},
    record::{Record, Schema},
    spec::JsonText,
};

use super::empty_fields;

impl Compiler<'_> {
    /// The records of `rows:`, with their fields and the caveats about these.
    pub(super) fn rows(&mut self, rows: &[JsonText]) -> Option<(Vec<Record>, Schema, Vec<Caveat>)> {
        let objects: Vec<String> = rows.iter().map(|row| row.text.clone()).collect();
        let Inferred { schema, columns, rows: values } = match read::inferred(&objects) {
            Ok(inferred) => inferred,
            Err((at, why)) => {
                // A duplicate key has been reported by the reader of the spec.
                let is_repeated = |mistake: &Mistake| matches!(mistake.fault, Fault::RepeatedKey { .. });
                if !self.spec.mistakes.iter().any(is_repeated) {
                    self.report(Fault::BadFile(why), rows[at].place.clone());
                }
                return None;
            }
        };
        let caveats = empty_fields(&schema, |at| columns[at].empty, values.len() as u64);
        let shared = Arc::new(schema.clone());
        let records = values.into_iter().map(|values| Record::new("", Arc::clone(&shared), values));
        Some((records.collect(), schema, caveats))
    }
}
