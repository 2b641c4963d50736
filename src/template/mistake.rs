//! The mistakes in a template that are found without a record. Main type: [`TemplateMistake`].

use std::ops::Range;

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateMistake {
    /// What is wrong.
    pub fault: TemplateFault,
    /// Bytes of the template's text.
    pub span: Range<usize>,
}

/// The faults of a template that are found without a record.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each says it")]
pub enum TemplateFault {
    Syntax(String),
    UnknownField { name: String, known: Vec<String> },
    UnknownCallable { what: &'static str, name: String },
}
