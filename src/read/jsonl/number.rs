//! Numbers as written, and the type that holds a column of them exactly. Main type: [`Numbers`].

use serde::{Deserialize, Serialize};

use crate::record::LogicalType;

use super::super::proof::is_double;

/// The most digits of a DECIMAL.
const MOST_DIGITS: usize = 38;

/// The facts about the numbers of a column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Numbers {
    /// All are written without a decimal point or an exponent.
    integers: bool,
    /// All are integers of 64 bits.
    small: bool,
    /// All are integers of 128 bits.
    huge: bool,
    /// All round-trip through DOUBLE.
    doubles: bool,
    /// The most digits before the decimal point, and after it.
    whole: usize,
    scale: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { integers: true, small: true, huge: true, doubles: true, whole: 0, scale: 0 }
    }
}

impl Numbers {
    pub(super) fn see(&mut self, raw: &str) {
        let is_integer = raw.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        self.integers &= is_integer;
        self.small &= is_integer && (raw.len() < 19 || raw.parse::<i64>().is_ok());
        self.huge &= self.small || (is_integer && huge(raw).is_some());
        self.doubles &= !is_integer && is_double(raw);
        match Digits::of(raw) {
            Some(digits) => {
                self.whole = self.whole.max(digits.digits.len().saturating_sub(digits.scale));
                self.scale = self.scale.max(digits.scale);
            }
            None => self.whole = MOST_DIGITS + 1,
        }
    }

    /// Merges the facts from another file.
    pub(super) fn merge(&mut self, other: &Self) {
        self.integers &= other.integers;
        self.small &= other.small;
        self.huge &= other.huge;
        self.doubles &= other.doubles;
        self.whole = self.whole.max(other.whole);
        self.scale = self.scale.max(other.scale);
    }

    pub(super) fn datatype(&self) -> LogicalType {
        // A digit before the point, because DuckDB prints a DECIMAL(2,2) as `.10`.
        let whole = self.whole.max(usize::from(self.scale < MOST_DIGITS));
        let width = whole + self.scale;
        match self {
            Self { small: true, .. } => LogicalType::BigInt,
            Self { huge: true, .. } => LogicalType::HugeInt,
            Self { doubles: true, .. } => LogicalType::Double,
            Self { integers: false, .. } if width <= MOST_DIGITS => {
                LogicalType::Decimal { width: width as u8, scale: self.scale as u8 }
            }
            _ => LogicalType::Json,
        }
    }
}

/// An integer that fits HUGEINT in every version of DuckDB.
pub(super) fn huge(raw: &str) -> Option<i128> {
    raw.parse().ok().filter(|value| *value != i128::MIN)
}

/// A number as DuckDB prints a DECIMAL; `None` if it has too many digits or is not a number.
pub(crate) fn decimal(raw: &str, width: u8, scale: u8) -> Option<String> {
    let (width, scale) = (usize::from(width), usize::from(scale));
    let Digits { negative, mut digits, scale: mut has } = Digits::of(raw)?;
    while has > scale && digits.last().is_none_or(|digit| *digit == b'0') {
        digits.pop();
        has -= 1;
    }
    if has > scale {
        return None;
    }
    digits.resize(digits.len() + scale - has, b'0');
    let significant = digits.iter().skip_while(|digit| **digit == b'0').count();
    if significant > width {
        return None;
    }
    let mut text: Vec<u8> = Vec::with_capacity(digits.len() + 3);
    if negative && significant > 0 {
        text.push(b'-');
    }
    let mut padded = vec![b'0'; (scale + 1).saturating_sub(significant)];
    padded.extend(&digits[digits.len() - significant..]);
    // DuckDB prints no leading 0 for a DECIMAL without integer digits.
    if width == scale && padded.first() == Some(&b'0') {
        padded.remove(0);
    }
    let point = padded.len() - scale;
    text.extend(&padded[..point]);
    if scale > 0 {
        text.push(b'.');
        text.extend(&padded[point..]);
    }
    String::from_utf8(text).ok()
}

/// The digits of a decimal number without leading zeros, with the exponent applied.
struct Digits {
    negative: bool,
    digits: Vec<u8>,
    scale: usize,
}

impl Digits {
    /// `None` if it is not a number or has far too many digits.
    fn of(raw: &str) -> Option<Self> {
        let (negative, rest) = match raw.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, raw.strip_prefix('+').unwrap_or(raw)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 1000 {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut scale = fraction.len() as i64 - i64::from(exponent);
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Self { negative, digits, scale: usize::try_from(scale.clamp(0, 1000)).ok()? });
        }
        if !(-100..=1000).contains(&scale) {
            return None;
        }
        while scale < 0 {
            digits.push(b'0');
            scale += 1;
        }
        Some(Self { negative, digits, scale: usize::try_from(scale).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[&str]) -> String {
        let mut all = Numbers::default();
        numbers.iter().for_each(|raw| all.see(raw));
        all.datatype().sql()
    }

    #[test]
    fn a_type_holds_every_number_exactly() {
        for (numbers, wanted) in [
            (&["12", "-3"][..], "BIGINT"),
            (&["9223372036854775807", "-9223372036854775808"], "BIGINT"),
            (&["9223372036854775808", "1"], "HUGEINT"),
            (&["170141183460469231731687303715884105728"], "JSON"),
            (&["1.5", "0.25", "1e+300"], "DOUBLE"),
            (&["7", "1.5"], "DECIMAL(2,1)"),
            (&["9.90", "10.5"], "DECIMAL(4,2)"),
            (&["9007199254740993.01"], "DECIMAL(18,2)"),
            (&["1e5", "1"], "DECIMAL(6,0)"),
            (&["1", "0.00000000000000000000000000000000000001"], "JSON"),
            (&["1e400"], "JSON"),
            (&["0.0", "0"], "DECIMAL(2,1)"),
        ] {
            assert_eq!(of(numbers), wanted, "{numbers:?}");
            let back: Vec<&str> = numbers.iter().rev().copied().collect();
            assert_eq!(of(&back), wanted, "{back:?}");
        }
    }

    #[test]
    fn a_decimal_is_written_as_duckdb_prints_it() {
        let duckdb = duckdb::Connection::open_in_memory().unwrap();
        for (raw, width, scale, wanted) in [
            ("1.5", 4, 2, Some("1.50")),
            ("-0.5", 4, 2, Some("-0.50")),
            ("-0.0", 4, 2, Some("0.00")),
            ("0", 1, 1, Some(".0")),
            ("-0.5", 2, 2, Some("-.50")),
            ("1e5", 6, 0, Some("100000")),
            ("12E-1", 4, 2, Some("1.20")),
            ("1.230", 3, 2, Some("1.23")),
            ("1.234", 4, 2, None),
            ("100", 4, 2, None),
            ("0.05", 4, 2, Some("0.05")),
            ("99999999999999999999999999999999999999", 38, 0, Some("99999999999999999999999999999999999999")),
            ("x", 4, 2, None),
            ("", 4, 2, None),
        ] {
            assert_eq!(decimal(raw, width, scale).as_deref(), wanted, "{raw}");
            if let Some(wanted) = wanted {
                let sql = format!("SELECT CAST(CAST('{wanted}' AS DECIMAL({width},{scale})) AS VARCHAR)");
                let printed: String = duckdb.query_row(&sql, [], |row| row.get(0)).unwrap();
                assert_eq!(printed, wanted);
            }
        }
    }
}
