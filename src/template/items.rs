//! Follows paths in a template by their types: `{% for line in lines %}{{ line.total }}{% endfor %}`, `lines[0].total` and
//! `etl.fields["Ticket No"]` name fields with known types. Main functions: [`unknown_parts`] and [`exact_numbers`], called
//! by `check`.

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
    walk(text, schema, |walk| walk.found)
}

/// A path to an exact number, its type, and its range.
pub(super) type ExactNumber = (String, LogicalType, Range<usize>);

/// The paths to numbers that a template holds as text, where it compares them or calculates with them.
pub(super) fn exact_numbers(text: &str, schema: &Schema) -> Vec<ExactNumber> {
    walk(text, schema, |walk| walk.exact)
}

fn walk<T>(text: &str, schema: &Schema, result: impl FnOnce(Walk<'_>) -> T) -> T {
    let tokens = tokens(text);
    let scopes = vec![Scope::new()];
    let mut walk = Walk { tokens: &tokens, schema, scopes, found: Vec::new(), exact: Vec::new() };
    walk.all();
    result(walk)
}

struct Walk<'a> {
    tokens: &'a [(Token<'a>, Range<usize>)],
    schema: &'a Schema,
    scopes: Vec<Scope>,
    found: Vec<UnknownPart>,
    exact: Vec<ExactNumber>,
}

/// A resolved path.
struct Path {
    name: String,
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
                Token::Ident(_) => {
                    let path = self.path(at);
                    self.calculates(at, &path);
                    path.next
                }
                _ => at + 1,
            };
        }
    }

    /// Notes a path to an exact number beside an operator.
    fn calculates(&mut self, at: usize, path: &Path) {
        use LogicalType::{Decimal, HugeInt, UBigInt, UHugeInt};
        let Some(of @ (Decimal { .. } | HugeInt | UBigInt | UHugeInt)) = &path.of else { return };
        let token = |at: Option<usize>| at.and_then(|at| self.tokens.get(at)).map(|(token, _)| token);
        let is_text = |at: Option<usize>| matches!(token(at), Some(Token::Str(_) | Token::String(_)));
        let (before, after) = (at.checked_sub(1), Some(path.next));
        let calculates = match token(after) {
            // The filter is applied first.
            Some(Token::Pipe) => matches!(self.ident(path.next + 1), Some("round" | "abs")),
            _ => {
                (is_operator(token(after)) && !is_text(Some(path.next + 1)))
                    || (is_operator(token(before)) && !is_text(at.checked_sub(2)))
            }
        };
        if calculates {
            let span = self.tokens[at].1.start..self.tokens[path.next - 1].1.end;
            self.exact.push((path.name.clone(), of.clone(), span));
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
        let is_etl = root == ETL;
        let (mut name, mut next) = (root, at + 1);
        // All fields by name, for names that are not identifiers.
        if is_etl
            && self.ident(next + 1) == Some("fields")
            && matches!(self.tokens.get(next), Some((Token::Dot, _)))
        {
            next += 2;
            let fields =
                self.schema.fields().iter().map(|field| (field.name.to_string(), field.datatype.clone()));
            of = Some(LogicalType::Struct(fields.filter(|(name, _)| name != ETL).collect()));
            name = "etl.fields".to_owned();
            is_item = true;
        }
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
                (Some(Token::BracketOpen), Some((part @ (Token::Str(_) | Token::String(_)), span)))
                    if matches!(self.tokens.get(next + 2), Some((Token::BracketClose, _))) =>
                {
                    let part = match part {
                        Token::Str(part) => (*part).to_owned(),
                        Token::String(part) => part.to_string(),
                        _ => String::new(),
                    };
                    let prefix = std::mem::take(&mut name);
                    name = format!("{prefix}[\"{part}\"]");
                    next += 3;
                    of = match of {
                        Some(LogicalType::Struct(fields)) => {
                            let known = fields.iter().find(|(field, _)| same_name(field, &part));
                            if known.is_none() {
                                let known = fields.iter().map(|(field, _)| format!("{prefix}[\"{field}\"]"));
                                self.found.push((name.clone(), known.collect(), span.clone()));
                            }
                            known.map(|(_, of)| of.clone())
                        }
                        _ => None,
                    };
                    is_item = true;
                }
                (Some(Token::BracketOpen), Some((Token::Int(_), _)))
                    if matches!(self.tokens.get(next + 2), Some((Token::BracketClose, _))) =>
                {
                    next += 3;
                    name.push_str("[…]");
                    is_item = true;
                    of = of.and_then(item_of);
                }
                _ => return Path { name, of, next },
            }
        }
    }
}

