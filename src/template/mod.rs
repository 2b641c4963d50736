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
mod parts;
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
    /// It uses NULL or an item that is not there, in a place without a name: the line.
    #[error(
        "a value{0} is NULL or missing in this record: write `| default('')` after it, or `{{% if … %}}` around it"
    )]
    Missing(String),
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
    /// The texts as they are written.
    texts: Vec<String>,
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
        let main = (MAIN.to_owned(), text.to_owned());
        let texts: Vec<(String, String)> = includes.iter().cloned().chain([main]).collect();
        let mut names: Vec<String> = Vec::new();
        for (name, text) in &texts {
            // As it is written, for the places of syntax errors.
            let template = env.template_from_str(text).map_err(|error| syntax(&error, text))?;
            names.extend(template.undeclared_variables(true));
            let rewritten = parts::rewritten(text);
            env.add_template_owned(name.clone(), rewritten).map_err(|error| syntax(&error, text))?;
        }
        names.sort();
        let texts = texts.into_iter().map(|(_, text)| text).collect();
        Ok(Self { env, texts, names, maps: maps.into() })
    }

    /// The text for a record.
    ///
    /// # Errors
    /// An unhandled NULL, or a filter that refuses its input.
    pub fn render(&self, record: &Record) -> Result<String, RenderError> {
        let template = self.env.get_template(MAIN).map_err(|error| RenderError::new(&error))?;
        template.render(value::of_record(record, &self.maps)).map_err(|error| {
            let meets_null = error.kind() == ErrorKind::UndefinedError
                || error.detail().is_some_and(|detail| detail.contains("undefined"));
            match meets_null {
                true => self
                    .null_in(record)
                    .map_or_else(|| RenderError::Missing(line_of(&error)), RenderError::Null),
                false => RenderError::new(&error),
            }
        })
    }

    /// The first name of the template that is NULL in a record, if possible one that the template does not test.
    fn null_in(&self, record: &Record) -> Option<String> {
        let is_null = |name: &str| value::is_null(record, &self.maps, name);
        let null = |name: &str| is_null(name).then(|| name.to_owned()).into_iter().collect();
        let plain = self.texts.iter().find_map(|text| unguarded(text, &null).into_iter().next());
        let any = || self.names.iter().find(|name| is_null(name)).cloned();
        plain.map(|(name, _)| name).or_else(any)
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
            "{{ nothing | lower }}",
            "{{ (nothing ~ '') | length }}",
            "{{ 'a' in nothing }}",
            "{{ missing | default(nothing.a) }}",
            "{% for part in nothing %}{% endfor %}",
            "{{ nothing.b.c }}",
            "{{ missing | tojson }}",
        ] {
            let error = rendered(text).unwrap_err();
            assert!(error.contains("is NULL in this record: write"), "{text}: {error}");
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
        for text in
            ["{{ lines[1].name }}", "{{ lines[7].name }}", "{% for l in lines %}{{ l.name }}{% endfor %}"]
        {
            let error = rendered(text).unwrap_err();
            assert!(
                error.starts_with("a value (line 1 of the template) is NULL or missing"),
                "{text}: {error}"
            );
        }
        // Another mistake is not blamed on NULL.
        assert!(
            !rendered("{% if text == 'b' %}{{ missing }}{% endif %}{{ 1 // 0 }}")
                .unwrap_err()
                .contains("NULL")
        );
        // The value that is tested is not the one to blame.
        let error = rendered("{{ missing | default('-') }}{{ nothing.a }}").unwrap_err();
        assert!(error.starts_with("`nothing.a` is NULL"), "{error}");
    }
}
