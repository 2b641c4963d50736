//! Tables that a pipeline writes and reads: their columns are derived from the pipeline, even before its first run.
//!
//! A query is described over temporary stand-ins for the tables of the pipeline's sinks. If the columns of a
//! table are not known yet, because its sink is below the query, the columns named in the query are assumed without
//! a type. This gives the sink's columns, and the spec is compiled again with them until nothing changes.

use crate::{
    record::{LogicalType, Schema, same_name},
    spec::Text,
    sql::{self, QueryFacts},
};

use super::{
    Sink, Target,
    compiler::{Compiler, Tables},
    query_error::Readable,
};

/// The most names that may be missing in one query.
const MOST_MISSING: usize = 100;

impl Compiler<'_> {
    /// The columns of a query over empty relations and over tables.
    pub(super) fn describe(
        &mut self,
        readable: &[Readable<'_>],
        query: &str,
        (text, facts): (&Text, &QueryFacts),
    ) -> Option<Schema> {
        let described = match readable {
            [] => query.to_owned(),
            _ => format!("{} SELECT * FROM ({query}\n)", sql::without_rows(readable)),
        };
        let own: Vec<String> = self
            .spec
            .stages
            .iter()
            .filter_map(|stage| stage.table())
            .filter(|table| facts.reads.iter().any(|relation| same_name(&relation.name, table)))
            .map(str::to_lowercase)
            .collect();
        let mut tables = Tables::new();
        for table in &own {
            if let Some(columns) = self.found.get(table).or_else(|| self.tables.get(table)) {
                let there = self.columns_there(table).unwrap_or_default();
                tables.insert(table.clone(), both(there, columns));
            }
        }
        for _ in 0..MOST_MISSING {
            let given: Vec<(String, Schema)> = tables.clone().into_iter().collect();
            let why = match (self.around.describe)(&described, &given) {
                Ok(columns) => return Some(columns),
                Err(why) => why,
            };
            if !self.assume(&why, &own, &mut tables) {
                let tables: Vec<Readable<'_>> =
                    tables.iter().map(|(name, schema)| (name.as_str(), schema)).collect();
                self.query_error(&why, &[readable, &tables].concat(), text);
                return None;
            }
            self.assumed = true;
        }
        None
    }

    /// Adds a missing name of a query to the tables of this pipeline; false if it does not belong to them.
    fn assume(&self, why: &str, own: &[String], tables: &mut Tables) -> bool {
        let between = |before: &str, after: &str| {
            let rest = &why[why.find(before)? + before.len()..];
            Some(rest[..rest.find(after)?].to_owned())
        };
        if let Some(table) = between("Table with name ", " does not exist") {
            let table = table.to_lowercase();
            return own.contains(&table) && tables.insert(table, Schema::default()).is_none();
        }
        let column = between("does not have a column named \"", "\"")
            .or_else(|| between("Referenced column \"", "\" not found"))
            .or_else(|| between("column \"", "\" does not exist on right side of join"))
            .or_else(|| between("column \"", "\" does not exist on left side of join"));
        let Some(column) = column else { return false };
        let mut added = false;
        for table in own {
            let known = self.found.contains_key(table) || self.tables.contains_key(table);
            let columns =
                tables.entry(table.clone()).or_insert_with(|| self.columns_there(table).unwrap_or_default());
            if !known && columns.get(&column).is_none() {
                columns.set(column.as_str(), LogicalType::Other("\"NULL\"".to_owned()));
                added = true;
            }
        }
        added
    }

    /// The columns of a table in the database, if it exists.
    fn columns_there(&self, table: &str) -> Option<Schema> {
        (self.around.describe)(&format!("FROM main.{}", crate::record::quote(table)), &[]).ok()
    }

    /// Records the columns written by a sink.
    pub(super) fn note_table(&mut self, sink: &Sink) {
        if let Target::Table(table) = &sink.target {
            let columns = sink.columns.iter().map(|column| (column.name.as_str(), column.datatype.clone()));
            let columns = Schema::new(columns);
            let all = match self.found.remove(&table.to_lowercase()) {
                Some(known) => both(known, &columns),
                None => columns,
            };
            self.found.insert(table.to_lowercase(), all);
        }
    }
}

/// The columns of a table with more columns added and types widened.
fn both(mut there: Schema, more: &Schema) -> Schema {
    for field in more.fields() {
        let known = there.get(&field.name).map(|field| field.datatype.clone());
        let of =
            known.and_then(|known| known.widened(&field.datatype)).unwrap_or_else(|| field.datatype.clone());
        there.set(field.name.as_ref(), of);
    }
    there
}