fn is_operator(token: Option<&Token<'_>>) -> bool {
    use Token::{Div, Eq, FloorDiv, Gt, Gte, Lt, Lte, Minus, Mod, Mul, Ne, Plus, Pow};
    matches!(token, Some(Div | Eq | FloorDiv | Gt | Gte | Lt | Lte | Minus | Mod | Mul | Ne | Plus | Pow))
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
    fn names_in_brackets_are_followed() {
        let schema = Schema::new([
            ("Ticket No", LogicalType::Varchar),
            ("product", parse_type("STRUCT(\"unit price\" DOUBLE, name VARCHAR)")),
        ]);
        for (text, wanted) in [
            (
                "{{ etl.fields['Ticket No'] }}{{ etl.fields.product.name }}{{ product['unit price'] }}",
                &[][..],
            ),
            ("{{ etl.fields['Tickt No'] | default('-') }}", &["etl.fields[\"Tickt No\"]"]),
            ("{{ etl.fields.prodct }}", &["etl.fields.prodct"]),
            ("{{ product['unit prce'] }}", &["product[\"unit prce\"]"]),
            ("{{ etl.key['x'] }}{{ etl.failure.reason }}", &[]),
        ] {
            let found = unknown_parts(text, &schema).into_iter().map(|(name, ..)| name);
            assert_eq!(found.collect::<Vec<_>>(), wanted, "{text}");
        }
    }

    #[test]
    fn exact_numbers_are_found_where_a_template_calculates() {
        let schema = Schema::new([
            ("stars", LogicalType::Decimal { width: 3, scale: 1 }),
            ("total", LogicalType::HugeInt),
            ("n", LogicalType::BigInt),
            ("lines", parse_type("STRUCT(price DECIMAL(9,2), name VARCHAR)[]")),
        ]);
        for (text, wanted) in [
            ("{% if stars > 3 %}a{% endif %}", &["stars"][..]),
            ("{{ 2 * stars }} {{ total + 1 }}", &["stars", "total"]),
            ("{% if n == total %}{% endif %}{{ stars | round }}", &["total", "stars"]),
            (
                "{% for l in lines %}{% if l.price >= 100 %}{% endif %}{% endfor %}{{ lines[0].price / 2 }}",
                &["l.price", "lines[…].price"],
            ),
            (
                "{{ stars }} {{ stars ~ '!' }} {{ n * 2 }} {{ stars | float > 3 }} {{ 3 < stars | float }}",
                &[],
            ),
            (
                "{% if stars == '4.5' %}{% endif %}{% if stars in ['1'] %}{% endif %}{% if '1' != stars %}{% endif %}",
                &[],
            ),
        ] {
            let found = exact_numbers(text, &schema).into_iter().map(|(name, ..)| name);
            assert_eq!(found.collect::<Vec<_>>(), wanted, "{text}");
        }
    }

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
            ("{% for w in text %}{{ w.x }}{% endfor %}{{ doc.j.deep.deeper }}{{ etl.fields.text }}", &[]),
            ("{% macro m(l) %}{{ l.x }}{% endmacro %}{{ 'l.x' }}", &[]),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
    }
}
