//! The cost of answers, as far as known: for the budget, for estimates and for the total of a run.
//!
//! Only the invoice is authoritative. The table is generated from the files that the service publishes; a
//! pipeline may set its own prices, which take precedence. The stages that call a model use [`Prices`].

use crate::units::Usd;

use super::price_table::PRICES;
pub use super::price_table::{PRICES_DATE, PRICES_SOURCE};

/// The price of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Micro-dollars per million tokens read.
    prompt: u64,
    /// Micro-dollars per million tokens read from the cache.
    cached: u64,
    /// Micro-dollars per million tokens written.
    completion: u64,
    /// Micro-dollars per thousand pages.
    pages: u64,
}

/// Billable usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Of these, tokens read from the cache.
    pub cached_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Pages read.
    pub pages: u64,
}

/// The price of a model, if known. A simulated model has the price of the model it simulates.
pub fn price(model: &str) -> Option<Price> {
    let model = plain(model);
    let (_, prompt, cached, completion, pages, _) = *PRICES.iter().find(|(name, ..)| *name == model)?;
    Some(Price { prompt, cached, completion, pages })
}

/// The model that a name probably means, if the name is that of no known model or version of one.
pub fn similar(model: &str) -> Option<&'static str> {
    // Versions differ in digits: a new one is not a misspelling.
    let letters = |name: &str| -> String { name.chars().filter(char::is_ascii_alphabetic).collect() };
    let family = |name: &str| letters(name.strip_suffix("-latest").unwrap_or(name));
    let meant = family(plain(model));
    let distance = strsim::damerau_levenshtein;
    let distances = PRICES.iter().map(|(name, ..)| (distance(&meant, &family(name)), *name));
    let (distance, near) = distances.min_by_key(|(families, name)| (*families, distance(model, name)))?;
    (1..=2).contains(&distance).then_some(near)
}

/// The context length of a model in tokens, if known.
pub fn context(model: &str) -> Option<u64> {
    let model = plain(model);
    PRICES
        .iter()
        .find(|(name, ..)| *name == model)
        .map(|(.., context)| *context)
        .filter(|context| *context > 0)
}

/// A lower bound for the tokens of a text: assumes at most 8 non-whitespace bytes per token.
pub fn least_tokens(text: &[u8]) -> u64 {
    text.iter().filter(|byte| !byte.is_ascii_whitespace()).count() as u64 / 8
}

fn plain(model: &str) -> &str {
    model.strip_prefix("simulated:").unwrap_or(model)
}

/// Whether a name is that of a model or one of its versions: `mistral-large` is `mistral-large-latest` and
/// `mistral-large-2512`, but neither `mistral-large-4` nor `mistral-large-creative`.
fn is_version(model: &str, name: &str) -> bool {
    match model.strip_prefix(name) {
        Some("" | "-latest") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|date| {
            matches!(date.len(), 4 | 6 | 8) && date.bytes().all(|digit| digit.is_ascii_digit())
        }),
        None => false,
    }
}

impl Price {
    /// A price per million tokens read, per million written and per thousand pages. Cached tokens cost the same
    /// as others.
    pub fn new(prompt: Usd, completion: Usd, pages: Usd) -> Self {
        let (prompt, completion, pages) = (prompt.micros(), completion.micros(), pages.micros());
        Self { prompt, cached: prompt, completion, pages }
    }

    /// The price in a batch job: half.
    #[must_use]
    pub fn in_batch(self) -> Self {
        self.times(1, 2)
    }

    /// The price in the priority tier: 1.75 times.
    #[must_use]
    pub fn in_priority(self) -> Self {
        self.times(7, 4)
    }

    fn times(self, times: u64, parts: u64) -> Self {
        let times = |micros: u64| micros.saturating_mul(times).div_ceil(parts);
        let Self { prompt, cached, completion, pages } = self;
        let (prompt, cached) = (times(prompt), times(cached));
        Self { prompt, cached, completion: times(completion), pages: times(pages) }
    }

    /// The cost of usage, rounded up to a micro-dollar for tokens and for pages separately.
    pub fn of(self, used: Used) -> Usd {
        let product = |count: u64, price: u64| u128::from(count) * u128::from(price);
        let cached = used.cached_tokens.min(used.prompt_tokens);
        let tokens = product(used.prompt_tokens - cached, self.prompt)
            + product(cached, self.cached)
            + product(used.completion_tokens, self.completion);
        let pages = product(used.pages, self.pages);
        Usd::from_micros((tokens.div_ceil(1_000_000) + pages.div_ceil(1000)) as u64)
    }
}

/// The prices used by a run: its own first, then the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    own: Vec<(String, Price)>,
}

