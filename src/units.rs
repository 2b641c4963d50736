//! Quantities with units: rates, durations, sizes, money.
//!
//! Each parses from text (`5/s`, `30s`, `100MB`, `5.00 USD`), prints in the same form, and
//! refuses a bare number, whose unit would be ambiguous.

use std::{fmt, str::FromStr, time::Duration};

/// Why a quantity is invalid, and a valid example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {wanted}, such as {example}")]
pub struct UnitError {
    /// The expected kind of quantity.
    pub wanted: &'static str,
    /// A valid example, with code in backticks.
    pub example: &'static str,
}

const RATE: UnitError =
    UnitError { wanted: "a rate with its unit", example: "`5/s`, `60/min` or `500k/min`" };
const SPAN: UnitError =
    UnitError { wanted: "a duration with its unit", example: "`500ms`, `30s`, `2min` or `24h`" };
const SIZE: UnitError = UnitError { wanted: "a size with its unit", example: "`800B`, `64KB` or `100MB`" };
const MONEY: UnitError = UnitError { wanted: "an amount in US dollars", example: "`5.00 USD`" };

/// A number of events per time; never zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    count: f64,
    per: Duration,
}

/// The longest period of a rate; [`Duration`] cannot hold that of a much smaller one.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

impl Rate {
    /// `count` events in each `per`; `None` unless both are positive and finite, and there is
    /// an event at least once in a year and at most once in a nanosecond.
    pub fn new(count: f64, per: Duration) -> Option<Self> {
        let is_rate = count.is_finite() && count > 0.0 && !per.is_zero();
        let period = per.as_secs_f64() / count;
        (is_rate && (1e-9..=YEAR.as_secs_f64()).contains(&period)).then_some(Self { count, per })
    }

    /// Events per second.
    pub fn per_second(self) -> f64 {
        self.count / self.per.as_secs_f64()
    }

    /// The time unit of the rate, as written.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// The time between evenly spaced events.
    pub fn period(self) -> Duration {
        self.per.div_f64(self.count)
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (count, per) = text.split_once('/').ok_or(RATE)?;
        let count = count.trim();
        let (digits, scale) = match count.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1e3),
            None => match count.strip_suffix('M') {
                Some(digits) => (digits, 1e6),
                None => (count, 1.0),
            },
        };
        let per = match per.trim() {
            "s" | "sec" | "second" => 1,
            "min" | "minute" => 60,
            "h" | "hour" => 3600,
            "d" | "day" => 86_400,
            _ => return Err(RATE),
        };
        Self::new(number(digits).ok_or(RATE)? * scale, Duration::from_secs(per)).ok_or(RATE)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "min",
            3600 => "h",
            _ => "d",
        };
        if self.count >= 1e6 && self.count % 1e6 == 0.0 {
            write!(f, "{}M/{unit}", self.count / 1e6)
        } else if self.count >= 1e4 && self.count % 1e3 == 0.0 {
            write!(f, "{}k/{unit}", self.count / 1e3)
        } else {
            write!(f, "{}/{unit}", self.count)
        }
    }
}

/// A length of time, written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (digits, unit) = split_unit(text).ok_or(SPAN)?;
        let seconds = match unit {
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(SPAN),
        };
        let seconds = number(digits).ok_or(SPAN)? * seconds;
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| SPAN)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        for (unit, size) in [("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
            if ms >= size && ms.is_multiple_of(size) {
                return write!(f, "{}{unit}", ms / size);
            }
        }
        write!(f, "{ms}ms")
    }
}

/// A number of bytes; `KB` and `MB` are powers of ten, as providers bill and limit them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (digits, unit) = split_unit(text).ok_or(SIZE)?;
        let scale = match unit {
            "B" => 1.0,
            "KB" | "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            _ => return Err(SIZE),
        };
        let bytes = number(digits).ok_or(SIZE)? * scale;
        // Above 2^53 a float cannot represent single bytes, and no file is that large.
        if bytes < 9e15 { Ok(Self(bytes as u64)) } else { Err(SIZE) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{}B", self.0),
            1_000..1_000_000 => write!(f, "{}KB", round1(bytes / 1e3)),
            1_000_000..1_000_000_000 => write!(f, "{}MB", round1(bytes / 1e6)),
            _ => write!(f, "{}GB", round1(bytes / 1e9)),
        }
    }
}

/// US dollars, in millionths: a token costs less than a cent, and sums must not drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd {
    micros: u64,
}

impl Usd {
    /// An amount in millionths of a dollar.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// The amount in millionths of a dollar.
    pub const fn micros(self) -> u64 {
        self.micros
    }
}

impl FromStr for Usd {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let digits = text.trim().strip_suffix("USD").ok_or(MONEY)?;
        let dollars = number(digits.trim_end()).ok_or(MONEY)?;
        if dollars < 1e9 { Ok(Self { micros: (dollars * 1e6).round() as u64 }) } else { Err(MONEY) }
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.micros as f64 / 1e6;
        // Cents hide the cost of a small run, and four decimals are noise for a large one.
        if self.micros < 1_000_000 { write!(f, "{dollars:.4} USD") } else { write!(f, "{dollars:.2} USD") }
    }
}

fn split_unit(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    Some((text[..at].trim_end(), &text[at..]))
}

/// A plain non-negative decimal; the parser of `f64` also accepts `inf`, `1e9` and signs.
fn number(digits: &str) -> Option<f64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_'));
    plain.then(|| digits.replace('_', "").parse().ok())?
}

fn round1(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_prints_as_it_was_written() {
        for text in ["5/s", "60/min", "500k/min", "2M/min", "0.5/s", "1000/h"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["500ms", "30s", "2min", "24h", "90s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["800B", "64KB", "1.5MB", "100MB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("5.00 USD".parse::<Usd>().unwrap().to_string(), "5.00 USD");
        assert_eq!("0.0123 USD".parse::<Usd>().unwrap().micros(), 12_300);
    }

    #[test]
    fn a_bare_or_senseless_number_is_refused() {
        for text in ["5", "/s", "0/s", "-1/s", "inf/s", "1e3/s", "5/fortnight", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["30", "s", "-1s", "30 parsecs", "99999999999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["100", "100mb", "1e9GB", "99999999999GB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for text in ["5", "5 EUR", "USD"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_knows_its_spacing() {
        let rate: Rate = "60/min".parse().unwrap();
        assert_eq!(rate.period(), Duration::from_secs(1));
        assert_eq!(rate.per_second(), 1.0);
    }
}
