//! Whatever comes in, the readers come to an end: without a panic, soon, and within bounded memory.
//!
//! Seconds by default; `PROPTEST_CASES=100000 cargo nextest run --test fuzz` for longer, by hand.

use std::{
    fs,
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use etl::{
    mistral::{ApiError, Endpoint, Expected, read_answer, read_reply, read_result},
    plan::{CompileContext, compile},
    record::{LogicalType, Schema, parse_type},
    sim::SimConfig,
    spec::{Variables, parse},
    sql::{Engine, bind},
    template::{self, Template},
    units::{Rate, Size, Span, Usd},
};
use proptest::prelude::*;
use serde_json::json;

/// What the languages that are read here are made of.
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "(",
    ")",
    "<",
    ">",
    "|",
    "~",
    "*",
    "**",
    "/",
    "%",
    "-",
    "- ",
    "--- ",
    ":",
    ": ",
    ",",
    ", ",
    ".",
    "..",
    "\"",
    "'",
    "\\",
    "\\u",
    "\\ud800",
    "`",
    "```json\n",
    "```",
    "&a ",
    "*a",
    "!!str ",
    "!",
    "? ",
    "#",
    " #",
    "$",
    "${",
    "$${",
    "${params.",
    "${env.HOME}",
    "\n",
    "\r\n",
    "\n  ",
    "\n    - ",
    "\t",
    " ",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "é",
    "文",
    "👩\u{200d}🚀",
    "\u{300}",
    "0",
    "1",
    "-1",
    "1e999",
    ".5",
    "0x7f",
    "99999999999999999999",
    "null",
    "true",
    "false",
    "~",
    "NaN",
    "in",
    "is",
    "not",
    "for x in range(9)",
    "for x in text",
    "endfor",
    "if",
    "else",
    "endif",
    "include 'a'",
    "set x = ",
    "text",
    "extract.title",
    "loop.index",
    "upper",
    "length",
    "batch(3)",
    "range(100000)",
    "'ab' * 1000000",
    "5/s",
    "5",
    "30s",
    "100MB",
    "5.00 USD",
    "auto",
    "source: a",
    "map: b",
    "chat:",
    "model: m",
    "prompt: ",
    "files: '*.txt'",
    "rows: ",
    "fields: ",
    "columns: ",
    "batch: ",
    "concurrency: ",
    "retry: ",
    "tools: ",
    "schema: schema.json",
    "from: ",
    "when: ",
    "\"error\":",
    "\"detail\":",
    "\"message\":",
    "\"code\":",
    "\"choices\":",
    "\"message\":",
    "\"content\":",
    "\"custom_id\":",
    "\"response\":",
    "\"body\":",
    "\"status_code\":",
    "\"title\":",
    "<html>",
];

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z_]{1,8}",
    ]
}

/// Anything at all: characters, bytes, pieces of the languages, one piece very often.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        prop::collection::vec(fragment(), 0..60).prop_map(|parts| parts.concat()),
        (fragment(), fragment(), 0usize..3000).prop_map(|(part, last, times)| part.repeat(times) + &last),
    ]
}

/// A change of a text: what is cut out at a place, and what comes in.
#[derive(Debug, Clone)]
enum Edit {
    Delete,
    Duplicate,
    Replace(String),
    Move(prop::sample::Index),
}

/// A good text with some changes.
fn nearly(texts: Vec<String>) -> impl Strategy<Value = String> {
    let edit = prop_oneof![
        Just(Edit::Delete),
        Just(Edit::Duplicate),
        fragment().prop_map(Edit::Replace),
        any::<prop::sample::Index>().prop_map(Edit::Move),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, edit), 1..6);
    (prop::sample::select(texts), edits).prop_map(|(text, edits)| {
        edits.into_iter().fold(text, |text, (at, len, edit)| {
            let chars: Vec<char> = text.chars().collect();
            let start = at.index(chars.len() + 1);
            let end = (start + len).min(chars.len());
            let (before, cut, after) = (&chars[..start], &chars[start..end], &chars[end..]);
            match edit {
                Edit::Delete => [before, after].concat(),
                Edit::Duplicate => [before, cut, cut, after].concat(),
                Edit::Replace(with) => [before, &with.chars().collect::<Vec<_>>(), after].concat(),
                Edit::Move(to) => {
                    let mut rest = [before, after].concat();
                    let to = to.index(rest.len() + 1);
                    rest.splice(to..to, cut.iter().copied());
                    rest
                }
            }
            .into_iter()
            .collect()
        })
    })
}

