//! Credentials written in a source: they are masked wherever the text is shown.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use super::place::Source;

/// The text shown in place of a secret.
const MASK: &str = "•••";

/// The shortest secret masked everywhere. A shorter one may be a common word and is only masked after its key.
const SHORTEST: usize = 8;

/// Whether a key's value is a secret, even if the key is misspelt.
pub(crate) fn is_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let known = ["apikey", "authorization", "password", "passwort", "secret", "accesstoken", "apitoken"];
    known.iter().any(|known| plain.ends_with(known) || strsim::damerau_levenshtein(&plain, known) <= 1)
        || strsim::damerau_levenshtein(&plain, "apikey") <= 2
}

impl Source {
    /// A user-written text.
    pub fn new(name: &str, text: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            secrets: OnceLock::new(),
            places: OnceLock::new(),
        })
    }

    /// Sets values that must not be shown, regardless of their key.
    pub(crate) fn hide(&self, secrets: impl Iterator<Item = String>) {
        let secrets = secrets.filter(|secret| secret.len() >= SHORTEST).collect();
        // Reading the same source again would find the same values.
        let _ = self.secrets.set(secrets);
    }

    /// A message with its secrets masked.
    pub(crate) fn masked(&self, message: &str) -> String {
        masked(message, 0..message.len(), &self.secrets_in(message))
    }

    /// A part of the text with its secrets masked. An end inside a secret counts as the end of the secret.
    pub(super) fn masked_within(&self, part: Range<usize>) -> String {
        masked(&self.text, part, self.places.get_or_init(|| self.secrets_in(&self.text)))
    }

    /// The ranges of secrets, ordered and disjoint.
    fn secrets_in(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = text
            .match_indices(':')
            .filter(|(at, _)| is_secret(key_before(&text[..*at])))
            .filter_map(|(at, _)| value_after(text, at + 1))
            .collect();
        for secret in self.secrets.get().into_iter().flatten() {
            ranges.extend(text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
        }
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match apart.last_mut().filter(|last| range.start < last.end) {
                Some(last) => last.end = last.end.max(range.end),
                None => apart.push(range),
            }
        }
        apart
    }
}

fn masked(text: &str, part: Range<usize>, secrets: &[Range<usize>]) -> String {
    let mut out = String::new();
    let mut at = part.start;
    for secret in secrets.iter().filter(|secret| secret.end > part.start && secret.start < part.end) {
        out.push_str(&text[at..secret.start.max(at)]);
        out.push_str(MASK);
        at = secret.end;
    }
    if at < part.end {
        out.push_str(&text[at..part.end]);
    }
    out
}

/// The last word of the text.
fn key_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-'))
        .last()
        .map_or(text.len(), |(at, _)| at);
    &text[start..]
}

/// The value of a mapping's entry: to the end of its line, quotes or list. Variables are not secrets.
fn value_after(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let gap = rest.len() - rest.trim_start().len();
    let (start, value) = (at + gap, &rest[gap..]);
    let is_entry = gap > 0 || value.starts_with(['"', '\'']);
    let end = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].find(quote).map_or(value.len(), |end| end + 2),
        '[' => value.find(']').map_or(value.len(), |end| end + 1),
        '|' | '>' => block_end(value),
        _ => value.find([',', '}', '\n']).unwrap_or(value.len()),
    };
    let value = value[..end].trim_end();
    let bare = value.trim_matches(['"', '\'']);
    let is_variable = bare.starts_with("${") && !bare.contains(":-") && !bare.contains(' ');
    let is_value = is_entry && !bare.is_empty() && !bare.starts_with('{');
    (is_value && !is_variable).then(|| start..start + value.len())
}

fn block_end(value: &str) -> usize {
    let mut lines = value.split_inclusive('\n');
    let head = lines.next().map_or(0, str::len);
    let is_within = |line: &&str| line.trim().is_empty() || line.starts_with(' ');
    // A secret is a single line, so the first line of the block is enough.
    head + lines.take_while(is_within).find(|line| !line.trim().is_empty()).map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_masked_wherever_it_is_written() {
        let source = Source::new("spec.yaml", "");
        source.hide(["resolved-key".to_owned(), "short".to_owned()].into_iter());
        for (text, shown) in [
            ("mistral: { api_key: abc123, base_url: eu }", "mistral: { api_key: •••, base_url: eu }"),
            ("  api_key: abc # mine\n  x: y", "  api_key: •••\n  x: y"),
            ("api_key: 'a, b}'\n", "api_key: •••\n"),
            ("{\"api_key\":\"abc\"}", "{\"api_key\":•••}"),
            ("api_key: |\n  abc\nbase_url: eu", "api_key: •••\nbase_url: eu"),
            ("api_key:\n  abc\n", "api_key:\n  •••\n"),
            ("api_kye: abc", "api_kye: •••"),
            ("mistral_api_key: abc", "mistral_api_key: •••"),
            ("the key resolved-key, in short", "the key •••, in short"),
            ("api_key: ${env.KEY}\nkey: id\nmax_tokens: 5", "api_key: ${env.KEY}\nkey: id\nmax_tokens: 5"),
            ("api_key: \"${env.KEY:-abc}\"", "api_key: •••"),
            ("mistral: { api_key: { a: 1 } }", "mistral: { api_key: { a: 1 } }"),
        ] {
            assert_eq!(source.masked(text), shown);
        }
    }
}
