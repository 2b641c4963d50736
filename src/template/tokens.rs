//! The tokens of a template with their places, for checks that need no record.

use std::ops::Range;

use minijinja::{
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

/// The tokens up to the first mistake, with their byte ranges.
pub(super) fn tokens(text: &str) -> Vec<(Token<'_>, Range<usize>)> {
    tokenize(text, false, SyntaxConfig::default())
        .map_while(Result::ok)
        .map(|(token, span)| (token, span.start_offset as usize..span.end_offset as usize))
        .collect()
}
