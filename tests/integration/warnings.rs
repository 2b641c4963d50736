//! Valid but probably unintended specs yield warnings, and run.

use etl::diagnostic::Mistakes;

use crate::common::Folder;

/// The warnings of the stages below a source with the fields `id`, `web` and `n`, as shown to a user.
fn warned(stages: &str) -> String {
    let folder = Folder::new();
    let spec = format!(
        "pipeline: p
duckdb: out.duckdb
stages:
  - source: texts
    rows: [{{ id: a, web: x, n: 1 }}]
    key: id
{stages}
"
    );
    let warnings = folder.pipeline(&spec, &[]).plan().warnings.clone();
    Mistakes(warnings).render(false).replace(&folder.path("").display().to_string(), "")
}

/// The warnings of a source and a sink.
fn warned_by(folder: &Folder, source: &str) -> String {
    let spec = format!("duckdb: out.duckdb\nstages:\n  - source: rows\n    {source}\n  - sink: rows\n");
    Mistakes(folder.pipeline(&spec, &[]).plan().warnings.clone()).render(false)
}

/// A chat map with these keys, and the stages that read it.
fn asking(chat: &str, below: &str) -> String {
    format!("  - map: review\n    chat: {{ model: mistral-small-latest, {chat} }}\n{below}  - sink: rows\n")
}

#[test]
fn a_text_that_may_meet_null_is_shown_with_what_to_write() {
    let schema = "schema: { good: text, maybe: text? }, prompt: '{{ web }}'";
    let second = |prompt: &str, more: &str| {
        asking(
            schema,
            &format!(
                "  - map: second\n{more}    chat: {{ model: mistral-small-latest, prompt: \"{prompt}\" }}\n"
            ),
        )
    };
    let shown = warned(&second("{{ review.maybe }}", ""));
    assert!(shown.contains("`review.maybe` may be NULL here: the schema does not require it"), "{shown}");
    assert!(shown.contains("{{ review.maybe | default('') }}") && shown.contains("spec.yaml:10:"), "{shown}");
    for (prompt, more) in [
        ("{{ review.good }} {{ review }}", ""),
        ("{{ review.maybe | default('-') }}", ""),
        ("{% if review.maybe %}{{ review.maybe }}{% endif %}", ""),
        ("{{ review.maybe }}", "    when: review.maybe IS NOT NULL\n"),
    ] {
        assert_eq!(warned(&second(prompt, more)), "", "{prompt}");
    }
    let filtered = second("{{ review.maybe }}", "").replace(
        "  - map: second",
        "  - map: there\n    where: review.maybe IS NOT NULL AND n > 0\n  - map: second",
    );
    assert_eq!(warned(&filtered), "");
}

#[test]
fn a_field_that_a_record_may_lack_is_shown() {
    let below = "  - map: second\n    chat: { model: mistral-small-latest, prompt: \"{{ review }}\" }\n";
    let shown = warned(&asking("prompt: '{{ web }}'", below).replace(
        "    chat: { model: mistral-small-latest, prompt: '",
        "    when: n > 1\n    chat: { model: mistral-small-latest, prompt: '",
    ));
    assert!(shown.contains("`review` may be NULL here: `review` has a `when:`"), "{shown}");
    let union = "  - map: a\n    fields: { x: \"'1'\" }\n  - map: b\n    from: texts\n    fields: { y: \"'2'\" }\n  - map: review\n    from: [a, b]\n    chat: { model: mistral-small-latest, prompt: \"{{ x }} {{ web }}\" }\n  - sink: rows\n    key: id\n";
    let shown = warned(union);
    assert!(shown.contains("`x` may be NULL here: not every stage that is read here has it"), "{shown}");
    assert_eq!(shown.matches("may be NULL").count(), 1, "{shown}");
}

