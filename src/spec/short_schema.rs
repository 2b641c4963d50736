//! The short form of a schema → JSON Schema and the type of the answers. Main function: [`read`], called by the
//! reader for every schema key.
//!
//! `text`, `integer`, `number`, `boolean`, `date`, `timestamp`, `decimal` and `decimal(12,4)`, with `?` if
//! optional; `[text]` is a list; `{ one_of: [a, b] }`; a mapping is an object; `{ is: text, about: … }`
//! adds a description, and `optional: true` beside `is:` or `one_of:` works like `?` for other types.

use serde_json::{Map, Value, json};

use crate::{
    diagnostic::{Fault, nearest},
    record::{LogicalType, same_name},
};

use super::{
    describe::Written,
    json_schema_habits,
    reader::Reader,
    tree::{Key, Kind, Node},
};

/// The words for the types of single values.
const WORDS: &[&str] =
    &["text", "integer", "number", "boolean", "date", "timestamp", "decimal", "decimal(12,4)"];

/// `decimal` without width and scale.
const DECIMAL: LogicalType = LogicalType::Decimal { width: 18, scale: 2 };

/// The meaning of a short form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Short {
    /// The JSON Schema.
    pub(crate) json: Value,
    /// The type of the values.
    pub(crate) datatype: LogicalType,
    /// Whether the value may be absent.
    optional: bool,
}

/// Whether a mapping is a JSON Schema and not a short form: it has `type: object`, `type: array`, a key that
/// begins with `$`, or one of `allOf`, `anyOf` and `oneOf`.
pub(crate) fn is_json_schema(entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(key, node)| match key.name.as_str() {
        "type" => matches!(&node.kind, Kind::Text(of) if of == "object" || of == "array"),
        "allOf" | "anyOf" | "oneOf" => matches!(node.kind, Kind::List(_)),
        name => name.starts_with('$'),
    })
}

/// Reads a short form; `None` for a mistake, which has been reported.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
    let mut short = match &node.kind {
        Kind::Text(word) => self::word(word, node, reader)?,
        Kind::List(items) => list(items, node, reader)?,
        Kind::Map(entries) => match Wrapped::of(entries) {
            Some(wrapped) => wrapped.read(node, reader)?,
            None => object(entries, node, reader)?,
        },
        _ => {
            reader.wrong(node, "a type, such as `text` or `[text]`".to_owned());
            return None;
        }
    };
    if short.optional {
        allow_null(&mut short.json);
    }
    Some(short)
}

fn word(word: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
    let bare = word.trim();
    let (bare, optional) = bare.strip_suffix('?').map_or((bare, false), |bare| (bare.trim_end(), true));
    let (json, datatype) = match bare {
        "text" => (json!({ "type": "string" }), LogicalType::Varchar),
        "integer" => (json!({ "type": "integer" }), LogicalType::BigInt),
        "number" => (json!({ "type": "number" }), LogicalType::Double),
        "boolean" => (json!({ "type": "boolean" }), LogicalType::Boolean),
        "date" => (json!({ "type": "string", "format": "date" }), LogicalType::Date),
        "timestamp" => (json!({ "type": "string", "format": "date-time" }), LogicalType::Timestamp),
        "decimal" => (json!({ "type": "number" }), DECIMAL),
        _ => match decimal(bare) {
            Some(Ok(datatype)) => (json!({ "type": "number" }), datatype),
            Some(Err(())) => {
                let wanted =
                    "`decimal(WIDTH,SCALE)` with a width of 1 to 38 and a scale of at most the width";
                let fault = Fault::OutOfBounds { found: bare.to_owned(), wanted: wanted.into() };
                reader.report(node.span.clone(), fault);
                return None;
            }
            None => {
                let known: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
                let fault = match translated(bare) {
                    Some(ours) => fault(format!("unknown type `{bare}`"), format!("write `{ours}`")),
                    None => Fault::UnknownWord { what: "type", found: bare.to_owned(), known },
                };
                reader.report(node.span.clone(), fault);
                return None;
            }
        },
    };
    Some(Short { json, datatype, optional })
}

/// Maps type names of other languages to ours, if the spelling differs too much for a suggestion.
fn translated(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    let ours = match lower.as_str() {
        "string" | "str" | "varchar" => "text",
        "int" | "bigint" => "integer",
        "float" | "double" | "real" => "number",
        "bool" => "boolean",
        "datetime" | "date-time" => "timestamp",
        "numeric" | "money" => "decimal",
        _ => return WORDS.iter().copied().find(|known| *known == lower && *known != word),
    };
    nearest(word, WORDS.iter().copied()).is_none_or(|near| near == ours).then_some(ours)
}

