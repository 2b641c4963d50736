//! The possible types of a text column: those that round-trip every value. Main type: [`Proof`]; the
//! readers (`csv/mod.rs`, `jsonl`) use it for columns without a declared type.
//!
//! The set of possible types only shrinks, so it does not depend on the order of the rows. No text fits two
//! types: a column has one of them, or it is text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::{LogicalType, Value, double};

use super::Evidence;

/// The facts about a column, first in one file and then merged over all files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Proof {
    state: State,
    /// The first value.
    first: Option<Seen>,
    /// The first value that made the column text.
    against: Option<Seen>,
    /// The values that are not NULL.
    values: u64,
}

/// A shortened value and its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    /// The file, set when files are merged.
    file: Option<Arc<str>>,
    line: u64,
    value: String,
}

impl Seen {
    fn new(text: &str, line: u64) -> Self {
        Self { file: None, line, value: text.chars().take(40).collect() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Only NULL.
    #[default]
    Empty,
    /// Only `nan`, `inf` and `-inf`: doubles if there is also a finite value.
    NotFinite,
    /// Every value round-trips through this type.
    Of(Plain),
    /// No type round-trips every value.
    Text,
}

/// A type that can be proven for a text column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Plain {
    Boolean,
    BigInt,
    Double,
    Date,
    Timestamp,
}

impl Proof {
    /// The proof for a column that is always text.
    pub(super) const fn text() -> Self {
        Self { state: State::Text, first: None, against: None, values: 0 }
    }

    /// Adds a non-NULL value.
    pub(super) fn see(&mut self, text: &str, line: impl FnOnce() -> u64) {
        self.values += 1;
        let state = match self.state {
            State::Text => return,
            State::Of(of) if fits(text, of) => return,
            State::Of(Plain::Double) | State::NotFinite if is_not_finite(text) => return,
            State::NotFinite if fits(text, Plain::Double) => State::Of(Plain::Double),
            State::Empty => {
                self.first = Some(Seen::new(text, line()));
                match plain(text) {
                    Some(of) => State::Of(of),
                    None if is_not_finite(text) => State::NotFinite,
                    None => State::Text,
                }
            }
            State::Of(_) | State::NotFinite => {
                self.against = Some(Seen::new(text, line()));
                State::Text
            }
        };
        self.state = state;
    }

    /// Merges the facts about the column from another file.
    pub(super) fn merge(&mut self, other: Self, file: &Arc<str>) {
        self.values += other.values;
        let within = |seen: Option<Seen>| seen.map(|seen| Seen { file: Some(Arc::clone(file)), ..seen });
        let (first, against) = (within(other.first), within(other.against));
        let state = match (self.state, other.state) {
            (State::Empty, state) => {
                self.against = against;
                state
            }
            (state, State::Empty) => state,
            (state, other) if state == other => state,
            (State::NotFinite, State::Of(Plain::Double)) | (State::Of(Plain::Double), State::NotFinite) => {
                State::Of(Plain::Double)
            }
            (State::Text, _) => State::Text,
            _ => {
                self.against = against.or_else(|| first.clone());
                State::Text
            }
        };
        self.state = state;
        self.first = self.first.take().or(first);
    }

    /// How many values are not NULL.
    pub(super) const fn values(&self) -> u64 {
        self.values
    }

    /// The value that made the column text.
    pub(super) fn evidence(&self) -> Option<Evidence> {
        let Seen { file, line, value } = self.against.clone()?;
        Some(Evidence { file: file?, line, value })
    }

