//! Answers that do not fit the request, modelled on real ones.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::sim::{dice::Dice, state::identity::Asked};

/// The way in which an answer does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    NoField,
    NotAnObject,
    NoJson,
    EmptyField,
    InventedWord,
    Echo,
}

const KINDS: [Misfit; 6] = [
    Misfit::NoField,
    Misfit::NotAnObject,
    Misfit::NoJson,
    Misfit::EmptyField,
    Misfit::InventedWord,
    Misfit::Echo,
];

/// The distribution of misfits over kinds and over the rounds of retries.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfits {
    /// The frequency of each kind: weights, or exact counts if `of` is set.
    pub kinds: MisfitKinds,
    /// If set, exactly as many of the first `of` different requests misfit in each way as `kinds` states,
    /// whatever the share; the seed draws which ones. Later requests fit.
    pub of: Option<u64>,
    /// The share of misfits among retries that give the reason, by round; the last value holds for all further
    /// rounds. Empty: 0.6 of the usual share, because a model that reads the reason errs less often.
    pub again: Vec<f64>,
}

impl Default for Misfits {
    /// The proportions of a real run with 723 texts.
    fn default() -> Self {
        Self { kinds: MisfitKinds::default(), of: None, again: Vec::new() }
    }
}

/// The frequency of each kind of misfit; kinds that a scenario does not set never occur.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MisfitKinds {
    /// A required field is missing.
    #[serde(default)]
    pub no_field: f64,
    /// An array or a bare value.
    #[serde(default)]
    pub not_an_object: f64,
    /// Prose.
    #[serde(default)]
    pub no_json: f64,
    /// Empty fields.
    #[serde(default)]
    pub empty_field: f64,
    /// A value that is not in the enum.
    #[serde(default)]
    pub invented_word: f64,
    /// The schema itself.
    #[serde(default)]
    pub echo: f64,
}

impl Default for MisfitKinds {
    fn default() -> Self {
        Self {
            no_field: 52.0,
            not_an_object: 28.0,
            no_json: 10.0,
            empty_field: 9.0,
            invented_word: 5.0,
            echo: 14.0,
        }
    }
}

impl MisfitKinds {
    /// In the order of `KINDS`.
    fn weights(&self) -> [f64; 6] {
        [self.no_field, self.not_an_object, self.no_json, self.empty_field, self.invented_word, self.echo]
    }
}

/// A model that reads the reason errs less often: in the real run, 21 of 124 and 1 of 21.
const AFTER_A_REFUSAL: f64 = 0.6;

/// The misfit of the answer to this request, if any. `usual` is the share of misfits; `answered` is whether the
/// request was answered before.
pub(crate) fn choose(
    misfits: &Misfits,
    (seed, usual): (u64, f64),
    asked: &Asked,
    answered: bool,
    dice: &mut Dice,
) -> Option<Misfit> {
    let weights = misfits.kinds.weights();
    // Always drawn, so that the content of an answer does not depend on how misfits are counted.
    let kind = KINDS[dice.weighed(&weights)];
    let chance = dice.unit();
    let round = if answered { asked.round.max(1) } else { asked.round };
    if let (0, Some(of)) = (round, misfits.of) {
        let mut place = permuted(seed, of, asked.slot)?;
        for (kind, count) in KINDS.into_iter().zip(weights) {
            match place.checked_sub(count as u64) {
                None => return Some(kind),
                Some(rest) => place = rest,
            }
        }
        return None;
    }
    let again = &misfits.again;
    let share = match round {
        0 => usual,
        _ if again.is_empty() => usual * AFTER_A_REFUSAL,
        round => again[(round - 1).min(again.len() - 1)],
    };
    (chance < share).then_some(kind)
}

