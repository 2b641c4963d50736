//! What a query reads and how it groups, from DuckDB's parse tree. Main function: [`facts`].

use serde_json::Value;

use crate::record::Schema;

use super::{Engine, bind::volatile_call, functions::Functions, tree};

/// The facts from the parse tree of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryFacts {
    /// The distinct tables, views and files named in FROM, without common table expressions.
    pub reads: Vec<Relation>,
    /// The result columns that are plain GROUP BY or DISTINCT columns, if any.
    pub grouped: Option<Vec<String>>,
    /// Whether each result row is a row of the only relation read: no join, no aggregate, no set
    /// operation.
    pub keeps_rows: bool,
    /// Result columns whose value may come from any of several tied rows, with the function that picks
    /// it.
    pub ties: Vec<(String, String)>,
    /// The names of the relations read, as used to qualify columns: aliases if there are any.
    pub visible: Vec<String>,
    /// Whether the result has a star.
    pub has_star: bool,
    /// The named result columns, besides a star.
    pub named: Vec<String>,
    /// Columns named by more than one part, such as `label.title`.
    pub paths: Vec<Vec<String>>,
    /// Names in GROUP BY that are also the alias of another result column.
    pub regrouped: Vec<String>,
    /// A file whose types DuckDB guesses from a sample of its texts, as named in the query.
    pub guessed: Option<String>,
    /// A volatile function, and its byte offset in the query.
    pub volatile: Option<(String, usize)>,
}

/// A name in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The schema; may be empty.
    pub schema: String,
    /// The name.
    pub name: String,
}

/// The facts about a query; empty if DuckDB cannot parse it.
pub fn facts(engine: &Engine, query: &str) -> QueryFacts {
    let Ok(tree) = tree::parsed(engine, query) else { return QueryFacts::default() };
    let node = &tree["statements"][0]["node"];
    let reads = reads(node);
    let functions = Functions::of(engine);
    QueryFacts {
        grouped: grouped(node),
        keeps_rows: keeps_rows(node, functions),
        ties: ties(node),
        paths: paths(node),
        visible: visible(node),
        has_star: has_star(node),
        named: named(node),
        regrouped: regrouped(node),
        guessed: guessed(node),
        volatile: volatile_call(engine, node, &Schema::default()),
        reads,
    }
}

fn visible(node: &Value) -> Vec<String> {
    let mut found = Vec::new();
    tree::walk(node, &mut |node| {
        if text(node.get("type")) == "BASE_TABLE" {
            let alias = text(node.get("alias"));
            let name = if alias.is_empty() { text(node.get("table_name")) } else { alias };
            found.push(name.to_owned());
        }
    });
    found
}

fn has_star(node: &Value) -> bool {
    node["select_list"].as_array().is_none_or(|items| items.iter().any(|item| item["class"] == "STAR"))
}

fn named(node: &Value) -> Vec<String> {
    let items = node["select_list"].as_array().into_iter().flatten();
    let name = |item: &Value| match text(item.get("alias")) {
        "" => plain_column(item).map(|(_, name)| name.to_owned()),
        alias => Some(alias.to_owned()),
    };
    items.filter_map(name).collect()
}

fn paths(node: &Value) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    tree::walk(node, &mut |node| {
        let names = node.get("column_names").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
        let path: Vec<String> = names.collect();
        if path.len() > 1 && !found.contains(&path) {
            found.push(path);
        }
    });
    found
}

