//! Terminals never interpret the program's output, whatever is in names, files, answers and errors; and it never
//! shows an API key.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::common::{
    Folder,
    script::{Server, Step, say},
};
use serde_json::json;

/// Clear screen, a bell, a colour as a C1 control, bidirectional overrides, a carriage return.
const HOSTILE: &str = "\u{1b}[2J\u{7}\u{9b}31m\u{202e}x\u{2066}y\u{7f}\rz";

const SET: &str = "\u{1b}[2J\u{9b}=1";

fn etl(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(crate::common::ETL)
        .args(arguments)
        .current_dir(folder.path(""))
        .env("ETL_LOG", "trace")
        .env_remove("MISTRAL_API_KEY")
        .output()
        .unwrap()
}

/// Checks that neither output contains control or direction characters.
fn harmless(arguments: &[&str], output: &Output) -> String {
    let mut text = String::new();
    for bytes in [&output.stdout, &output.stderr] {
        let side = std::str::from_utf8(bytes).unwrap();
        let obeyed = |c: char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if let Some(at) = side.find(obeyed) {
            let from = side[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
            panic!("{arguments:?} writes {:?}", side[from..].chars().take(90).collect::<String>());
        }
        text.push_str(side);
    }
    text
}

fn quoted(text: &str) -> String {
    etl::escape::escaped_json(&json!(text).to_string()).into_owned()
}

fn spec(model: &str, more: &str) -> String {
    let name = quoted(HOSTILE);
    let file = quoted(&format!("{HOSTILE}.txt"));
    format!(
        "
pipeline: test
description: {name}
mistral: {{ api_key: test-key-of-test }}
duckdb: out.duckdb
stages:
  - source: texts
    rows: [{{ name: {name}, {name}: {file} }}, {{ name: other, {name}: {name} }}]
    key: name
  - map: say
    retry: {{ times: 1, wait: 1ms }}
    chat: {{ model: {model}, prompt: 'Say {{{{ name }}}}'{more} }}
  - sink: out
    table: out
"
    )
}

/// Runs every command on a spec; returns all output.
fn every_command(folder: &Folder, name: &str, url: &str, every_mode: bool) -> String {
    let mut all = String::new();
    let check = etl(folder, &["check", name]);
    all.push_str(&harmless(&["check"], &check));
    let mut calls = vec![vec!["plan", name], vec!["run", name, "--set", SET]];
    if check.status.success() {
        calls.extend([vec!["run", name, "--dry-run"], vec!["run", name, "--base-url", url]]);
    }
    if every_mode {
        calls.extend([
            vec!["jobs", name, "--base-url", url],
            vec!["run", name, "--base-url", url, "--progress", "json", "--fresh"],
            vec!["run", name, "--base-url", url, "--progress", "bars", "--fresh"],
            vec!["run", name, "--base-url", url, "--progress", "none", "--fresh"],
            vec!["run", name, "--offline"],
            vec!["run", name, "--base-url", url, "--only", HOSTILE],
            vec!["run", name, "--offline", "--answers", HOSTILE],
            vec!["run", name, "--offline", "--scenario", HOSTILE],
        ]);
    }
    for arguments in calls {
        let output = etl(folder, &arguments);
        all.push_str(&harmless(&arguments, &output));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_hands_control_characters_on() {
    let answer = |content: &str| {
        json!({
            "id": HOSTILE, "object": "chat.completion", "created": 0, "model": HOSTILE,
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": content } }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        })
    };
    // In turn: an answer, answers that fit no schema, and every shape of error.
    let server = Server::start(move |asked, nth| {
        let error = json!({ "message": HOSTILE, "code": HOSTILE, "type": HOSTILE });
        match nth % 7 {
            _ if asked.method == "GET" => say(200, json!({ "data": [], "total": 0 })),
            0 => say(200, answer(HOSTILE)),
            1 => say(400, error),
            2 => Step::Say(
                503,
                vec![("x-request-id", "a\u{9b}b".to_owned())],
                format!("<html>{HOSTILE}</html>"),
            ),
            3 => say(422, json!({ "detail": [{ "loc": ["body", HOSTILE], "msg": HOSTILE }] })),
            4 => Step::Say(
                307,
                vec![("location", "http://example.invalid/\u{9b}31m".to_owned())],
                String::new(),
            ),
            5 => say(200, answer(&json!({ HOSTILE: HOSTILE }).to_string())),
            _ => say(403, error),
        }
    })
    .await;
    let refusing = Server::start(|_, _| say(401, json!({ "message": HOSTILE, "detail": HOSTILE }))).await;
    let (url, refusing) = (server.url.clone(), refusing.url.clone());
    let work = move || {
        let folder = Folder::new();
        let name = format!("{}.yaml", HOSTILE.replace('/', ""));
        let schema = ", schema: { answer: text }";
        for (spec, shown) in [
            (spec("small", ""), "valid"),
            (spec("small", schema), "valid"),
            // Mistakes in every kind of input, each with its excerpt.
            (spec(&quoted(HOSTILE), ", modle: 3"), "unknown key"),
            (spec("small", "").replace("say\n", &format!("{}\n", quoted(HOSTILE))), "cannot be a name"),
            (spec("small", "").replace("Say {{", "Say {% nothing {{"), "nothing was sent"),
            (
                spec("small", "")
                    .replace("table: out", &format!("table: out\n    from: {}", quoted(HOSTILE))),
                "unknown stage",
            ),
            (spec("small", &format!(", schema: {}", quoted(HOSTILE))), "cannot read"),
            (format!("a: {HOSTILE}\n"), "nothing was sent"),
            (format!("{}\n# {HOSTILE}\n  \tx", spec("small", "")), "nothing was sent"),
            (spec("small", "").replace("key: name", &format!("key: {}", quoted(HOSTILE))), ""),
        ] {
            folder.write(&name, spec.as_bytes());
            let all = every_command(&folder, &name, &url, spec.contains("schema: {"));
            assert!(all.contains(shown), "{all}");
            if shown == "valid" {
                let arguments = ["run", &name, "--base-url", &refusing, "--fresh"];
                harmless(&arguments, &etl(&folder, &arguments));
            }
        }
        sql(&folder);
        files(&folder, &url);
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

fn sql(folder: &Folder) {
    for query in [
        "SELECT * FROM out",
        "SELECT * FROM etl.failures",
        "SELECT * FROM etl.answers",
        "SELECT chr(27) || '[2J' || chr(155) || chr(8238) AS a",
        &format!("SELECT \"{HOSTILE}\""),
        &format!("SELECT '{HOSTILE}"),
    ] {
        let arguments = ["sql", "out.duckdb", query];
        harmless(&arguments, &etl(folder, &arguments));
    }
    for arguments in [["sql", HOSTILE, "SELECT 1"], ["explain", HOSTILE, ""], [HOSTILE, HOSTILE, HOSTILE]] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
        harmless(&arguments, &etl(folder, &arguments));
    }
}

/// Names of files, columns and the lines within them.
fn files(folder: &Folder, url: &str) {
    let file = HOSTILE.replace('/', "");
    folder.write(&format!("docs/{file}.txt"), HOSTILE.as_bytes());
    folder.write(&format!("rows/{file}.csv"), format!("name,\"{HOSTILE}\"\na,b\nc,d,e\n").as_bytes());
    folder.write(&format!("rows/{file}.jsonl"), format!("{{\"name\": \"a\"}}\n{HOSTILE}\n").as_bytes());
    for source in
        ["files: docs/*.txt", "csv: rows/*.csv\n    key: name", "jsonl: rows/*.jsonl\n    key: name"]
    {
        let text = spec("small", "");
        let (head, rest) = text.split_once("    rows:").unwrap();
        let (_, rest) = rest.split_once("key: name\n").unwrap();
        let spec = format!("{head}    {source}\n{rest}").replace("{{ name }}", "{{ etl.key }}");
        folder.write("files.yaml", spec.as_bytes());
        every_command(folder, "files.yaml", url, false);
    }
    assert!(Path::new(&folder.path("out.duckdb")).exists());
}

#[test]
fn no_mistake_shows_a_key() {
    const KEY: &str = "Zx81qWm4TtPp09LkJhGf";
    let good = spec("small", "").replace("test-key-of-test", KEY);
    let block = good.replace(
        &format!("mistral: {{ api_key: {KEY} }}"),
        &format!("mistral:\n  api_key: {KEY}\n  modle: x"),
    );
    let parameter = good
        .replace(&format!("api_key: {KEY}"), "api_key: '${params.account}', modle: 1")
        .replace("mistral:", &format!("params: {{ account: {KEY} }}\nmistral:"));
    for spec in [
        good.replace("api_key: ", "api_kye: "),
        good.replace("duckdb:", "dukdb:"),
        good.replace("pipeline: test", "pipeline: [test]"),
        good.replace("api_key: ", "timeouts: 3, api_key: "),
        good.replace("api_key: ", "api_key: [").replace(" }\nduckdb", "] }\nduckdb"),
        good.replace("duckdb: out", "\tduckdb: out"),
        good.replace("api_key: ", "api_key: &key ").replace("model: small", &format!("modle: {KEY}")),
        block,
        parameter,
        good.replace("Say {{", &format!("{KEY} {{% nothing {{{{")),
        good.replace("model: small", &format!("model: small, temperature: {KEY}")),
        good.replace("table: out", &format!("table: out\n    from: {KEY}")),
    ] {
        let folder = Folder::new();
        folder.write("spec.yaml", spec.as_bytes());
        let output = etl(&folder, &["check", "spec.yaml"]);
        let text = harmless(&["check"], &output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn a_pipeline_stands_for_its_database() {
    let folder = Folder::new();
    folder.write(
        "p.yaml",
        b"duckdb: here.duckdb\nstages:\n  - source: s\n    rows: [{ id: 1 }]\n    key: id\n  - sink: t\n",
    );
    let early = etl(&folder, &["sql", "p.yaml", "FROM t"]);
    let text = String::from_utf8_lossy(&early.stderr);
    assert!(early.status.code() == Some(2) && text.contains("the pipeline has not run yet"), "{text}");
    etl(&folder, &["run", "p.yaml", "--offline"]);
    let json = etl(
        &folder,
        &["sql", "p.yaml", "SELECT 1.50 AS a, NULL AS b, 'x\ny' AS c, [1] AS d", "--format", "jsonl"],
    );
    assert_eq!(
        String::from_utf8(json.stdout).unwrap(),
        "{\"a\": 1.50, \"b\": null, \"c\": \"x\\ny\", \"d\": [1]}\n"
    );
    let tables = etl(&folder, &["sql", "p.yaml", "SHOW TABLES", "--format", "jsonl"]);
    assert_eq!(String::from_utf8(tables.stdout).unwrap(), "{\"name\": \"t\"}\n");
    let failed =
        etl(&folder, &["sql", "p.yaml", "SELECT CAST('x' || id AS INT) FROM t", "--format", "jsonl"]);
    assert!(String::from_utf8_lossy(&failed.stderr).contains("the query is not valid"), "{failed:?}");
    let shown = etl(&folder, &["sql", "p.yaml", "FROM t"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "id\n──\n1\n");
}
