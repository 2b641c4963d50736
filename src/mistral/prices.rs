//! What tokens cost, as far as it is known: for estimates and for the sum at the end of a run.
//!
//! List prices of the service's own models in US dollars a million tokens, gathered in November 2026
//! from public price lists; the invoice is what counts.

use crate::units::Usd;

/// The price of a model's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a dollar for a million tokens read.
    prompt: u64,
    /// Millionths of a dollar for a million tokens written.
    completion: u64,
}

/// By the beginning of the model's name; the first that fits counts.
const PRICES: &[(&str, f64, f64)] = &[
    ("mistral-large", 0.50, 1.50),
    ("mistral-medium", 0.40, 2.00),
    ("mistral-small", 0.15, 0.60),
    ("ministral-3b", 0.10, 0.10),
    ("ministral-8b", 0.15, 0.15),
    ("ministral-14b", 0.20, 0.20),
    ("open-mistral-nemo", 0.15, 0.15),
];

/// The price of a model, if it is known. A simulated model has the price of the one it stands for.
pub fn price(model: &str) -> Option<Price> {
    let model = model.strip_prefix("simulated:").unwrap_or(model);
    let (_, prompt, completion) = PRICES.iter().find(|(name, ..)| model.starts_with(name))?;
    let micros = |dollars: &f64| (dollars * 1e6).round() as u64;
    Some(Price { prompt: micros(prompt), completion: micros(completion) })
}

impl Price {
    /// What so many tokens cost, rounded up to a millionth of a dollar.
    pub fn of(self, prompt_tokens: u64, completion_tokens: u64) -> Usd {
        let sum = u128::from(prompt_tokens) * u128::from(self.prompt)
            + u128::from(completion_tokens) * u128::from(self.completion);
        Usd::from_micros(sum.div_ceil(1_000_000) as u64)
    }
}

/// About how many tokens a text has: four bytes a token, as a rule of thumb for English.
pub fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_price() {
        let small = price("mistral-small-latest").unwrap();
        assert_eq!(price("simulated:mistral-small-2603"), Some(small));
        assert_eq!(small.of(1_000_000, 1_000_000).to_string(), "0.7500 USD");
        assert_eq!(small.of(1, 0).micros(), 1);
        assert_eq!(price("somebody-elses-model"), None);
    }
}
