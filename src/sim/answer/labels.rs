//! Moderations and classifications: scores for each text.

use serde_json::{Map, Value, json};

use crate::sim::{
    answer::{Given, id, inputs, model, tokens, usage},
    dice::Dice,
};

/// The categories of moderation, and a word that makes a text belong to each.
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

pub(crate) fn moderate(request: &Value, dice: &mut Dice) -> Given {
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

pub(crate) fn classify(request: &Value, dice: &mut Dice) -> Given {
    given(request, dice, |_, dice| {
        let yes = dice.unit();
        json!({ "category": { "scores": { "yes": yes, "no": 1.0 - yes } } })
    })
}

fn given(request: &Value, dice: &mut Dice, result: impl Fn(&str, &mut Dice) -> Value) -> Given {
    let inputs = inputs(request);
    let results: Vec<Value> = inputs.iter().map(|text| result(text, dice)).collect();
    let usage = usage(inputs.iter().map(|text| tokens(text.len())).sum(), 0);
    let response = json!({ "id": id(dice), "model": model(request), "results": results, "usage": usage });
    Given { response, usage, misfit: false }
}
