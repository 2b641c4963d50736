//! Messages for mistakes in JSON.

use super::Next;

/// Characters shown of a token.
const SHOWN: usize = 20;

/// The message for an unexpected character; `token` is the token it begins.
pub(super) fn unexpected(next: Next, found: char, token: &str) -> String {
    let token = short(token);
    let value = matches!(next, Next::Value | Next::ValueOrEnd);
    match (next, found) {
        (Next::CommaOrEnd, '}' | ']') => format!("`{found}` does not close what is open"),
        (_, '/' | '#') => "a comment, which JSON does not allow".to_owned(),
        (Next::CommaOrEnd, _) => {
            "a comma is missing, or a quote within a string is not written as `\\\"`".to_owned()
        }
        (Next::Colon, _) => "a `:` is missing after the key".to_owned(),
        (_, ',') => "an unexpected comma".to_owned(),
        (_, '\'' | '‘' | '’' | '“' | '”' | '`') => {
            format!("`{found}` as a quote: JSON strings are in double quotes, `\"`")
        }
        (_, '}' | ']') if value => format!("`{found}` where a value is expected"),
        (_, '}' | ']') => format!("`{found}` where a key is expected"),
        (_, '.' | '+') if value => format!("`{token}` is not a valid JSON number"),
        _ if !value && !token.is_empty() => format!("`{token}` is not in double quotes"),
        _ if !token.is_empty() => match instead(&token) {
            Some(instead) => format!("`{token}` is not a valid JSON value: it is written `{instead}`"),
            None => format!("`{token}` is not a valid JSON value"),
        },
        _ if value => format!("`{found}` where a value is expected"),
        _ => format!("`{found}` where a key is expected"),
    }
}

fn instead(token: &str) -> Option<&'static str> {
    Some(match token {
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        "None" | "Null" | "NULL" | "nil" | "undefined" => "null",
        _ => return None,
    })
}

/// The beginning of a token.
pub(super) fn short(token: &str) -> String {
    token.chars().take(SHOWN).collect()
}

/// Whether a token is a number by JSON's grammar.
pub(super) fn is_number(token: &str) -> bool {
    let rest = token.strip_prefix('-').unwrap_or(token);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