fn both(texts: &[&str]) -> impl Strategy<Value = String> {
    prop_oneof![1 => anything(), 2 => nearly(texts.iter().map(|text| (*text).to_owned()).collect())]
}

/// Nothing that is read here may take this long, in a build for tests on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// The most memory that a test may ever have had.
const MEMORY_KB: u64 = 1_000_000;

fn soon<T>(text: &str, read: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = read();
    assert!(started.elapsed() < SOON, "{:?} for {} bytes", started.elapsed(), text.len());
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < MEMORY_KB, "{peak} kB after {} bytes", text.len());
    }
    value
}

const PIPELINES: &[&str] = &[
    include_str!("../../pipelines/extract.yaml"),
    include_str!("../../pipelines/extract-batch.yaml"),
    COMPILED,
];

/// A pipeline with a bit of everything, whose files are in a folder of its own.
const COMPILED: &str = "\
pipeline: test
params: { model: small, count: 3 }
mistral: { api_key: key, base_url: eu, timeouts: { whole: 5min }, limits: { requests: 5/s } }
duckdb: out.duckdb
budget: 5.00 USD
prices: { 'large é': { prompt: 0.1 USD }, ocr: { pages: 1 USD } }
stages:
  - source: documents
    files: library/*.txt
  - source: rows
    rows: [{ id: 1, tags: [a, b], 文: é }]
    key: id
  - map: parts
    split: tags
  - map: shape
    fields: { twice: id * 2, both: id || parts }
    drop: tags
  - throttle: pace
    from: documents
    rate: 5/s
  - map: extract
    concurrency: { auto: { min: 2, max: 8 } }
    retry: { times: 3, wait: 1s }
    chat:
      model: ${params.model}
      system: Be brief, é.
      prompt: |
        Read this:
          {{ text }} {% if bytes > 3 %}{{ path | upper }}{% endif %}
      images: ['library/{{ name }}.png', 'https://example.org/{{ path }}']
      schema: schema.json
      stop: [END]
      metadata: { a: b }
      tools: [{ name: find, parameters: { type: object, properties: { word: { type: string } } } }]
      tool_choice: find
    when: bytes < 800_000
  - wave: extracted
    stop_if: failed > 0.2 * total
  - map: read
    from: extracted.failed
    ocr: { model: ocr, document: 'library/{{ name }}', pages: '0,2-5' }
    batch: { every: 30s, backoff: { factor: 1.5, max: 2min }, timeout: 24h }
  - sink: metadata
    from: [extracted]
    table: metadata
    columns: { path: path, title: extract.title, length: length(text) }
  - sink: others
    from: shape
    jsonl: out/others.jsonl
  - sink: pages
    from: read
    table: pages
    mode: replace
";

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("library")).unwrap();
    fs::write(dir.path().join("library/a.txt"), "A text.").unwrap();
    let schema = r#"{ "type": "object", "properties": { "title": { "type": "string" } } }"#;
    fs::write(dir.path().join("schema.json"), schema).unwrap();
    dir
});

fn read_spec(text: &str, with_files: bool) -> bool {
    let set = [("model".to_owned(), "large é".to_owned())];
    let env = |name: &str| (name == "HOME").then(|| "/nowhere".to_owned());
    let describe = |_: &str, _: &[(String, Schema)]| Ok(Schema::new([("id", LogicalType::BigInt)]));
    let name = FOLDER.path().join("spec.yaml").display().to_string();
    let told = match parse(&name, text, &Variables { set: &set, env: &env }) {
        Ok(spec) if with_files => {
            match compile(
                &spec,
                &CompileContext {
                    describe: &describe,
                    check_table: &|_, _, _, _| Vec::new(),
                    proofs: &etl::read::no_proofs,
                },
            ) {
                Ok(plan) => {
                    assert!(plan.to_string().starts_with(&plan.name));
                    return true;
                }
                Err(mistakes) => mistakes,
            }
        }
        Ok(_) => return true,
        Err(mistakes) => mistakes,
    };
    assert!(!told.0.is_empty());
    assert!(!told.render(false).is_empty());
    false
}

#[test]
fn the_pipeline_that_is_changed_is_a_good_one() {
    assert!(read_spec(COMPILED, true));
}

fn shape() -> Schema {
    Schema::new([
        ("text", LogicalType::Varchar),
        ("bytes", LogicalType::BigInt),
        ("extract", parse_type("STRUCT(title VARCHAR)")),
        ("tags", parse_type("VARCHAR[]")),
    ])
}

const TEMPLATES: &[&str] = &[
    include_str!("../../pipelines/prompts/extract.md.j2"),
    include_str!("../../pipelines/prompts/repair.md.j2"),
    "{% for tag in tags %}{{ loop.index }}: {{ tag | upper }}{% else %}none{% endfor %}{% set x = bytes + 1 %}{{ x }}",
    "{% include 'rules.md' %}{{ extract.title ~ '文' }}{# é #}{% raw %}{{ }}{% endraw %}",
];

const EXPRESSIONS: &[&str] = &[
    "bytes < 800_000 AND extract.title IS NOT NULL",
    "length(text) * 2",
    "CASE WHEN bytes > 3 THEN tags[1] || 'é' ELSE list_sum([x.a FOR x IN [{'a': 1.5}]])::VARCHAR END",
];

static ENGINE: LazyLock<Mutex<Engine>> = LazyLock::new(|| Mutex::new(Engine::start().unwrap()));

const ANSWERS: &[&str] = &[
    "{\"title\": \"A \\\"text\\\" é\", \"tags\": [\"a\", {\"b\": [1, 2.5e3, null, true]}]}",
    "Here it is:\n```json\n{\"title\": \"x\", \"tags\": []}\n```\nAnything else?",
    "[{\"title\": \"x\"}]",
];

const ERRORS: &[&str] = &[
    r#"{"object":"error","message":"Prompt too long","type":"invalid_request_prompt","param":null,"code":"3059","raw_status_code":400}"#,
    r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body","messages",0],"msg":"Field required","input":{}}]}}"#,
    r#"{"detail":[{"loc":["body","x"],"msg":"no"}]}"#,
    r#"{"message":"Requests rate limit exceeded","request_id":"abc"}"#,
    "<html><head><title>502 Bad Gateway</title></head><body>é</body></html>",
];

const LINES: &[&str] = &[
    r#"{"id":"b-1","custom_id":"7","response":{"status_code":200,"body":{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":[{"type":"text","text":"é"}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}},"error":null}"#,
    r#"{"custom_id":7,"response":{"status_code":400,"body":"{\"object\":\"error\",\"message\":\"no\",\"code\":3059}"},"error":null}"#,
    r#"{"custom_id":"7","response":null,"error":{"message":"expired"}}"#,
    r#"{"custom_id":"7","response":{"body":{"data":[{"embedding":[0.1,2]}],"pages":[{"index":0,"markdown":"x"}],"results":[{"categories":{}}],"usage_info":{"pages_processed":1}}}}"#,
];

const SCENARIOS: &[&str] = &[
    include_str!("../../pipelines/scenarios/hostile.yaml"),
    include_str!("../../pipelines/scenarios/philosophy.yaml"),
    include_str!("../../pipelines/scenarios/busy.yaml"),
];

const QUANTITIES: &[&str] = &["5/s", "500k/min", "30s", "1.5 MB", "5.00 USD", "1_000ms"];

#[test]
fn long_inputs_are_read_in_time() {
    let expected = Expected::new(&json!({ "type": "object" })).unwrap();
    for part in [
        "{",
        "[",
        "{\"a\":",
        "\"",
        "\\\"",
        "`",
        "```json\n",
        "{}",
        "{\"a\":1}",
        "é",
        "<",
        "{ x ",
        "- ",
        "a: {",
    ] {
        let text = part.repeat(300_000 / part.len());
        soon(&text, || {
            let _ = read_answer(&text, &expected);
            let _ = ApiError::read(500, &text);
            let _ = read_result(&text);
            let _ = SimConfig::default().with_yaml("scenario", &text);
            let _ = template::check(&text, &shape());
            read_spec(&text, false);
        });
    }
}

fn config() -> ProptestConfig {
    // What is found is mended and becomes a test of its own; a file of seeds says nothing to a reader.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn specs_are_read(text in both(PIPELINES)) {
        soon(&text, || read_spec(&text, false));
    }

    #[test]
    fn specs_are_compiled(text in nearly(vec![COMPILED.to_owned()])) {
        soon(&text, || read_spec(&text, true));
    }

    #[test]
    fn templates_are_checked(text in both(TEMPLATES)) {
        soon(&text, || {
            for mistake in template::check(&text, &shape()) {
                prop_assert!(text.get(mistake.span).is_some());
            }
            for (_, span) in template::includes(&text) {
                prop_assert!(text.get(span).is_some());
            }
            drop(Template::parse(&text, &[], &[]));
            Ok(())
        })?;
    }

    #[test]
    fn expressions_are_checked_and_tried(text in both(EXPRESSIONS)) {
        soon(&text, || {
            if let Err(error) = bind(&ENGINE.lock().unwrap(), &shape(), &text) {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.span.is_none_or(|span| text.get(span).is_some()));
            }
            Ok(())
        })?;
    }

    #[test]
    fn answers_are_read(text in both(ANSWERS)) {
        let schema = json!({ "type": "object", "required": ["title"], "properties": { "title": { "type": "string" } } });
        let expected = Expected::new(&schema).unwrap();
        match soon(&text, || read_answer(&text, &expected)) {
            Ok(json) => {
                let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                prop_assert!(value["title"].is_string());
            }
            Err(reason) => prop_assert!(!reason.is_empty() && reason.len() < 10_000, "{}", reason.len()),
        }
    }

    #[test]
    fn errors_are_read(status in any::<u16>(), text in both(ERRORS)) {
        let error = soon(&text, || ApiError::read(status, &text));
        let told = error.to_string();
        prop_assert!(told.len() < 10_000, "{}", told.len());
        let _ = (error.action(), error.is_capacity());
    }

    #[test]
    fn lines_of_results_are_read(text in both(LINES)) {
        soon(&text, || {
            if let Ok(row) = read_result(&text) && let Ok(body) = row.outcome {
                for endpoint in Endpoint::ALL {
                    let _ = read_reply(endpoint, &body);
                }
            }
        });
    }

    #[test]
    fn scenarios_are_read(text in both(SCENARIOS)) {
        if let Err(error) = soon(&text, || SimConfig::default().with_yaml("scenario", &text)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn quantities_are_read(text in both(QUANTITIES)) {
        // What has been read prints as something that reads as the same.
        if let Ok(rate) = text.parse::<Rate>() {
            prop_assert!(rate.per_second() > 0.0);
        }
        if let Ok(span) = text.parse::<Span>() {
            prop_assert!(span.to_string().parse::<Span>().is_ok());
        }
        if let Ok(size) = text.parse::<Size>() {
            prop_assert!(size.to_string().parse::<Size>().is_ok());
        }
        if let Ok(money) = text.parse::<Usd>() {
            prop_assert!(money.to_string().parse::<Usd>().is_ok());
        }
    }
}
