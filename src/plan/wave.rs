//! Waves: what they do beside holding.

use crate::{
    datatype::{DataType, quote},
    diagnostic::Fault,
    spec::{Name, WaveSpec},
};

use super::{
    Wave, WaveQuery,
    compile::{Compiler, Shape},
};

impl Compiler<'_> {
    pub(super) fn wave(
        &mut self,
        name: &Name,
        spec: &WaveSpec,
        shape: Option<&Shape>,
    ) -> (Wave, Option<Shape>) {
        if let Some(stop_if) = &spec.stop_if {
            let count = |name: &str| (name.to_owned(), DataType::Integer);
            let counts =
                Shape { fields: vec![count("total"), count("ok"), count("failed")], ..Shape::default() };
            self.condition(stop_if, Some(&counts));
        }
        let stop_if = spec.stop_if.as_ref().map(|text| text.value.clone());
        let Some(sql) = &spec.sql else { return (Wave { sql: None, stop_if }, shape.cloned()) };
        let Some(shape) = shape else { return (Wave { sql: None, stop_if }, None) };
        let text = sql.value.trim().trim_end_matches(';').to_owned();
        let columns: Vec<String> = shape
            .fields
            .iter()
            .map(|(field, of)| format!("CAST(NULL AS {}) AS {}", of.sql(), quote(field)))
            .collect();
        // Described over no records: their types are all that it depends on.
        let described = format!(
            "WITH {} AS (SELECT {} WHERE false) SELECT * FROM ({text}\n)",
            quote(&name.value),
            columns.join(", ")
        );
        let fields = match (self.around.describe)(&described) {
            Ok(fields) => fields,
            Err(why) => {
                self.report(Fault::BadQuery(why), sql.place.clone());
                return (Wave { sql: None, stop_if }, None);
            }
        };
        let key = shape.key.clone().filter(|key| fields.iter().any(|(field, _)| field == key));
        let kept = |name: &String| fields.iter().any(|(field, _)| field == name);
        let after = Shape {
            made: shape.made.iter().filter(|name| kept(name)).cloned().collect(),
            answered: shape.answered && kept(&crate::record::ANSWER.to_owned()),
            key: key.clone(),
            fields: fields.clone(),
            failed: false,
            failures: shape.failures.clone(),
        };
        let query = WaveQuery { text, fields: shape.fields.clone(), key };
        (Wave { sql: Some(query), stop_if }, Some(after))
    }
}
