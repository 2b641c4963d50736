//! Scenarios, by name and by file.

use std::collections::BTreeMap;

use etl::sim::{SCENARIOS, SimConfig};
use serde_json::{Value, json};

use super::Api;

#[test]
fn every_scenario_that_is_shipped_can_be_played_and_a_wrong_one_says_where() {
    for (name, _) in SCENARIOS {
        SimConfig::default().with_scenario(name).unwrap();
    }
    let wrong = |text: &str| SimConfig::default().with_yaml("x.yaml", text).unwrap_err().to_string();
    insta::assert_snapshot!(wrong("seed: 1\nlatency:\n  middle: 3s\n"), @"x.yaml: unknown field `middle`, expected one of median, spread, tail, tail_times at line 3, column 3");
    insta::assert_snapshot!(wrong("limits: { requests: 60 }\n"), @"x.yaml: found `60`, expected a rate with its unit, such as `5/s`, `60/min` or `500k/min` at line 1, column 21");
    insta::assert_snapshot!(wrong("faults:\n  - { kind: cut, share: 2 }\n"), @"x.yaml: `2` is not a valid share: expected a number from 0 to 1 at line 2, column 25");
    insta::assert_snapshot!(wrong("faults:\n  - { kind: explode }\n"), @"x.yaml: unknown variant `explode`, expected one of capacity, limit, status, html, cut, lost, cut_body, wrong_length, hang, slow_body at line 2, column 13");
    insta::assert_snapshot!(SimConfig::default().with_scenario("wild").unwrap_err(), @"there is no scenario `wild`: expected a file, or one of `calm`, `busy`, `flaky`, `hostile`, `philosophy`, `limit-hidden`, `limit-announced`, `limit-second`, `limit-misannounced`, `limit-tokens`, `limit-pages`, `limit-halved`, `limit-shared`, `sporadic`, `outage`");
}

/// The kind of misfit, as determined by a strict reader.
fn misfit(content: &str, schema: &Value) -> &'static str {
    let Ok(value) = serde_json::from_str::<Value>(content) else { return "no JSON" };
    let Some(object) = value.as_object() else { return "no object" };
    if schema["required"].as_array().unwrap().iter().any(|name| !object.contains_key(name.as_str().unwrap()))
    {
        return "no field";
    }
    let fits = jsonschema::is_valid(schema, &value);
    match object["category"] == "miscellaneous" || object["difficulty"] == "miscellaneous" {
        true => "invented",
        false if fits => "fits",
        false => "empty",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_philosophy_run_misfits_as_often_as_the_real_one_did() {
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/metadata.schema.json")).unwrap();
    let api =
        Api::new(SimConfig { speed: 1e6, ..SimConfig::default().with_scenario("philosophy").unwrap() }).await;
    let ask = |at: &str, why: &str| {
        let text = format!(
            "{why}<text>\nOn rivers, {at}\n\nThe ferryman measured river number {at} every day, and nobody knew why he did.\n</text>"
        );
        json!({
            "messages": [{ "role": "user", "content": text }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "metadata", "schema": schema, "strict": true } },
        })
    };
    let count = async |bodies: Vec<(String, Value)>| {
        let lines =
            bodies.iter().map(|(id, body)| json!({ "custom_id": id, "body": body }).to_string() + "\n");
        let ended = api.end(&api.job(&lines.collect::<String>(), json!({})).await).await;
        let mut counts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for line in api.lines(&ended["output_file"]).await {
            let content = &line["response"]["body"]["choices"][0]["message"]["content"];
            let text: String = match content {
                Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
                content => content.as_str().unwrap().to_owned(),
            };
            // Code fences and a sentence before an object are tolerated.
            let text = match (text.find("{\""), text.rfind('}')) {
                (Some(from), Some(to)) if !text.starts_with('[') => text[from..=to].to_owned(),
                _ => text,
            };
            let id = line["custom_id"].as_str().unwrap().to_owned();
            counts.entry(misfit(&text, &schema)).or_default().push(id);
        }
        counts
    };
    let first = count((0..723).map(|at| (at.to_string(), ask(&at.to_string(), ""))).collect()).await;
    let reported: Vec<(&str, usize)> = first.iter().map(|(kind, ids)| (*kind, ids.len())).collect();
    let wanted =
        [("empty", 9), ("fits", 605), ("invented", 5), ("no JSON", 10), ("no field", 52), ("no object", 42)];
    assert_eq!(reported, wanted);
    assert_eq!(api.stats().misfits, 118);
    let mut refused: Vec<String> =
        first.into_iter().filter(|(kind, _)| *kind != "fits").flat_map(|(_, ids)| ids).collect();
    let mut rounds = Vec::new();
    for round in 1..3 {
        let why = format!("Your last answer was refused: {round}\n");
        let reported = count(refused.iter().map(|id| (id.clone(), ask(id, &why))).collect()).await;
        refused = reported.into_iter().filter(|(kind, _)| *kind != "fits").flat_map(|(_, ids)| ids).collect();
        rounds.push(refused.len());
    }
    assert!((10..32).contains(&rounds[0]) && rounds[1] <= 4, "{rounds:?}");
    assert_eq!(api.stats().duplicates, 0);
}

#[test]
fn the_command_says_which_scenarios_there_are() {
    let mut command = assert_cmd::Command::new(crate::common::ETL);
    let reported = command.args(["sim", "--port", "0", "--scenario", "wild"]).assert().code(2);
    let reported = String::from_utf8_lossy(&reported.get_output().stderr).into_owned();
    assert!(reported.contains("`calm`, `busy`, `flaky`, `hostile`, `philosophy`, `limit-hidden`, `limit-announced`, `limit-second`, `limit-misannounced`, `limit-tokens`, `limit-pages`, `limit-halved`, `limit-shared`, `sporadic`, `outage`"), "{reported}");
}
