//! Strict Jinja templates for the texts of requests.
//!
//! An unknown name is an error, never an empty text: a prompt with a gap costs as much as a good one. A NULL
//! in a text fails the record unless the template handles it. `check` finds the mistakes that need no record.
//! Main type: [`Template`].

mod check;
mod depth;
mod environment;
mod items;
mod mistake;
mod null;
mod tokens;
mod value;

use std::sync::Arc;

use minijinja::{Environment, ErrorKind};

use crate::record::Record;

pub use check::{check, includes};
pub use mistake::{TemplateFault, TemplateMistake};
pub use null::unguarded;

use environment::{MAIN, environment, syntax};

/// Why a template could not be rendered for a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It uses NULL.
    #[error("`{0}` is NULL in this record: write `{{{{ {0} | default('') }}}}` or `when: {0} IS NOT NULL`")]
    Null(String),
    /// It uses NULL that is inside of a list.
    #[error("an item{0} has NULL in this record: write `default('')` after it, or `{{% if … %}}` around it")]
    NullItem(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl RenderError {
    fn new(error: &minijinja::Error) -> Self {
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Self::Other(format!("{what}{}", line_of(error)))
    }
}

fn line_of(error: &minijinja::Error) -> String {
    error.line().map(|line| format!(" (line {line} of the template)")).unwrap_or_default()
}

/// A parsed template with its includes.
pub struct Template {
    env: Environment<'static>,
    /// The fields that it names, as paths.
    names: Vec<String>,
    /// The maps that may have answered for a record, for `etl`.
    maps: Arc<[Arc<str>]>,
}

impl Template {
    /// Parses a template; `includes` are its included files by name, `maps` the upstream maps that call a
    /// model.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn parse(
        text: &str,
        includes: &[(String, String)],
        maps: &[Arc<str>],
    ) -> Result<Self, TemplateMistake> {
        let mut texts = includes.iter().map(|(_, text)| text.as_str()).chain([text]);
        if let Some(mistake) = texts.find_map(|text| depth::too_deep(text, false)) {
            return Err(mistake);
        }
        let mut env = environment();
        for (name, text) in includes {
            env.add_template_owned(name.clone(), text.clone()).map_err(|error| syntax(&error, text))?;
        }
        env.add_template_owned(MAIN, text.to_owned()).map_err(|error| syntax(&error, text))?;
        let mut names: Vec<String> = Vec::new();
        for (_, template) in env.templates() {
            names.extend(template.undeclared_variables(true));
        }
        names.sort();
        Ok(Self { env, names, maps: maps.into() })
    }

    /// The text for a record.
    ///
    /// # Errors
    /// An unhandled NULL, or a filter that refuses its input.
    pub fn render(&self, record: &Record) -> Result<String, RenderError> {
        let template = self.env.get_template(MAIN).map_err(|error| RenderError::new(&error))?;
        let null = || self.null_in(record).map(RenderError::Null);
        match template.render(value::of_record(record, &self.maps)) {
            Ok(text) if text.contains(value::NULL_MARK) => {
                Err(null().unwrap_or_else(|| RenderError::NullItem(String::new())))
            }
            Ok(text) => Ok(text),
            Err(error) => {
                let meets_null = error.kind() == ErrorKind::UndefinedError
                    || error.detail().is_some_and(|detail| detail.contains("undefined"))
                    || self.null_without_guard(record).is_some();
                let null = meets_null.then(null).flatten();
                Err(null.unwrap_or_else(|| match meets_null {
                    true => RenderError::NullItem(line_of(&error)),
                    false => RenderError::new(&error),
                }))
            }
        }
    }

    /// The first name of the template that is NULL in a record, if possible one that the template does not test.
    fn null_in(&self, record: &Record) -> Option<String> {
        let any = || self.names.iter().find(|name| value::is_null(record, name)).cloned();
        self.null_without_guard(record).or_else(any)
    }

    fn null_without_guard(&self, record: &Record) -> Option<String> {
        let null = |name: &str| value::is_null(record, name).then(|| name.to_owned()).into_iter().collect();
        self.env.templates().find_map(|(_, template)| {
            unguarded(template.source(), &null).into_iter().next().map(|(name, _)| name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Schema, Value, from_json, parse_type};

    fn rendered(text: &str) -> Result<String, String> {
        let fields = [
            ("text", "VARCHAR", "\"a\""),
            ("missing", "VARCHAR", "null"),
            ("price", "DECIMAL(18,2)", "12.5"),
            ("score", "DOUBLE", "1"),
            ("ok", "BOOLEAN", "true"),
            (
                "lines",
                "STRUCT(name VARCHAR, total DECIMAL(18,2))[]",
                r#"[{"name": "x", "total": 1.5}, {"name": null, "total": 2}]"#,
            ),
            ("about", "STRUCT(title VARCHAR, year BIGINT)", r#"{"title": "T", "year": null}"#),
            ("nothing", "STRUCT(a VARCHAR, b STRUCT(c VARCHAR))", "null"),
        ];
        let schema = Schema::new(fields.map(|(name, of, _)| (name, parse_type(of))));
        let values: Vec<Value> =
            fields.iter().map(|(_, of, json)| from_json(json, &parse_type(of)).unwrap()).collect();
        let record = Record::new("k#1", Arc::new(schema), values);
        let template = Template::parse(text, &[], &[]).map_err(|mistake| format!("{mistake:?}"))?;
        template.render(&record).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_written_as_duckdb_prints_them_and_containers_as_json() {
        assert_eq!(rendered("{{ text }} {{ price }} {{ score }} {{ ok }}"), Ok("a 12.50 1.0 true".into()));
        assert_eq!(rendered("{{ about }}"), Ok(r#"{"title": "T", "year": null}"#.into()));
        assert_eq!(
            rendered("{{ lines }}"),
            Ok(r#"[{"name": "x", "total": 1.50}, {"name": null, "total": 2.00}]"#.into())
        );
        assert_eq!(rendered("{% for l in lines %}{{ l.total }};{% endfor %}"), Ok("1.50;2.00;".into()));
        assert_eq!(
            rendered("{{ lines[0].name }} {{ about.title }} {{ lines | length }}"),
            Ok("x T 2".into())
        );
        assert_eq!(rendered("{{ etl.key }} {{ etl.fields['text'] }}"), Ok("k#1 a".into()));
        assert_eq!(rendered("{{ [price, 'x'] }}"), Ok(r#"["12.50","x"]"#.into()));
        assert_eq!(rendered("{{ lines | tojson }}"), rendered("{{ lines }}"));
    }

    #[test]
    fn null_in_a_text_fails_unless_the_template_says_what_to_do() {
        for text in [
            "{{ missing }}",
            "{{ missing ~ 'x' }}",
            "{{ missing + 'x' }}",
            "{{ [missing] | join(',') }}",
            "{{ missing | upper }}",
            "{% for x in missing %}{% endfor %}",
            "{{ missing < 'x' }}",
            "{{ missing == 'x' }}",
            "{{ 'x' in missing }}",
            "{{ about.year }}",
            "{{ nothing.a }}",
            "{{ nothing }}",
            "{{ nothing ~ 'x' }}",
            "{{ nothing | upper }}",
            "{{ nothing | tojson }}",
            "{{ [nothing] | join }}",
            "{% for part in nothing %}{% endfor %}",
            "{{ nothing.b.c }}",
            "{{ lines[1].name }}",
            "{{ missing | tojson }}",
        ] {
            let error = rendered(text).unwrap_err();
            assert!(error.contains("NULL in this record: write"), "{text}: {error}");
        }
        let shown = "`missing` is NULL in this record: write `{{ missing | default('') }}` or `when: missing IS NOT NULL`";
        assert_eq!(rendered("{{ missing }}"), Err(shown.to_owned()));
        assert_eq!(rendered("{{ missing | default('-') }}{{ text | default('-') }}"), Ok("-a".into()));
        assert_eq!(
            rendered("{% if missing %}x{% else %}y{% endif %}{{ 'n' if not missing }}"),
            Ok("yn".into())
        );
        assert_eq!(
            rendered("{{ missing is none }} {{ missing is defined }} {{ text is none }}"),
            Ok("true false false".into())
        );
    }

    #[test]
    fn the_parts_of_a_null_struct_are_null() {
        for (text, wanted) in [
            ("{{ nothing.a | default('-') }}{{ nothing.b.c | d('+') }}{{ nothing.b | default('?') }}", "-+?"),
            ("{% if nothing %}x{% elif nothing.a %}y{% else %}z{% endif %}", "z"),
            (
                "{{ nothing is none }} {{ nothing.b is none }} {{ nothing.a is defined }} {{ about is none }}",
                "true true false false",
            ),
            ("{{ about.title | default('-') }}{{ about.year | default(1) }}", "T1"),
            ("{{ '' | default('x', true) }}{{ '' | default('x') }}", "x"),
        ] {
            assert_eq!(rendered(text).as_deref(), Ok(wanted), "{text}");
        }
        // The value that is tested is not the one to blame.
        let error = rendered("{{ missing | default('-') }}{{ nothing.a }}").unwrap_err();
        assert!(error.starts_with("`nothing.a` is NULL"), "{error}");
    }
}
