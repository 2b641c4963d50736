//! What people type by mistake: each message names what was found and what to write.

use crate::common::Folder;

/// The mistakes of the stages below a source with the fields `id`, `text`, `n` and the answers `judged` with a `score`.
fn mistakes(stages: &str) -> String {
    Folder::new().mistakes(&spec(stages))
}

fn spec(stages: &str) -> String {
    format!(
        "
duckdb: out.duckdb
stages:
  - source: texts
    rows: [{{ id: a, text: x, n: 1 }}]
    key: id
  - map: judged
    chat: {{ model: mistral-small-latest, prompt: \"{{{{ text }}}}\", schema: {{ score: integer }} }}
{stages}"
    )
}

fn field(expression: &str) -> String {
    mistakes(&format!("  - map: more\n    fields: {{ new: \"{expression}\" }}\n  - sink: rows\n"))
}

#[test]
fn an_expression_that_cannot_be_is_reported_with_what_can() {
    for (expression, found, write) in [
        ("jugded.score > 1", "unknown field `jugded`", "did you mean `judged`?"),
        ("judged.scor > 1", "unknown field `judged.scor`", "did you mean `judged.score`?"),
        ("score > 1", "unknown field `score`", "did you mean `judged.score`?"),
        ("lenght(text)", "unknown function `lenght`", "did you mean `length`?"),
        ("frobnicate(text)", "unknown function `frobnicate`", "expected a DuckDB function"),
        ("count(text)", "an aggregate function in an expression", "`gather:`"),
        ("row_number() OVER ()", "a window function in an expression", "`wave:`"),
        ("text = NULL", "a comparison with NULL", "write `IS NULL` or `IS NOT NULL`"),
        ("NULL <> n", "a comparison with NULL", "write `IS NULL` or `IS NOT NULL`"),
        ("'text' IS NOT NULL", "a text in single quotes", "without quotes"),
        ("text = 'ééé' && n > 1", "`&&` is not SQL", "write `AND`"),
        ("n =\u{a0}judged.scor", "unknown field `judged.scor`", "did you mean `judged.score`?"),
    ] {
        let shown = field(expression);
        assert!(shown.contains(found) && shown.contains(write), "{expression}: {shown}");
    }
}

#[test]
fn what_only_looks_mistyped_is_valid() {
    for expression in
        ["text IS DISTINCT FROM NULL", "n IS NOT DISTINCT FROM NULL", "'other' IS NULL", "'é' || text"]
    {
        let stages = format!("  - map: more\n    fields: {{ new: \"{expression}\" }}\n  - sink: rows\n");
        Folder::new().pipeline(&spec(&stages), &[]);
    }
}

#[test]
fn a_template_that_cannot_be_is_reported_with_what_can() {
    for (prompt, write) in [
        ("{{ length(text) }}", "write `{{ text | length }}`"),
        ("{{ regexp_extract(text, 'a') }}", "templates have no function `regexp_extract`"),
        ("{{ jugded.score }}", "did you mean `judged.score`?"),
        ("{{ score }}", "did you mean `judged.score`?"),
    ] {
        let chat = format!("chat: {{ model: mistral-small-latest, prompt: \"{prompt}\" }}");
        let shown = mistakes(&format!("  - map: second\n    {chat}\n  - sink: rows\n"));
        assert!(shown.contains(write), "{prompt}: {shown}");
    }
}

#[test]
fn a_value_that_yaml_takes_apart_is_reported_as_it_should_be() {
    let sink = |columns: &str| format!("  - sink: rows\n    columns: {columns}\n");
    let chat = |prompt: &str| {
        format!("  - map: b\n    chat:\n      model: m\n      prompt: {prompt}\n  - sink: rows\n")
    };
    for (stages, write) in [
        (sink("{ id: id text: text, n: n }"), "write `id: id, text: …`"),
        (sink("{ id: {{ id }}, n: n }"), "write `id: id`"),
        (chat("'Text: ' || text"), "write `prompt: \"Text: {{ text }}\"`"),
        (chat("{{ text }} of it"), "write `prompt: \"{{ text }} of it\"`"),
        (chat("First {{ text }}\n        Rules: be brief"), "write `prompt: |`"),
    ] {
        let shown = mistakes(&stages);
        assert!(shown.contains(write), "{stages}: {shown}");
    }
}

#[test]
fn a_part_that_a_query_misses_is_shown_where_it_is() {
    let shown = mistakes(
        "  - wave: all\n    sql: >-\n      SELECT count(*) AS n,\n             avg(judged.scor) AS mean\n      FROM judged\n  - sink: rows\n    key: n\n",
    );
    assert!(shown.contains("unknown part `scor`") && shown.contains("did you mean `score`?"), "{shown}");
    assert!(shown.contains("spec.yaml:12:"), "{shown}");
}

#[test]
fn the_short_form_of_a_schema_has_no_limits() {
    for schema in ["{ s: { is: integer, minimum: 1, maximum: 5 } }", "{ s: { minimum: 1 } }"] {
        let shown = mistakes(&format!(
            "  - map: b\n    chat: {{ model: m, prompt: \"{{{{ text }}}}\", schema: {schema} }}\n  - sink: rows\n"
        ));
        assert!(shown.contains("`minimum` in the short form") && shown.contains("`expect:`"), "{shown}");
    }
    let fine = spec(
        "  - map: b\n    chat: { model: m, prompt: \"{{ text }}\", schema: { s: { minimum: integer, pattern: text }, t: { is: text, format: text, name: text } } }\n  - sink: rows\n",
    );
    Folder::new().pipeline(&fine, &[]);
}

#[test]
fn two_sinks_do_not_write_the_same_records_to_one_table() {
    let two = |first: &str, second: &str| {
        spec(&format!(
            "  - sink: a\n    table: rows\n{first}  - sink: b\n    table: rows\n    from: judged\n{second}"
        ))
    };
    let shown = Folder::new().mistakes(&two("", ""));
    assert!(shown.contains("`b` writes the same records to table rows as `a`"), "{shown}");
    for (first, second) in [
        ("    when: n > 1\n", "    when: n <= 1\n"),
        ("    when: n > 1\n", ""),
        ("    duplicates: last\n", "    duplicates: last\n"),
        (
            "    columns: { id: \"id || 'a'\" }\n    key: id\n",
            "    columns: { id: \"id || 'b'\" }\n    key: id\n",
        ),
    ] {
        Folder::new().pipeline(&two(first, second), &[]);
    }
}
