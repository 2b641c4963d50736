//! Bytes → the fields of one record. Main type: [`Dialect`].

use memchr::{memchr, memchr_iter, memchr2};

/// The characters that delimit fields and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    /// The line terminator: `\n` (with an optional `\r` before it), or `\r` in a file without `\n`.
    pub(super) terminator: u8,
}

/// A field: a range of the record's bytes, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    /// Whether it contains doubled quotes.
    pub(super) doubled: bool,
}

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// A complete record: its bytes including the terminator, and its lines.
    Whole { bytes: usize, lines: u64 },
    /// An incomplete record.
    More,
    /// A quoted field, opened at this byte, without a closing quote before a separator.
    Broken { open: usize, closed: Option<usize> },
}

impl Dialect {
    /// Scans the record at the start of `bytes`; `last` means that no more bytes follow.
    pub(super) fn scan(&self, bytes: &[u8], last: bool, cells: &mut Vec<Cell>) -> Scan {
        cells.clear();
        let (mut at, mut lines) = (0, 1);
        loop {
            let quoted = self.quote.filter(|quote| bytes.get(at) == Some(quote));
            let Some(quote) = quoted else {
                let found = memchr2(self.delimiter, self.terminator, &bytes[at..]);
                let end = match found {
                    None if !last => return Scan::More,
                    found => found.map_or(bytes.len(), |found| at + found),
                };
                let is_delimiter = bytes.get(end) == Some(&self.delimiter);
                let returned = !is_delimiter && self.terminator == b'\n' && bytes[at..end].ends_with(b"\r");
                let cell =
                    Cell { start: at, end: end - usize::from(returned), quoted: false, doubled: false };
                cells.push(cell);
                match is_delimiter {
                    true => at = end + 1,
                    false => return Scan::Whole { bytes: bytes.len().min(end + 1), lines },
                }
                continue;
            };
            let open = at;
            let Some((end, doubled)) = closing(bytes, open + 1, quote) else {
                return if last { Scan::Broken { open, closed: None } } else { Scan::More };
            };
            lines += memchr_iter(self.terminator, &bytes[open..end]).count() as u64;
            cells.push(Cell { start: open + 1, end, quoted: true, doubled });
            match &bytes[end + 1..] {
                [] if !last => return Scan::More,
                [] => return Scan::Whole { bytes: end + 1, lines },
                [next, ..] if *next == self.delimiter => at = end + 2,
                [next, ..] if *next == self.terminator => return Scan::Whole { bytes: end + 2, lines },
                [b'\r'] if !last => return Scan::More,
                [b'\r'] => return Scan::Whole { bytes: end + 2, lines },
                [b'\r', b'\n', ..] if self.terminator == b'\n' => {
                    return Scan::Whole { bytes: end + 3, lines };
                }
                _ => return Scan::Broken { open, closed: Some(end) },
            }
        }
    }
}

/// The end of a quoted field, and whether it contains doubled quotes. A quote at the end of the bytes counts
/// as the closing one: a caller with more bytes scans again.
fn closing(bytes: &[u8], mut at: usize, quote: u8) -> Option<(usize, bool)> {
    let mut doubled = false;
    loop {
        at += memchr(quote, &bytes[at..])?;
        if bytes.get(at + 1) != Some(&quote) {
            return Some((at, doubled));
        }
        doubled = true;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> (Scan, Vec<String>) {
        let dialect = Dialect { delimiter: b',', quote: Some(b'"'), terminator: b'\n' };
        let mut cells = Vec::new();
        let scan = dialect.scan(text.as_bytes(), true, &mut cells);
        // For every prefix the result is the same or `More`.
        for cut in 0..text.len() {
            let part = dialect.scan(&text.as_bytes()[..cut], false, &mut Vec::new());
            assert!(part == Scan::More || part == scan, "{text:?} at {cut}: {part:?}");
        }
        let texts = cells.iter().map(|cell| text[cell.start..cell.end].to_owned()).collect();
        (scan, texts)
    }

    #[test]
    fn records_are_cut_as_rfc_4180_says() {
        for (text, bytes, lines, fields) in [
            ("a,b\nc", 4, 1, &["a", "b"][..]),
            ("a,\r\n", 4, 1, &["a", ""]),
            ("a,", 2, 1, &["a", ""]),
            ("\n", 1, 1, &[""]),
            ("\"a,b\",'c\n", 9, 1, &["a,b", "'c"]),
            ("\"a\nb\",c\r\nd", 9, 2, &["a\nb", "c"]),
            ("\"say \"\"hi\"\"\"", 12, 1, &["say \"\"hi\"\""]),
            ("5\" pipe,x\n", 10, 1, &["5\" pipe", "x"]),
            ("\"\",\n", 4, 1, &["", ""]),
        ] {
            let wanted = (Scan::Whole { bytes, lines }, fields.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(cut(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_does_not_close_a_field_is_found() {
        assert_eq!(cut("1,\"a\n2,b\n").0, Scan::Broken { open: 2, closed: None });
        assert_eq!(cut("1,\"a\n2,\"b\"\n").0, Scan::Broken { open: 2, closed: Some(7) });
        assert_eq!(cut("1,\"a\" ,b\n").0, Scan::Broken { open: 2, closed: Some(4) });
    }
}
