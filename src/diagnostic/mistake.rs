//! A fault and its place: [`Mistake`]. Readers and the compiler collect them.

use std::fmt;

use super::{fault::Fault, place::Place};
use crate::escape::escaped;

/// A mistake and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.place.source.masked(&self.fault.to_string())))
    }
}

impl std::error::Error for Mistake {}
