//! The values of fields. Main type: [`Value`].

use std::sync::Arc;

use super::LogicalType;

/// A value, interpreted by the field's [`LogicalType`](super::LogicalType). A leaf other than a BOOLEAN, a
/// 64-bit integer or a DOUBLE is the text that DuckDB prints for it and casts back without loss (`12.50`,
/// `2026-02-17`, `170141183460469231731687303715884105727`).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A BOOLEAN.
    Boolean(bool),
    /// An integer type of at most 64 bits, except UBIGINT.
    Integer(i64),
    /// A DOUBLE.
    Double(f64),
    /// A VARCHAR, or the text of any other leaf.
    Text(Arc<str>),
    /// The items of a LIST or an ARRAY.
    List(Arc<[Value]>),
    /// The values of a STRUCT, in the order of its fields.
    Struct(Arc<[Value]>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether it is NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a leaf, as DuckDB casts it from VARCHAR; `None` for NULL, lists and structs.
    pub fn leaf(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Null | Self::List(_) | Self::Struct(_) => None,
            Self::Boolean(value) => Some(if *value { "true" } else { "false" }.into()),
            Self::Integer(value) => Some(value.to_string().into()),
            Self::Double(value) => Some(double(*value).into()),
            Self::Text(text) => Some((&**text).into()),
        }
    }

    /// The value in a type returned by [`LogicalType::widened`] for its own type.
    #[must_use]
    pub fn widened(&self, from: &LogicalType, to: &LogicalType) -> Self {
        match (self, from, to) {
            (Self::Integer(value), _, LogicalType::Double) => Self::Double(*value as f64),
            (Self::Text(text), _, LogicalType::Double) => {
                text.parse().map_or_else(|_| self.clone(), Self::Double)
            }
            (Self::Integer(value), _, LogicalType::Decimal { scale, .. }) => {
                Self::from(padded(&value.to_string(), *scale))
            }
            (Self::Text(text), LogicalType::Decimal { .. }, LogicalType::Decimal { scale, .. }) => {
                Self::from(padded(text, *scale))
            }
            (
                Self::Integer(value),
                _,
                LogicalType::HugeInt | LogicalType::UBigInt | LogicalType::UHugeInt,
            ) => Self::from(value.to_string()),
            (Self::Text(text), LogicalType::Date, LogicalType::Timestamp) => {
                Self::from(format!("{text} 00:00:00"))
            }
            (Self::List(items), LogicalType::List(from), LogicalType::List(to)) => {
                Self::List(items.iter().map(|item| item.widened(from, to)).collect())
            }
            (Self::Struct(values), LogicalType::Struct(from), LogicalType::Struct(to)) => {
                let value = |(name, to): &(String, LogicalType)| {
                    let at = from.iter().position(|(other, _)| super::same_name(other, name));
                    at.map_or(Self::Null, |at| values[at].widened(&from[at].1, to))
                };
                Self::Struct(to.iter().map(value).collect())
            }
            _ => self.clone(),
        }
    }

    /// Its size in memory, including its content.
    pub fn bytes(&self) -> usize {
        let inside = match self {
            Self::Text(text) => text.len(),
            Self::List(items) | Self::Struct(items) => items.iter().map(Self::bytes).sum(),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Double(_) => 0,
        };
        size_of::<Self>() + inside
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// A DOUBLE as DuckDB prints it: `1.0`, `1e+300`, `nan`, `-inf`.
pub fn double(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

/// A decimal's text, padded to a scale.
fn padded(text: &str, scale: u8) -> String {
    let behind = text.split_once('.').map_or(0, |(_, behind)| behind.len());
    let missing = usize::from(scale).saturating_sub(behind);
    match (missing, behind) {
        (0, _) => text.to_owned(),
        (missing, 0) => format!("{text}.{}", "0".repeat(missing)),
        (missing, _) => format!("{text}{}", "0".repeat(missing)),
    }
}
