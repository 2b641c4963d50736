//! Query strings.

use serde_json::json;

use crate::sim::{check::complaint, reply::Refusal};

/// The pairs of a query in order; a name may be repeated.
pub(crate) struct Query(Vec<(String, String)>);

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    pub(crate) fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.number.saturating_mul(self.size)).take(self.size).collect()
    }
}

impl Query {
    pub(crate) fn of(text: Option<&str>) -> Self {
        // The available crate parses only complete URLs; the address is arbitrary.
        let address = format!("http://localhost/?{}", text.unwrap_or_default());
        let pairs = reqwest::Url::parse(&address);
        Self(pairs.map_or_else(|_| Vec::new(), |url| url.query_pairs().into_owned().collect()))
    }

    /// The single value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The pairs with any other name.
    pub(crate) fn others(&self, known: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(|(name, _)| !known.contains(&name.trim_end_matches("[]")))
    }

    /// All values of a name, whether repeated or separated by commas.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key.trim_end_matches("[]") == name);
        named.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty())
    }

    /// A complaint about a value.
    pub(crate) fn wrong(name: &str, kind: &str, message: &str, input: &str) -> Refusal {
        let mut reported = complaint(kind, vec![json!(name)], message, &json!(input));
        reported["loc"] = json!(["query", name]);
        Refusal::complaints(vec![reported])
    }

    pub(crate) fn page(&self) -> Result<Page, Refusal> {
        let number = |name: &str, default: usize| match self.get(name) {
            None => Ok(default),
            Some(text) => {
                let wrong = |_| {
                    Self::wrong(name, "int_parsing", "Input should be a valid integer, not negative", text)
                };
                text.parse().map_err(wrong)
            }
        };
        Ok(Page { number: number("page", 0)?, size: number("page_size", 100)? })
    }
}
