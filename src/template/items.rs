//! Checks parts of list items in a template: `{% for line in lines %}{{ line.total }}{% endfor %}` and `lines[0].total`
//! name fields with known types. Main function: [`unknown_parts`], called by `check`.

use std::ops::Range;

use minijinja::machinery::Token;

use crate::record::{ETL, LogicalType, Schema, same_name};

use super::tokens::tokens;

/// An unknown path, the valid alternatives to its last part, and its range.
pub(super) type UnknownPart = (String, Vec<String>, Range<usize>);

/// Names bound by a loop or a `set`, with their types if known.
type Scope = Vec<(String, Option<LogicalType>)>;

/// The parts that are missing in the types of list items.
pub(super) fn unknown_parts(text: &str, schema: &Schema) -> Vec<UnknownPart> {
    let tokens = tokens(text);
    let mut walk = Walk { tokens: &tokens, schema, scopes: vec![Scope::new()], found: Vec::new() };
    walk.all();
    walk.found
}

struct Walk<'a> {
    tokens: &'a [(Token<'a>, Range<usize>)],
    schema: &'a Schema,
    scopes: Vec<Scope>,
    found: Vec<UnknownPart>,
}

/// A resolved path.
struct Path {
    of: Option<LogicalType>,
    /// The index of the token after it.
    next: usize,
}

impl Walk<'_> {
    fn ident(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((Token::Ident(name), _)) => Some(name),
            _ => None,
        }
    }

    fn all(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = match &self.tokens[at].0 {
                Token::BlockStart => self.block(at + 1),
                // The name of a filter or a test is not a field.
                Token::Pipe => at + 2,
                Token::Ident("is") => at + 2 + usize::from(self.ident(at + 1) == Some("not")),
                Token::Dot => at + 2,
                Token::Ident(_) => self.path(at).next,
                _ => at + 1,
            };
        }
    }

    fn block(&mut self, at: usize) -> usize {
        match self.ident(at) {
            Some("for") => {
                let names: Vec<String> = (at + 1..self.tokens.len())
                    .take_while(|at| self.ident(*at) != Some("in"))
                    .filter_map(|at| self.ident(at).map(str::to_owned))
                    .collect();
                let after = (at + 1..self.tokens.len()).find(|at| self.ident(*at) == Some("in"));
                let Some(list) = after.map(|at| at + 1) else { return at + 1 };
                let (mut item, mut next) = (None, list);
                if self.ident(list).is_some() {
                    let path = self.path(list);
                    next = path.next;
                    // A filter returns another list.
                    let is_whole = matches!(self.tokens.get(next), Some((Token::BlockEnd, _)))
                        || matches!(self.ident(next), Some("if"));
                    item = path.of.filter(|_| is_whole).and_then(item_of);
                }
                let item = item.filter(|_| names.len() == 1);
                self.scopes.push(names.into_iter().map(|name| (name, item.clone())).collect());
                next
            }
            Some("endfor") => {
                if self.scopes.len() > 1 {
                    self.scopes.pop();
                }
                at + 1
            }
            Some("set") => {
                let Some(name) = self.ident(at + 1).map(str::to_owned) else { return at + 1 };
                let is_path = matches!(self.tokens.get(at + 2), Some((Token::Assign, _)));
                let path = (is_path && self.ident(at + 3).is_some()).then(|| self.path(at + 3));
                let is_whole = |path: &Path| matches!(self.tokens.get(path.next), Some((Token::BlockEnd, _)));
                let of = path.as_ref().filter(|path| is_whole(path)).and_then(|path| path.of.clone());
                let next = path.map_or(at + 2, |path| path.next);
                if let Some(scope) = self.scopes.last_mut() {
                    scope.push((name, of));
                }
                next
            }
            // A macro, an import or a call binds its own names.
            Some("macro" | "import" | "from" | "call" | "with") => (at..self.tokens.len())
                .find(|at| matches!(self.tokens[*at].0, Token::BlockEnd))
                .unwrap_or(at + 1),
            _ => at + 1,
        }
    }

    /// Follows a path while its types are known. Plain field paths are checked elsewhere; this checks parts of list
    /// items.
    fn path(&mut self, at: usize) -> Path {
        let root = self.ident(at).unwrap_or_default().to_owned();
        let local = self.scopes.iter().rev().flatten().find(|(name, _)| *name == root).cloned();
        let mut is_item = local.is_some();
        let mut of = match local {
            Some((_, of)) => of,
            None if root == ETL => None,
            None => self.schema.get(&root).map(|field| field.datatype.clone()),
        };
        let (mut name, mut next) = (root, at + 1);
        loop {
            match (self.tokens.get(next).map(|(token, _)| token), self.tokens.get(next + 1)) {
                (Some(Token::Dot), Some((Token::Ident(part), span))) => {
                    let whole = self.tokens[at].1.start..span.end;
                    next += 2;
                    let prefix = name.clone();
                    name = format!("{name}.{part}");
                    of = match of {
                        Some(LogicalType::Struct(fields)) => {
                            let known = fields.iter().find(|(field, _)| same_name(field, part));
                            if known.is_none() && is_item {
                                let known = fields.iter().map(|(field, _)| format!("{prefix}.{field}"));
                                self.found.push((name.clone(), known.collect(), whole));
                            }
                            known.map(|(_, of)| of.clone())
                        }
                        Some(
                            LogicalType::Varchar
                            | LogicalType::BigInt
                            | LogicalType::Double
                            | LogicalType::Boolean,
                        ) if is_item => {
                            self.found.push((name.clone(), Vec::new(), whole));
                            None
                        }
                        _ => None,
                    };
                }
                (Some(Token::BracketOpen), Some((Token::Int(_), _)))
                    if matches!(self.tokens.get(next + 2), Some((Token::BracketClose, _))) =>
                {
                    next += 3;
                    name.push_str("[…]");
                    is_item = true;
                    of = of.and_then(item_of);
                }
                _ => return Path { of, next },
            }
        }
    }
}

