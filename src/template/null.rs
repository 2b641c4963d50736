//! Finds references to nullable values without a guard. Main function: [`unguarded`], called when a spec is
//! checked.

use std::ops::Range;

use minijinja::machinery::Token;

use super::tokens::tokens;

/// A path such as `review.summary` in a template, and its byte range.
type Named = (String, Range<usize>);

/// The plain references to paths that may be NULL: not followed by `default`, not in a branch that tests the path, not
/// tested or combined with `or`. `may_be_null` returns the path and those of its parents that are the reason: a branch
/// that tests all of these is a guard.
pub fn unguarded(text: &str, may_be_null: &dyn Fn(&str) -> Vec<String>) -> Vec<Named> {
    let mut found = Vec::new();
    let mut branches: Vec<Vec<String>> = Vec::new();
    let mut inside: Option<Part> = None;
    let tokens = tokens(text);
    let mut at = 0;
    while let Some((token, span)) = tokens.get(at) {
        at += 1;
        match token {
            Token::VariableStart | Token::BlockStart => inside = Some(Part::default()),
            Token::VariableEnd | Token::BlockEnd => {
                let part = inside.take().unwrap_or_default();
                match part.word.as_deref() {
                    Some("if") => branches.push(part.names()),
                    Some("elif") => {
                        if let Some(known) = branches.last_mut() {
                            known.extend(part.names());
                        }
                    }
                    Some("endif") => drop(branches.pop()),
                    _ if part.is_conditional => {}
                    _ => {
                        let known =
                            |name: &String| branches.iter().flatten().any(|guard| guards(guard, name));
                        let is_open = |name: &str| may_be_null(name).iter().any(|reason| !known(reason));
                        found.extend(part.open.into_iter().filter(|(name, _)| is_open(name)));
                    }
                }
            }
            Token::Ident(word) => {
                let Some(part) = &mut inside else { continue };
                if part.is_first() && matches!(*word, "if" | "elif" | "endif" | "else" | "for" | "set") {
                    part.word = Some((*word).to_owned());
                    continue;
                }
                if matches!(*word, "if" | "or" | "is") {
                    part.is_conditional |= part.word.is_none();
                    continue;
                }
                let mut path = (*word).to_owned();
                let mut end = span.end;
                while let (Some((Token::Dot, _)), Some((Token::Ident(next), span))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    path = format!("{path}.{next}");
                    end = span.end;
                    at += 2;
                }
                let has_default = matches!(
                    (tokens.get(at), tokens.get(at + 1)),
                    (Some((Token::Pipe, _)), Some((Token::Ident("default" | "d"), _)))
                );
                part.add(path, span.start..end, has_default);
            }
            Token::Pipe => {
                // The name of a filter is not a field.
                at += usize::from(inside.is_some() && matches!(tokens.get(at), Some((Token::Ident(_), _))));
            }
            _ => {}
        }
    }
    found
}

/// The content of `{{ … }}` or `{% … %}`.
#[derive(Default)]
struct Part {
    word: Option<String>,
    /// Every path in it.
    all: Vec<String>,
    /// Those without a default.
    open: Vec<Named>,
    /// Whether it contains a condition of its own.
    is_conditional: bool,
}

impl Part {
    fn is_first(&self) -> bool {
        self.word.is_none() && self.all.is_empty()
    }

    fn add(&mut self, path: String, span: Range<usize>, has_default: bool) {
        if !has_default {
            self.open.push((path.clone(), span));
        }
        self.all.push(path);
    }

    fn names(self) -> Vec<String> {
        self.all
    }
}

/// Whether testing the path `guard` implies that `name` is not NULL.
fn guards(guard: &str, name: &str) -> bool {
    let (guard, name) = (guard.to_lowercase(), name.to_lowercase());
    guard == name || guard.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_references_are_found_and_guarded_ones_are_not() {
        let found = |text: &str| -> Vec<String> {
            let may_be = |name: &str| match name {
                "x" | "a.b" => vec![name.to_owned()],
                "s.part" => vec!["s".to_owned()],
                _ => Vec::new(),
            };
            unguarded(text, &may_be)
                .into_iter()
                .map(|(name, span)| format!("{name}={}", &text[span]))
                .collect()
        };
        for (text, wanted) in [
            ("{{ x }}", &["x=x"][..]),
            ("{{ y }}{{ a.c }}{{ a }}", &[]),
            ("{{ a.b | upper }} {{ x ~ 'x' }}", &["a.b=a.b", "x=x"]),
            ("{{ x | default('-') }}{{ a.b|d('') }}", &[]),
            ("{% if x %}{{ x }}{% else %}{{ x }}{% endif %}{{ x }}", &["x=x"]),
            ("{% if a.b %}{{ a.b }}{% endif %}", &[]),
            ("{% if s %}{{ s.part }}{% endif %}{% if s is none %}-{% else %}{{ s.part }}{% endif %}", &[]),
            ("{% if y %}{{ s.part }}{% endif %}", &["s.part=s.part"]),
            ("{% if y %}{{ x }}{% elif a.b %}{{ a.b }}{% endif %}", &["x=x"]),
            ("{{ x or 'none' }}{{ x if x else '' }}{{ x is none }}", &[]),
            ("{% for i in x %}{{ i }}{% endfor %}", &["x=x"]),
            ("x a.b {# {{ x }} #}{{ 'x' }}{{ y | x }}", &[]),
            ("{{ x ", &[]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }
}
