//! The fields of the records on an edge, with their types. Main type: [`Schema`].

use std::sync::Arc;

use super::LogicalType;

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name, as written.
    pub name: Arc<str>,
    /// Its type.
    pub datatype: LogicalType,
}

/// Fields in order. Names are case-insensitive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    fields: Vec<Field>,
}

impl Schema {
    /// A schema of these fields; a duplicate name replaces the type of the first.
    pub fn new<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, LogicalType)>) -> Self {
        let mut schema = Self::default();
        for (name, datatype) in fields {
            schema.set(name, datatype);
        }
        schema
    }

    /// The fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The position of a field.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| same_name(&field.name, name))
    }

    /// A field by name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.position(name).map(|at| &self.fields[at])
    }

    /// Adds a field, or replaces the one with its name; returns its position.
    pub fn set(&mut self, name: impl Into<Arc<str>>, datatype: LogicalType) -> usize {
        let name = name.into();
        match self.position(&name) {
            Some(at) => {
                self.fields[at] = Field { name, datatype };
                at
            }
            None => {
                self.fields.push(Field { name, datatype });
                self.fields.len() - 1
            }
        }
    }

    /// The paths to the parts of structs that have a name: `invoice.total` for `total`.
    pub fn paths_to(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for field in &self.fields {
            if let LogicalType::Struct(parts) = &field.datatype {
                let same = parts.iter().filter(|(part, _)| same_name(part, name));
                found.extend(same.map(|(part, _)| format!("{}.{part}", field.name)));
            }
        }
        found
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }
}

/// Whether two names are equal in DuckDB: names are case-insensitive.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}
