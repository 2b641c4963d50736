//! The cost of requests, before they are sent and once they are answered.
//!
//! [`Costs`] computes both. The estimate of a dry run, the reservations of the budget (for single requests and
//! for jobs) and the costs in the ledger all come from here, so that they cannot disagree.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    mistral::{Price, Prices, Reply, Used},
    pages,
    plan::{Ask, Task},
    units::Usd,
};

/// The pages assumed for a document that cannot be counted: the most that the service reads.
pub(crate) const MOST_PAGES: u64 = 1000;

/// The costs of one stage's requests.
pub(crate) struct Costs {
    prices: Prices,
    batch: bool,
    /// Whether the service may use the priority tier, which costs more.
    priority: bool,
}

impl Costs {
    pub(crate) fn new(ask: &Ask, prices: &Prices) -> Self {
        let auto = |chat: &crate::plan::Chat| {
            chat.settings.iter().any(|setting| setting.name == "service_tier" && setting.value == "auto")
        };
        let priority = matches!(&ask.task, Task::Chat(chat) if auto(chat));
        Self { prices: prices.clone(), batch: ask.batch.is_some(), priority }
    }

    fn price(&self, model: &str) -> Option<Price> {
        let price = self.prices.of(model)?;
        Some(if self.batch { price.in_batch() } else { price })
    }

    /// The maximum cost of a request to a model, if its price is known: nothing is cached.
    pub(crate) fn most(&self, model: &str, used: Used) -> Option<Usd> {
        let price = self.price(model)?;
        Some(if self.may_be_priority() { price.in_priority() } else { price }.of(used))
    }

    /// The actual cost of an answer by a model, if its price is known.
    pub(crate) fn actual(&self, model: &str, reply: &Reply) -> Option<Usd> {
        // A server may report a different name for the model.
        let price = self.price(&reply.model).or_else(|| self.price(model))?;
        let priority = match reply.service_tier.as_deref() {
            Some(tier) => tier == "priority",
            None => self.may_be_priority(),
        };
        let price = if priority { price.in_priority() } else { price };
        Some(price.of(Used {
            prompt_tokens: reply.usage.prompt_tokens,
            cached_tokens: reply.cached_tokens,
            completion_tokens: reply.usage.completion_tokens,
            pages: reply.pages,
        }))
    }

    /// A batch job has no service tier.
    fn may_be_priority(&self) -> bool {
        self.priority && !self.batch
    }
}

/// The pages billed for a document: counted in the file, or else the most that the service reads; at most those
/// selected by `pages:`.
pub(crate) fn pages_of(url: Option<&String>, selected: Option<&str>) -> u64 {
    let counted = url.and_then(|url| {
        let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
        head.ends_with(";base64")
            .then(|| STANDARD.decode(data).ok())
            .flatten()
            .and_then(|bytes| pages::count(&bytes))
    });
    let selected =
        selected.map_or(u64::MAX, |selected| selected.split(',').map(length).fold(0, u64::saturating_add));
    counted.unwrap_or(MOST_PAGES).min(selected)
}

/// The number of pages in one part of a selection: `7` or `2-5`.
fn length(part: &str) -> u64 {
    let (from, to) = part.split_once('-').unwrap_or((part, part));
    match (from.trim().parse::<u64>(), to.trim().parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (to - from).saturating_add(1),
        _ => MOST_PAGES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_or_taken_as_the_most() {
        let url = |bytes: &[u8]| format!("data:application/pdf;base64,{}", STANDARD.encode(bytes));
        let three = url(b"%PDF-1.4 <</Type/Page>> <</Type/Page>> <</Type/Page>>");
        let address = "https://example.org/a.pdf".to_owned();
        for (url, selected, pages) in [
            (&three, None, 3),
            (&three, Some("0"), 1),
            (&three, Some("0,1-9"), 3),
            (&address, None, 1000),
            (&address, Some("0,2-5"), 5),
            (&address, Some("odd"), 1000),
            (&url(b"text"), None, 1000),
        ] {
            assert_eq!(pages_of(Some(url), selected), pages, "{selected:?}");
        }
    }
}