/// `decimal(12,4)`; an error for an invalid width or scale.
fn decimal(text: &str) -> Option<Result<LogicalType, ()>> {
    let inside = text.strip_prefix("decimal")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let (width, scale) = inside.split_once(',').unwrap_or((inside, "0"));
    let (width, scale) = (width.trim().parse::<u8>(), scale.trim().parse::<u8>());
    Some(match (width, scale) {
        (Ok(width @ 1..=38), Ok(scale)) if scale <= width => Ok(LogicalType::Decimal { width, scale }),
        _ => Err(()),
    })
}

fn list(items: &[Node], node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
    if let Some(whole) = items.windows(2).find_map(|pair| cut_decimal(&pair[0], &text(&pair[1])?)) {
        reader.report(node.span.clone(), cut(&whole, &format!("[\"{whole}\"]")));
        return None;
    }
    let [item] = items else {
        let help = "a list has one type: `[text]`; for one of several values write `{ one_of: [a, b] }`";
        reader.report(node.span.clone(), fault(format!("a list of {} types", items.len()), help.to_owned()));
        return None;
    };
    let Short { json, datatype, .. } = read(item, reader)?;
    let json = json!({ "type": "array", "items": json });
    Some(Short { json, datatype: LogicalType::List(Box::new(datatype)), optional: false })
}

fn object(entries: &[(Key, Node)], node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
    if entries.is_empty() {
        reader.wrong(node, "an object with at least one property: `{ name: text }`".to_owned());
        return None;
    }
    if let Some((key, what, help)) = json_schema_habits::found(entries) {
        reader.report(key.span.clone(), fault(what, help));
        return None;
    }
    if let Some((key, known)) = misspelt(entries) {
        let known = vec![known.to_owned()];
        let fault = Fault::UnknownWord { what: "key", found: key.name.clone(), known };
        reader.report(key.span.clone(), fault);
        return None;
    }
    let before = reader.mistakes.len();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut fields: Vec<(String, LogicalType)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut entries = entries.iter().peekable();
    while let Some((key, node)) = entries.next() {
        if let Some(whole) = entries.peek().and_then(|(next, _)| cut_decimal(node, &next.name)) {
            reader.report(node.span.clone(), cut(&whole, &format!("{}: \"{whole}\"", key.name)));
            entries.next();
            continue;
        }
        let twin = seen.iter().find(|name| same_name(name, &key.name));
        if twin.is_some() || key.name.is_empty() {
            let twin = twin.map(|name| (*name).to_owned()).unwrap_or_default();
            // An exact duplicate key has already been reported.
            if twin != key.name || key.name.is_empty() {
                reader.report(key.span.clone(), Fault::SchemaTwins { name: key.name.clone(), twin });
            }
            continue;
        }
        seen.push(&key.name);
        let Some(Short { json, datatype, optional }) = read(node, reader) else { continue };
        if !optional {
            required.push(key.name.clone());
        }
        properties.insert(key.name.clone(), json);
        fields.push((key.name.clone(), datatype));
    }
    let json = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false
    });
    let short = Short { json, datatype: LogicalType::Struct(fields), optional: false };
    (reader.mistakes.len() == before).then_some(short)
}

/// Whether a text is the name of a type, also with spaces in it: `decimal(12, 2)`, `text ?`.
fn is_type(text: &str) -> bool {
    let word = text.trim().trim_end_matches('?').trim_end();
    WORDS.contains(&word) || decimal(word).is_some()
}

/// A key similar to `one_of`, `about` or `optional`, with a value that cannot be the type of a property.
fn misspelt(entries: &[(Key, Node)]) -> Option<(&Key, &'static str)> {
    entries.iter().find_map(|(key, node)| {
        let meant = match &node.kind {
            Kind::List(items) if items.len() > 1 => "one_of",
            Kind::Bool(_) => "optional",
            Kind::Text(text) if text.trim().contains(' ') && !is_type(text) => "about",
            _ => return None,
        };
        let is_near = key.name != meant && nearest(&key.name, [meant]).is_some();
        is_near.then_some((key, meant))
    })
}

