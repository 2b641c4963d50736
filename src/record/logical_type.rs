//! The types of fields: DuckDB's, known before a record is read. Main type: [`LogicalType`].

use super::quote;

/// The type of a field or a column, as in DuckDB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in DuckDB's documentation")]
pub enum LogicalType {
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    HugeInt,
    UTinyInt,
    USmallInt,
    UInteger,
    UBigInt,
    UHugeInt,
    Float,
    Double,
    Decimal {
        width: u8,
        scale: u8,
    },
    Varchar,
    Json,
    Blob,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampS,
    TimestampMs,
    TimestampNs,
    TimestampTz,
    Interval,
    List(Box<LogicalType>),
    Array(Box<LogicalType>, u32),
    Struct(Vec<(String, LogicalType)>),
    /// Any other type (ENUM, MAP, UNION, BIT, VARIANT, …), in DuckDB's notation. Its values are DuckDB's text.
    Other(String),
}

impl LogicalType {
    /// The type in DuckDB's notation, with quoted names.
    pub fn sql(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::TinyInt => "TINYINT".to_owned(),
            Self::SmallInt => "SMALLINT".to_owned(),
            Self::Integer => "INTEGER".to_owned(),
            Self::BigInt => "BIGINT".to_owned(),
            Self::HugeInt => "HUGEINT".to_owned(),
            Self::UTinyInt => "UTINYINT".to_owned(),
            Self::USmallInt => "USMALLINT".to_owned(),
            Self::UInteger => "UINTEGER".to_owned(),
            Self::UBigInt => "UBIGINT".to_owned(),
            Self::UHugeInt => "UHUGEINT".to_owned(),
            Self::Float => "FLOAT".to_owned(),
            Self::Double => "DOUBLE".to_owned(),
            Self::Decimal { width, scale } => format!("DECIMAL({width},{scale})"),
            Self::Varchar => "VARCHAR".to_owned(),
            Self::Json => "JSON".to_owned(),
            Self::Blob => "BLOB".to_owned(),
            Self::Uuid => "UUID".to_owned(),
            Self::Date => "DATE".to_owned(),
            Self::Time => "TIME".to_owned(),
            Self::Timestamp => "TIMESTAMP".to_owned(),
            Self::TimestampS => "TIMESTAMP_S".to_owned(),
            Self::TimestampMs => "TIMESTAMP_MS".to_owned(),
            Self::TimestampNs => "TIMESTAMP_NS".to_owned(),
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE".to_owned(),
            Self::Interval => "INTERVAL".to_owned(),
            Self::List(of) => format!("{}[]", of.sql()),
            Self::Array(of, length) => format!("{}[{length}]", of.sql()),
            Self::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
                format!("STRUCT({})", fields.join(", "))
            }
            Self::Other(text) => text.clone(),
        }
    }

    /// The type used to transfer its values: a leaf is a BOOLEAN, a BIGINT, a DOUBLE or the text that DuckDB
    /// prints for it and casts back without loss.
    pub fn carrier(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Double => "DOUBLE".to_owned(),
            of if of.is_small_integer() => "BIGINT".to_owned(),
            Self::List(of) | Self::Array(of, _) => format!("{}[]", of.carrier()),
            Self::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, of)| format!("{} {}", quote(name), of.carrier())).collect();
                format!("STRUCT({})", fields.join(", "))
            }
            _ => "VARCHAR".to_owned(),
        }
    }

    /// The type of our column for a query's or a file's column of this type: itself, unless its text would lose
    /// information. A UNION, a VARIANT, and a MAP of lists, structs or maps become JSON; the type NULL becomes VARCHAR.
    #[must_use]
    pub fn as_column(self) -> Self {
        match self {
            Self::List(of) => Self::List(Box::new(of.as_column())),
            Self::Array(of, length) => Self::Array(Box::new(of.as_column()), length),
            Self::Struct(fields) => {
                Self::Struct(fields.into_iter().map(|(name, of)| (name, of.as_column())).collect())
            }
            Self::Other(text) if text == "\"NULL\"" || text == "NULL" => Self::Varchar,
            Self::Other(text) if text == "VARIANT" || text.starts_with("UNION(") => Self::Json,
            Self::Other(text) => {
                let inside = text.strip_prefix("MAP(").unwrap_or_default();
                let nested = ["STRUCT(", "MAP(", "UNION(", "VARIANT", "["];
                if nested.iter().any(|word| inside.contains(word)) { Self::Json } else { Self::Other(text) }
            }
            of => of,
        }
    }

    /// The SQL that converts a column to the carrier of this type. It contains `column` up to twice.
    pub fn carried(&self, column: &str) -> String {
        let carrier = self.carrier();
        match self {
            // The JSON of a VARIANT that is NULL would be `null`.
            Self::Json => {
                format!("CASE WHEN {column} IS NOT NULL THEN CAST(CAST({column} AS JSON) AS {carrier}) END")
            }
            of if of.sql().contains("JSON") => format!("CAST(CAST({column} AS {}) AS {carrier})", of.sql()),
            _ => format!("CAST({column} AS {carrier})"),
        }
    }

    /// Whether its values are integers that fit into an `i64`.
    pub const fn is_small_integer(&self) -> bool {
        matches!(
            self,
            Self::TinyInt
                | Self::SmallInt
                | Self::Integer
                | Self::BigInt
                | Self::UTinyInt
                | Self::USmallInt
                | Self::UInteger
        )
    }

    /// Whether its values are numbers.
    pub const fn is_number(&self) -> bool {
        self.is_small_integer()
            || matches!(
                self,
                Self::HugeInt
                    | Self::UBigInt
                    | Self::UHugeInt
                    | Self::Float
                    | Self::Double
                    | Self::Decimal { .. }
            )
    }

    /// The columns that DuckDB stores for it: one for each leaf, and one for the lengths of a list.
    pub fn leaves(&self) -> usize {
        match self {
            Self::List(of) | Self::Array(of, _) => 1 + of.leaves(),
            Self::Struct(fields) => fields.iter().map(|(_, of)| of.leaves()).sum(),
            _ => 1,
        }
    }

    /// Whether it contains no struct, so that its values have a plain text form.
    pub fn is_flat(&self) -> bool {
        match self {
            Self::List(of) | Self::Array(of, _) => of.is_flat(),
            Self::Struct(_) => false,
            _ => true,
        }
    }

    /// The smallest type that holds all values of both without loss, if any.
    pub fn widened(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        match (self, other) {
            (Self::List(a), Self::List(b)) => Some(Self::List(Box::new(a.widened(b)?))),
            (Self::Struct(a), Self::Struct(b)) => {
                let mut fields = a.clone();
                for (name, of) in b {
                    match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                        Some((_, known)) => *known = known.widened(of)?,
                        None => fields.push((name.clone(), of.clone())),
                    }
                }
                Some(Self::Struct(fields))
            }
            (Self::Float, Self::Double) | (Self::Double, Self::Float) => Some(Self::Double),
            (Self::Double, of) | (of, Self::Double)
                if of.digits().is_some_and(|(whole, scale)| whole <= 15 && scale == 0) =>
            {
                Some(Self::Double)
            }
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Some(Self::Timestamp),
            (a, b) => wider_number(a, b),
        }
    }

    /// The most digits of its values before and after the decimal point, for exact numbers.
    const fn digits(&self) -> Option<(u8, u8)> {
        match self {
            Self::TinyInt | Self::UTinyInt => Some((3, 0)),
            Self::SmallInt | Self::USmallInt => Some((5, 0)),
            Self::Integer | Self::UInteger => Some((10, 0)),
            Self::BigInt => Some((19, 0)),
            Self::UBigInt => Some((20, 0)),
            Self::Decimal { width, scale } => Some((*width - *scale, *scale)),
            _ => None,
        }
    }
}

