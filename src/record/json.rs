//! JSON ↔ typed values: numbers are parsed from their text, without loss, and printed with their own
//! scale. Main functions: [`from_json`], [`write_json`].

use std::{fmt::Write, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{LogicalType, Value, double, same_name};

/// A value that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}found {found}, expected {expected}", if .path.is_empty() { String::new() } else { format!("`{}`: ", .path) })]
pub struct Misfit {
    /// The path in the value: `lines.3.total`.
    pub path: String,
    /// What was found.
    pub found: String,
    /// The expected type.
    pub expected: String,
}

/// The typed value of a JSON text.
///
/// # Errors
/// A value that does not fit its type, with its path.
pub fn from_json(text: &str, of: &LogicalType) -> Result<Value, Misfit> {
    let misfit = || Misfit { path: String::new(), found: shown(text), expected: of.sql() };
    let text = text.trim();
    if text == "null" {
        return Ok(Value::Null);
    }
    match of {
        LogicalType::Json => Ok(Value::from(text)),
        LogicalType::List(item) | LogicalType::Array(item, _) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| misfit())?;
            let items = items
                .iter()
                .enumerate()
                .map(|(at, raw)| from_json(raw.get(), item).map_err(|m| m.at(&at.to_string())));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        LogicalType::Struct(fields) => {
            let Entries(entries) = serde_json::from_str(text).map_err(|_| misfit())?;
            let values = fields.iter().map(|(name, of)| {
                let found = entries.iter().rev().find(|(key, _)| key == name);
                let found = found.or_else(|| entries.iter().rev().find(|(key, _)| same_name(key, name)));
                found.map_or(Ok(Value::Null), |(_, raw)| from_json(raw.get(), of).map_err(|m| m.at(name)))
            });
            Ok(Value::Struct(values.collect::<Result<_, _>>()?))
        }
        LogicalType::Boolean => text.parse().map(Value::Boolean).map_err(|_| misfit()),
        LogicalType::Double => double_of(text).map(Value::Double).ok_or_else(misfit),
        of if of.is_number() => exact(text, of).ok_or_else(misfit),
        of => {
            let string: String = serde_json::from_str(text).map_err(|_| misfit())?;
            leaf(&string, of).ok_or_else(misfit)
        }
    }
}