/// `{ is: …, about: …, optional: … }` or `{ one_of: […], about: …, optional: … }`.
struct Wrapped<'a> {
    is: Option<&'a Node>,
    one_of: Option<&'a Node>,
    about: Option<&'a Node>,
    optional: Option<&'a Node>,
}

impl<'a> Wrapped<'a> {
    /// `None` for an object that merely has a property with one of these names.
    fn of(entries: &'a [(Key, Node)]) -> Option<Self> {
        let get = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node);
        let wrapped =
            Self { is: get("is"), one_of: get("one_of"), about: get("about"), optional: get("optional") };
        let count = [wrapped.is, wrapped.one_of, wrapped.about, wrapped.optional].iter().flatten().count();
        let is_one = wrapped.is.is_some() != wrapped.one_of.is_some();
        (is_one && count == entries.len()).then_some(wrapped)
    }

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
        let mut short = match (self.is, self.one_of) {
            (Some(is), _) => read(is, reader)?,
            (None, Some(values)) => one_of(values, reader)?,
            (None, None) => return None,
        };
        match self.optional.map(|optional| &optional.kind) {
            None | Some(Kind::Bool(false)) => {}
            Some(Kind::Bool(true)) => short.optional = true,
            Some(_) => {
                reader.wrong(self.optional.unwrap_or(node), "`true` or `false`".to_owned());
                return None;
            }
        }
        if let Some(about) = self.about {
            let about = reader.text(about, || "a text".to_owned())?;
            reader.no_template(&about, Written::Plain);
            short.json["description"] = about.value.into();
        }
        Some(short)
    }
}

fn one_of(node: &Node, reader: &mut Reader<'_>) -> Option<Short> {
    let Kind::List(items) = &node.kind else {
        let wanted = "a list of values: `{ one_of: [a, b] }`; for values that are data, check the answer: `expect: \
                      list_contains(values, map.part)`";
        reader.wrong(node, wanted.to_owned());
        return None;
    };
    let mut values: Vec<Value> = Vec::with_capacity(items.len());
    let mut optional = false;
    for item in items {
        let value = match &item.kind {
            Kind::Null => {
                optional = true;
                continue;
            }
            Kind::Map(_) | Kind::List(_) => {
                reader.wrong(item, "a text, a number or a boolean".to_owned());
                return None;
            }
            _ => reader.json(item),
        };
        match values.contains(&value) {
            false => values.push(value),
            true => {
                let help = "each value once";
                reader
                    .report(item.span.clone(), fault(format!("{} twice", item.describe()), help.to_owned()));
            }
        }
    }
    if values.is_empty() {
        reader.wrong(node, "at least one value: `{ one_of: [a, b] }`".to_owned());
        return None;
    }
    let mut json = json!({ "enum": values });
    let datatype = crate::record::of_json_schema(&json);
    let kind = match &datatype {
        LogicalType::Varchar => Some("string"),
        LogicalType::BigInt => Some("integer"),
        LogicalType::Double => Some("number"),
        LogicalType::Boolean => Some("boolean"),
        _ => None,
    };
    if let Some(kind) = kind {
        json = json!({ "type": kind, "enum": values });
    }
    Some(Short { json, datatype, optional })
}

/// Makes a schema accept `null`.
fn allow_null(json: &mut Value) {
    if let Value::String(kind) = &json["type"] {
        json["type"] = json!([kind, "null"]);
    }
    if let Some(values) = json.get_mut("enum").and_then(Value::as_array_mut)
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Rejoins `decimal(12,2)`, which YAML reads in a flow mapping as `decimal(12` and a key `2)`.
fn cut_decimal(value: &Node, next: &str) -> Option<String> {
    let Kind::Text(head) = &value.kind else { return None };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let width = head.trim().strip_prefix("decimal(").map(str::trim).filter(|width| digits(width))?;
    let tail = next.trim();
    let (scale, mark) = tail.strip_suffix('?').map_or((tail, ""), |tail| (tail, "?"));
    let scale = scale.trim_end().strip_suffix(')').map(str::trim).filter(|scale| digits(scale))?;
    Some(format!("decimal({width},{scale}){mark}"))
}

fn cut(whole: &str, quoted: &str) -> Fault {
    let what = format!("the comma of `{whole}` ends a value in a flow mapping or list of YAML");
    fault(what, format!("write `{quoted}`"))
}

fn fault(what: String, help: String) -> Fault {
    Fault::ShortSchema { what, help }
}
