//! The first record of a CSV file: the separator and the column names.

use std::sync::Arc;

use memchr::memchr2;

use crate::files::FileSet;

use super::{
    super::{Csv, ReadError, buffer::LONGEST, columns::Names},
    records::{Records, unquoted},
};

/// The separators tried without `delimiter:`; of two equally frequent ones, the first wins.
const SEPARATORS: [u8; 4] = *b",;\t|";

/// Opens a file and reads its header.
pub(super) fn open(set: &FileSet, file: &Arc<str>, format: &Csv) -> Result<Records, ReadError> {
    let mut records = Records::open(set, file, format)?;
    records.names = read(&mut records)?;
    Ok(records)
}

/// Finds the terminator and the separator, and reads the names; none in an empty file.
fn read(records: &mut Records) -> Result<Vec<Arc<str>>, ReadError> {
    records.dialect.terminator = terminator(records)?;
    for _ in 0..records.format().skip {
        records.skip_line()?;
    }
    loop {
        if records.at_end()? {
            return Ok(Vec::new());
        }
        if records.skip_comment()? {
            continue;
        }
        let (length, counts) = first_record(records)?;
        if records.buffer.window()[..length].trim_ascii().is_empty() {
            records.skip_line()?;
            continue;
        }
        let most = (0..SEPARATORS.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
        records.dialect.delimiter = records.format().delimiter.unwrap_or(SEPARATORS[most]);
        return names(records, length);
    }
}

/// `\n`, unless the start of the file has only `\r`.
fn terminator(records: &mut Records) -> Result<u8, ReadError> {
    loop {
        let window = records.buffer.window();
        match memchr2(b'\n', b'\r', window).map(|at| &window[at..]) {
            Some([b'\n', ..] | [b'\r', b'\n', ..]) => return Ok(b'\n'),
            // A lone `\r` may be inside a field: then a `\n` follows soon.
            Some(rest) if rest.contains(&b'\n') => return Ok(b'\n'),
            Some(_) if window.len() >= 64 * 1024 => return Ok(b'\r'),
            _ if window.len() > LONGEST => return Ok(b'\n'),
            found => {
                let has_one = found.is_some();
                if !records.more()? {
                    return Ok(if has_one { b'\r' } else { b'\n' });
                }
            }
        }
    }
}

/// The bytes of the first record, and the count of each separator outside quotes.
fn first_record(records: &mut Records) -> Result<(usize, [usize; 4]), ReadError> {
    loop {
        let (quote, terminator) = (records.dialect.quote, records.dialect.terminator);
        let (mut counts, mut quoted) = ([0; 4], false);
        let window = records.buffer.window();
        for (at, byte) in window.iter().enumerate() {
            if Some(*byte) == quote {
                quoted = !quoted;
            } else if !quoted && *byte == terminator {
                return Ok((at + 1, counts));
            } else if !quoted && let Some(found) = SEPARATORS.iter().position(|known| known == byte) {
                counts[found] += 1;
            }
        }
        let length = window.len();
        if length > LONGEST || !records.more()? {
            return Ok((length, counts));
        }
    }
}

fn names(records: &mut Records, length: usize) -> Result<Vec<Arc<str>>, ReadError> {
    let refused =
        |records: &Records, reason: String| ReadError::Header { file: Arc::clone(&records.file), reason };
    let line = records.line;
    let header = records.buffer.window()[..length].to_vec();
    if let Err(error) = std::str::from_utf8(&header) {
        let reason = records.undecodable(&header, error.valid_up_to());
        return Err(refused(records, reason));
    }
    if header.contains(&0) {
        let reason = format!(
            "line {line} has zero bytes: the file is not text, or UTF-16 without a byte order mark; for the latter write \
             `csv: {{ encoding: utf-16le }}`"
        );
        return Err(refused(records, reason));
    }
    let (cells, bytes, lines) = match records.header_cells() {
        Ok((cells, bytes, lines)) => (cells.to_vec(), bytes, lines),
        Err(open) => {
            let reason = format!("the quote at byte {} of line {line} is not closed in the header", open + 1);
            return Err(refused(records, reason));
        }
    };
    if !records.format().header {
        return Ok((0..cells.len()).map(|at| format!("column{at}").into()).collect());
    }
    let mut names = Names::default();
    for (at, cell) in cells.iter().enumerate() {
        let text = String::from_utf8_lossy(&header[cell.start..cell.end]).into_owned();
        let name = match &*unquoted(&text, cell.doubled.then_some(records.dialect.quote).flatten()) {
            "" => format!("column{at}"),
            name => name.to_owned(),
        };
        if let Some(first) = names.find(&name) {
            let skip = records.format().skip + 1;
            let reason = format!(
                "the columns {} and {} are both called `{name}`; rename one, or write \
                 `csv: {{ header: false, skip: {skip} }}`, which calls them `column0`, `column1`, …",
                first + 1,
                at + 1
            );
            return Err(refused(records, reason));
        }
        names.add(&name);
    }
    records.leave_header(bytes, lines);
    Ok(names.all().to_vec())
}
