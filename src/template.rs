//! Jinja: prompts and conditions, strict.
//!
//! A name that is not there is an error, never an empty text: a prompt with a hole in it costs as
//! much as a good one. What can be known before there is a record is told by [`check`].

mod depth;

use std::{ops::Range, sync::LazyLock};

use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value as Jinja,
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
    value::Serde,
};
use serde_json::Value;

use crate::{datatype::DataType, diagnostic::char_start, record::Fields};

/// The fields at hand where a template stands, with their types.
pub type Shape = [(String, DataType)];

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateMistake {
    /// What is wrong.
    pub fault: TemplateFault,
    /// Bytes of the template's text.
    pub span: Range<usize>,
}

/// What can be wrong with a template before there is a record.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each says it")]
pub enum TemplateFault {
    Syntax(String),
    UnknownField {
        name: String,
        known: Vec<String>,
    },
    UnknownCallable {
        what: &'static str,
        name: String,
    },
    /// A text that is to be a file beside the template.
    Include(String),
}

/// Why a template or expression did not work out for a record.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(String);

impl RenderError {
    fn new(error: &minijinja::Error) -> Self {
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let line = error.line().map(|line| format!(" (line {line} of the template)")).unwrap_or_default();
        Self(format!("{what}{line}"))
    }
}

/// A template that has been parsed, with all that it includes.
pub struct Template {
    env: Environment<'static>,
}

const MAIN: &str = "prompt";

impl Template {
    /// Parses a template; `includes` are the files that it names, by the name it uses.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn parse(text: &str, includes: &[(String, String)]) -> Result<Self, TemplateMistake> {
        let mut texts = includes.iter().map(|(_, text)| text.as_str()).chain([text]);
        if let Some(mistake) = texts.find_map(|text| depth::too_deep(text, false)) {
            return Err(mistake);
        }
        let mut env = environment();
        for (name, text) in includes {
            env.add_template_owned(name.clone(), text.clone()).map_err(|error| syntax(&error, text))?;
        }
        env.add_template_owned(MAIN, text.to_owned()).map_err(|error| syntax(&error, text))?;
        Ok(Self { env })
    }

    /// The text for a record.
    ///
    /// # Errors
    /// A name that the record does not have, or a filter that refuses its input.
    pub fn render(&self, fields: &Fields) -> Result<String, RenderError> {
        let template = self.env.get_template(MAIN).map_err(|error| RenderError::new(&error))?;
        template.render(Jinja::from(Serde(fields))).map_err(|error| RenderError::new(&error))
    }
}

/// An expression that has been parsed.
pub struct Expression(minijinja::Expression<'static, 'static>);

static EXPRESSIONS: LazyLock<Environment<'static>> = LazyLock::new(environment);

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn parse(text: &str) -> Result<Self, TemplateMistake> {
        if let Some(mistake) = depth::too_deep(text, true) {
            return Err(mistake);
        }
        EXPRESSIONS.compile_expression_owned(text.to_owned()).map(Self).map_err(|error| syntax(&error, text))
    }

    /// Its value for a record.
    ///
    /// # Errors
    /// A name that the record does not have, or an operation that its values do not allow.
    pub fn eval(&self, fields: &Fields) -> Result<Value, RenderError> {
        let value = self.0.eval(Jinja::from(Serde(fields))).map_err(|error| RenderError::new(&error))?;
        if value.is_undefined() {
            return Err(RenderError("the expression gives nothing: a name in it is not there".to_owned()));
        }
        serde_json::to_value(&value)
            .map_err(|_| RenderError(format!("the expression gives {value:?}, which is no value")))
    }

    /// Whether it is true for a record.
    ///
    /// # Errors
    /// As [`Expression::eval`]; and a value that is neither true nor false.
    pub fn test(&self, fields: &Fields) -> Result<bool, RenderError> {
        match self.eval(fields)? {
            Value::Bool(value) => Ok(value),
            other => Err(RenderError(format!("the condition gives `{other}`, not true or false"))),
        }
    }

    /// The type of its values over records of a shape: tried on two examples, JSON if they disagree
    /// or an example does not work out.
    pub fn datatype(&self, shape: &Shape) -> DataType {
        let tried = [0, 1]
            .map(|variant| self.eval(&example(shape, variant)).ok().map(|value| DataType::of_value(&value)));
        match tried {
            // The fields of an example's mapping say nothing of those of a record's.
            [Some(a), Some(b)] if a.is_flat() && b.is_flat() => a.or(&b),
            _ => DataType::Json,
        }
    }

    /// What it gives instead of true or false, if an example shows that it does.
    pub fn not_a_condition(&self, shape: &Shape) -> Option<DataType> {
        let value = self.eval(&example(shape, 0)).ok()?;
        (!value.is_boolean() && !value.is_null()).then(|| DataType::of_value(&value))
    }
}