    /// The type of the column.
    pub(super) const fn datatype(&self) -> LogicalType {
        match self.state {
            State::Of(Plain::Boolean) => LogicalType::Boolean,
            State::Of(Plain::BigInt) => LogicalType::BigInt,
            State::Of(Plain::Double) => LogicalType::Double,
            State::Of(Plain::Date) => LogicalType::Date,
            State::Of(Plain::Timestamp) => LogicalType::Timestamp,
            State::Empty | State::NotFinite | State::Text => LogicalType::Varchar,
        }
    }
}

/// The value of a text whose column has a proven type; `None` if the text does not round-trip.
pub(super) fn value(text: &str, of: &LogicalType) -> Option<Value> {
    match of {
        LogicalType::Varchar => Some(text.into()),
        LogicalType::Boolean => boolean(text).map(Value::Boolean),
        LogicalType::BigInt => integer(text).map(Value::Integer),
        LogicalType::Double => match text {
            "nan" => Some(Value::Double(f64::NAN)),
            "inf" => Some(Value::Double(f64::INFINITY)),
            "-inf" => Some(Value::Double(f64::NEG_INFINITY)),
            text => fits(text, Plain::Double).then(|| text.parse().ok().map(Value::Double)).flatten(),
        },
        LogicalType::Date => is_date(text.as_bytes()).then(|| text.into()),
        LogicalType::Timestamp => is_timestamp(text.as_bytes()).then(|| text.into()),
        _ => None,
    }
}

fn plain(text: &str) -> Option<Plain> {
    use Plain::{BigInt, Boolean, Date, Double, Timestamp};
    [BigInt, Double, Date, Timestamp, Boolean].into_iter().find(|of| fits(text, *of))
}

fn fits(text: &str, of: Plain) -> bool {
    match of {
        Plain::Boolean => boolean(text).is_some(),
        Plain::BigInt => integer(text).is_some(),
        Plain::Double => is_double(text),
        Plain::Date => is_date(text.as_bytes()),
        Plain::Timestamp => is_timestamp(text.as_bytes()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn is_not_finite(text: &str) -> bool {
    matches!(text, "nan" | "inf" | "-inf")
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let written = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', ..] => digits.len() <= 19,
        _ => false,
    };
    if written { text.parse().ok() } else { None }
}

/// Whether a text is a finite DOUBLE in its printed form.
pub(super) fn is_double(text: &str) -> bool {
    let bytes = text.as_bytes();
    // The shortest form of a number is never longer than this.
    if bytes.len() > 32 || !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e')) {
        return false;
    }
    if let Some(known) = is_short_double(bytes) {
        return known;
    }
    text.parse().is_ok_and(|value: f64| value.is_finite() && double(value) == text)
}

/// The same without printing, for up to 15 digits: such numbers are distinct DOUBLEs.
fn is_short_double(bytes: &[u8]) -> Option<bool> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let point = digits.iter().position(|b| *b == b'.')?;
    let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
    let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    if !all_digits || digits.len() > 16 || matches!(whole, [b'0']) {
        return None;
    }
    let leading = !matches!(whole, [] | [b'0', ..]);
    let trailing = !matches!(fraction, [] | [_, .., b'0']);
    Some(leading && trailing)
}

/// `YYYY-MM-DD`, a valid date from year 1 on.
pub(super) fn is_date(bytes: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return false };
    let (Some(century), Some(year)) = (two(*y1, *y2), two(*y3, *y4)) else { return false };
    let (Some(month), Some(day)) = (two(*m1, *m2), two(*d1, *d2)) else { return false };
    let year = century * 100 + year;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    year >= 1 && day >= 1 && day <= days
}

/// `YYYY-MM-DD hh:mm:ss`, with up to six decimals of which the last is not 0.
pub(super) fn is_timestamp(bytes: &[u8]) -> bool {
    let Some((date, [b' ', time @ ..])) = bytes.split_at_checked(10) else { return false };
    let Some(([h1, h2, b':', m1, m2, b':', s1, s2], fraction)) = time.split_first_chunk::<8>() else {
        return false;
    };
    let below = |a: &u8, b: &u8, end| two(*a, *b).is_some_and(|number| number < end);
    let fraction = match fraction {
        [] => true,
        [b'.', digits @ .., last] => {
            digits.len() < 6 && *last != b'0' && digits.iter().chain([last]).all(u8::is_ascii_digit)
        }
        _ => false,
    };
    fraction && is_date(date) && below(h1, h2, 24) && below(m1, m2, 60) && below(s1, s2, 60)
}

