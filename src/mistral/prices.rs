//! What answers cost, as far as it is known: for estimates and for the sum at the end of a run.
//!
//! The invoice is what counts. The service publishes no prices that a program could read, so they stand
//! here, with a version; a pipeline may set its own, which count before these.

use crate::units::Usd;

/// The version of the price table, to be told beside a sum.
pub const PRICES_VERSION: &str = "2026-11";

/// When the table was gathered.
pub const PRICES_DATE: &str = "2026-11-24";

/// Where the table comes from.
pub const PRICES_SOURCE: &str = "public price lists, after mistral.ai/pricing";

/// The price of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a dollar for a million tokens read.
    prompt: u64,
    /// Millionths of a dollar for a million tokens written.
    completion: u64,
    /// Millionths of a dollar for a thousand pages.
    pages: u64,
}

/// US dollars for a million tokens read, a million written, a thousand pages; by the beginning of the
/// model's name, and the longest one that fits counts.
const PRICES: &[(&str, f64, f64, f64)] = &[
    ("mistral-large", 0.50, 1.50, 0.0),
    ("mistral-large-2411", 2.00, 6.00, 0.0),
    ("mistral-medium", 1.50, 7.50, 0.0),
    ("mistral-medium-2505", 0.40, 2.00, 0.0),
    ("mistral-medium-2508", 0.40, 2.00, 0.0),
    ("mistral-small", 0.15, 0.60, 0.0),
    ("mistral-small-2503", 0.10, 0.30, 0.0),
    ("mistral-small-2506", 0.10, 0.30, 0.0),
    ("magistral-medium", 2.00, 5.00, 0.0),
    ("magistral-small", 0.50, 1.50, 0.0),
    ("ministral-3b", 0.10, 0.10, 0.0),
    ("ministral-8b", 0.15, 0.15, 0.0),
    ("ministral-14b", 0.20, 0.20, 0.0),
    ("codestral", 0.30, 0.90, 0.0),
    ("devstral-medium", 0.40, 2.00, 0.0),
    ("devstral-small", 0.10, 0.30, 0.0),
    ("devstral", 0.40, 2.00, 0.0),
    ("pixtral-large", 2.00, 6.00, 0.0),
    ("open-mistral-nemo", 0.15, 0.15, 0.0),
    ("mistral-embed", 0.10, 0.0, 0.0),
    ("codestral-embed", 0.15, 0.0, 0.0),
    ("mistral-moderation", 0.10, 0.0, 0.0),
    ("mistral-ocr", 0.0, 0.0, 2.00),
    ("mistral-ocr-2503", 0.0, 0.0, 1.00),
    ("mistral-ocr-2505", 0.0, 0.0, 1.00),
];

/// The price of a model, if it is known. A simulated model has the price of the one it stands for.
pub fn price(model: &str) -> Option<Price> {
    let model = plain(model);
    let fits = PRICES.iter().filter(|(name, ..)| model.starts_with(name));
    let (_, prompt, completion, pages) = fits.max_by_key(|(name, ..)| name.len())?;
    let micros = |dollars: &f64| (dollars * 1e6).round() as u64;
    Some(Price { prompt: micros(prompt), completion: micros(completion), pages: micros(pages) })
}

fn plain(model: &str) -> &str {
    model.strip_prefix("simulated:").unwrap_or(model)
}

impl Price {
    /// A price from what a million tokens read, a million written and a thousand pages cost.
    pub fn new(prompt: Usd, completion: Usd, pages: Usd) -> Self {
        Self { prompt: prompt.micros(), completion: completion.micros(), pages: pages.micros() }
    }

    /// The price of the same in a batch job: half.
    #[must_use]
    pub fn in_batch(self) -> Self {
        let half = |micros: u64| micros.div_ceil(2);
        Self { prompt: half(self.prompt), completion: half(self.completion), pages: half(self.pages) }
    }

    /// What so many tokens cost, rounded up to a millionth of a dollar.
    pub fn of(self, prompt_tokens: u64, completion_tokens: u64) -> Usd {
        let sum = u128::from(prompt_tokens) * u128::from(self.prompt)
            + u128::from(completion_tokens) * u128::from(self.completion);
        Usd::from_micros(sum.div_ceil(1_000_000) as u64)
    }

    /// What so many pages cost, rounded up to a millionth of a dollar.
    pub fn of_pages(self, pages: u64) -> Usd {
        let sum = u128::from(pages) * u128::from(self.pages);
        Usd::from_micros(sum.div_ceil(1000) as u64)
    }
}

/// The prices that a run reckons with: its own first, then the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    own: Vec<(String, Price)>,
}

impl Prices {
    /// Prices by the beginning of the model's name; the longest one that fits counts.
    pub fn new(own: Vec<(String, Price)>) -> Self {
        Self { own }
    }

    /// The price of a model, if it is known.
    pub fn of(&self, model: &str) -> Option<Price> {
        let name = plain(model);
        let fits = self.own.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        let own = fits.max_by_key(|(prefix, _)| prefix.len());
        own.map(|(_, price)| *price).or_else(|| price(name))
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
        assert_eq!(small.in_batch().of(1_000_000, 1_000_000).to_string(), "0.3750 USD");
        assert_eq!(small.of(1, 0).micros(), 1);
        assert_eq!(price("somebody-elses-model"), None);
    }

    #[test]
    fn the_longest_name_counts_and_pages_have_a_price() {
        assert_ne!(price("mistral-medium-2508"), price("mistral-medium-latest"));
        assert_eq!(price("mistral-embed").unwrap().of(1_000_000, 0).to_string(), "0.1000 USD");
        let ocr = price("mistral-ocr-latest").unwrap();
        assert_eq!(ocr.of_pages(1000).to_string(), "2.00 USD");
        assert_eq!(ocr.in_batch().of_pages(1).micros(), 1000);
        assert_eq!(ocr.of(5000, 5000).micros(), 0);
    }

    #[test]
    fn prices_of_ones_own_come_first() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let dear = Price::new(usd("9 USD"), usd("9 USD"), usd("0 USD"));
        let free = Price::new(usd("0 USD"), usd("0 USD"), usd("0 USD"));
        let prices =
            Prices::new(vec![("mistral-small".to_owned(), dear), ("mistral-small-private".to_owned(), free)]);
        assert_eq!(prices.of("simulated:mistral-small-latest"), Some(dear));
        assert_eq!(prices.of("mistral-small-private-1"), Some(free));
        assert_eq!(prices.of("mistral-embed"), price("mistral-embed"));
        assert_eq!(prices.of("llama"), None);
    }
}