fn example(shape: &Shape, variant: i64) -> Fields {
    shape.iter().map(|(name, of)| (name.clone(), of.example(variant))).collect()
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // Prompts are not HTML, whatever their file is called.
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env
}

fn syntax(error: &minijinja::Error, text: &str) -> TemplateMistake {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let span = error.range().unwrap_or_else(|| {
        let line = error.line().unwrap_or(1).saturating_sub(1);
        let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>().min(text.len());
        start..start
    });
    TemplateMistake { fault: TemplateFault::Syntax(what), span }
}

/// Everything that can be known of a template (or, with `expression`, of a bare expression) before
/// there is a record: syntax, names that `shape` does not have, filters that do not exist.
pub fn check(text: &str, expression: bool, shape: &Shape) -> Vec<TemplateMistake> {
    if let Some(mistake) = depth::too_deep(text, expression) {
        return vec![mistake];
    }
    // An expression is checked as a template of its own; the braces are taken off the places again.
    let (source, shift) = if expression { (format!("{{{{{text}}}}}"), 2) } else { (text.to_owned(), 0) };
    let mut env = environment();
    // Includes are checked as files of their own.
    env.set_loader(|_| Ok(Some(String::new())));
    let parsed = env
        .add_template_owned(MAIN, source.clone())
        .and_then(|()| env.get_template(MAIN).map(|t| t.undeclared_variables(true)));
    let mut mistakes = match parsed {
        Err(error) => vec![syntax(&error, &source)],
        Ok(names) => {
            let tokens = tokens(&source);
            let mut mistakes = Vec::new();
            for name in names {
                if let Some(fault) = unknown(&name, shape) {
                    let places = places_of(&name, &tokens);
                    mistakes.extend(
                        places.into_iter().map(|span| TemplateMistake { fault: fault.clone(), span }),
                    );
                }
            }
            mistakes.extend(callables(&tokens));
            mistakes
        }
    };
    for mistake in &mut mistakes {
        mistake.span.start = char_start(text, mistake.span.start.saturating_sub(shift));
        mistake.span.end = char_start(text, mistake.span.end.saturating_sub(shift)).max(mistake.span.start);
    }
    mistakes.sort_by_key(|mistake| mistake.span.start);
    mistakes
}

/// The files that a template names, and where; of those that it names by a literal text.
pub fn includes(text: &str) -> Vec<(String, Range<usize>)> {
    let tokens = tokens(text);
    let named = tokens.windows(3).filter_map(|window| match window {
        [(Tok::BlockStart, _), (Tok::Ident(word), _), (Tok::Str(name), span)]
            if matches!(word.as_str(), "include" | "import" | "from" | "extends") =>
        {
            Some((name.clone(), span.clone()))
        }
        _ => None,
    });
    named.collect()
}

/// The tokens that the checks look at; all others are `Other`.
#[derive(Debug, PartialEq)]
enum Tok {
    BlockStart,
    Ident(String),
    Str(String),
    Dot,
    Pipe,
    Other,
}

fn tokens(text: &str) -> Vec<(Tok, Range<usize>)> {
    tokenize(text, false, SyntaxConfig::default())
        .map_while(Result::ok)
        .map(|(token, span)| {
            let tok = match token {
                Token::BlockStart => Tok::BlockStart,
                Token::Ident(name) => Tok::Ident(name.to_owned()),
                Token::Str(text) => Tok::Str(text.to_owned()),
                Token::String(text) => Tok::Str(text.into()),
                Token::Dot => Tok::Dot,
                Token::Pipe => Tok::Pipe,
                _ => Tok::Other,
            };
            (tok, span.start_offset as usize..span.end_offset as usize)
        })
        .collect()
}

/// Names that the template language brings along.
const GLOBALS: &[&str] = &["range", "dict", "namespace", "debug", "loop", "self", "super", "caller"];

fn unknown(name: &str, shape: &Shape) -> Option<TemplateFault> {
    let mut parts = name.split('.');
    let first = parts.next()?;
    if GLOBALS.contains(&first) {
        return None;
    }
    let unknown = |prefix: &str, known: &Shape| {
        let known = known.iter().map(|(name, _)| format!("{prefix}{name}")).collect();
        Some(TemplateFault::UnknownField { name: name.to_owned(), known })
    };
    let Some((_, of)) = shape.iter().find(|(field, _)| field == first) else { return unknown("", shape) };
    let mut of: &DataType = of;
    let mut prefix = format!("{first}.");
    for part in parts {
        match of {
            DataType::Struct(fields) => match fields.iter().find(|(field, _)| field == part) {
                Some((_, inner)) => of = inner,
                None => return unknown(&prefix, fields),
            },
            DataType::Json | DataType::Unseen | DataType::List(_) => return None,
            _ => return unknown(&prefix, &[]),
        }
        prefix.push_str(part);
        prefix.push('.');
    }
    None
}