#[test]
fn a_column_with_empty_cells_is_shown_where_a_text_uses_it() {
    let folder = Folder::new();
    folder.write("a.csv", b"id,body,note\n1,x,\n2,,\n3,y,z\n");
    folder.write("b.csv", b"id,body\n4,x\n");
    folder.write(
        "a.jsonl",
        br#"{"id": 1, "body": "x", "note": null}
{"id": 2, "note": "a"}
{"id": 3, "body": "y", "note": "b"}
"#,
    );
    let copy = format!(
        "COPY (FROM (VALUES (1, 'x', NULL), (2, NULL, NULL), (3, 'y', 'z')) AS t(id, body, note)) TO '{}' (FORMAT parquet)",
        folder.path("a.parquet").display()
    );
    duckdb::Connection::open_in_memory().unwrap().execute_batch(&copy).unwrap();
    for (source, body, note) in [
        ("csv: a.csv", "1 of 3 rows has", "2 of 3 rows have"),
        ("csv: '*.csv'", "1 of 4 rows has", "3 of 4 rows have"),
        ("jsonl: a.jsonl", "1 of 3 rows has", "1 of 3 rows has"),
        ("parquet: a.parquet", "1 of 3 rows has", "2 of 3 rows have"),
        (
            "rows: [{ id: 1, body: x }, { id: 2, note: a }, { id: 3, body: y, note: b }]",
            "1 of 3 rows has",
            "1 of 3 rows has",
        ),
    ] {
        let spec = |prompt: &str| {
            format!(
                "pipeline: p\nmistral: {{ api_key: k }}\nduckdb: out.duckdb\nstages:\n  - source: texts\n    {source}\n    \
                 key: id\n  - map: review\n    chat: {{ model: mistral-small-latest, prompt: \"{prompt}\" }}\n  - sink: rows\n"
            )
        };
        let shown = |prompt: &str| {
            Mistakes(folder.pipeline(&spec(prompt), &[]).plan().warnings.clone()).render(false)
        };
        let both = shown("{{ id }} {{ body }} {{ note }}");
        assert!(both.contains(&format!("`body` may be NULL here: {body} no value")), "{source}: {both}");
        assert!(both.contains(&format!("`note` may be NULL here: {note} no value")), "{source}: {both}");
        assert_eq!(both.matches("may be NULL").count(), 2, "{source}: {both}");
        assert_eq!(
            shown("{{ id }} {% if body %}{{ body }}{% endif %} {{ note | default('') }}"),
            "",
            "{source}"
        );
    }
}

#[test]
fn a_key_that_does_not_identify_every_row_is_shown_before_the_rows_are_paid() {
    let folder = Folder::new();
    folder.write("a.csv", b"id,part,body\n1,a,x\n1,a,y\n1,b,z\n,a,x\n2,a,x\n");
    folder.write(
        "a.jsonl",
        b"{\"id\": 1, \"part\": \"a\"}\n{\"id\": 1, \"part\": \"a\"}\n{\"id\": 1, \"part\": \"b\"}\n{\"id\": null, \"part\": \"a\"}\n{\"part\": \"b\", \"id\": 2}\n",
    );
    let shown = |source: &str, key: &str, more: &str, sink: &str| {
        let spec = format!(
            "pipeline: p\nmistral: {{ api_key: k }}\nduckdb: out.duckdb\nstages:\n  - source: texts\n    {source}\n    key: {key}\n\
             {more}  - map: review\n    chat: {{ model: mistral-small-latest, prompt: \"{{{{ part }}}}\" }}\n  - sink: rows\n{sink}"
        );
        let shown = Mistakes(folder.pipeline(&spec, &[]).plan().warnings.clone()).render(false);
        // Long headlines are wrapped.
        shown.replace("\n  │ ", " ")
    };
    for source in ["csv: a.csv", "jsonl: a.jsonl"] {
        let one = shown(source, "id", "", "");
        let wanted =
            "the key `id` does not identify every row: 2 of 5 rows repeat the one of another row, 1 has none";
        assert!(one.contains(wanted), "{source}: {one}");
        let both = shown(source, "[id, part]", "", "");
        assert!(both.contains("1 of 5 rows repeats the one of another row, 1 has none"), "{source}: {both}");
        assert_eq!(
            shown(
                source,
                "[id, part]",
                "  - map: there\n    where: id IS NOT NULL\n",
                "    duplicates: first\n"
            ),
            ""
        );
        let once = "  - map: there\n    where: id IS NOT NULL\n  - wave: once\n    unique: id\n";
        assert_eq!(shown(source, "id", once, ""), "");
    }
    folder.write("good.csv", b"id,part\n1,a\n2,a\n");
    assert_eq!(shown("csv: good.csv", "id", "", ""), "");
}

#[test]
fn what_changes_with_each_run_is_shown_where_a_request_may_contain_it() {
    for (expression, word) in [
        ("now()", "now"),
        ("random()", "random"),
        ("current_date", "current_date"),
        ("strftime(today(), '%Y')", "today"),
        ("uuid()", "uuid"),
    ] {
        let fields = format!("  - map: more\n    fields: {{ x: \"{expression}\" }}\n");
        let shown = warned(&format!("{fields}{}", asking("prompt: \"{{ x }}\"", "")));
        assert!(
            shown.contains(&format!("`{word}` gives a different value on each run")),
            "{expression}: {shown}"
        );
        // Without requests it costs nothing.
        assert_eq!(warned(&format!("{fields}  - sink: rows\n")), "");
    }
    let query = "  - wave: w\n    sql: SELECT id, web, now() AS at FROM w\n";
    let shown = warned(&format!("{query}{}", asking("prompt: \"{{ at }}\"", "")));
    assert!(shown.contains("`now` gives a different value on each run"), "{shown}");
    assert_eq!(
        warned(
            &asking("prompt: \"{{ web }}\"", "")
                .replace("  - sink: rows\n", "  - sink: rows\n    columns: { at: now() }\n")
        ),
        ""
    );
}

