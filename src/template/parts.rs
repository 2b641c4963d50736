//! Paths in a template, so that the parts of a struct that is NULL are NULL: `{{ review.title | default('-') }}`. The
//! engine would refuse the part of an undefined value, so a path is rewritten as calls of a function. Main function:
//! [`rewritten`].

use minijinja::{Error, Value as Jinja, machinery::Token};

use super::tokens::tokens;

/// The name of the function, which no template can mean.
pub(super) const FUNCTION: &str = "__part";

/// A part of a value; NULL if the value is NULL.
pub(super) fn part(value: &Jinja, name: &str) -> Result<Jinja, Error> {
    if value.is_undefined() || value.is_none() { Ok(Jinja::UNDEFINED) } else { value.get_attr(name) }
}

/// The text with `a.b.c` as `__part(__part(a,"b"),"c")`, on the same lines. Calls (`a.upper()`), the variables of a loop
/// and the target of a `set` stay as they are.
pub(super) fn rewritten(text: &str) -> String {
    let tokens = tokens(text);
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut at, mut in_target) = (0, 0, false);
    while let Some((token, span)) = tokens.get(at) {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).map(|(token, _)| token);
        match token {
            Token::Ident("set") if matches!(before, Some(Token::BlockStart)) => in_target = true,
            Token::Assign | Token::BlockEnd => in_target = false,
            Token::Ident(root) if !in_target && is_root(before, root) => {
                let mut names: Vec<&str> = Vec::new();
                let mut end = span.end;
                while let (Some((Token::Dot, _)), Some((Token::Ident(name), span))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    if matches!(tokens.get(at + 3), Some((Token::ParenOpen, _))) {
                        break;
                    }
                    names.push(name);
                    end = span.end;
                    at += 2;
                }
                if !names.is_empty() {
                    out.push_str(&text[copied..span.start]);
                    out.push_str(&format!("{FUNCTION}(").repeat(names.len()));
                    out.push_str(root);
                    names.iter().for_each(|name| out.push_str(&format!(",\"{name}\")")));
                    copied = end;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&text[copied..]);
    out
}

/// Whether a word is the first of a path that may be NULL.
fn is_root(before: Option<&Token<'_>>, word: &str) -> bool {
    !matches!(before, Some(Token::Dot | Token::Pipe)) && !matches!(word, "loop" | "self" | "super")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_calls_and_everything_else_is_unchanged() {
        for (text, wanted) in [
            ("a.b {{ a.b }}", "a.b {{ __part(a,\"b\") }}"),
            (
                "{{ a . b.c | default(d.e) }}!",
                "{{ __part(__part(a,\"b\"),\"c\") | default(__part(d,\"e\")) }}!",
            ),
            ("{{ a.b.upper() }}{{ a.upper() }}", "{{ __part(a,\"b\").upper() }}{{ a.upper() }}"),
            (
                "{% for x in a.b %}{{ loop.index }}{{ x.c }}{% endfor %}",
                "{% for x in __part(a,\"b\") %}{{ loop.index }}{{ __part(x,\"c\") }}{% endfor %}",
            ),
            (
                "{% set ns.found = a.b %}{{ ns.found }}",
                "{% set ns.found = __part(a,\"b\") %}{{ __part(ns,\"found\") }}",
            ),
            ("{{ etl.fields['x y'] }} {{ a[0].b }}", "{{ __part(etl,\"fields\")['x y'] }} {{ a[0].b }}"),
            (
                "{# a.b #}{{ 'a.b' }}{{ a.b is none }}{{ 1.5 }}",
                "{# a.b #}{{ 'a.b' }}{{ __part(a,\"b\") is none }}{{ 1.5 }}",
            ),
            ("Größe\n{{ ä.ö\n.c }}\n", "Größe\n{{ __part(__part(ä,\"ö\"),\"c\") }}\n"),
            ("{{ a.b", "{{ __part(a,\"b\")"),
        ] {
            assert_eq!(rewritten(text), wanted, "{text}");
        }
    }
}
