//! Waves: what they do beside holding.

use std::sync::Arc;

use crate::{
    diagnostic::Fault,
    record::{LogicalType, Schema, quote},
    spec::{Name, WaveSpec},
};

use super::{Wave, WaveQuery, compile::Compiler, shape::Shape};

impl Compiler<'_> {
    pub(super) fn wave(
        &mut self,
        name: &Name,
        spec: &WaveSpec,
        shape: Option<&Shape>,
    ) -> (Wave, Option<Shape>) {
        if let Some(stop_if) = &spec.stop_if {
            self.condition_over(stop_if, &counts());
        }
        let stop_if = spec.stop_if.as_ref().map(|text| text.value.clone());
        let Some(sql) = &spec.sql else { return (Wave { sql: None, stop_if }, shape.cloned()) };
        let Some(shape) = shape else { return (Wave { sql: None, stop_if }, None) };
        let text = sql.value.trim().trim_end_matches(';').to_owned();
        let columns: Vec<String> = shape
            .schema
            .fields()
            .iter()
            .map(|field| format!("CAST(NULL AS {}) AS {}", field.datatype.sql(), quote(&field.name)))
            .collect();
        // Described over no records: their types are all that it depends on.
        let described = format!(
            "WITH {} AS (SELECT {} WHERE false) SELECT * FROM ({text}\n)",
            quote(&name.value),
            columns.join(", ")
        );
        let output = match (self.around.describe)(&described) {
            Ok(output) => output,
            Err(why) => {
                self.report(Fault::BadQuery(why), sql.place.clone());
                return (Wave { sql: None, stop_if }, None);
            }
        };
        let kept = |name: &String| output.get(name).is_some();
        let all = |names: &[String]| names.iter().filter(|name| kept(name)).cloned().collect::<Vec<_>>();
        let key = if shape.key.iter().all(kept) { shape.key.clone() } else { Vec::new() };
        let after = Shape {
            made: all(&shape.made),
            answers: all(&shape.answers),
            bulky: all(&shape.bulky),
            key: key.clone(),
            // A query may give fewer rows for a record than it had pieces, for reasons of its own.
            source_key: Vec::new(),
            schema: output.clone(),
            failed: false,
            maps: Vec::new(),
            failures: shape.failures.clone(),
        };
        let query = WaveQuery { text, output: Arc::new(output), key };
        (Wave { sql: Some(query), stop_if }, Some(after))
    }
}

/// What `stop_if:` sees.
pub(crate) fn counts() -> Schema {
    Schema::new(["total", "ok", "failed"].map(|name| (name, LogicalType::BigInt)))
}
