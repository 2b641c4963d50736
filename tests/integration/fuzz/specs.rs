//! Specs, templates and expressions.

use std::{
    fs,
    sync::{LazyLock, Mutex},
};

use etl::{
    plan::{CompileContext, compile},
    record::{LogicalType, Schema, parse_type},
    spec::{Variables, parse},
    sql::{Engine, bind},
    template::{self, Template},
};
use proptest::prelude::*;

use super::{both, config, nearly, soon};

const PIPELINES: &[&str] = &[
    include_str!("../../../pipelines/extract.yaml"),
    include_str!("../../../pipelines/extract-batch.yaml"),
    COMPILED,
];

/// A pipeline with some of everything, with its files in a separate folder.
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

pub(super) fn read_spec(text: &str, with_files: bool) -> bool {
    let set = [("model".to_owned(), "large é".to_owned())];
    let env = |name: &str| (name == "HOME").then(|| "/nowhere".to_owned());
    let describe = |_: &str, _: &[(String, Schema)]| Ok(Schema::new([("id", LogicalType::BigInt)]));
    let name = FOLDER.path().join("spec.yaml").display().to_string();
    let reported = match parse(&name, text, &Variables { set: &set, env: &env }) {
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
    assert!(!reported.0.is_empty());
    assert!(!reported.render(false).is_empty());
    false
}

#[test]
fn the_pipeline_that_is_changed_is_a_good_one() {
    assert!(read_spec(COMPILED, true));
}

pub(super) fn shape() -> Schema {
    Schema::new([
        ("text", LogicalType::Varchar),
        ("bytes", LogicalType::BigInt),
        ("extract", parse_type("STRUCT(title VARCHAR)")),
        ("tags", parse_type("VARCHAR[]")),
    ])
}

const TEMPLATES: &[&str] = &[
    include_str!("../../../pipelines/prompts/extract.md.j2"),
    include_str!("../../../pipelines/prompts/repair.md.j2"),
    "{% for tag in tags %}{{ loop.index }}: {{ tag | upper }}{% else %}none{% endfor %}{% set x = bytes + 1 %}{{ x }}",
    "{% include 'rules.md' %}{{ extract.title ~ '文' }}{# é #}{% raw %}{{ }}{% endraw %}",
];

const EXPRESSIONS: &[&str] = &[
    "bytes < 800_000 AND extract.title IS NOT NULL",
    "length(text) * 2",
    "CASE WHEN bytes > 3 THEN tags[1] || 'é' ELSE list_sum([x.a FOR x IN [{'a': 1.5}]])::VARCHAR END",
];

static ENGINE: LazyLock<Mutex<Engine>> = LazyLock::new(|| Mutex::new(Engine::start().unwrap()));

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
}
