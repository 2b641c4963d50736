//! JSON for display: a value that fits on one line is not broken. Main function: [`folded_json`], called by `draw`.

use serde_json::Value;

/// The longest line for a value in one piece.
const WIDTH: usize = 100;

/// The lines of a value, indented.
pub(super) fn folded_json(value: &Value, indent: &str) -> Vec<String> {
    let mut text = String::new();
    fold(value, indent, indent.len(), &mut text);
    text.lines()
        .enumerate()
        .map(|(at, line)| if at == 0 { format!("{indent}{line}") } else { line.to_owned() })
        .collect()
}

fn fold(value: &Value, indent: &str, column: usize, out: &mut String) {
    let flat = flat(value);
    if column + flat.chars().count() <= WIDTH {
        return out.push_str(&flat);
    }
    let inner = format!("{indent}  ");
    let mut each = |open: char, items: Vec<(String, &Value)>, close: char| {
        out.push(open);
        for (at, (head, item)) in items.iter().enumerate() {
            out.push_str(if at == 0 { "\n" } else { ",\n" });
            out.push_str(&inner);
            out.push_str(head);
            fold(item, &inner, inner.len() + head.chars().count(), out);
        }
        out.push('\n');
        out.push_str(indent);
        out.push(close);
    };
    match value {
        Value::Object(fields) => each(
            '{',
            fields.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value)).collect(),
            '}',
        ),
        Value::Array(items) => each('[', items.iter().map(|item| (String::new(), item)).collect(), ']'),
        _ => out.push_str(&flat),
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), flat(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_on_a_line_is_on_one_and_all_of_it_reads_back() {
        let long: Vec<String> = (0..20).map(|n| format!("value {n}")).collect();
        let value =
            json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "enum": long } } });
        let lines = folded_json(&value, "  ");
        assert_eq!(serde_json::from_str::<Value>(&lines.join("\n")).unwrap(), value);
        assert!(lines.contains(&"    \"type\": \"object\",".to_owned()), "{lines:#?}");
        assert_eq!(folded_json(&json!({ "a": [1, "x"] }), ""), ["{ \"a\": [1, \"x\"] }"]);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH + 1));
    }
}