/// The mistakes of a query over a wave `w` below the map `label`; its answer has a `title`, as has the source.
fn query(sql: &str) -> (String, String) {
    let folder = Folder::new();
    let spec = format!(
        "duckdb: out.duckdb\nstages:\n  - source: texts\n    rows: [{{ id: a, title: x, n: 1 }}]\n    key: id\n  - map: label\n    fields: {{ label: \"{{'title': 'y'}}\" }}\n  - wave: w\n    from: label\n    sql: {sql}\n    key: id\n  - sink: rows\n"
    );
    match etl::run::Pipeline::from_text(&folder.path("spec.yaml"), &spec, &[]) {
        Ok(pipeline) => (String::new(), Mistakes(pipeline.plan().warnings.clone()).render(false)),
        Err(mistakes) => (mistakes.render(false), String::new()),
    }
}

#[test]
fn what_is_wrong_with_a_query_is_shown_at_its_place_with_the_names_that_there_are() {
    for (sql, wanted, column) in [
        ("SELECT id, titel FROM w", "did you mean `title`?", 21),
        ("SELECT id FROM wv", "did you mean `w`?", 25),
        ("SELECT id, etl.key AS k FROM w", "put what it needs into a field above the wave", 21),
        ("SELECT id, sum(title) AS s FROM w GROUP BY id, 'x'", "sum", 21),
    ] {
        let (shown, _) = query(sql);
        assert!(
            shown.contains(wanted) && shown.contains(&format!("spec.yaml:10:{column}")),
            "{sql}: {shown}"
        );
    }
    let (shown, _) = query("SELECT id, titel FROM w");
    assert!(shown.contains("`w` (id VARCHAR, title VARCHAR, n BIGINT, label STRUCT"), "{shown}");
    let (shown, _) = query("SELECT id, label.title FROM label");
    assert!(shown.contains("`label.title` is a column of `label`, and also a part of the field"), "{shown}");
    assert_eq!(query("SELECT r.id, r.label.title FROM label AS r").0, "");
    let (_, warned) = query("SELECT lower(title) AS title, count(*) AS id FROM w GROUP BY title");
    assert!(warned.contains("GROUP BY `title` groups by the input column"), "{warned}");
    assert_eq!(query("SELECT title, count(*) AS id FROM w GROUP BY title").1, "");
}

#[test]
fn parts_of_list_items_are_checked_in_templates() {
    let folder = Folder::new();
    let spec = |prompt: &str| {
        format!(
            "duckdb: out.duckdb\nstages:\n  - source: a\n    rows: [{{ id: 1, lines: [{{ name: x }}] }}]\n    key: id\n  - map: b\n    chat: {{ model: mistral-small-latest, prompt: \"{prompt}\" }}\n  - sink: rows\n"
        )
    };
    folder.pipeline(&spec("{% for l in lines %}{{ l.name }}{% endfor %}{{ lines[0].name }}"), &[]);
    for wrong in ["{% for l in lines %}{{ l.nmae }}{% endfor %}", "{{ lines[0].nmae }}"] {
        let shown = folder.mistakes(&spec(wrong));
        assert!(shown.contains("unknown field `l") && shown.contains("did you mean `l"), "{shown}");
    }
}

#[test]
fn text_that_a_query_uses_as_a_number_is_a_mistake() {
    let spec = |sql: &str| {
        format!(
            "duckdb: out.duckdb\nstages:\n  - source: texts\n    rows: [{{ id: a, web: x, n: 1 }}]\n    key: id\n  - wave: w\n    sql: {sql}\n  - sink: rows\n    key: id\n"
        )
    };
    let folder = Folder::new();
    let shown = folder.mistakes(&spec("SELECT id FROM w WHERE web = 3"));
    assert!(shown.contains("`web` is text, but is used as INTEGER here"), "{shown}");
    assert!(shown.contains("spec.yaml:7:33"), "{shown}");
    folder.pipeline(
        &spec("SELECT id FROM w WHERE TRY_CAST(web AS INTEGER) = 3 AND n = 1 UNION ALL SELECT 'b'"),
        &[],
    );
}

