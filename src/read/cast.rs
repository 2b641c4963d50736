//! A text → the value of a type declared in `types:`. Main type: [`Cast`].
//!
//! Common types are parsed here; DuckDB casts the rest (times with zones, intervals, enums, …).

use std::cell::OnceCell;

use duckdb::Connection;

use crate::{
    record::{LogicalType, Value, double},
    sql,
};

use super::{
    jsonl::{decimal, is_json, nested},
    proof,
};

/// Casts texts; DuckDB is started on first use.
#[derive(Default)]
pub(super) struct Cast {
    connection: OnceCell<Option<Connection>>,
}

impl Cast {
    /// The value of a text; `None` if the text is invalid for the type, or would lose information.
    pub(super) fn value(&self, text: &str, of: &LogicalType) -> Option<Value> {
        let trimmed = text.trim();
        match of {
            LogicalType::Varchar => Some(text.into()),
            LogicalType::Json => is_json(text).then(|| text.into()),
            LogicalType::Boolean => match &*trimmed.to_ascii_lowercase() {
                "true" | "t" | "1" | "yes" | "y" => Some(true.into()),
                "false" | "f" | "0" | "no" | "n" => Some(false.into()),
                _ => None,
            },
            of if of.is_small_integer() => integer(trimmed, of).map(Value::Integer),
            LogicalType::HugeInt => trimmed
                .parse()
                .ok()
                .filter(|value| *value != i128::MIN)
                .map(|value: i128| value.to_string().into()),
            LogicalType::UBigInt => trimmed.parse().ok().map(|value: u64| value.to_string().into()),
            LogicalType::UHugeInt => trimmed.parse().ok().map(|value: u128| value.to_string().into()),
            LogicalType::Double => {
                let value: f64 = trimmed.parse().ok()?;
                // A number out of range is not infinite.
                let is_overflow = value.is_infinite() && trimmed.bytes().any(|b| b.is_ascii_digit());
                (!is_overflow).then_some(Value::Double(value))
            }
            LogicalType::Float => trimmed
                .parse()
                .ok()
                .map(|value: f32| double(value.to_string().parse().unwrap_or(f64::NAN)).into()),
            LogicalType::Decimal { width, scale } => decimal(trimmed, *width, *scale).map(Value::from),
            LogicalType::Date if proof::is_date(trimmed.as_bytes()) => Some(trimmed.into()),
            LogicalType::Timestamp => match proof::is_timestamp(trimmed.as_bytes()) {
                true => Some(trimmed.into()),
                false => {
                    let spaced = trimmed.replacen('T', " ", 1);
                    match proof::is_timestamp(spaced.as_bytes()) {
                        true => Some(spaced.into()),
                        false => self.by_duckdb(trimmed, of),
                    }
                }
            },
            LogicalType::List(_) | LogicalType::Array(..) | LogicalType::Struct(_) => {
                nested(text, of, &|text, of| self.value(text, of))
            }
            of => self.by_duckdb(trimmed, of),
        }
    }

    /// Checks that DuckDB knows a type.
    pub(super) fn check(&self, of: &LogicalType) -> Result<(), String> {
        let connection = self.connection().ok_or("DuckDB does not start")?;
        let known = connection.prepare(&format!("SELECT CAST(NULL AS {})", of.sql()));
        known.map(drop).map_err(|error| sql::reason(&sql::message(&error)))
    }

    fn by_duckdb(&self, text: &str, of: &LogicalType) -> Option<Value> {
        let sql = format!("SELECT CAST(TRY_CAST(? AS {}) AS VARCHAR)", of.sql());
        let mut statement = self.connection()?.prepare_cached(&sql).ok()?;
        let cast = statement.query_row([text], |row| row.get::<_, Option<String>>(0));
        cast.ok().flatten().map(Value::from)
    }

    fn connection(&self) -> Option<&Connection> {
        self.connection.get_or_init(|| Connection::open_in_memory().ok()).as_ref()
    }
}

fn integer(text: &str, of: &LogicalType) -> Option<i64> {
    let value: i64 = text.parse().ok()?;
    let (least, most) = match of {
        LogicalType::TinyInt => (i64::from(i8::MIN), i64::from(i8::MAX)),
        LogicalType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        LogicalType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        LogicalType::UTinyInt => (0, i64::from(u8::MAX)),
        LogicalType::USmallInt => (0, i64::from(u16::MAX)),
        LogicalType::UInteger => (0, i64::from(u32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    (least..=most).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse_type;

    #[test]
    fn a_text_becomes_the_type_that_is_said_or_nothing() {
        let cast = Cast::default();
        for (text, of, wanted) in [
            ("007", "INTEGER", Some(Value::Integer(7))),
            ("2147483648", "INTEGER", None),
            ("-1", "UTINYINT", None),
            ("1.5", "BIGINT", None),
            ("5", "DECIMAL(10,2)", Some("5.00".into())),
            ("1.005", "DECIMAL(10,2)", None),
            ("1.500", "DECIMAL(10,2)", Some("1.50".into())),
            ("99999999999", "DECIMAL(10,2)", None),
            ("1E5", "DOUBLE", Some(Value::Double(1e5))),
            ("0.1", "FLOAT", Some("0.1".into())),
            ("F", "BOOLEAN", Some(false.into())),
            ("NA", "BOOLEAN", None),
            ("2024-02-30", "DATE", None),
            ("01/02/2024", "DATE", None),
            ("2024-01-02T03:04:05", "TIMESTAMP", Some("2024-01-02 03:04:05".into())),
            ("2024-01-02T03:04:05Z", "TIMESTAMP", Some("2024-01-02 03:04:05".into())),
            ("25:30", "TIME", None),
            ("09:30:00", "TIME", Some("09:30:00".into())),
            (
                "b8acd569-1b2c-4e47-8245-cb3ab4e4cede",
                "UUID",
                Some("b8acd569-1b2c-4e47-8245-cb3ab4e4cede".into()),
            ),
            ("3 days", "INTERVAL", Some("3 days".into())),
            ("b", "ENUM('a', 'b')", Some("b".into())),
            ("c", "ENUM('a', 'b')", None),
            ("{\"a\": NaN}", "JSON", None),
            ("[1, null]", "BIGINT[]", Some(Value::List([Value::Integer(1), Value::Null].into()))),
            ("[1.5]", "BIGINT[]", None),
            ("18446744073709551615", "UBIGINT", Some("18446744073709551615".into())),
            (
                "170141183460469231731687303715884105727",
                "HUGEINT",
                Some("170141183460469231731687303715884105727".into()),
            ),
            ("170141183460469231731687303715884105728", "HUGEINT", None),
        ] {
            assert_eq!(cast.value(text, &parse_type(of)), wanted, "{text} as {of}");
        }
        assert!(cast.check(&parse_type("FOO")).is_err());
        assert!(cast.check(&parse_type("MAP(VARCHAR, INTEGER)")).is_ok());
    }
}
