//! Objects that are not in a file but in a spec: their types follow the same rules as those of lines. But a field of texts
//! and numbers is text, because YAML shows no difference between `12:30` and `12.30`.
//! Main function: [`inferred`].

use crate::record::{LogicalType, Schema, Value, same_name};

use super::{
    super::{columns::Names, description::Column},
    node::{self, Kind, Node},
    places,
    shape::Shape,
    value::proven,
};

/// Objects as rows of typed fields.
#[derive(Debug)]
pub struct Inferred {
    /// The fields in order of first appearance.
    pub schema: Schema,
    /// The facts about each field.
    pub columns: Vec<Column>,
    /// The rows, each in the order of the schema.
    pub rows: Vec<Vec<Value>>,
}

/// The rows of JSON objects, and the types that hold all their values.
///
/// # Errors
/// A text that is not an object, with its number, counted from 0.
pub fn inferred(objects: &[String]) -> Result<Inferred, (usize, String)> {
    let mut names = Names::default();
    let mut shapes: Vec<Shape> = Vec::new();
    let mut all = Vec::with_capacity(objects.len());
    for (at, object) in objects.iter().enumerate() {
        let read = node::object(object).and_then(|members| {
            let places = places(&mut names, &members)?;
            Ok((members, places))
        });
        let (members, places) = read.map_err(|error| (at, error.reason))?;
        shapes.resize_with(names.len(), Shape::default);
        for (member, at) in members.iter().zip(places) {
            shapes[at].see(&member.node);
        }
        all.push(members);
    }
    let is_text = |shape: &Shape| shape.values() == 0 || shape.is_mixed();
    let datatype = |shape: &Shape| if is_text(shape) { LogicalType::Varchar } else { shape.datatype() };
    let fields: Vec<_> = names.all().iter().cloned().zip(shapes.iter().map(datatype)).collect();
    let rows = all.iter().map(|members| {
        let value = |(name, of): &(std::sync::Arc<str>, LogicalType)| {
            let member = members.iter().find(|member| same_name(&member.key, name));
            member.and_then(|member| as_written(&member.node, of)).unwrap_or(Value::Null)
        };
        fields.iter().map(value).collect()
    });
    let rows: Vec<Vec<Value>> = rows.collect();
    let columns =
        shapes.iter().map(|shape| Column { empty: rows.len() as u64 - shape.values(), ..Column::default() });
    Ok(Inferred { columns: columns.collect(), schema: Schema::new(fields), rows })
}

fn as_written(node: &Node<'_>, of: &LogicalType) -> Option<Value> {
    match (&node.kind, of) {
        (Kind::Number | Kind::Boolean(_), LogicalType::Varchar) => Some(node.raw.into()),
        _ => proven(node, of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are_written() {
        let objects = [
            r#"{"a": 19.90, "b": 12345678901234567890123, "c": 1, "d": null, "e": [{"x": 1}]}"#,
            r#"{"A": 5, "b": 1, "c": "x", "f": 1e5, "e": []}"#,
        ];
        let found = inferred(&objects.map(str::to_owned)).unwrap();
        let types: Vec<String> = found.schema.fields().iter().map(|field| field.datatype.sql()).collect();
        assert_eq!(
            types,
            ["DECIMAL(4,2)", "HUGEINT", "VARCHAR", "VARCHAR", "STRUCT(\"x\" BIGINT)[]", "DECIMAL(6,0)"]
        );
        assert_eq!(found.rows[0][..2], [Value::from("19.90"), Value::from("12345678901234567890123")]);
        assert_eq!(found.rows[1][0], Value::from("5.00"));
        assert_eq!((&found.rows[0][2], &found.rows[1][2]), (&Value::from("1"), &Value::from("x")));
        assert_eq!(inferred(&["{}".to_owned(), "[]".to_owned()]).unwrap_err().0, 1);
    }
}
