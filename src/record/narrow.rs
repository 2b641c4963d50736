//! Types of very many columns: their deepest structs become JSON. Main function: [`narrow`], called for the type of a JSON
//! Schema.

use super::LogicalType;

/// The most columns of an answer: DuckDB needs a megabyte for each.
const MOST_LEAVES: usize = 500;

/// The type with as many levels of structs as fit, and at least one.
pub(super) fn narrow(of: LogicalType) -> LogicalType {
    if of.leaves() <= MOST_LEAVES {
        return of;
    }
    let levels = (1..=depth(&of)).map(|levels| flattened(&of, levels));
    levels.take_while(|of| of.leaves() <= MOST_LEAVES).last().unwrap_or_else(|| flattened(&of, 1))
}

/// The levels of structs.
fn depth(of: &LogicalType) -> usize {
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => depth(of),
        LogicalType::Struct(fields) => 1 + fields.iter().map(|(_, of)| depth(of)).max().unwrap_or(0),
        _ => 0,
    }
}

/// The type with JSON for the structs below this many levels.
fn flattened(of: &LogicalType, levels: usize) -> LogicalType {
    match of {
        LogicalType::List(of) => LogicalType::List(Box::new(flattened(of, levels))),
        LogicalType::Array(of, length) => LogicalType::Array(Box::new(flattened(of, levels)), *length),
        LogicalType::Struct(_) if levels == 0 => LogicalType::Json,
        LogicalType::Struct(fields) => LogicalType::Struct(
            fields.iter().map(|(name, of)| (name.clone(), flattened(of, levels - 1))).collect(),
        ),
        of => of.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::record::of_json_schema;

    #[test]
    fn a_schema_of_too_many_fields_has_json_for_the_deepest() {
        let properties = |count: usize, of: &Value| -> Value {
            (0..count).map(|at| (format!("p{at}"), of.clone())).collect::<Map<_, _>>().into()
        };
        let leaf = json!({ "type": "string" });
        let object = |count, of: &Value| json!({ "type": "object", "properties": properties(count, of) });
        let list = |of: &Value| json!({ "type": "array", "items": of });
        assert_eq!(of_json_schema(&object(20, &object(25, &leaf))).leaves(), 500);
        let deep = object(20, &list(&object(5, &object(6, &leaf))));
        let found = of_json_schema(&deep);
        assert_eq!(found.leaves(), 20 * (1 + 5));
        assert!(found.sql().starts_with(r#"STRUCT("p0" STRUCT("p0" JSON"#), "{}", found.sql());
        let wide = of_json_schema(&object(501, &object(2, &leaf)));
        assert_eq!(wide.leaves(), 501, "one level is always there");
        // Each definition names the next one ten times: 10^12 fields, if nothing ends it.
        let mut definitions = Map::new();
        for level in 0..12 {
            let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
            definitions.insert(format!("l{level}"), object(10, &next));
        }
        definitions.insert("l12".to_owned(), leaf);
        let endless = json!({ "$ref": "#/$defs/l0", "$defs": definitions });
        assert!(of_json_schema(&endless).leaves() <= MOST_LEAVES);
        let mut definitions: Map<_, _> = (0..40)
            .map(|level| {
                let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
                (format!("l{level}"), json!({ "anyOf": [next, next] }))
            })
            .collect();
        definitions.insert("l40".to_owned(), json!({ "type": "string" }));
        let endless = json!({ "$ref": "#/$defs/l0", "$defs": definitions });
        assert!(of_json_schema(&endless).leaves() <= MOST_LEAVES);
    }
}