impl Misfit {
    fn at(mut self, step: &str) -> Self {
        self.path = if self.path.is_empty() { step.to_owned() } else { format!("{step}.{}", self.path) };
        self
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn number(text: &str) -> Option<&str> {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(text)
}

/// A number as a DOUBLE; `None` for an integer that DOUBLE cannot hold exactly.
fn double_of(text: &str) -> Option<f64> {
    let value: f64 = number(text)?.parse().ok().filter(|value: &f64| value.is_finite())?;
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let held = !is_whole || text.parse::<i128>().is_ok_and(|exact| value as i128 == exact);
    held.then_some(value)
}

/// The paths of fields in a JSON text that are not in its type.
pub fn left_out(text: &str, of: &LogicalType) -> Vec<String> {
    let mut found = Vec::new();
    leave_out(text.trim(), of, "", &mut found);
    found
}

fn leave_out(text: &str, of: &LogicalType, path: &str, found: &mut Vec<String>) {
    match of {
        LogicalType::List(item) | LogicalType::Array(item, _) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            items.iter().for_each(|raw| leave_out(raw.get().trim(), item, path, found));
        }
        LogicalType::Struct(fields) => {
            let Ok(Entries(entries)) = serde_json::from_str(text) else { return };
            for (name, raw) in &entries {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match fields.iter().find(|(known, _)| same_name(known, name)) {
                    Some((_, of)) => leave_out(raw.get().trim(), of, &inner, found),
                    None if !found.contains(&inner) => found.push(inner),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// A number of an exact type, parsed without loss.
fn exact(text: &str, of: &LogicalType) -> Option<Value> {
    let (negative, digits, scale) = decimal(number(text)?)?;
    let sign = if negative && digits.bytes().any(|digit| digit != b'0') { "-" } else { "" };
    if let LogicalType::Decimal { width, scale: has } = of {
        let has = usize::from(*has);
        let (whole, behind) = digits.split_at(digits.len() - scale);
        let behind = behind.trim_end_matches('0');
        let whole = whole.trim_start_matches('0');
        if behind.len() > has || whole.len() > usize::from(*width) - has {
            return None;
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if has > 0 { "." } else { "" };
        return Some(Value::from(format!("{sign}{whole}{point}{behind:0<has$}")));
    }
    let (whole, behind) = digits.split_at(digits.len() - scale);
    if behind.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let text = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    let fits =
        |least: i128, most: i128| text.parse::<i128>().is_ok_and(|value| (least..=most).contains(&value));
    let small = |least: i64, most: i64| {
        fits(least.into(), most.into()).then(|| text.parse().map(Value::Integer).ok()).flatten()
    };
    match of {
        LogicalType::TinyInt => small(i8::MIN.into(), i8::MAX.into()),
        LogicalType::SmallInt => small(i16::MIN.into(), i16::MAX.into()),
        LogicalType::Integer => small(i32::MIN.into(), i32::MAX.into()),
        LogicalType::BigInt => small(i64::MIN, i64::MAX),
        LogicalType::UTinyInt => small(0, u8::MAX.into()),
        LogicalType::USmallInt => small(0, u16::MAX.into()),
        LogicalType::UInteger => small(0, u32::MAX.into()),
        LogicalType::UBigInt => fits(0, u64::MAX.into()).then(|| Value::from(text)),
        LogicalType::HugeInt => fits(i128::MIN, i128::MAX).then(|| Value::from(text)),
        LogicalType::UHugeInt => text.parse::<u128>().ok().map(|_| Value::from(text)),
        _ => text.parse::<f32>().ok().map(|_| Value::from(text)),
    }
}

/// The sign of a JSON number, its digits without the decimal point, and the number of decimals.
fn decimal(text: &str) -> Option<(bool, String, usize)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{behind}");
    let mut scale = behind.len() as i64 - exponent;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) || !(-400..=400).contains(&scale) {
        return None;
    }
    if scale < 0 {
        digits.push_str(&"0".repeat(usize::try_from(-scale).ok()?));
        scale = 0;
    }
    let scale = usize::try_from(scale).ok()?;
    if digits.len() < scale {
        digits = format!("{}{digits}", "0".repeat(scale - digits.len()));
    }
    Some((negative, digits, scale))
}

/// The value of a leaf written as a JSON string.
fn leaf(text: &str, of: &LogicalType) -> Option<Value> {
    match of {
        // A NUL does not survive the transfer to DuckDB.
        _ if text.contains('\0') => None,
        LogicalType::Date => {
            let date: jiff::civil::Date = text.parse().ok()?;
            Some(Value::from(date.to_string()))
        }
        LogicalType::Timestamp => utc(text).map(|at| Value::from(at.to_string().replace('T', " "))),
        _ => Some(Value::from(text)),
    }
}

/// An instant in UTC, from a date-time with an offset or, without one, in UTC.
fn utc(text: &str) -> Option<jiff::civil::DateTime> {
    // A leap second would be parsed as the second before it.
    if text.contains(":60") {
        return None;
    }
    let (local, offset) = offset_of(text)?;
    let at: jiff::civil::DateTime = local.parse().ok()?;
    let at = at.checked_sub(jiff::Span::new().seconds(offset)).ok()?;
    // A TIMESTAMP has microseconds, and values are not rounded.
    (at.subsec_nanosecond() % 1000 == 0).then_some(at)
}

/// A date-time without its offset, and the offset in seconds.
fn offset_of(text: &str) -> Option<(&str, i64)> {
    let time = text.find(['T', 't', ' ']).map_or(text.len(), |at| at + 1);
    let Some(at) = text[time..].find(['Z', 'z', '+', '-']).map(|at| time + at) else {
        return Some((text, 0));
    };
    let (local, offset) = text.split_at(at);
    let seconds = match offset {
        "Z" | "z" => 0,
        _ => {
            let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
            let number = |from: usize| digits.get(from..from + 2).map_or(Some(0), |two| two.parse().ok());
            let (hours, minutes): (i64, i64) = (number(0)?, number(2)?);
            let seconds = hours * 3600 + minutes * 60;
            if offset.starts_with('-') { -seconds } else { seconds }
        }
    };
    Some((local, seconds))
}

/// The entries of an object, in order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A value as JSON.
pub fn json_text(value: &Value, of: &LogicalType) -> String {
    let mut out = String::new();
    write_json(value, of, &mut out);
    out
}

/// Writes a value as JSON: exact numbers with all digits, and values that JSON cannot represent as strings.
pub fn write_json(value: &Value, of: &LogicalType, out: &mut String) {
    match (value, of) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::Integer(value), _) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
        }
        (Value::Double(value), _) => match value.is_finite() {
            true => out.push_str(&double(*value)),
            false => string(&double(*value), out),
        },
        (Value::Text(text), LogicalType::Json) => out.push_str(text),
        (Value::Text(text), of) if of.is_number() && text.parse::<f64>().is_ok_and(f64::is_finite) => {
            out.push_str(text);
        }
        (Value::Text(text), _) => string(text, out),
        (Value::List(items), of) => {
            let item = match of {
                LogicalType::List(item) | LogicalType::Array(item, _) => item,
                _ => &LogicalType::Varchar,
            };
            list(items, |value, out| write_json(value, item, out), out);
        }
        (Value::Struct(values), LogicalType::Struct(fields)) => {
            out.push('{');
            for (at, ((name, of), value)) in fields.iter().zip(values.iter()).enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                string(name, out);
                out.push_str(": ");
                write_json(value, of, out);
            }
            out.push('}');
        }
        (Value::Struct(values), _) => {
            list(values, |value, out| write_json(value, &LogicalType::Varchar, out), out);
        }
    }
}

fn list(items: &Arc<[Value]>, each: impl Fn(&Value, &mut String), out: &mut String) {
    out.push('[');
    for (at, value) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        each(value, out);
    }
    out.push(']');
}