/// The position of a slot among `of` after shuffling by the seed; `None` for later slots.
fn permuted(seed: u64, of: u64, slot: u64) -> Option<u64> {
    // Shuffled on each call: a few hundred positions, and no state that could differ between two simulators.
    let order = Dice::of(seed, &of.to_le_bytes(), 0, "slots").shuffled(usize::try_from(of).ok()?);
    order.get(usize::try_from(slot).ok()?).map(|place| u64::from(*place))
}

impl Misfit {
    /// An answer of this kind, derived from one that fits.
    pub(crate) fn spoil(self, value: Value, schema: &Value, prose: &str, dice: &mut Dice) -> String {
        let Value::Object(mut object) = value else {
            // The schema is not an object: an object misfits.
            return if self == Self::NoJson {
                prose.to_owned()
            } else {
                json!({ "value": value }).to_string()
            };
        };
        let done = match self {
            Self::NoJson => return format!("I have read the text. {prose}"),
            Self::Echo => return schema.to_string(),
            Self::NotAnObject => false,
            Self::NoField => drop_a_field(&mut object, schema, dice),
            Self::EmptyField => empty(&mut object, schema) > 0,
            Self::InventedWord => invent(&mut object, schema, dice),
        };
        // If the schema offers no way to misfit, an array or a bare value.
        match (done, dice.below(3)) {
            (true, _) => Value::Object(object).to_string(),
            (false, 0) => json!([dice.between(1900, 2026)]).to_string(),
            (false, 1) => json!(dice.between(1900, 2026)).to_string(),
            (false, _) => json!([object]).to_string(),
        }
    }
}

fn drop_a_field(object: &mut Map<String, Value>, schema: &Value, dice: &mut Dice) -> bool {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let required: Vec<&str> = required.filter(|name| object.contains_key(*name)).collect();
    dice.pick(&required).is_some_and(|name| object.remove(*name).is_some())
}

/// Empties the strings and lists that must not be empty; returns their number.
fn empty(object: &mut Map<String, Value>, schema: &Value) -> usize {
    let least = |of: &Value, key: &str| of[key].as_u64().is_some_and(|least| least > 0);
    let mut emptied = 0;
    for (name, value) in object {
        let of = &schema["properties"][name.as_str()];
        match value {
            Value::String(text) if least(of, "minLength") => text.clear(),
            Value::Array(items) if least(of, "minItems") => items.clear(),
            Value::Object(inner) => {
                emptied += empty(inner, of);
                continue;
            }
            _ => continue,
        }
        emptied += 1;
    }
    emptied
}

fn invent(object: &mut Map<String, Value>, schema: &Value, dice: &mut Dice) -> bool {
    let choices: Vec<String> =
        object.keys().filter(|name| schema["properties"][*name]["enum"].is_array()).cloned().collect();
    let chosen = dice.pick(&choices).and_then(|name| object.get_mut(name));
    chosen.map(|value| *value = Value::from("miscellaneous")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_counts_are_exact_and_the_seed_says_which() {
        let kinds = MisfitKinds {
            no_field: 3.0,
            not_an_object: 2.0,
            no_json: 1.0,
            empty_field: 0.0,
            invented_word: 0.0,
            echo: 0.0,
        };
        let reported = |seed| -> Vec<Option<Misfit>> {
            let misfit = Misfits { kinds, of: Some(20), again: vec![] };
            let ask = |slot| {
                let asked = Asked { identity: [0; 32], nth: 0, slot, round: 0 };
                choose(&misfit, (seed, 0.165), &asked, false, &mut Dice::of(seed, b"", slot, "test"))
            };
            (0..30).map(ask).collect()
        };
        let one = reported(1);
        for (kind, count) in [(Misfit::NoField, 3), (Misfit::NotAnObject, 2), (Misfit::NoJson, 1)] {
            assert_eq!(one.iter().filter(|misfit| **misfit == Some(kind)).count(), count);
        }
        assert_eq!(one.iter().flatten().count(), 6);
        assert_ne!(one, reported(2));
        assert_eq!(one, reported(1));
    }
}
