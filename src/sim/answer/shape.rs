//! A value for a JSON Schema, filled from the document.

use serde_json::{Map, Value, json};

use crate::sim::{answer::document::Document, dice::Dice};

/// The depth at which a recursive schema is cut off.
const MAX_DEPTH: usize = 6;

pub(crate) struct Filler<'a> {
    pub(crate) root: &'a Value,
    pub(crate) document: &'a Document,
    pub(crate) dice: &'a mut Dice,
}

impl Filler<'_> {
    /// A value that fits, for the keywords common in metadata schemas.
    pub(crate) fn fill(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let root = self.root;
            let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return match target {
                Some(target) if depth < MAX_DEPTH => self.fill(target, name, depth + 1),
                _ => Value::Null,
            };
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) = schema["enum"].as_array() {
            // A choice named in the prompt, unless it names all or none.
            let named: Vec<Value> = choices
                .iter()
                .filter(|c| c.as_str().is_some_and(|c| self.document.says(c)))
                .cloned()
                .collect();
            let choices = if named.is_empty() { choices } else { &named };
            return self.dice.pick(choices).cloned().unwrap_or_default();
        }
        for union in ["anyOf", "oneOf", "allOf"] {
            if let Some(branches) = schema[union].as_array() {
                let branch =
                    branches.iter().find(|branch| branch["type"] != "null").or_else(|| branches.first());
                return branch.map(|branch| self.fill(branch, name, depth + 1)).unwrap_or_default();
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") => self.array(schema, name, depth),
            Some("string") => Value::from(self.string(schema, name)),
            Some("integer") => json!(self.number(schema, name).round() as i64),
            Some("number") => json!((self.number(schema, name) * 100.0).round() / 100.0),
            Some("boolean") => Value::from(self.dice.chance(0.5)),
            Some("null") => Value::Null,
            _ if schema["properties"].is_object() => self.object(schema, depth),
            _ => Value::from(self.string(schema, name)),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required =
            |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
        let mut object = Map::new();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            if required(name) || (depth < MAX_DEPTH && self.dice.chance(0.9)) {
                object.insert(name.clone(), self.fill(of, name, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let bound = |key: &str| schema[key].as_u64().map(|count| count as usize);
        let low = bound("minItems").unwrap_or(1);
        let high = bound("maxItems").unwrap_or(low + 3).max(low).min(low + 4);
        let count = if depth >= MAX_DEPTH { low } else { self.dice.between(low, high) };
        let unique = schema["uniqueItems"] == true || schema["items"]["enum"].is_array();
        let mut items: Vec<Value> = Vec::new();
        // A short document yields few different values: they repeat, if the schema permits.
        for tried in 0..count * 8 {
            let enough = if tried < count * 4 || unique { count } else { low };
            if items.len() >= enough {
                break;
            }
            let item = self.fill(&schema["items"], name, depth + 1);
            let repeats = items.contains(&item) && (unique || (item.is_string() && tried < count * 4));
            if !repeats {
                items.push(item);
            }
        }
        Value::Array(items)
    }

    fn number(&mut self, schema: &Value, name: &str) -> f64 {
        let bound = |keys: [&str; 2]| keys.iter().find_map(|key| schema[*key].as_f64());
        let low = bound(["minimum", "exclusiveMinimum"]);
        let high = bound(["maximum", "exclusiveMaximum"]);
        if name.contains("year") && low.is_none() {
            return self.dice.between(1600, 2020) as f64;
        }
        match (low, high) {
            // Models are seldom unsure.
            (Some(low), Some(high)) => low + (high - low) * (0.55 + 0.43 * self.dice.unit()),
            (Some(low), None) => low + 1.0 + self.dice.unit() * 20.0,
            (None, Some(high)) => high - self.dice.unit() * 20.0,
            (None, None) => self.dice.unit() * 100.0,
        }
    }

    fn string(&mut self, schema: &Value, name: &str) -> String {
        match schema["format"].as_str() {
            Some("date") => {
                return format!(
                    "{}-{:02}-{:02}",
                    self.dice.between(1990, 2025),
                    self.dice.between(1, 12),
                    self.dice.between(1, 28)
                );
            }
            Some("date-time") => {
                return format!(
                    "2026-{:02}-{:02}T08:30:00Z",
                    self.dice.between(1, 12),
                    self.dice.between(1, 28)
                );
            }
            _ => {}
        }
        let low = schema["minLength"].as_u64().unwrap_or(0) as usize;
        let high = schema["maxLength"].as_u64().map_or(usize::MAX, |most| most as usize);
        let long = ["summary", "description", "abstract", "argument", "position", "reason", "quote", "text"];
        let found = self.document.value(name).map(str::to_owned);
        let listed = self.document.list(name).map(|items| items[self.dice.below(items.len())].clone());
        let fits = |text: &String| (low..=high).contains(&text.chars().count());
        if let Some(found) = found.or(listed).filter(fits) {
            return found;
        }
        let mut text = match name {
            _ if name.contains("title") && !self.document.title.is_empty() => self.document.title.clone(),
            _ if low > 40 || long.iter().any(|word| name.contains(word)) => self.passage(low.max(80)),
            _ => self.phrase(),
        };
        while text.chars().count() < low {
            let more = self.phrase();
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(if more.is_empty() { "text" } else { &more });
        }
        text.chars().take(high).collect()
    }

    /// Consecutive sentences of the document, until they are long enough.
    fn passage(&mut self, enough: usize) -> String {
        let sentences = &self.document.sentences;
        let mut at = self.dice.below(sentences.len());
        let mut text = String::new();
        while text.chars().count() < enough && at < sentences.len() {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&sentences[at]);
            at += 1;
        }
        if text.is_empty() { self.phrase() } else { text }
    }

    /// Two of the document's frequent words.
    fn phrase(&mut self) -> String {
        let words = &self.document.words;
        let first = self.dice.below(words.len().min(12));
        let second = self.dice.below(words.len());
        match (words.get(first), words.get(second)) {
            (Some(first), Some(second)) if first != second => format!("{first} and {second}"),
            (Some(first), _) => first.clone(),
            _ => "nothing in particular".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_fits() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["title", "kind", "topics", "about", "score", "tree"],
            "$defs": { "topic": { "enum": ["ethics", "logic", "law", "art"] }, "node": { "type": "object", "properties": { "name": { "type": "string" }, "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] } } } },
            "properties": {
                "title": { "type": "string", "maxLength": 20 },
                "kind": { "enum": ["essay", "letter"] },
                "fixed": { "const": 7 },
                "topics": { "type": "array", "items": { "$ref": "#/$defs/topic" }, "minItems": 3, "maxItems": 4, "uniqueItems": true },
                "aspects": { "type": "array", "items": { "type": "string", "minLength": 3 }, "minItems": 3 },
                "about": { "type": "object", "required": ["summary"], "properties": { "summary": { "type": "string", "minLength": 300 } } },
                "score": { "type": "number", "minimum": 0, "maximum": 1 },
                "year": { "type": ["integer", "null"] },
                "written": { "type": "string", "format": "date" },
                "seen": { "type": "string", "format": "date-time" },
                "tree": { "$ref": "#/$defs/node" }
            }
        });
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for text in [
            "",
            "One.",
            "The ferryman measured the river. He measured it every day, at dawn, with a long and patient rope. Nobody knew why he did it.",
        ] {
            let request = json!({ "messages": [{ "role": "user", "content": format!("Describe.\n<text>\nThe Ferryman\n\n{text}\n</text>") }] });
            let document = Document::of(&request);
            for nth in 0..200 {
                let mut dice = Dice::of(7, text.as_bytes(), nth, "test");
                let value =
                    Filler { root: &schema, document: &document, dice: &mut dice }.fill(&schema, "", 0);
                assert!(
                    validator.is_valid(&value),
                    "{value:#}: {:?}",
                    validator.iter_errors(&value).map(|e| e.to_string()).collect::<Vec<_>>()
                );
            }
        }
    }
}
