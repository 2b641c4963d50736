//! The source records of each row of a query: a second query, built from the tree of the first. Main
//! function: [`with_origins`].

use serde_json::{Value, json};

use super::{Engine, functions::Functions, tree};

/// The column of a relation with the source records of each row, and the last column of a query returned by
/// [`with_origins`].
pub const ORIGINS: &str = "etl origins";

/// A query that returns the same rows with their source records as an additional column. Every relation for which
/// `is_record` is true must have the column [`ORIGINS`], a list of BIGINT. `None` if the form of the query is not
/// supported. The caller must check after the query that the rows are the same.
pub fn with_origins(engine: &Engine, text: &str, is_record: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut tree = tree::parsed(engine, text).ok()?;
    let node = tree["statements"].as_array_mut().filter(|all| all.len() == 1)?[0].get_mut("node")?;
    let is_plain = node["type"] == "SELECT_NODE"
        && node["cte_map"]["map"].as_array().is_some_and(Vec::is_empty)
        && node["group_sets"].as_array().is_none_or(|sets| sets.len() <= 1);
    let mut relations = Vec::new();
    if !is_plain || !relations_of(&node["from_table"], is_record, &mut relations) || relations.is_empty() {
        return None;
    }
    let is_aggregate = aggregates(engine, node);
    let modifiers = node["modifiers"].as_array_mut()?;
    let is_distinct = |item: &Value| item["type"] == "DISTINCT_MODIFIER";
    let distinct = modifiers.iter().any(is_distinct);
    if distinct {
        let on = modifiers
            .iter()
            .filter(|item| is_distinct(item))
            .any(|item| item["distinct_on_targets"].as_array().is_none_or(|targets| !targets.is_empty()));
        if on || is_aggregate {
            return None;
        }
        modifiers.retain(|item| !is_distinct(item));
        node["aggregate_handling"] = json!("FORCE_AGGREGATES");
    }
    for item in node["select_list"].as_array_mut()? {
        if item["class"] != "STAR" {
            continue;
        }
        if item["columns"] == true {
            return None;
        }
        let of = item["relation_name"].as_str().unwrap_or_default();
        let excludes = of.is_empty() || relations.iter().any(|name| name.eq_ignore_ascii_case(of));
        if excludes {
            item["exclude_list"].as_array_mut()?.push(json!(ORIGINS));
        }
    }
    let lists: Vec<String> = relations
        .iter()
        .map(|name| {
            format!("coalesce(\"{}\".\"{ORIGINS}\", CAST([] AS BIGINT[]))", name.replace('"', "\"\""))
        })
        .collect();
    let all = lists.into_iter().reduce(|a, b| format!("list_concat({a}, {b})"))?;
    let origins = match is_aggregate || distinct {
        true => format!("list_sort(list_distinct(flatten(list({all}))))"),
        false => format!("list_sort(list_distinct({all}))"),
    };
    let mut item = tree::of_expression(engine, &origins).ok()?;
    item["alias"] = json!(ORIGINS);
    node["select_list"].as_array_mut()?.push(item);
    let text = tree.to_string();
    engine.connection().query_row("SELECT json_deserialize_sql(?::JSON)", [text], |row| row.get(0)).ok()
}

/// The aliases of all record relations in a FROM; false if it contains an unsupported form.
fn relations_of(from: &Value, is_record: &dyn Fn(&str) -> bool, found: &mut Vec<String>) -> bool {
    match from["type"].as_str() {
        Some("BASE_TABLE") => {
            let name = from["table_name"].as_str().unwrap_or_default();
            let alias = from["alias"].as_str().filter(|alias| !alias.is_empty()).unwrap_or(name);
            if from["schema_name"] == "" && is_record(name) {
                found.push(alias.to_owned());
            }
            true
        }
        Some("JOIN") => {
            let is_covered = matches!(from["ref_type"].as_str(), Some("REGULAR" | "CROSS" | "ASOF"));
            // SEMI and ANTI joins return no columns of their right side.
            let is_half = matches!(from["join_type"].as_str(), Some("SEMI" | "ANTI"));
            let left = relations_of(&from["left"], is_record, found);
            is_covered && left && (is_half || relations_of(&from["right"], is_record, found))
        }
        Some("TABLE_FUNCTION" | "EXPRESSION_LIST") => true,
        _ => false,
    }
}

