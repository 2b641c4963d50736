//! Mistakes as shown to a user.

use std::{fs, path::Path};

use etl::{
    plan::{CompileContext, compile},
    record::{LogicalType, Schema},
    spec::{Variables, parse},
};

/// A folder with the files of a valid pipeline.
pub(crate) fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("library")).unwrap();
    fs::write(dir.path().join("library/a.txt"), "A text.").unwrap();
    fs::write(dir.path().join("prompt.md.j2"), "Read this:\n{{ text }}\n").unwrap();
    let schema = r#"{ "type": "object", "properties": { "title": { "type": "string" }, "year": { "type": "integer" } } }"#;
    fs::write(dir.path().join("schema.json"), schema).unwrap();
    dir
}

pub(crate) const GOOD: &str = "\
pipeline: test
params:
  model: small
mistral: { api_key: \"${env.KEY}\" }
duckdb: out.duckdb
stages:
  - source: documents
    files: library/*.txt
  - map: extract
    chat:
      model: ${params.model}
      prompt: { file: prompt.md.j2 }
      schema: schema.json
  - wave: extracted
  - map: repair
    from: extracted.failed
    into: extract
    chat:
      model: medium
      prompt: |
        It was refused: {{ etl.failure.reason }}
        {{ text }}
      schema: schema.json
  - sink: metadata
    from: [extracted, repair]
    table: metadata
  - sink: rejected
    from: repair.failed
    table: rejected
";

/// Everything reported about a spec, with the folder's name removed.
pub(crate) fn reported(dir: &Path, spec: &str, set: &[(&str, &str)]) -> String {
    let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let name = dir.join("spec.yaml").display().to_string();
    let env = |name: &str| (name == "HOME_OF_TESTS").then(|| "here".to_owned());
    let describe = |query: &str, _: &[(String, Schema)]| match query.contains("missing") {
        true => Err("Catalog Error: Table with name missing does not exist!".to_owned()),
        false => Ok(Schema::new([("id", LogicalType::BigInt)])),
    };
    let variables = Variables { set: &set, env: &env };
    let result = parse(&name, spec, &variables).and_then(|spec| {
        compile(
            &spec,
            &CompileContext {
                describe: &describe,
                check_table: &|_, _, _, _| Vec::new(),
                proofs: &etl::read::no_proofs,
            },
        )
    });
    match result {
        Ok(plan) => plan.to_string(),
        Err(mistakes) => mistakes.render(false),
    }
    .replace(&format!("{}/", dir.display()), "")
    .replace(&dir.display().to_string(), "FOLDER")
}

/// The valid pipeline with one change.
pub(crate) fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let dir = folder();
    reported(dir.path(), &GOOD.replacen(from, to, 1), &[])
}

#[test]
fn a_good_pipeline_is_drawn_with_every_default() {
    let dir = folder();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn settings_are_drawn() {
    let spec = GOOD
        .replace("api_key: \"${env.KEY}\"", "base_url: eu, timeouts: { first_byte: 90s }")
        .replace("    chat:\n      model: ${params.model}", "    concurrency: { auto: { max: 16 } }\n    chat:\n      model: ${params.model}\n      stop: [END]\n      prompt_cache_key: \"${env.HOME_OF_TESTS}\"\n      images: ['library/{{ name }}.png', '${env.HOME_OF_TESTS}/{{ name }}.png']");
    let dir = folder();
    let reported = reported(dir.path(), &spec, &[]);
    let shown: Vec<&str> = reported.lines().filter(|line| !line.contains("VARCHAR")).take(22).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    test → out.duckdb
    server https://api.eu.mistral.ai
    timeouts: connect 10s, first byte 90s, whole answer 5min

    source   documents
             files library/*.txt, each up to 32MB
             key path

    lookup   extract.lookup  ← documents
             answers in the ledger are used at once; the others are requested by `extract`

    map      extract         ← extract.lookup
             prompts small, 1 to 16 at a time, tuned for throughput → extract
             image library/{{ name }}.png, files up to 50MB from library
             image '${env.HOME_OF_TESTS}/{{ name }}.png'
             schema schema.json, sent as `schema`
               {
                 "type": "object",
                 "properties": { "title": { "type": "string" }, "year": { "type": "integer" } }
               }
             stop ["END"], prompt_cache_key from the environment
             attempts 1 for a refused answer; without an answer 5 retries, 1s to 1min apart
    "#);
}

macro_rules! mistakes {
    ($($name:ident: $from:expr => $to:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(changed($from, $to));
        }
    )*};
}

mistakes! {
    unknown_key: "    chat:\n      model: ${params.model}" => "    concurency: 8\n    chat:\n      model: ${params.model}";
    unknown_key_in_chat: "schema: schema.json\n  - wave" => "seed: 7\n  - wave";
    names_of_other_services: "schema: schema.json\n  - wave" => "messages: [Hello]\n      max_completion_tokens: 9\n      response_format: json\n  - wave";
    fields_that_would_do_harm: "schema: schema.json\n  - wave" => "stream: true\n      n: 2\n  - wave";
    chat_settings_out_of_bounds: "schema: schema.json\n  - wave" => "top_p: 0\n      presence_penalty: -3\n      frequency_penalty: much\n      max_tokens: 0\n  - wave";
    chat_settings_of_another_shape: "schema: schema.json\n  - wave" => "reasoning_effort: hihg\n      safe_prompt: maybe\n      metadata: [a]\n      guardrails: none\n      prediction: { text: x }\n      stop: { a: b }\n  - wave";
    attachments_that_are_none: "schema: schema.json\n  - wave" => "images: [logo.png, '{{ pth }}']\n      documents: { url: x }\n  - wave";
    text_of_files_without_content: "files: library/*.txt" => "files: library/*.txt\n    content: false";
    tools_that_are_none: "schema: schema.json\n  - wave" => "tools:\n        - { name: find }\n        - { name: see, parameters: sea.json }\n        - { name: look, parameters: { type: objcet } }\n      tool_choice: fnid\n  - wave";
    missing_key: "      prompt: { file: prompt.md.j2 }\n" => "";
    wrong_unit: "  - map: extract" => "  - throttle: pace\n    rate: 5\n  - map: extract";
    number_out_of_bounds: "    chat:\n      model: ${params.model}" => "    concurrency: 0\n    chat:\n      model: ${params.model}";
    wrong_shape: "stages:" => "stages: none\nother:";
    unknown_kind: "  - wave: extracted" => "  - barrier: extracted";
    unknown_mode: "table: rejected" => "table: rejected\n    mode: upsret";
    two_forms: "    table: rejected" => "    table: rejected\n    csv: rejected.csv";
    repeated_key: "    table: rejected" => "    table: rejected\n    table: other";
    bad_name: "- wave: extracted" => "- wave: 'extracted texts'";
    reserved_name: "- map: extract\n" => "- map: failure\n";
    duplicate_names: "- sink: rejected" => "- sink: metadata";
    unknown_stage: "from: [extracted, repair]" => "from: [extracted, repiar]";
    unknown_port: "from: repair.failed" => "from: repair.fialed";
    a_cycle: "  - wave: extracted\n" => "  - wave: extracted\n    from: [extract, repair]\n";
    source_with_input: "    files: library/*.txt" => "    files: library/*.txt\n    from: extract";
    nothing_above: "  - source: documents\n    files: library/*.txt\n" => "";
    nothing_reads: "  - sink: rejected" => "  - map: other\n    from: extracted\n    keep: path\n  - sink: rejected";
    reads_a_sink: "    from: repair.failed\n" => "    from: metadata\n";
    missing_prompt: "file: prompt.md.j2" => "file: prompts.md.j2";
    missing_schema: "schema: schema.json\n  - wave" => "schema: shema.json\n  - wave";
    template_error_inline: "{{ etl.failure.reason }}" => "{{ etl.failure.raeson }}";
    template_syntax_inline: "{{ text }}" => "{{ text }";
    unknown_filter: "{{ text }}" => "{{ text|uppr }}";
    condition_on_unknown_field: "    table: metadata" => "    when: byte > 3\n    table: metadata";
    condition_that_is_none: "    table: metadata" => "    when: bytes + 3\n    table: metadata";
    unset_variable: "duckdb: out.duckdb" => "duckdb: ${env.NOWHERE}/out.duckdb";
    unknown_parameter: "${params.model}" => "${params.modle}";
    bad_variable: "${params.model}" => "${model}";
    empty_glob: "library/*.txt" => "library/*.pdf";
    missing_folder: "library/*.txt" => "libary/*.txt";
    bad_glob: "library/*.txt" => "library/[*.txt";
    unknown_column: "    table: metadata" => "    table: metadata\n    columns: { path: path, titel: extract.titel }";
    key_that_is_no_column: "    table: metadata" => "    table: metadata\n    key: id\n    columns: { path: path }";
    shared_target: "    table: rejected" => "    table: metadata\n    mode: append";
    refused_query: "files: library/*.txt" => "sql: SELECT * FROM missing";
    failures_past_a_wave: "    from: extracted.failed" => "    from: extract.failed";
    an_old_split: "  - sink: rejected" => "  - map: word\n    from: extracted\n    split: { list: path }\n  - map: named\n    fields: { a: word.item }\n  - sink: words\n  - sink: rejected";
    an_old_item: "  - sink: rejected" => "  - map: word\n    from: extracted\n    split: string_split(path, '/')\n  - map: named\n    fields: { a: word.item, b: word.index }\n  - sink: words\n  - sink: rejected";
    an_old_loop: "    chat:\n      model: ${params.model}" => "    for_each: [a, b]\n    chat:\n      model: ${params.model}";
    except_that_is_unknown: "    table: metadata" => "    table: metadata\n    except: [tile, extract.titel]";
    types_that_are_unknown: "    table: metadata" => "    table: metadata\n    types: { titl: text, title: txt }";
    two_sets_in_a_wave: "  - wave: extracted\n" => "  - wave: extracted\n    sample: 3\n    unique: path\n";
    no_server: "mistral: { api_key: \"${env.KEY}\" }" => "mistral: { base_url: moon, timeouts: { connect: 0s, whole: 5, first: 1s } }";
    bounds_of_concurrency: "    chat:\n      model: ${params.model}" => "    concurrency: { auto: { min: 9, max: 3 } }\n    chat:\n      model: ${params.model}";
    concurrency_of_jobs: "    chat:\n      model: ${params.model}" => "    batch: {}\n    concurrency: auto\n    chat:\n      model: ${params.model}";
    misspelt_required_key: "      model: ${params.model}\n" => "      modle: ${params.model}\n";
    misspelt_form: "    chat:\n      model: ${params.model}" => "    concurrency: 8\n    chta:\n      model: ${params.model}";
    misspelt_target: "    table: rejected" => "    tabel: rejected";
    map_without_a_form: "    chat:\n      model: ${params.model}" => "    concurrency: 8\n    other:\n      model: ${params.model}";
    two_forms_of_map: "    chat:\n      model: ${params.model}" => "    collect: {}\n    chat:\n      model: ${params.model}";
    repeated_keys_everywhere: "  - wave: extracted" => "  - source: more\n    rows: [{ id: 1, id: 2 }]\n  - map: shape\n    fields: { a: id, a: id }\n  - sink: shaped\n    jsonl: a.jsonl\n  - wave: extracted\n    from: extract";
    repeated_parameter: "  model: small" => "  model: small\n  model: large";
    a_second_document: "stages:" => "---\nstages:";
    no_yaml: "stages:" => "stages: [";
    a_tab: "  - source: documents" => "\t- source: documents";
}

#[test]
fn keys_with_x_are_ignored_and_may_hold_anchors() {
    let dir = folder();
    let spec = GOOD
        .replace("pipeline: test", "x-ask: &ask\n  model: tiny\n  stop: ${params.nowhere}\npipeline: test")
        .replace("      model: ${params.model}\n", "      <<: *ask\n      stop: END\n");
    let plan = reported(dir.path(), &spec, &[]);
    assert!(plan.starts_with("test → ") && plan.contains("prompts tiny"), "{plan}");
}

#[test]
fn a_mistake_in_a_very_long_line_is_reported() {
    let dir = folder();
    let long = format!("x-a: [{}\u{7}]\n", "x, ".repeat(40_000));
    let reported = reported(dir.path(), &format!("{long}{GOOD}"), &[]);
    assert!(reported.contains("spec.yaml:1:") && reported.len() < 1000, "{reported}");
}

#[test]
fn a_mistake_in_a_prompt_file_stands_in_that_file() {
    let dir = folder();
    fs::write(dir.path().join("prompt.md.j2"), "Read this:\n\n  {{ txet }}\n").unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn a_prompt_that_is_no_text() {
    let dir = folder();
    fs::write(dir.path().join("prompt.md.j2"), b"Read \xff this").unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn a_prompt_may_not_include_what_lies_outside() {
    let dir = folder();
    fs::write(dir.path().join("prompt.md.j2"), "{% include '../secrets.txt' %}\n{{ text }}\n").unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn a_prompt_may_include_what_lies_beside_it() {
    let dir = folder();
    fs::write(dir.path().join("prompt.md.j2"), "{% include 'rules.md' %}\n{{ text }}\n").unwrap();
    fs::write(dir.path().join("rules.md"), "Rules: {{ txet }}\n").unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
    fs::write(dir.path().join("rules.md"), "Rules.\n").unwrap();
    assert!(reported(dir.path(), GOOD, &[]).starts_with("test → "));
}

#[test]
fn a_schema_that_is_no_json() {
    let dir = folder();
    fs::write(dir.path().join("schema.json"), "{\n  \"type\": \"object\",\n  \"properties\": {,}\n}\n")
        .unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn a_schema_that_is_no_schema() {
    let dir = folder();
    let schema = "{\n  \"type\": \"object\",\n  \"properties\": { \"title\": { \"type\": \"strnig\" } }\n}\n";
    fs::write(dir.path().join("schema.json"), schema).unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn a_schema_without_an_object() {
    let dir = folder();
    fs::write(dir.path().join("schema.json"), "{ \"type\": \"string\" }").unwrap();
    insta::assert_snapshot!(reported(dir.path(), GOOD, &[]));
}

#[test]
fn every_mistake_at_once() {
    let dir = folder();
    let spec = GOOD
        .replace("duckdb: out.duckdb", "duckdb: out.duckdb\ncolour: blue")
        .replace("model: medium", "model: medium\n      temperature: 3")
        .replace("{{ etl.failure.reason }}", "{{ etl.failure.raeson }}")
        .replace("from: repair.failed", "from: reapir.failed");
    insta::assert_snapshot!(reported(dir.path(), &spec, &[("modle", "large")]));
}

#[test]
fn a_bomb_is_refused() {
    let dir = folder();
    let mut spec = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in
        ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        spec.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", ")));
    }
    let started = std::time::Instant::now();
    let reported = reported(dir.path(), &spec, &[]);
    assert!(reported.contains("not a valid spec:"), "{reported}");
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_parameter_from_the_command_line_starts_at_the_working_folder() {
    let dir = folder();
    let spec = GOOD
        .replace("  model: small", "  model: small\n  library: library")
        .replace("library/*.txt", "${params.library}/*.txt");
    let here = dir.path().join("library").display().to_string();
    assert!(reported(dir.path(), &spec, &[("library", &here)]).starts_with("test → "));
    assert!(
        reported(dir.path(), &spec, &[("library", "library")]).contains("no file matches `library/*.txt`")
    );
}

#[test]
fn an_empty_parameter_does_not_read_the_whole_disk() {
    let reported =
        changed("files: library/*.txt", "files: ${params.nowhere}/**/*.txt").replace("params.nowhere", "");
    assert!(reported.contains("unknown parameter"), "{reported}");
    let dir = folder();
    let spec = GOOD
        .replace("  model: small", "  model: small\n  library: library")
        .replace("files: library/*.txt", "files: ${params.library}/**/*.txt");
    insta::assert_snapshot!(self::reported(dir.path(), &spec, &[("library", "")]));
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let plan = changed("mistral: {", "mistral: { base_url: \"http://name:sEcReT@127.0.0.1:9/v1\",");
    assert!(plan.contains("server http://127.0.0.1:9") && !plan.contains("sEcReT"), "{plan}");
}