#[test]
fn a_value_that_ties_decide_is_shown_where_a_text_reads_it() {
    let wave =
        "  - wave: w\n    sql: SELECT web, arg_max(id, n) AS best, max(n) AS most FROM w GROUP BY web\n";
    let shown = warned(&format!("{wave}{}", asking("prompt: \"{{ best }}\"", "")));
    assert!(shown.contains("`best` is used in a text, but `arg_max` does not determine"), "{shown}");
    assert_eq!(warned(&format!("{wave}{}", asking("prompt: \"{{ most }}\"", ""))), "");
}

#[test]
fn samples_that_are_the_same_request_and_quotes_that_yaml_removes_are_shown() {
    let samples = |settings: &str| {
        warned(
            &asking(&format!("prompt: hello{settings}"), "")
                .replace("    chat:", "    samples: 3\n    chat:"),
        )
    };
    assert!(samples(", temperature: 0").contains("the samples of `review` may all be the same"));
    assert!(samples(", random_seed: 7").contains("`random_seed` is the same for all of them"));
    assert_eq!(samples(", temperature: 0.7"), "");
    let shown =
        warned("  - map: more\n    fields: { kind: 'web', other: web, text: \"'web'\" }\n  - sink: rows\n");
    assert!(shown.contains("`web` is the field, not a text"), "{shown}");
    assert_eq!(shown.matches("is the field").count(), 1, "{shown}");
}

#[test]
fn an_expression_that_yaml_takes_apart_is_shown_in_quotes() {
    for (written, wanted) in [
        ("split: [a, b]", "write `\"[a, b]\"`"),
        ("fields: { known: f(a, b), x: n }", "write `known: \"f(a, b)\"`"),
        ("when: 'x' = web", "write `when: \"'x' = web\"`"),
        ("fields: { x: a: b }", "write `x: \"a: b\"`"),
        ("fields: { x: web || ': ' || id }", "write `x: \"web || ': ' || id\"`"),
        ("where: web || ': ' = id", "write `where: \"web || ': ' = id\"`"),
        ("where: @web", "write `where: \"@web\"`"),
        ("fields: { x: { 'a': web } }", "write `\"{ 'a': web }\"`"),
        ("where: web = 'x #1'", "YAML reads ` #` as a comment"),
        ("fields: { x: coalesce(web, 'x') || y: z }", "write `x: \"coalesce(web, 'x') || y: z\"`"),
        ("where: web > 3", "TRY_CAST(… AS DOUBLE)"),
        ("fields: { x: web + 1 }", "`+` is used with a text"),
        ("chat: { model: m }\n    into: {{ web }}", "write `into: web`"),
        ("fields:\n      final: {{ review.x }}", "write `final: review.x`"),
        ("chat:\n      model: {{ web }}\n      prompt: x", "write `model: \"{{ web }}\"`"),
        ("where: order > 3", "write the field as `\"order\"` in double quotes"),
    ] {
        let spec = format!(
            "duckdb: out.duckdb\nstages:\n  - source: texts\n    rows: [{{ id: a, web: x, n: 1, order: 3 }}]\n    key: id\n  - map: b\n    {written}\n  - sink: rows\n"
        );
        let shown = Folder::new().mistakes(&spec);
        assert!(shown.contains(wanted) && shown.contains("spec.yaml:"), "{written}: {shown}");
        assert_eq!(shown.matches("×").count(), 1, "{shown}");
    }
}

#[test]
fn a_request_that_no_field_is_part_of_is_shown() {
    let shown = warned(&asking("prompt: 'Question {web}'", ""));
    assert!(
        shown.contains("`review` sends the same request for every record") && shown.contains("{{ text }}"),
        "{shown}"
    );
    for chat in [
        "prompt: '{{ web }}'",
        "prompt: hello, system: 'About {{ web }}'",
        "prompt: hello, images: ['{{ web }}']",
        "prompt: hello, random_seed: '{{ n }}'",
    ] {
        assert_eq!(warned(&asking(chat, "")), "", "{chat}");
    }
}