impl Prices {
    /// Prices by model name; a name without `-latest` or a date covers all versions, and the longest match wins.
    pub fn new(own: Vec<(String, Price)>) -> Self {
        Self { own }
    }

    /// The price of a model, if known.
    pub fn of(&self, model: &str) -> Option<Price> {
        let model = plain(model);
        let fits = self.own.iter().filter(|(name, _)| is_version(model, name));
        let own = fits.max_by_key(|(name, _)| name.len());
        own.map(|(_, price)| *price).or_else(|| price(model))
    }
}

/// Estimates the tokens of a text: four bytes per token, a rule of thumb for English.
pub fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(prompt_tokens: u64, completion_tokens: u64) -> Used {
        Used { prompt_tokens, completion_tokens, ..Used::default() }
    }

    #[test]
    fn tokens_have_their_price() {
        let small = price("mistral-small-latest").unwrap();
        assert_eq!(price("simulated:mistral-small-2603"), Some(small));
        let million = tokens(1_000_000, 1_000_000);
        assert_eq!(small.of(million).to_string(), "0.7500 USD");
        assert_eq!(small.in_batch().of(million).to_string(), "0.3750 USD");
        assert_eq!(small.in_priority().of(million).to_string(), "1.31 USD");
        assert_eq!(small.of(tokens(1, 0)).micros(), 1);
        let cached = Used { cached_tokens: 1_000_000, ..tokens(1_000_000, 0) };
        assert_eq!(small.of(cached).to_string(), "0.0150 USD");
    }

    #[test]
    fn pages_have_their_price() {
        let pages = |model: &str, pages| price(model).unwrap().of(Used { pages, ..Used::default() });
        assert_eq!(pages("mistral-ocr-latest", 1000).to_string(), "4.00 USD");
        assert_eq!(pages("mistral-ocr-4-0", 1).micros(), 4000);
        assert_eq!(pages("mistral-ocr-2512", 1000).to_string(), "2.00 USD");
        assert_eq!(price("mistral-ocr-2512").unwrap().of(tokens(5000, 5000)).micros(), 0);
    }

    #[test]
    fn a_model_of_another_family_has_no_price_by_its_beginning() {
        for unknown in
            ["mistral-large-4", "mistral-large", "mistral-small-latest-2", "somebody-elses-model", ""]
        {
            assert_eq!(price(unknown), None, "{unknown}");
        }
        assert_ne!(price("mistral-medium-2508"), price("mistral-medium-latest"));
        // Priced by the minute, which no request here uses.
        assert_eq!(price("voxtral-mini-2602"), None);
        let names: std::collections::BTreeSet<_> = PRICES.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), PRICES.len(), "a name that is there twice");
    }

    #[test]
    fn a_misspelt_model_is_recognised_and_a_new_one_is_not_taken_for_one() {
        for (name, near) in [
            ("mistral-smal-latest", Some("mistral-small-latest")),
            ("mistral-lagre-latest", Some("mistral-large-latest")),
            ("mistal-ocr-latest", Some("mistral-ocr-latest")),
            ("minstral-8b-latest", Some("ministral-8b-latest")),
            ("mistral-small-2701", None),
            ("mistral-large-4", None),
            ("mistral-large", None),
            ("llama-3-70b", None),
            ("gpt-9", None),
        ] {
            assert_eq!(similar(name), near, "{name}");
        }
        assert!(PRICES.iter().all(|(name, ..)| similar(name).is_none()));
    }

    #[test]
    fn contexts_are_known_and_a_text_is_not_thought_longer_than_it_is() {
        assert_eq!(context("simulated:mistral-large-latest"), Some(262_144));
        assert_eq!(context("llama"), None);
        let english = "The ferryman measured the river every day, and nobody knew why. ".repeat(100);
        assert!(least_tokens(english.as_bytes()) < estimate_tokens(english.len()) / 2);
        assert_eq!(least_tokens(&b" ".repeat(1000)), 0);
    }

    #[test]
    fn prices_of_ones_own_come_first() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let dear = Price::new(usd("9 USD"), usd("9 USD"), usd("0 USD"));
        let free = Price::new(usd("0 USD"), usd("0 USD"), usd("0 USD"));
        let prices =
            Prices::new(vec![("mistral-small".to_owned(), dear), ("mistral-small-2603".to_owned(), free)]);
        for (model, wanted) in [
            ("simulated:mistral-small-latest", Some(dear)),
            ("mistral-small", Some(dear)),
            ("mistral-small-2506", Some(dear)),
            ("mistral-small-2603", Some(free)),
            ("mistral-small-5", None),
            ("mistral-small-private", None),
            ("mistral-embed", price("mistral-embed")),
            ("llama", None),
        ] {
            assert_eq!(prices.of(model), wanted, "{model}");
        }
    }
}
