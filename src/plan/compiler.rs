//! What the compiler knows while it walks the stages. Main type: [`Compiler`]; each kind of stage adds how it is
//! compiled, and `compile` drives it.

use std::collections::{BTreeMap, HashMap};

use crate::{
    diagnostic::{Fault, Mistake},
    read,
    record::{LogicalType, Schema},
    spec::Spec,
    sql::Engine,
};

use super::{Port, doubt::Guards, shape::Shape};

/// The columns of the tables of a pipeline's sinks, by their names in lower case.
pub(super) type Tables = BTreeMap<String, Schema>;

/// What the records of each submitting stage look like when they enter it, and once they are collected.
pub(super) type Collected = HashMap<usize, (Shape, Shape)>;

/// The columns of a query, or why DuckDB refuses it; with tables that are to be as said.
pub(super) type Describe<'a> = dyn Fn(&str, &[(String, Schema)]) -> Result<Schema, String> + 'a;

/// What is wrong with writing rows of a sink with this name to a table that is there; the key is `None` where rows are
/// only added.
pub(super) type CheckTable<'a> =
    dyn Fn(&str, &str, Option<&[String]>, &[(String, LogicalType)]) -> Vec<Fault> + 'a;

/// What the compiler needs of the world beside the files that a spec names.
pub struct CompileContext<'a> {
    /// The columns of a query, or why DuckDB refuses it; with tables that are to be as said.
    pub describe: &'a Describe<'a>,
    /// What is wrong with a sink's table if it is there.
    pub check_table: &'a CheckTable<'a>,
    /// What earlier runs have proven of files.
    pub proofs: read::Proofs<'a>,
}

/// The compiler: what it knows while it walks the stages.
pub(super) struct Compiler<'a> {
    pub(super) spec: &'a Spec,
    pub(super) around: &'a CompileContext<'a>,
    /// Where expressions are bound.
    pub(super) engine: Engine,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    /// What the condition of the stage that is compiled says of its fields.
    pub(super) guards: Guards,
    /// The fields that the map which is compiled sets.
    pub(super) siblings: Vec<String>,
    /// By stage and port; absent where a mistake upstream leaves it unknown.
    pub(super) shapes: HashMap<(usize, Port), Shape>,
    pub(super) collected: Collected,
    /// The tables of the sinks as the pass before found them, and as this one does.
    pub(super) tables: &'a Tables,
    pub(super) found: Tables,
    /// Whether a query was described over a table of which that pass knew nothing.
    pub(super) assumed: bool,
}