fn string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse_type;

    fn typed(text: &str, of: &str) -> Result<String, String> {
        let of = parse_type(of);
        from_json(text, &of).map(|value| json_text(&value, &of)).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        assert_eq!(typed("12345678901234567.89", "DECIMAL(38,2)"), Ok("12345678901234567.89".into()));
        assert_eq!(typed("12.5", "DECIMAL(18,2)"), Ok("12.50".into()));
        assert_eq!(typed("1.25e2", "DECIMAL(18,2)"), Ok("125.00".into()));
        assert_eq!(typed("-0.00", "DECIMAL(18,2)"), Ok("0.00".into()));
        assert_eq!(typed("3.0", "BIGINT"), Ok("3".into()));
        assert_eq!(typed("-9223372036854775808", "BIGINT"), Ok("-9223372036854775808".into()));
        assert_eq!(
            typed("170141183460469231731687303715884105727", "HUGEINT"),
            Ok("170141183460469231731687303715884105727".into())
        );
        assert_eq!(typed("1e300", "DOUBLE"), Ok("1e+300".into()));
    }

    #[test]
    fn what_does_not_fit_says_where() {
        assert_eq!(typed("12.555", "DECIMAL(18,2)"), Err("found 12.555, expected DECIMAL(18,2)".into()));
        assert_eq!(
            typed("9223372036854775808", "BIGINT"),
            Err("found 9223372036854775808, expected BIGINT".into())
        );
        assert_eq!(
            typed(r#"{"lines": [{"total": 1}, {"total": 1.5}]}"#, "STRUCT(lines STRUCT(total BIGINT)[])"),
            Err("`lines.1.total`: found 1.5, expected BIGINT".into())
        );
        assert_eq!(typed("\"2026-02-30\"", "DATE"), Err("found \"2026-02-30\", expected DATE".into()));
        assert_eq!(typed("3", "VARCHAR"), Err("found 3, expected VARCHAR".into()));
    }

    #[test]
    fn what_no_column_holds_does_not_fit() {
        for (text, of) in [
            ("9007199254740993", "DOUBLE"),
            ("1e999", "DOUBLE"),
            (r#""a\u0000b""#, "VARCHAR"),
            (r#""2016-12-31T23:59:60Z""#, "TIMESTAMP"),
            (r#""2026-02-17T08:30:00.1234567Z""#, "TIMESTAMP"),
            (r#""9999-12-31T23:59:59-01:00""#, "TIMESTAMP"),
        ] {
            assert!(typed(text, of).is_err(), "{text} {of}: {:?}", typed(text, of));
        }
        assert_eq!(typed("9007199254740992", "DOUBLE"), Ok("9007199254740992.0".into()));
        for (text, utc) in [
            ("9999-12-31T23:59:59Z", "9999-12-31 23:59:59"),
            ("2026-02-17T09:30:00+01:00", "2026-02-17 08:30:00"),
            ("2026-02-17t00:30:00.5-0530", "2026-02-17 06:00:00.5"),
        ] {
            assert_eq!(typed(&format!("\"{text}\""), "TIMESTAMP"), Ok(format!("\"{utc}\"")), "{text}");
        }
        assert_eq!(typed("0.1", "DOUBLE"), Ok("0.1".into()));
        assert_eq!(
            typed(r#""2026-02-17T08:30:00.123456Z""#, "TIMESTAMP"),
            Ok("\"2026-02-17 08:30:00.123456\"".into())
        );
        let of = parse_type("STRUCT(a VARCHAR, b STRUCT(c BIGINT)[])");
        let text = r#"{"a": "x", "more": 1, "b": [{"c": 1, "d": 2}, {"d": 3}]}"#;
        assert_eq!(left_out(text, &of), ["more", "b.d"]);
    }

    #[test]
    fn structs_are_read_by_name_and_null_fits_everywhere() {
        let of = "STRUCT(a VARCHAR, b BIGINT[], c JSON)";
        assert_eq!(
            typed(r#"{"b": [1, null], "more": 2, "c": {"x": 1.10}}"#, of),
            Ok(r#"{"a": null, "b": [1, null], "c": {"x": 1.10}}"#.into())
        );
        assert_eq!(typed("\"2026-02-17T09:30:00+01:00\"", "TIMESTAMP"), Ok("\"2026-02-17 08:30:00\"".into()));
    }
}
