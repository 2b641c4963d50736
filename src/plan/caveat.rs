//! Fields that a text should guard: those a record may lack, and columns with nondeterministic values. Main type:
//! [`Caveat`], which stays with a shape until a template names the field.

use serde_json::Value;

use crate::{
    diagnostic::Place,
    record::same_name,
    sql::{self, Engine},
};

/// A caveat about a field or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caveat {
    /// The field, or a path into it.
    pub(super) path: String,
    pub(super) kind: CaveatKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum CaveatKind {
    /// It may be NULL, and why.
    Null(String),
    /// A function of a query may take it from any of several tied rows.
    Ties {
        /// The function.
        function: String,
        /// The query.
        query: Place,
    },
}

impl Caveat {
    pub(super) fn null(path: &str, why: &str) -> Self {
        Self { path: path.to_owned(), kind: CaveatKind::Null(why.to_owned()) }
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self.kind, CaveatKind::Null(_))
    }

    /// The top-level field of its path.
    pub(super) fn field(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }

    /// Whether it applies to a path in a text: it is about the path or a parent of it.
    pub(super) fn concerns(&self, name: &str) -> bool {
        is_within(name, &self.path)
    }
}

fn is_within(name: &str, path: &str) -> bool {
    let mut names = name.split('.');
    path.split('.').all(|part| names.next().is_some_and(|name| same_name(name, part)))
}

/// The paths that a condition requires to be not NULL.
#[derive(Debug, Clone, Default)]
pub(super) struct Guards(Vec<String>);

impl Guards {
    /// The guards of a condition.
    pub(super) fn of(engine: &Engine, condition: &str) -> Self {
        Self(sql::demanded(engine, condition))
    }

    /// Whether the condition excludes a caveat about NULL: it demands the path or a part of it.
    pub(super) fn cover(&self, caveat: &Caveat) -> bool {
        caveat.is_null() && self.0.iter().any(|guard| is_within(guard, &caveat.path))
    }
}

/// The parts of an answer that its schema allows to be absent or NULL.
pub(super) fn optional_parts(schema: &Value, into: &str) -> Vec<Caveat> {
    let mut found = Vec::new();
    parts(schema, into, &mut found);
    found
}

fn parts(schema: &Value, path: &str, found: &mut Vec<Caveat>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if !required.contains(&name.as_str()) {
            found.push(Caveat::null(&path, "the schema does not require it"));
        } else if allows_null(property) {
            found.push(Caveat::null(&path, "the schema allows null"));
        }
        parts(property, &path, found);
    }
}

fn allows_null(schema: &Value) -> bool {
    let is_null = |of: &Value| *of == "null";
    let types = schema["type"].as_array().into_iter().flatten();
    let branches = ["anyOf", "oneOf"].into_iter().filter_map(|union| schema[union].as_array()).flatten();
    types.clone().any(is_null) || branches.clone().any(|branch| is_null(&branch["type"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_lets_be_absent_is_found_at_every_depth() {
        let schema = json!({
            "properties": {
                "a": { "type": "string" },
                "b": { "type": ["string", "null"] },
                "c": { "properties": { "d": { "anyOf": [{ "type": "null" }, { "type": "string" }] } }, "required": ["d"] },
                "e": { "type": "string" },
            },
            "required": ["b", "c", "e"],
        });
        let paths: Vec<String> = optional_parts(&schema, "x").into_iter().map(|caveat| caveat.path).collect();
        assert_eq!(paths, ["x.a", "x.b", "x.c.d"]);
    }

    #[test]
    fn a_condition_guards_what_it_demands() {
        let engine = Engine::start().unwrap();
        let covers =
            |condition: &str, path: &str| Guards::of(&engine, condition).cover(&Caveat::null(path, ""));
        let condition = "x.a IS NOT NULL AND length(y) > 1 and (B is not null) AND (3 < n) AND k IN ('a') AND \"m\" BETWEEN 1 AND 2";
        for path in ["x.a", "x", "b", "n", "k", "m"] {
            assert!(covers(condition, path), "{path}");
        }
        assert!(!covers(condition, "x.b") && !covers(condition, "y"));
        for condition in [
            "x IS NOT NULL OR y",
            "NOT (kind = 'b' AND x = 'x')",
            "(x = 'x') IS NOT TRUE",
            "(x > 3) IS NULL",
            "x = 'x' OR(kind = 'a')",
            "CASE WHEN kind = 'b' AND x = 'x' AND id = 2 THEN false ELSE true END",
            "coalesce(kind = 'a' AND x = 'x', true)",
            "kind <> 'R and x = x'",
            "x IS DISTINCT FROM 'a'",
            "x IS NOT DISTINCT FROM y",
        ] {
            assert!(!covers(condition, "x"), "{condition}");
        }
        assert!(Caveat::null("x", "").concerns("x.a") && !Caveat::null("x.a", "").concerns("x"));
    }
}
