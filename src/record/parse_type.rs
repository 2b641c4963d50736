//! DuckDB's type notation → [`LogicalType`].

use super::LogicalType;

/// Parses a type as printed by DuckDB: `STRUCT(a INTEGER, "b c" DECIMAL(18,3)[])`. An unknown type becomes
/// [`LogicalType::Other`].
pub fn parse(text: &str) -> LogicalType {
    let text = text.trim();
    if let Some((inner, length)) = suffix(text) {
        let of = Box::new(parse(inner));
        return match length {
            "" => LogicalType::List(of),
            length => match length.parse() {
                Ok(length) => LogicalType::Array(of, length),
                Err(_) => LogicalType::Other(text.to_owned()),
            },
        };
    }
    let (name, inside) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')').unwrap_or(rest)),
        None => (text, ""),
    };
    match name.to_ascii_uppercase().as_str() {
        "BOOLEAN" | "BOOL" => LogicalType::Boolean,
        "TINYINT" => LogicalType::TinyInt,
        "SMALLINT" => LogicalType::SmallInt,
        "INTEGER" | "INT" | "INT4" => LogicalType::Integer,
        "BIGINT" | "INT8" | "LONG" => LogicalType::BigInt,
        "HUGEINT" => LogicalType::HugeInt,
        "UTINYINT" => LogicalType::UTinyInt,
        "USMALLINT" => LogicalType::USmallInt,
        "UINTEGER" => LogicalType::UInteger,
        "UBIGINT" => LogicalType::UBigInt,
        "UHUGEINT" => LogicalType::UHugeInt,
        "FLOAT" | "REAL" => LogicalType::Float,
        "DOUBLE" => LogicalType::Double,
        "DECIMAL" | "NUMERIC" => decimal(inside).unwrap_or_else(|| LogicalType::Other(text.to_owned())),
        "VARCHAR" | "TEXT" | "STRING" => LogicalType::Varchar,
        "JSON" => LogicalType::Json,
        "BLOB" => LogicalType::Blob,
        "UUID" => LogicalType::Uuid,
        "DATE" => LogicalType::Date,
        "TIME" => LogicalType::Time,
        "TIMESTAMP" | "DATETIME" => LogicalType::Timestamp,
        "TIMESTAMP_S" => LogicalType::TimestampS,
        "TIMESTAMP_MS" => LogicalType::TimestampMs,
        "TIMESTAMP_NS" => LogicalType::TimestampNs,
        "TIMESTAMP WITH TIME ZONE" | "TIMESTAMPTZ" => LogicalType::TimestampTz,
        "INTERVAL" => LogicalType::Interval,
        "STRUCT" => structure(inside).unwrap_or_else(|| LogicalType::Other(text.to_owned())),
        _ => LogicalType::Other(text.to_owned()),
    }
}

/// `T[]` and `T[3]`: the item type and the text between the brackets.
fn suffix(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_suffix(']')?;
    let (inner, length) = rest.rsplit_once('[')?;
    length.chars().all(|c| c.is_ascii_digit()).then_some((inner, length))
}

fn decimal(inside: &str) -> Option<LogicalType> {
    if inside.is_empty() {
        return Some(LogicalType::Decimal { width: 18, scale: 3 });
    }
    let (width, scale) = inside.split_once(',').unwrap_or((inside, "0"));
    Some(LogicalType::Decimal { width: width.trim().parse().ok()?, scale: scale.trim().parse().ok()? })
}

fn structure(inside: &str) -> Option<LogicalType> {
    let fields = parts(inside).into_iter().map(field);
    fields.collect::<Option<Vec<_>>>().filter(|fields| !fields.is_empty()).map(LogicalType::Struct)
}

fn field(text: &str) -> Option<(String, LogicalType)> {
    let text = text.trim();
    if !text.starts_with('"') {
        let (name, of) = text.split_once(' ')?;
        return Some((name.to_owned(), parse(of)));
    }
    let mut name = String::new();
    let mut rest = text[1..].char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' if rest.peek().is_some_and(|(_, next)| *next == '"') => {
                rest.next();
                name.push('"');
            }
            '"' => return Some((name, parse(&text[1 + at + 1..]))),
            c => name.push(c),
        }
    }
    None
}

/// Splits at commas outside parentheses and quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quoted) = (Vec::new(), 0_usize, 0, None);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(quote), c) if c == quote => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quoted = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_duckdb_prints_is_read() {
        for text in [
            "BIGINT",
            "DECIMAL(38,10)[]",
            "STRUCT(\"a\" INTEGER, \"b, (c)\" VARCHAR[][3], \"d\"\"e\" STRUCT(\"f\" TIMESTAMP WITH TIME ZONE))",
            "FLOAT[1024]",
        ] {
            assert_eq!(parse(text).sql(), text);
        }
        assert_eq!(
            parse("STRUCT(a INTEGER, b MAP(VARCHAR, INTEGER))"),
            LogicalType::Struct(vec![
                ("a".into(), LogicalType::Integer),
                ("b".into(), LogicalType::Other("MAP(VARCHAR, INTEGER)".into())),
            ])
        );
        assert_eq!(parse("ENUM('a', 'b)')"), LogicalType::Other("ENUM('a', 'b)')".into()));
        assert_eq!(parse("ENUM('a')[]"), LogicalType::List(Box::new(LogicalType::Other("ENUM('a')".into()))));
    }
}