#[test]
fn two_routes_that_leave_null_out_are_shown() {
    let routes = |when: &str, one: &str, other: &str| {
        warned(&format!(
            "  - map: screen\n{when}    moderate: {{ model: mistral-moderation-latest, input: '{{{{ web }}}}' }}\n  - map: good\n    where: {one}\n  - sink: rows\n  - sink: bad\n    from: screen\n    when: {other}\n"
        ))
    };
    let when = "    when: n > 1\n";
    let shown = routes(when, "NOT screen.flagged", "screen.flagged");
    assert!(shown.contains("`screen.flagged` may be NULL here, and then neither"), "{shown}");
    assert!(shown.contains("add `OR screen.flagged IS NULL`"), "{shown}");
    assert!(routes(when, "(screen.flagged)", "NOT (Screen.Flagged)").contains("takes neither route"));
    assert_eq!(routes("", "NOT screen.flagged", "screen.flagged"), "");
    assert_eq!(routes(when, "NOT screen.flagged OR screen IS NULL", "screen.flagged"), "");
}

#[test]
fn a_key_that_all_pieces_share_is_shown_with_the_one_that_tells_them_apart() {
    let sink = |key: &str, more: &str| {
        warned(&format!(
            "  - map: part\n    split: {{ values: [x, y] }}\n  - sink: rows\n    key: {key}\n{more}"
        ))
    };
    let shown = sink("id", "");
    assert!(
        shown.contains("all pieces of a record have the same `id`") && shown.contains("spec.yaml:10:"),
        "{shown}"
    );
    assert!(shown.contains("set `key: [id, part]`"), "{shown}");
    for (key, more) in [
        ("[id, part]", ""),
        ("part", ""),
        ("id", "    duplicates: last\n"),
        ("id", "    columns: { id: \"id || part\", part: part }\n"),
    ] {
        assert_eq!(sink(key, more), "", "{key} {more}");
    }
}

#[test]
fn what_is_known_of_a_failure_is_null_where_no_failed_port_is_read() {
    let below = |from: &str, text: &str| {
        let second = format!(
            "  - map: second\n    from: {from}\n    chat: {{ model: mistral-small-latest, prompt: \"{{{{ web }}}} {text}\" }}\n"
        );
        warned(&(asking("prompt: '{{ web }}'", &second) + "  - sink: others\n    from: review\n"))
    };
    let reason = "{{ etl.failure.reason | default('') }}";
    assert!(
        below("review", reason).contains("`etl.failure` is always NULL here"),
        "{}",
        below("review", reason)
    );
    assert_eq!(below("review.failed", reason), "");
    assert_eq!(below("[review, review.failed]", reason), "");
    let sink = warned("  - sink: rows\n    columns: { id: id, why: etl.failure.reason }\n");
    assert!(
        sink.contains("`etl.failure` is always NULL here") && sink.contains("from: MAP.failed"),
        "{sink}"
    );
}

#[test]
fn texts_compared_with_a_number_in_quotes_are_shown() {
    for (condition, is_shown) in [
        ("web > '10'", true),
        ("'10' <= web", true),
        ("web > 'ten'", false),
        ("web = '10'", false),
        ("web > '2024-01-31'", false),
        ("n > 10", false),
    ] {
        let shown = warned(&format!("  - map: some\n    where: \"{condition}\"\n  - sink: rows\n"));
        assert_eq!(shown.contains("compared letter by letter"), is_shown, "{condition}: {shown}");
    }
}

#[test]
fn files_whose_types_duckdb_guesses_are_shown() {
    let folder = Folder::new();
    folder.write("in.csv", b"id,n\n001,2\n");
    let warned = |sql: &str| warned_by(&folder, &format!("sql: {sql}\n    key: id"));
    for (sql, is_shown) in [
        ("FROM 'in.csv'", true),
        ("SELECT * FROM read_csv('in.csv')", true),
        ("SELECT * FROM read_csv('in.csv', all_varchar = true)", false),
        ("SELECT 1 AS id", false),
    ] {
        let shown = warned(sql);
        assert_eq!(shown.contains("DuckDB guesses the types"), is_shown, "{sql}: {shown}");
    }
}

#[test]
fn columns_of_json_lines_that_are_mixed_or_missing_are_shown() {
    let folder = Folder::new();
    folder.write("in.jsonl", b"{\"id\":\"a\",\"v\":\"x\",\"total\":1}\n{\"id\":\"b\",\"v\":5,\"total\":2}\n");
    let warned = |types: &str| warned_by(&folder, &format!("jsonl: in.jsonl\n    key: id\n{types}"));
    let shown = warned("");
    assert!(
        shown.contains("`v` has texts beside numbers") && shown.contains("types: { v: text }"),
        "{shown}"
    );
    assert_eq!(warned("    types: { v: text }\n"), "");
    let shown = warned("    types: { v: text, totl: decimal }\n");
    assert!(shown.contains("no line that was read has `totl`") && shown.contains("`total`?"), "{shown}");
}