fn regrouped(node: &Value) -> Vec<String> {
    let groups = node["group_expressions"].as_array().into_iter().flatten();
    let select = node["select_list"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = groups.filter_map(|group| plain_column(group).map(|(name, _)| name));
    let is_other = |name: &&str| {
        select.iter().any(|item| {
            text(item.get("alias")).eq_ignore_ascii_case(name)
                && plain_column(item).is_none_or(|(of, _)| !of.eq_ignore_ascii_case(name))
        })
    };
    names.filter(is_other).map(str::to_owned).collect()
}

/// The first file in FROM, by name or in a call of a reader, for which the query does not say the types.
fn guessed(node: &Value) -> Option<String> {
    const GUESSED: [&str; 6] = [".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"];
    const TYPED: [&str; 5] = ["all_varchar", "columns", "types", "dtypes", "column_types"];
    let mut found = None;
    tree::walk(node, &mut |node| {
        let file = match text(node.get("type")) {
            "BASE_TABLE" => {
                let name = text(node.get("table_name"));
                let plain = name.trim_end_matches(".gz").trim_end_matches(".zst").to_lowercase();
                GUESSED.iter().any(|ending| plain.ends_with(ending)).then(|| name.to_owned())
            }
            "TABLE_FUNCTION" => {
                let function = &node["function"];
                let name = text(function.get("function_name"));
                let call = function.to_string();
                let is_typed = TYPED.iter().any(|option| call.contains(&format!("\"{option}\"")));
                let is_reader =
                    ["read_csv", "read_json", "read_ndjson"].iter().any(|reader| name.starts_with(reader));
                (is_reader && !is_typed && !name.ends_with("_objects")).then(|| format!("{name}(…)"))
            }
            _ => None,
        };
        if found.is_none() {
            found = file;
        }
    });
    found
}

/// Functions that take a value from the largest, smallest or most frequent row; a tie is decided arbitrarily.
const CHOOSING: [&str; 7] = ["arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by", "mode"];

fn ties(node: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in node["select_list"].as_array().into_iter().flatten() {
        tree::walk(item, &mut |inner| {
            let function = text(inner.get("function_name"));
            let is_ordered = inner
                .get("order_bys")
                .is_some_and(|by| by["orders"].as_array().is_some_and(|orders| !orders.is_empty()));
            if CHOOSING.contains(&function) && !is_ordered {
                let alias = text(item.get("alias"));
                let column = if alias.is_empty() { function } else { alias };
                found.push((column.to_owned(), function.to_owned()));
            }
        });
    }
    found
}

fn reads(node: &Value) -> Vec<Relation> {
    let mut own: Vec<String> = Vec::new();
    tree::walk(node, &mut |node| {
        let entries = node.get("cte_map").and_then(|map| map["map"].as_array());
        own.extend(
            entries.into_iter().flatten().filter_map(|entry| entry["key"].as_str()).map(str::to_lowercase),
        );
    });
    let mut found: Vec<Relation> = Vec::new();
    tree::walk(node, &mut |node| {
        if text(node.get("type")) != "BASE_TABLE" {
            return;
        }
        let relation = Relation {
            schema: text(node.get("schema_name")).to_owned(),
            name: text(node.get("table_name")).to_owned(),
        };
        let is_own = relation.schema.is_empty() && own.contains(&relation.name.to_lowercase());
        if !is_own && !found.contains(&relation) {
            found.push(relation);
        }
    });
    found
}

/// The column and the result name of a select item, if it is a plain column.
fn plain_column(item: &Value) -> Option<(&str, &str)> {
    let names = item["column_names"].as_array().filter(|_| item["class"] == "COLUMN_REF")?;
    let last = names.last()?.as_str()?;
    let alias = text(item.get("alias"));
    Some((last, if alias.is_empty() { last } else { alias }))
}

fn grouped(node: &Value) -> Option<Vec<String>> {
    if node["type"] != "SELECT_NODE" {
        return None;
    }
    let select = node["select_list"].as_array()?;
    let distinct = node["modifiers"].as_array()?.iter().find(|item| item["type"] == "DISTINCT_MODIFIER");
    let groups = node["group_expressions"].as_array()?;
    if groups.is_empty() {
        let targets = distinct?["distinct_on_targets"].as_array()?;
        if !targets.is_empty() {
            return result_names(targets, select);
        }
        let name = |item: &Value| match text(item.get("alias")) {
            "" => plain_column(item).map(|(_, name)| name.to_owned()),
            alias => Some(alias.to_owned()),
        };
        return select.iter().map(name).collect();
    }
    // ROLLUP and similar forms repeat keys.
    if node["group_sets"].as_array().is_some_and(|sets| sets.len() > 1) {
        return None;
    }
    result_names(groups, select)
}

/// The result columns of these expressions; `None` if one of them is not a result column.
fn result_names(of: &[Value], select: &[Value]) -> Option<Vec<String>> {
    let has_star = select.iter().any(|item| item["class"] == "STAR");
    let name = |group: &Value| {
        // `GROUP BY 1`
        if group["class"] == "CONSTANT"
            && let Some(at) = group["value"]["value"].as_u64()
        {
            let item = select.get(usize::try_from(at).ok()?.checked_sub(1)?)?;
            let alias = text(item.get("alias"));
            return match alias {
                "" => plain_column(item).map(|(_, name)| name.to_owned()),
                alias => Some(alias.to_owned()),
            };
        }
        let (column, _) = plain_column(group)?;
        let item = select.iter().find_map(|item| {
            let (of, name) = plain_column(item)?;
            of.eq_ignore_ascii_case(column).then(|| name.to_owned())
        });
        let alias = || {
            let is_alias = |item: &&Value| text(item.get("alias")).eq_ignore_ascii_case(column);
            select.iter().find(is_alias).map(|_| column.to_owned())
        };
        item.or_else(alias).or_else(|| has_star.then(|| column.to_owned()))
    };
    of.iter().map(name).collect()
}

fn keeps_rows(node: &Value, functions: &Functions) -> bool {
    let plain = node["type"] == "SELECT_NODE"
        && node["from_table"]["type"] == "BASE_TABLE"
        && node["group_expressions"].as_array().is_some_and(Vec::is_empty)
        && node["aggregate_handling"] == "STANDARD_HANDLING";
    let mut multiplies = false;
    tree::walk(&node["select_list"], &mut |item| {
        let function = text(item.get("function_name"));
        let class = text(item.get("class"));
        multiplies |= class == "FUNCTION" && (function == "unnest" || functions.is_aggregate(function));
    });
    plain && !multiplies
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> QueryFacts {
        facts(&Engine::start().unwrap(), query)
    }

    #[test]
    fn names_in_from_are_found_and_common_table_expressions_are_none() {
        let reads = |query: &str| {
            of(query)
                .reads
                .iter()
                .map(|of| format!("{}.{}", of.schema, of.name))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(reads("SELECT * FROM a JOIN main.b USING (id), (SELECT * FROM c)"), ".a main.b .c");
        assert_eq!(
            reads("WITH x AS (SELECT * FROM a) SELECT * FROM x WHERE id IN (SELECT id FROM b)"),
            ".a .b"
        );
        assert_eq!(reads("FROM a UNION ALL FROM a"), ".a");
        assert_eq!(reads("SELECT"), "");
    }

    #[test]
    fn a_grouped_query_is_identified_by_its_groups() {
        let grouped = |query: &str| of(query).grouped.map(|names| names.join(" "));
        assert_eq!(grouped("SELECT id, max(x) AS x FROM a GROUP BY id").as_deref(), Some("id"));
        assert_eq!(
            grouped("SELECT a.id AS of, b, count(*) FROM a GROUP BY a.id, b").as_deref(),
            Some("of b")
        );
        assert_eq!(grouped("SELECT lower(t) AS t1, count(*) FROM a GROUP BY 1").as_deref(), Some("t1"));
        assert_eq!(grouped("SELECT lower(t) AS t1, count(*) FROM a GROUP BY t1").as_deref(), Some("t1"));
        assert_eq!(grouped("SELECT DISTINCT id, b FROM a").as_deref(), Some("id b"));
        assert_eq!(grouped("SELECT DISTINCT lower(id) AS low FROM a").as_deref(), Some("low"));
        assert_eq!(grouped("SELECT DISTINCT ON (id) * FROM a").as_deref(), Some("id"));
        assert_eq!(grouped("SELECT count(*) FROM a GROUP BY id"), None);
        assert_eq!(grouped("SELECT id FROM a GROUP BY ROLLUP (id)"), None);
        assert_eq!(grouped("SELECT id FROM a"), None);
    }

    #[test]
    fn rows_of_one_relation_stay_rows_of_it() {
        assert!(of("SELECT *, row_number() OVER () AS n FROM a WHERE x ORDER BY y LIMIT 3").keeps_rows);
        for other in
            ["SELECT unnest(l) FROM a", "SELECT max(x) FROM a", "FROM a, b", "FROM a UNION ALL FROM b"]
        {
            assert!(!of(other).keeps_rows, "{other}");
        }
    }
}
