//! The API key is in no file and in no output, whatever a server does with it.

use std::process::Command;

use serde_json::json;

use crate::common::{
    ETL, Folder,
    script::{Server, Step, say},
};

const KEY: &str = "sk-very-secret-key-0815";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_repeats_is_written_nowhere() {
    let server = Server::start(|asked, nth| {
        if asked.method == "GET" {
            return say(200, json!({ "data": [] }));
        }
        let content = |text: &str| {
            let message = json!({ "role": "assistant", "content": text });
            json!({ "model": KEY, "choices": [{ "index": 0, "finish_reason": "stop", "message": message }],
                "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 } })
        };
        let headers = vec![("mistral-correlation-id", format!("{KEY}-{nth}"))];
        match nth % 6 {
            0 => Step::Say(200, headers, content(&format!("{{\"title\": \"by {KEY}\"}}")).to_string()),
            1 => Step::Say(400, headers, json!({ "message": format!("not valid for {KEY}") }).to_string()),
            2 => Step::Say(200, headers, format!("no JSON, but {KEY}")),
            3 => Step::Say(503, headers, format!("<html>{KEY}</html>")),
            4 => Step::Say(302, vec![("location", format!("/login?key={KEY}"))], String::new()),
            _ => Step::Say(200, headers, content(&format!("no object: {KEY}")).to_string()),
        }
    })
    .await;
    let folder = Folder::new();
    let spec = "
pipeline: test
mistral: { api_key: \"${env.KEY_OF_TEST}\" }
duckdb: out.duckdb
stages:
  - source: texts
    sql: SELECT range AS id FROM range(30)
    key: id
  - map: extract
    concurrency: 2
    retry: { times: 1, wait: 1ms }
    chat: { model: m, prompt: 'number {{ id }}', schema: { title: text } }
  - sink: out
  - sink: failed
    from: extract.failed
    columns: { id: id, reason: etl.failure.reason, reply: etl.failure.reply }
  - sink: file
    from: extract
    jsonl: out.jsonl
";
    folder.write("spec.yaml", spec.as_bytes());
    let run = |level: &str| {
        let output = Command::new(ETL)
            .args(["run", "spec.yaml", "--base-url", &server.url, "--progress", "lines"])
            .current_dir(folder.path(""))
            .env("KEY_OF_TEST", KEY)
            .env("ETL_LOG", level)
            .output()
            .unwrap();
        [output.stdout, output.stderr].concat()
    };
    let shown = [run("trace"), run("warn")].concat();
    assert!(!shown.is_empty() && !contains(&shown, KEY), "{}", String::from_utf8_lossy(&shown));
    let (rows, failures) =
        (folder.sql("SELECT count(*) FROM out"), folder.sql("SELECT count(*) FROM failed"));
    assert!(rows != "0" && failures != "0", "{rows} rows, {failures} failures");
    assert_eq!(folder.sql("SELECT DISTINCT title FROM out"), "by [the API key]");
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path("")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            assert!(!contains(&std::fs::read(&path).unwrap(), KEY), "{}", path.display());
        }
    }
    assert!(files >= 3, "the spec, the database and the file");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
