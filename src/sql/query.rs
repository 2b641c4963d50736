//! What a query reads and how it groups, from DuckDB's own tree of it. Main function: [`facts`].

use serde_json::Value;

use crate::record::Schema;

use super::{Engine, bind::volatile_call, functions::Functions, tree};

/// What the tree of a query says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryFacts {
    /// The tables, views and files that it names in FROM, each once; common table expressions are left out.
    pub reads: Vec<Relation>,
    /// The columns of the result that are its plain GROUP BY or DISTINCT columns, where there are such.
    pub grouped: Option<Vec<String>>,
    /// Whether each row of the result is a row of the one relation that it reads: no join, no aggregate, no
    /// set operation.
    pub keeps_rows: bool,
    /// Columns of the result that are taken from one of several rows which may be equal in what decides it, with the
    /// function that does so.
    pub ties: Vec<(String, String)>,
    /// Columns that are named by more than one part, such as `label.title`.
    pub paths: Vec<Vec<String>>,
    /// Names in GROUP BY that are also the alias of something else in the result.
    pub regrouped: Vec<String>,
    /// A function whose result differs from run to run, and the byte of the query that it is at.
    pub volatile: Option<(String, usize)>,
}

/// A name in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The schema, empty where there is none.
    pub schema: String,
    /// The name.
    pub name: String,
}

/// What is known of a query; nothing where DuckDB cannot parse it.
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
        regrouped: regrouped(node),
        volatile: volatile_call(engine, node, &Schema::default()),
        reads,
    }
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

/// Functions that take a value from the row that is the largest, smallest or most frequent: of several, any.
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

/// The name under which an item of a select list is a column of the result, where it is a plain column.
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
    // ROLLUP and its like repeat keys.
    if node["group_sets"].as_array().is_some_and(|sets| sets.len() > 1) {
        return None;
    }
    result_names(groups, select)
}

/// The columns of the result that are these expressions; nothing where one of them is no column of it.
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
