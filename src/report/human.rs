//! Numbers in a readable form: counts, rates, times.

use std::time::Duration;

/// Every digit, in groups of three: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 record`, `2,000 records`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// About three digits, for approximate numbers: `45.2k`, `1.2M`.
pub(crate) fn short(number: u64) -> String {
    let value = number as f64;
    match number {
        0..10_000 => count(number),
        // From 999,950 on, `{:.1}k` would round up to `1000.0k`.
        10_000..999_950 => format!("{:.1}k", value / 1e3),
        999_950..999_950_000 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

/// A rate per second, or per minute or hour if that gives a larger number: `3.4/s`, `12/min`.
pub(crate) fn rate(per_second: f64) -> String {
    let tidy = |value: f64| if value < 9.95 { format!("{value:.1}") } else { count(value.round() as u64) };
    if per_second <= 0.0 {
        "0/s".to_owned()
    } else if per_second >= 0.95 {
        format!("{}/s", tidy(per_second))
    } else if per_second >= 0.95 / 60.0 {
        format!("{}/min", tidy(per_second * 60.0))
    } else {
        format!("{}/h", tidy(per_second * 3600.0))
    }
}

/// An elapsed time, with tenths only below ten seconds: `0.8s`, `47s`, `1m 20s`, `2h 5m`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1}s") } else { whole(time) }
}

/// A time in whole seconds, for a line that is redrawn often: `7s`, `1m 20s`.
pub(crate) fn whole(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_234_567].map(count),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
        assert_eq!([1, 2_000].map(|n| counted(n, "record")), ["1 record", "2,000 records"]);
        assert_eq!(
            [9_999, 45_150, 999_949, 999_950, 1_200_000, 2_500_000_000].map(short),
            ["9,999", "45.1k", "999.9k", "1.0M", "1.2M", "2.5G"]
        );
    }

    #[test]
    fn rates() {
        assert_eq!(
            [0.0, 3.4, 9.96, 1234.0, 0.99, 0.2, 0.001].map(rate),
            ["0/s", "3.4/s", "10/s", "1,234/s", "1.0/s", "12/min", "3.6/h"]
        );
    }

    #[test]
    fn times() {
        let shown = |seconds: &[f64], form: fn(Duration) -> String| -> Vec<String> {
            seconds.iter().map(|s| form(Duration::from_secs_f64(*s))).collect()
        };
        assert_eq!(
            shown(&[0.04, 0.8, 9.96, 59.7, 80.0, 7500.0, 93_600.0], duration),
            ["0.0s", "0.8s", "10s", "1m 0s", "1m 20s", "2h 5m", "1d 2h"]
        );
        assert_eq!(shown(&[0.4, 6.6], whole), ["0s", "7s"]);
    }
}