fn places_of(name: &str, tokens: &[(Tok, Range<usize>)]) -> Vec<Range<usize>> {
    let parts: Vec<&str> = name.split('.').collect();
    let mut found = Vec::new();
    for (at, (token, span)) in tokens.iter().enumerate() {
        let starts = matches!(token, Tok::Ident(ident) if ident == parts[0])
            && (at == 0 || tokens[at - 1].0 != Tok::Dot);
        let rest = parts[1..].iter().enumerate().all(|(i, part)| {
            matches!(tokens.get(at + 2 * i + 1), Some((Tok::Dot, _)))
                && matches!(tokens.get(at + 2 * i + 2), Some((Tok::Ident(ident), _)) if ident == part)
        });
        if starts && rest {
            let end = tokens[at + 2 * (parts.len() - 1)].1.end;
            found.push(span.start..end);
        }
    }
    // A name that cannot be found again, such as one behind brackets, is a mistake all the same.
    if found.is_empty() {
        found.push(0..0);
    }
    found
}

fn callables(tokens: &[(Tok, Range<usize>)]) -> Vec<TemplateMistake> {
    let mut mistakes = Vec::new();
    for window in tokens.windows(2) {
        let ((before, _), (Tok::Ident(name), span)) = (&window[0], &window[1]) else { continue };
        let (what, probe) = match before {
            Tok::Pipe => ("filter", format!("''|{name}")),
            Tok::Ident(word) if word == "is" && name != "not" => ("test", format!("'' is {name}")),
            _ => continue,
        };
        // The only way to ask whether a filter exists is to use it.
        let missing = EXPRESSIONS
            .compile_expression(&probe)
            .and_then(|expression| expression.eval(()))
            .is_err_and(|error| matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest));
        if missing {
            let fault = TemplateFault::UnknownCallable { what, name: name.clone() };
            mistakes.push(TemplateMistake { fault, span: span.clone() });
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape() -> Vec<(String, DataType)> {
        let about =
            DataType::Struct(vec![("title".into(), DataType::Text), ("year".into(), DataType::Integer)]);
        vec![("text".into(), DataType::Text), ("bytes".into(), DataType::Integer), ("extract".into(), about)]
    }

    fn told(text: &str, expression: bool) -> Vec<(String, String)> {
        let name = |fault| match fault {
            TemplateFault::Syntax(what) => what,
            TemplateFault::UnknownField { name, .. } | TemplateFault::UnknownCallable { name, .. } => name,
            TemplateFault::Include(name) => name,
        };
        check(text, expression, &shape())
            .into_iter()
            .map(|m| (text[m.span].to_owned(), name(m.fault)))
            .collect()
    }

    #[test]
    fn a_good_template_has_no_mistakes() {
        let text = "{% for w in text|upper %}{{ loop.index }}{{ w }}{% endfor %}{% set x = bytes %}{{ x }}{{ extract.title }}";
        assert_eq!(told(text, false), []);
        assert_eq!(told("bytes < 800_000 and extract.year is defined", true), []);
    }

    #[test]
    fn every_unknown_name_is_told_where_it_stands() {
        let both = told("{{ txet }} and {{ extract.titel|upper }}, {{ txet }}", false);
        let wanted = [("txet", "txet"), ("extract.titel", "extract.titel"), ("txet", "txet")];
        assert_eq!(both, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(told("byte < 3", true), [("byte".to_owned(), "byte".to_owned())]);
        assert_eq!(told("{{ text.title }}", false).len(), 1);
        assert_eq!(told("{{ text|uper }}", false), [("uper".to_owned(), "uper".to_owned())]);
        assert_eq!(told("{{ text ", false).len(), 1);
    }

    #[test]
    fn a_condition_is_true_or_false() {
        let fields = json!({"bytes": 10, "text": "x"}).as_object().unwrap().clone();
        assert!(Expression::parse("bytes < 800_000").unwrap().test(&fields).unwrap());
        assert!(Expression::parse("bytes").unwrap().test(&fields).is_err());
        assert!(Expression::parse("missing").unwrap().eval(&fields).is_err());
        assert_eq!(
            Expression::parse("bytes + 1").unwrap().not_a_condition(&shape()),
            Some(DataType::Integer)
        );
        assert_eq!(Expression::parse("bytes > 1").unwrap().not_a_condition(&shape()), None);
        assert_eq!(Expression::parse("bytes / 2").unwrap().datatype(&shape()), DataType::Float);
        assert_eq!(Expression::parse("text|length").unwrap().datatype(&shape()), DataType::Integer);
    }

    #[test]
    fn includes_are_found() {
        let found = includes("{% include 'a.md' %}{% from \"b.j2\" import x %}");
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.md", "b.j2"]);
    }
}