/// Whether a query aggregates: it groups, or calls an aggregate outside of a window.
fn aggregates(engine: &Engine, node: &Value) -> bool {
    let groups = node["group_expressions"].as_array().is_some_and(|groups| !groups.is_empty());
    if groups || node["aggregate_handling"] == "FORCE_AGGREGATES" {
        return true;
    }
    let functions = Functions::of(engine);
    let mut found = false;
    for part in [&node["select_list"], &node["having"]] {
        tree::walk(part, &mut |node| {
            let name = node.get("function_name").and_then(Value::as_str).unwrap_or_default();
            let is_function = node.get("class").is_some_and(|class| class == "FUNCTION");
            found |= is_function && functions.is_aggregate(name);
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a query with their origins, over two small relations.
    fn rows(text: &str) -> Option<String> {
        let engine = Engine::start().unwrap();
        let query = with_origins(&engine, text, &|name| matches!(name, "a" | "b"))?;
        let connection = engine.connection();
        let relations = format!(
            "WITH a(id, n, \"{ORIGINS}\") AS (VALUES (1, 10, [1]), (2, 20, [2]), (3, 20, [3])),
                  b(id, w, \"{ORIGINS}\") AS (VALUES (2, 'x', [7, 8]), (3, 'y', [8]))"
        );
        let all = format!(
            "{relations} SELECT string_agg(CAST(t AS VARCHAR), ' ' ORDER BY CAST(t AS VARCHAR)) FROM ({query}) AS t"
        );
        Some(
            connection
                .query_row(&all, [], |row| row.get::<_, String>(0))
                .unwrap()
                .replace('\'', "")
                .replace("etl origins: ", ""),
        )
    }

    #[test]
    fn each_row_gets_the_records_that_flow_into_it() {
        let cases = [
            ("SELECT * FROM a WHERE n > 10", "{id: 2, n: 20, [2]} {id: 3, n: 20, [3]}"),
            ("SELECT n, count(*) AS c FROM a GROUP BY n", "{n: 10, c: 1, [1]} {n: 20, c: 2, [2, 3]}"),
            ("SELECT DISTINCT n FROM a", "{n: 10, [1]} {n: 20, [2, 3]}"),
            ("SELECT sum(n) AS s FROM a", "{s: 50, [1, 2, 3]}"),
            (
                "SELECT a.*, b.w FROM a LEFT JOIN b USING (id) WHERE id < 3",
                "{id: 1, n: 10, w: NULL, [1]} {id: 2, n: 20, w: x, [2, 7, 8]}",
            ),
            ("SELECT x.id FROM a AS x, a AS y WHERE y.id = x.id + 1", "{id: 1, [1, 2]} {id: 2, [2, 3]}"),
            ("SELECT id, sum(n) OVER (ORDER BY id) AS s FROM a LIMIT 1", "{id: 1, s: 10, [1]}"),
            ("SELECT id FROM a ANTI JOIN b USING (id)", "{id: 1, [1]}"),
            ("SELECT id FROM a WHERE id IN (SELECT id FROM b)", "{id: 2, [2]} {id: 3, [3]}"),
        ];
        for (query, expected) in cases {
            assert_eq!(rows(query).as_deref(), Some(expected), "{query}");
        }
    }

    #[test]
    fn other_forms_are_left_alone() {
        for query in [
            "SELECT id FROM a UNION SELECT id FROM b",
            "SELECT * FROM a NATURAL JOIN b",
            "WITH c AS (FROM a) SELECT * FROM c",
            "SELECT * FROM (SELECT * FROM a)",
            "SELECT DISTINCT ON (n) * FROM a",
            "SELECT n, count(*) FROM a GROUP BY ROLLUP (n)",
            "SELECT COLUMNS(*) FROM a",
            "SELECT 1 AS x",
        ] {
            assert_eq!(rows(query), None, "{query}");
        }
    }
}