fn two(a: u8, b: u8) -> Option<u32> {
    let digit = |b: u8| b.is_ascii_digit().then(|| u32::from(b - b'0'));
    Some(digit(a)? * 10 + digit(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> LogicalType {
        let mut proof = Proof::default();
        for value in values {
            proof.see(value, || 1);
        }
        proof.datatype()
    }

    #[test]
    fn a_type_prints_every_value_back() {
        use LogicalType::{BigInt, Boolean, Date, Double, Timestamp, Varchar};
        let duckdb = duckdb::Connection::open_in_memory().unwrap();
        for (values, wanted) in [
            (&["1", "-3", "0", "9223372036854775807", "-9223372036854775808"][..], BigInt),
            (&["1.5", "-0.0", "1e+300", "0.30000000000000004", "5e-324", "123456789012345.6", "nan"], Double),
            (&["2024-02-29", "1969-12-31", "0001-01-01"], Date),
            (&["1969-12-31 23:59:59", "2024-01-02 03:04:05.000001", "0001-01-01 00:00:00.5"], Timestamp),
            (&["true", "false"], Boolean),
            (&[], Varchar),
            (&["nan", "inf"], Varchar),
        ] {
            assert_eq!(of(values), wanted, "{values:?}");
            for value in values {
                assert!(super::value(value, &wanted).is_some(), "{value}");
                let sql = format!("SELECT CAST(CAST(? AS {}) AS VARCHAR)", wanted.sql());
                let printed: String = duckdb.query_row(&sql, [value], |row| row.get(0)).unwrap();
                assert_eq!(printed, *value);
            }
        }
    }

    #[test]
    fn all_else_is_text() {
        for text in [
            "01220",
            "1.10",
            "1E5",
            "0x1A",
            "F",
            "9:30",
            "01/02/2024",
            "NA",
            "+1",
            "-0",
            "1_000",
            "1.",
            ".5",
            "123456789012345678901234567890",
            "9223372036854775808",
            "1e5",
            "01.5",
            "00.5",
            "0.50",
            " 1",
            "",
            "2023-02-29",
            "2024-1-2",
            "0000-01-01",
            "10000-01-01",
            "2024-01-02T03:04:05",
            "2024-01-02 03:04",
            "2024-01-02 03:04:05.10",
            "2024-01-02 24:00:00",
            "2024-01-02 03:04:05.1234567",
            "True",
            "NaN",
            "Infinity",
            "1.0e10",
            "0.000001",
            "1234567890123456789.5",
            "2024-01-02 03:04:60",
            "-",
        ] {
            assert_eq!(of(&[text]), LogicalType::Varchar, "{text}");
        }
    }

    #[test]
    fn what_is_mixed_is_text_in_any_order() {
        for pair in [["1", "1.5"], ["2024-01-01", "2024-01-01 00:00:00"], ["true", "1"], ["nan", "1"]] {
            assert_eq!(of(&pair), LogicalType::Varchar);
            assert_eq!(of(&[pair[1], pair[0]]), LogicalType::Varchar);
        }
        assert_eq!(of(&["nan", "1.5"]), of(&["1.5", "nan"]));
    }

    #[test]
    fn what_is_known_without_printing_is_what_printing_says() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let (mut short, mut doubles) = (0, 0);
        for _ in 0..200_000 {
            let digit = |random: &mut rand::rngs::StdRng| char::from(b'0' + random.random_range(0..10_u8));
            let whole: String = (0..random.random_range(0..9)).map(|_| digit(&mut random)).collect();
            let fraction: String = (0..random.random_range(0..9)).map(|_| digit(&mut random)).collect();
            let text = format!("{whole}.{fraction}");
            let printed = text.parse().is_ok_and(|value: f64| double(value) == text);
            if let Some(known) = is_short_double(text.as_bytes()) {
                assert_eq!(known, printed, "{text}");
                short += 1;
            }
            assert_eq!(is_double(&text), printed, "{text}");
            doubles += u32::from(printed);
        }
        assert!(short > 50_000 && doubles > 50_000, "{short} {doubles}");
    }
}
