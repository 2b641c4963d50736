//! Columns by name, over all files. Names are case-insensitive. Main type: [`Names`].

use std::{collections::HashMap, sync::Arc};

use crate::record::LogicalType;

use super::{Options, ReadError, cast::Cast};

/// Names in order of first appearance.
#[derive(Default)]
pub(super) struct Names {
    names: Vec<Arc<str>>,
    /// Every spelling so far.
    known: HashMap<Arc<str>, usize>,
    lower: HashMap<String, usize>,
}

impl Names {
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for name in names {
            all.add(name);
        }
        all
    }

    /// The position of a name, which is added if new.
    pub(super) fn add(&mut self, name: &str) -> usize {
        if let Some(at) = self.known.get(name) {
            return *at;
        }
        let next = self.names.len();
        let at = *self.lower.entry(name.to_lowercase()).or_insert(next);
        let name: Arc<str> = name.into();
        self.known.insert(Arc::clone(&name), at);
        if at == next {
            self.names.push(name);
        }
        at
    }

    /// The position of a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let known = self.known.get(name).copied();
        known.or_else(|| self.lower.get(&name.to_lowercase()).copied())
    }

    /// The position of a name that is expected at `guess`.
    pub(super) fn find_near(&self, guess: usize, name: &str) -> Option<usize> {
        match self.names.get(guess) {
            Some(known) if **known == *name => Some(guess),
            _ => self.find(name),
        }
    }

    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// Checks `types:`: DuckDB must know each type, and (with `every`) some file must have each column.
pub(super) fn check_declared(options: &Options, names: &Names, every: bool) -> Result<(), ReadError> {
    for (column, of) in &options.types.of {
        if every && names.find(column).is_none() && names.len() > 0 {
            let known: Vec<String> = names.all().iter().map(|name| format!("`{name}`")).collect();
            let known = known.join(", ");
            return Err(ReadError::UnknownColumn { option: "types", column: column.clone(), known });
        }
        if !is_plain(of) {
            Cast::default().check(of).map_err(|reason| ReadError::UnknownType {
                column: column.clone(),
                datatype: of.sql(),
                reason,
            })?;
        }
    }
    Ok(())
}

/// Whether a type needs no check by DuckDB.
fn is_plain(of: &LogicalType) -> bool {
    !matches!(
        of,
        LogicalType::Other(_)
            | LogicalType::List(_)
            | LogicalType::Array(..)
            | LogicalType::Struct(_)
            | LogicalType::Decimal { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_that_differ_in_case_only() {
        let mut names = Names::of(["Id", "größe"]);
        assert_eq!((names.add("ID"), names.add("GRÖSSE"), names.add("GRÖßE")), (0, 2, 1));
        assert_eq!(names.all().iter().map(|name| &**name).collect::<Vec<_>>(), ["Id", "größe", "GRÖSSE"]);
        assert_eq!(
            (names.find("iD"), names.find_near(1, "größe"), names.find("x")),
            (Some(0), Some(1), None)
        );
    }
}