fn item_of(of: LogicalType) -> Option<LogicalType> {
    match of {
        LogicalType::List(item) | LogicalType::Array(item, _) => Some(*item),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse_type;

    #[test]
    fn parts_of_items_are_followed_through_loops_and_indices() {
        let schema = Schema::new([
            ("lines", parse_type("STRUCT(name VARCHAR, parts STRUCT(n BIGINT)[])[]")),
            ("text", LogicalType::Varchar),
            ("doc", parse_type("STRUCT(people STRUCT(name VARCHAR)[], j JSON)")),
        ]);
        let found = |text: &str| -> Vec<String> {
            let parts = unknown_parts(text, &schema).into_iter();
            parts.map(|(name, _, span)| format!("{name}@{}", &text[span])).collect()
        };
        for (text, wanted) in [
            ("{% for l in lines %}{{ l.name }}{{ l.nmae }}{% endfor %}", &["l.nmae@l.nmae"][..]),
            ("{% for l in lines if l.name %}{{ l.x }}{% endfor %}", &["l.x@l.x"]),
            (
                "{% for l in lines %}{% for p in l.parts %}{{ p.n }}{{ p.m }}{% endfor %}{{ p }}{% endfor %}",
                &["p.m@p.m"],
            ),
            ("{{ lines[0].nmae }}{{ lines[0].name }}", &["lines[…].nmae@lines[0].nmae"]),
            ("{% for p in doc.people %}{{ p.nam | upper }}{{ loop.index }}{% endfor %}", &["p.nam@p.nam"]),
            ("{% set q = lines[0] %}{{ q.nmae }}", &["q.nmae@q.nmae"]),
            ("{% for l in lines %}{{ l.name.x }}{% endfor %}", &["l.name.x@l.name.x"]),
            ("{% for l in lines | reverse %}{{ l.anything }}{% endfor %}", &[]),
            ("{% for k, v in doc.items() %}{{ k.x }}{{ v.y }}{% endfor %}", &[]),
            ("{% for w in text %}{{ w.x }}{% endfor %}{{ doc.j.deep.deeper }}{{ etl.fields.x }}", &[]),
            ("{% macro m(l) %}{{ l.x }}{% endmacro %}{{ 'l.x' }}", &[]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }
}