/// The exact number type that holds both.
fn wider_number(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    use LogicalType::{BigInt, Decimal, HugeInt, UBigInt};
    let is_decimal = |of: &LogicalType| matches!(of, Decimal { .. });
    if !is_decimal(a) && !is_decimal(b) {
        return match (a, b) {
            (HugeInt, of) | (of, HugeInt) if of.digits().is_some() => Some(HugeInt),
            (UBigInt, of) | (of, UBigInt) if of.digits().is_some() => Some(HugeInt),
            (a, b) if a.is_small_integer() && b.is_small_integer() => Some(BigInt),
            _ => None,
        };
    }
    let ((whole_a, scale_a), (whole_b, scale_b)) = (a.digits()?, b.digits()?);
    let (whole, scale) = (whole_a.max(whole_b), scale_a.max(scale_b));
    (whole + scale <= 38).then_some(Decimal { width: whole + scale, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_widen_only_without_loss() {
        use LogicalType::{BigInt, Boolean, Date, Decimal, Double, Integer, Timestamp, Varchar};
        assert_eq!(Integer.widened(&BigInt), Some(BigInt));
        assert_eq!(Integer.widened(&Double), Some(Double));
        assert_eq!(BigInt.widened(&Double), None);
        assert_eq!(Decimal { width: 18, scale: 2 }.widened(&BigInt), Some(Decimal { width: 21, scale: 2 }));
        assert_eq!(Decimal { width: 38, scale: 10 }.widened(&Decimal { width: 38, scale: 2 }), None);
        assert_eq!(Date.widened(&Timestamp), Some(Timestamp));
        assert_eq!(Boolean.widened(&BigInt), None);
        assert_eq!(Varchar.widened(&BigInt), None);
    }
}
