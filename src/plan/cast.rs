//! The SQL for a column cast by `types:` of a sink: a value that the type cannot hold is an error and never another
//! value. DuckDB's own CAST rounds 7.5 to 8, and drops the time of a timestamp.

use crate::record::LogicalType;

/// `value` as the type `to` of a column; an error for a value that is invalid for it, or would change.
pub(super) fn checked_cast(column: &str, value: &str, from: &LogicalType, to: &LogicalType) -> String {
    let of = to.sql();
    let keeps = keeps(value, from, to).map(|keeps| format!(" AND {keeps}")).unwrap_or_default();
    let [column, shown] = [column, &of].map(|text| text.replace('\'', "''"));
    format!(
        "CASE WHEN {value} IS NULL THEN NULL
              WHEN TRY_CAST({value} AS {of}) IS NOT NULL{keeps} THEN CAST({value} AS {of})
              ELSE error('the value `' || CAST({value} AS VARCHAR) || '` does not fit the column `{column}`,'
                         || ' whose type is {shown}: nothing is rounded or cut off') END"
    )
}

/// The condition for a value that does not change; `None` if every value that can be cast is kept, or if `to` is a
/// type that rounds by nature.
fn keeps(value: &str, from: &LogicalType, to: &LogicalType) -> Option<String> {
    use LogicalType as T;
    let text = format!("trim({value})");
    let matches = |pattern: &str| Some(format!("regexp_full_match({text}, '{pattern}')"));
    let is_integer = |of: &T| of.is_small_integer() || matches!(of, T::HugeInt | T::UBigInt | T::UHugeInt);
    let returns = || Some(format!("TRY_CAST(TRY_CAST({value} AS {}) AS {}) = {value}", to.sql(), from.sql()));
    match (from, to) {
        (from, to) if from == to => None,
        (_, to) if rounds(to) => None,
        (T::Varchar, to) if is_integer(to) => matches("[+-]?[0-9]+"),
        (T::Varchar, T::Decimal { scale, .. }) => matches(&format!(r"[+-]?[0-9]*(\.[0-9]{{0,{scale}}}0*)?")),
        (T::Varchar, T::Date) => matches("[^:]*"),
        (from, T::Boolean) if from.is_number() => Some(format!("{value} IN (0, 1)")),
        (from, to) if from.is_number() && to.is_number() => returns(),
        (T::Timestamp | T::TimestampS | T::TimestampMs | T::TimestampNs | T::TimestampTz, T::Date) => {
            returns()
        }
        (T::Timestamp | T::TimestampNs | T::TimestampTz, T::TimestampS | T::TimestampMs) => returns(),
        (T::TimestampNs, T::Timestamp | T::TimestampTz) => returns(),
        (T::List(_) | T::Array(..) | T::Struct(_), T::List(_) | T::Array(..) | T::Struct(_)) => returns(),
        _ => None,
    }
}

/// Whether it is or contains a floating-point type, to which a cast is expected to round.
fn rounds(of: &LogicalType) -> bool {
    match of {
        LogicalType::Float | LogicalType::Double => true,
        LogicalType::List(of) | LogicalType::Array(of, _) => rounds(of),
        LogicalType::Struct(fields) => fields.iter().any(|(_, of)| rounds(of)),
        _ => false,
    }
}
