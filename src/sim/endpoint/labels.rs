//! Moderations and classifications: scores for each text.

use serde_json::{Map, Value, json};

use crate::sim::{
    answer::{Generated, id, inputs, model, tokens, usage},
    check,
    dice::Dice,
    endpoint::{
        kind::{Call, Endpoint},
        supplied::read,
        unanswerable::within,
    },
    models::Skill,
};

pub(super) static MODERATIONS: Endpoint = Endpoint {
    path: "/v1/moderations",
    in_jobs: true,
    skills: &[Skill::Moderation],
    models: &[],
    usual: "",
    complaints: check::others::complaints,
    within,
    answer: moderate,
    written: |text| json!({ "results": [moderation(read(text))] }),
};

pub(super) static CHAT_MODERATIONS: Endpoint = Endpoint { path: "/v1/chat/moderations", ..MODERATIONS };

pub(super) static CLASSIFICATIONS: Endpoint = Endpoint {
    path: "/v1/classifications",
    skills: &[Skill::Moderation, Skill::Classification],
    answer: classify,
    written: |text| json!({ "results": [read(text)] }),
    ..MODERATIONS
};

pub(super) static CHAT_CLASSIFICATIONS: Endpoint =
    Endpoint { path: "/v1/chat/classifications", ..CLASSIFICATIONS };

/// The categories of moderation, each with a word that triggers it.
const CATEGORIES: &[(&str, &str)] = &[
    ("sexual", "naked"),
    ("hate_and_discrimination", "hate"),
    ("violence_and_threats", "kill"),
    ("dangerous_and_criminal_content", "bomb"),
    ("selfharm", "suicide"),
    ("health", "diagnosis"),
    ("financial", "invest"),
    ("law", "lawsuit"),
    ("pii", "@"),
];

fn moderate(Call { request, .. }: Call<'_>, dice: &mut Dice) -> Generated {
    given(request, dice, |text, dice| {
        let text = text.to_lowercase();
        let mut categories = Map::new();
        let mut scores = Map::new();
        for (category, word) in CATEGORIES {
            let found = text.contains(word);
            let score = dice.unit() * 0.1 + if found { 0.85 } else { 0.0 };
            categories.insert((*category).to_owned(), Value::from(found));
            scores.insert((*category).to_owned(), Value::from(score));
        }
        json!({ "categories": categories, "category_scores": scores })
    })
}

/// A moderation as the service writes it: it has no `flagged`, which follows from its categories.
fn moderation(mut written: Value) -> Value {
    let Some(result) = written.as_object_mut() else { return written };
    let flagged = result.remove("flagged") == Some(Value::Bool(true));
    let categories = result.entry("categories").or_insert_with(|| json!({}));
    if let Some(categories) = categories.as_object_mut()
        && flagged
        && !categories.values().any(|value| value == true)
    {
        categories.insert("mocked".to_owned(), Value::Bool(true));
    }
    written
}

fn classify(Call { request, .. }: Call<'_>, dice: &mut Dice) -> Generated {
    given(request, dice, |_, dice| {
        let yes = dice.unit();
        json!({ "category": { "scores": { "yes": yes, "no": 1.0 - yes } } })
    })
}

fn given(request: &Value, dice: &mut Dice, result: impl Fn(&str, &mut Dice) -> Value) -> Generated {
    let inputs = inputs(request);
    let results: Vec<Value> = inputs.iter().map(|text| result(text, dice)).collect();
    let usage = usage(inputs.iter().map(|text| tokens(text.len())).sum(), 0);
    let response = json!({ "id": id(dice), "model": model(request), "results": results, "usage": usage });
    Generated { response, usage, misfit: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mocked_moderation_is_flagged_by_a_category() {
        let any = |written: Value| {
            let result = moderation(written);
            assert_eq!(result.get("flagged"), None, "the service does not send it");
            result["categories"].as_object().is_some_and(|all| all.values().any(|value| value == true))
        };
        assert!(any(json!({ "flagged": true })));
        assert!(any(json!({ "flagged": true, "categories": { "pii": false } })));
        assert!(any(json!({ "categories": { "pii": true } })));
        assert!(!any(json!({ "flagged": false })));
        assert_eq!(moderation(json!("text")), "text");
    }
}
