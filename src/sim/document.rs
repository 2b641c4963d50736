//! What a request is about: the document in it, its sentences, its words.

use std::collections::HashMap;

use serde_json::Value;

/// The document of a request, taken apart as far as answers need it.
pub(super) struct Document {
    pub(super) title: String,
    pub(super) sentences: Vec<String>,
    /// Frequent words, the most frequent first.
    pub(super) words: Vec<String>,
}

/// Of a longer document the beginning is as good as the whole.
const READ: usize = 20_000;

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
    pub(super) fn of(request: &Value) -> Self {
        let body = text(request);
        let end = body.char_indices().nth(READ).map_or(body.len(), |(at, _)| at);
        let body = &body[..end];
        let title = body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let title: String = title.trim_start_matches(['#', ' ']).chars().take(80).collect();
        Self { sentences: sentences(body), words: words(body), title }
    }
}

/// The document of a request as it stands.
pub(super) fn text(request: &Value) -> String {
    // Where a conversation goes on, it is still about what it began with.
    let mut messages = request["messages"].as_array().into_iter().flatten();
    let said = messages.find(|message| message["role"] == "user");
    // Where nothing is said, something may have to be completed.
    let text = text_of(said.map_or(&request["prompt"], |message| &message["content"]));
    marked(&text).unwrap_or_else(|| longest(&text)).to_owned()
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(chunks) => chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// What stands between tags such as `<text>`; the last such stretch.
fn marked(text: &str) -> Option<&str> {
    ["text", "document", "article"].iter().find_map(|tag| {
        let from = text.rfind(&format!("<{tag}>"))? + tag.len() + 2;
        let to = text[from..].find(&format!("</{tag}>")).map_or(text.len(), |at| from + at);
        Some(text[from..to].trim())
    })
}

/// Without tags: all but a first paragraph of instructions, if there is more.
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
            // A dot within a number or a name is followed by no blank.
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
    // Where two are as frequent, the earlier one counts, so that the order is the same each time.
    counts.sort_by_key(|(_, (count, place))| (usize::MAX - count, *place));
    counts.into_iter().take(40).map(|(word, _)| word).collect()
}
