//! `chat:`: its schema and its tools are read and checked, and its fields take the form they are sent in.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    diagnostic::{Fault, Place, Source as Written, Warning},
    record::{LogicalType, of_json_schema, same_name},
    spec::{ChatSpec, Prompt, SchemaSpec, Settings, Text, ToolSpec, is_template, schema_flaw},
};

use super::{Chat, Schema, Task, compiler::Compiler, shape::Shape};

/// The values of `tool_choice:` other than the name of a tool.
const CHOICES: &[&str] = &["auto", "none", "any", "required"];

impl Compiler<'_> {
    /// Compiles `chat:` of the map `name`.
    pub(super) fn chat(
        &mut self,
        name: &str,
        spec: &ChatSpec,
        shape: Option<&Shape>,
    ) -> (Option<Task>, Option<LogicalType>) {
        let system = spec.system.as_ref().map(|prompt| self.prompt(prompt, shape));
        let prompt = self.prompt(&spec.prompt, shape);
        let mut attachments = |addresses: &[Text], what| -> Vec<_> {
            addresses.iter().map(|address| self.attachment(address, what, shape)).collect()
        };
        let images = attachments(&spec.images, "the picture");
        let documents = attachments(&spec.documents, "the document");
        let schema = spec.schema.as_ref().map(|schema| self.schema(name, schema));
        let datatype = match &schema {
            None => Some(LogicalType::Varchar),
            Some(schema) => schema.as_ref().map(|schema| schema.datatype.clone()),
        };
        let settings = self.settings(spec, shape);
        let chat = || {
            Some(Chat {
                system: match system {
                    Some(prompt) => Some(prompt?),
                    None => None,
                },
                prompt: prompt?,
                images: images.into_iter().collect::<Option<_>>()?,
                documents: documents.into_iter().collect::<Option<_>>()?,
                schema: match schema {
                    Some(schema) => Some(schema?),
                    None => None,
                },
                settings,
            })
        };
        (chat().map(|chat| Task::Chat(Box::new(chat))), datatype)
    }

    /// Warns of a request that no field is part of.
    pub(super) fn same_request(&mut self, map: &str, spec: &ChatSpec) {
        let Prompt::Inline(prompt) = &spec.prompt else { return };
        let texts = spec.images.iter().chain(&spec.documents).map(|text| &text.value);
        let settings = spec.settings.iter().flat_map(|setting| &setting.templates).map(|text| &text.value);
        let system = match &spec.system {
            Some(Prompt::Inline(text)) => is_template(&text.value),
            Some(Prompt::File(_)) => true,
            None => false,
        };
        if !(is_template(&prompt.value) || system || texts.chain(settings).any(|text| is_template(text))) {
            self.warn(Warning::SameRequest(map.to_owned()), prompt.place.clone());
        }
    }

    fn settings(&mut self, spec: &ChatSpec, shape: Option<&Shape>) -> Settings {
        let mut settings = spec.settings.clone();
        for setting in settings.iter() {
            for text in &setting.templates {
                if !is_template(&text.value) && text.value.trim().parse::<u64>().is_err() {
                    let wanted = "a whole number, 0 or more, or a template that gives one".into();
                    let found = format!("`{}`", text.shown());
                    self.report(Fault::WrongShape { found, wanted }, text.place.clone());
                    continue;
                }
                let found = self.prompt(&Prompt::Inline(text.clone()), shape);
                if found.is_some_and(|prompt| !prompt.includes.is_empty()) {
                    let help = "write the text here".to_owned();
                    let what = format!("`{}` includes a file", setting.name);
                    self.report(Fault::Expression { what, help }, text.place.clone());
                }
            }
        }
        if !spec.tools.is_empty() {
            let tools: Value = spec.tools.iter().filter_map(|tool| self.tool(tool)).collect();
            let names: Vec<&str> = spec.tools.iter().map(|tool| &*tool.name.value).collect();
            settings.set("tools", tools, names.join(" "));
        }
        if let Some(choice) = &spec.tool_choice {
            let (word, shown) = (choice.value.as_str(), choice.shown().to_owned());
            if CHOICES.contains(&word) {
                settings.set("tool_choice", word.into(), shown);
            } else if spec.tools.iter().any(|tool| *tool.name.value == *word) {
                let named = json!({ "type": "function", "function": { "name": word } });
                settings.set("tool_choice", named, shown);
            } else {
                let tools = spec.tools.iter().map(|tool| tool.name.value.to_string());
                let known = CHOICES.iter().map(|word| (*word).to_owned()).chain(tools).collect();
                let fault = Fault::UnknownWord { what: "tool", found: shown, known };
                self.report(fault, choice.place.clone());
            }
        }
        settings
    }

    fn tool(&mut self, tool: &ToolSpec) -> Option<Value> {
        let parameters = match &tool.parameters {
            SchemaSpec::File(file) => self.json_schema(file)?.1,
            SchemaSpec::Json(_, schema) | SchemaSpec::Short(_, schema, _) => schema.clone(),
            SchemaSpec::Wrong => return None,
        };
        let mut function = json!({ "name": &*tool.name.value, "parameters": parameters });
        if let Some(description) = &tool.description {
            function["description"] = description.value.as_str().into();
        }
        if let Some(strict) = tool.strict {
            function["strict"] = strict.into();
        }
        Some(json!({ "type": "function", "function": function }))
    }

    fn schema(&mut self, map: &str, spec: &SchemaSpec) -> Option<Schema> {
        let (place, name, file, json, datatype) = match spec {
            SchemaSpec::File(file) => {
                let (source, json) = self.json_schema(file)?;
                let datatype = of_json_schema(&json);
                (Place::start_of(&source), stem(&source.name), Some(source.name.clone()), json, datatype)
            }
            SchemaSpec::Json(place, json) => {
                (place.clone(), map.to_owned(), None, json.clone(), of_json_schema(json))
            }
            SchemaSpec::Short(place, json, datatype) => {
                (place.clone(), map.to_owned(), None, json.clone(), datatype.clone())
            }
            SchemaSpec::Wrong => return None,
        };
        let is_value = match &datatype {
            LogicalType::Struct(_) | LogicalType::List(_) => false,
            // An object without its own columns, or with several alternatives.
            LogicalType::Json => !["type", "$ref", "allOf", "anyOf", "oneOf", "patternProperties"]
                .iter()
                .any(|keyword| json.get(*keyword).is_some()),
            _ => true,
        };
        if is_value {
            let shown = file.unwrap_or_else(|| format!("schema of `{map}`"));
            self.report(Fault::SchemaWithoutObject(shown), place);
            return None;
        }
        if let Some((name, twin)) = twins(&datatype) {
            self.report(Fault::SchemaTwins { name, twin }, place);
            return None;
        }
        Some(Schema { name, file, json, datatype })
    }

    /// Reads a JSON Schema file.
    fn json_schema(&mut self, file: &Text) -> Option<(Arc<Written>, Value)> {
        let source = self.file(file, "the schema")?;
        let json: Value = match serde_json::from_str(&source.text) {
            Ok(json) => json,
            Err(error) => {
                let start: usize = source
                    .text
                    .split_inclusive('\n')
                    .take(error.line().saturating_sub(1))
                    .map(str::len)
                    .sum();
                let at = (start + error.column().saturating_sub(1)).min(source.text.len());
                let what = error.to_string();
                let what = what.split(" at line ").next().unwrap_or(&what).to_owned();
                self.report(Fault::NotJson(what), Place { source, span: at..at });
                return None;
            }
        };
        if let Err(error) = jsonschema::options().build(&json) {
            // Follow the path of keys to the mistake through the text.
            let mut at = 0;
            let mut span = 0..0;
            for name in error.instance_path().as_str().split('/').skip(1) {
                let quoted = format!("\"{name}\"");
                let Some(found) = source.text[at..].find(&quoted) else { break };
                span = at + found..at + found + quoted.len();
                at = span.end;
            }
            self.report(Fault::BadSchema { why: error.to_string() }, Place { source, span });
            return None;
        }
        if let Some((word, fault)) = schema_flaw(&json) {
            let at = source.text.find(&format!("\"{word}\"")).unwrap_or_default();
            self.report(Fault::Schema(fault), Place { source, span: at..at + word.len() + 2 });
            return None;
        }
        Some((source, json))
    }
}

/// The name of a schema sent to the service: its file name without extensions.
fn stem(path: &str) -> String {
    let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file.split('.').next().unwrap_or("answer").chars();
    stem.map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Two properties of one object with the same name in a table, or one without a name.
fn twins(of: &LogicalType) -> Option<(String, String)> {
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => twins(of),
        LogicalType::Struct(fields) => fields.iter().enumerate().find_map(|(at, (name, inner))| {
            let twin = fields[..at].iter().find(|(other, _)| same_name(other, name));
            let twin = twin.map(|(other, _)| other.clone()).or_else(|| name.is_empty().then(String::new));
            twin.map(|twin| (name.clone(), twin)).or_else(|| twins(inner))
        }),
        _ => None,
    }
}
