//! The subject of a request: its document, sentences and words.

use std::collections::HashMap;

use serde_json::Value;

/// The document of a request, parsed as far as answers need it.
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) sentences: Vec<String>,
    /// Frequent words, the most frequent first.
    pub(crate) words: Vec<String>,
    /// The whole prompt, in lower case.
    said: String,
    /// Short values by label: `Kind: letter`.
    named: HashMap<String, String>,
    /// Lists of strings, each with the label before it.
    lists: Vec<(String, Vec<String>)>,
}

/// The most characters read; the beginning of a longer document is enough.
const READ: usize = 20_000;

/// The most brackets examined for a list.
const LISTS: usize = 20;

const STOP_WORDS: &str = " about above after again against all also although always among and another any anything are \
    around because been before being below between both but can cannot could did does doing done down each either else \
    even ever every everything few first for from further had has have having her here hers him himself his how \
    however indeed into its itself just least less like made make makes many may might more most much must myself \
    neither never nor not nothing now off often once one only other others ought our out over own part perhaps put \
    rather said same say says see shall she should since some something still such take than that the their theirs them \
    themselves then there therefore these they thing things this those though through thus till too two under until upon \
    very was way well were what when where whether which while who whole whom whose why will with within without would \
    yet you your yours yourself know think came come goes went long good great man men answer ";

impl Document {
    pub(crate) fn of(request: &Value) -> Self {
        let body = text(request);
        let end = body.char_indices().nth(READ).map_or(body.len(), |(at, _)| at);
        let body = &body[..end];
        let title = body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let title: String = title.trim_start_matches(['#', ' ']).chars().take(80).collect();
        let all = whole(request);
        Self {
            sentences: sentences(body),
            words: words(body),
            title,
            said: all.to_lowercase(),
            named: named(&all),
            lists: lists(&all),
        }
    }

    /// Whether a text occurs as a separate word.
    pub(crate) fn says(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        !text.is_empty()
            && self.said.match_indices(&text).any(|(at, _)| {
                is_edge(self.said[..at].chars().next_back())
                    && is_edge(self.said[at + text.len()..].chars().next())
            })
    }

    /// The value after a label.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.named.get(&name.to_lowercase()).map(String::as_str)
    }

    /// The list most likely meant by a name: `Categories: [\"a\", \"b\"]` for `category`.
    pub(crate) fn list(&self, name: &str) -> Option<&[String]> {
        let stem: String = name.to_lowercase().chars().take(5).collect();
        let named = self.lists.iter().find(|(label, _)| stem.len() > 2 && label.contains(&stem));
        named.map(|(_, items)| items.as_slice())
    }
}

/// The unmodified document of a request.
pub(crate) fn text(request: &Value) -> String {
    // A continued conversation is still about its first message.
    let mut messages = request["messages"].as_array().into_iter().flatten();
    let said = messages.find(|message| message["role"] == "user");
    // Without a message, there may be a prompt to complete.
    let text = text_of(said.map_or(&request["prompt"], |message| &message["content"]));
    marked(&text).unwrap_or_else(|| longest(&text)).to_owned()
}

/// The whole prompt.
fn whole(request: &Value) -> String {
    let messages = request["messages"].as_array().into_iter().flatten();
    let said =
        messages.filter(|message| message["role"] != "assistant").map(|message| text_of(&message["content"]));
    let text = said.collect::<Vec<_>>().join("\n");
    text.chars().take(READ).collect()
}

/// `Name: value` on a separate line, both short.
fn named(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(':')?;
        let (name, value) = (name.trim().to_lowercase().replace(' ', "_"), value.trim());
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_short =
            !value.is_empty() && value.chars().count() <= 60 && !value.starts_with(['[', '{', '<']);
        (is_name && is_short).then(|| (name, value.to_owned()))
    });
    lines.collect()
}

/// JSON lists of strings, each with the line before it.
fn lists(text: &str) -> Vec<(String, Vec<String>)> {
    let starts = text.match_indices('[').take(LISTS).filter_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Vec<String>>();
        let items = values.next()?.ok().filter(|items| !items.is_empty())?;
        let label = text[..at].lines().next_back().unwrap_or_default().to_lowercase();
        Some((label, items))
    });
    starts.collect()
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The text between tags such as `<text>`; the last one.
fn marked(text: &str) -> Option<&str> {
    ["text", "document", "article"].iter().find_map(|tag| {
        let from = text.rfind(&format!("<{tag}>"))? + tag.len() + 2;
        let to = text[from..].find(&format!("</{tag}>")).map_or(text.len(), |at| from + at);
        Some(text[from..to].trim())
    })
}

/// Without tags: everything after a first paragraph of instructions, if there is more.
fn longest(text: &str) -> &str {
    let text = text.trim();
    match text.split_once("\n\n") {
        Some((first, rest)) if rest.len() > first.len() => rest.trim(),
        _ => text,
    }
}

fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut rest = line.as_str();
        while let Some(at) = rest.find(['.', '!', '?']) {
            let mut end = at + 1;
            end += rest[end..]
                .chars()
                .take_while(|c| matches!(c, '"' | '”' | '’' | '\'' | ')'))
                .map(char::len_utf8)
                .sum::<usize>();
            // A dot inside a number or a name is not followed by a space.
            let ends = rest[end..].is_empty() || rest[end..].starts_with(' ');
            if !ends {
                let Some(next) = rest[end..].find(['.', '!', '?']) else { break };
                end += next + 1;
            }
            let sentence = rest[..end].trim();
            if sentence.split(' ').count() >= 5 && sentence.len() <= 400 {
                found.push(sentence.to_owned());
            }
            rest = &rest[end..];
        }
    }
    found
}

fn words(text: &str) -> Vec<String> {
    let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
    for (place, word) in text.split(|c: char| !c.is_alphabetic()).enumerate() {
        let word = word.to_lowercase();
        if word.chars().count() >= 4 && !STOP_WORDS.contains(&format!(" {word} ")) {
            counts.entry(word).or_insert((0, place)).0 += 1;
        }
    }
    let mut counts: Vec<(String, (usize, usize))> = counts.into_iter().collect();
    // Ties are broken by position, so that the order is deterministic.
    counts.sort_by_key(|(_, (count, place))| (usize::MAX - count, *place));
    counts.into_iter().take(40).map(|(word, _)| word).collect()
}
