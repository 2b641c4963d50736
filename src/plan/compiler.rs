//! The state of the compiler while it walks the stages. Main type: [`Compiler`]; each kind of stage adds its own
//! compile method, and `compile` drives it.

use std::collections::{BTreeMap, HashMap};

use crate::{
    diagnostic::{Fault, Mistake},
    read,
    record::{LogicalType, Schema},
    spec::Spec,
    sql::Engine,
};

use super::{Port, caveat::Guards, shape::Shape};

/// The columns of the tables of a pipeline's sinks, by their names in lower case.
pub(super) type Tables = BTreeMap<String, Schema>;

/// The shapes of the records of each submit stage: as they enter it, and after they are collected.
pub(super) type Collected = HashMap<usize, (Shape, Shape)>;

/// The columns of a query, or why DuckDB refuses it; the given tables replace the existing ones.
pub(super) type Describe<'a> = dyn Fn(&str, &[(String, Schema)]) -> Result<Schema, String> + 'a;

/// The faults of writing rows of a sink with this name to an existing table; the key is `None` if rows are only
/// added.
pub(super) type CheckTable<'a> =
    dyn Fn(&str, &str, Option<&[String]>, &[(String, LogicalType)]) -> Vec<Fault> + 'a;

/// The external inputs of the compiler, apart from the files named in the spec.
pub struct CompileContext<'a> {
    /// The columns of a query, or why DuckDB refuses it; the given tables replace the existing ones.
    pub describe: &'a Describe<'a>,
    /// The faults of a sink's existing table.
    pub check_table: &'a CheckTable<'a>,
    /// File proofs of earlier runs.
    pub proofs: read::Proofs<'a>,
}

/// The state of the compiler while it walks the stages.
pub(super) struct Compiler<'a> {
    pub(super) spec: &'a Spec,
    pub(super) around: &'a CompileContext<'a>,
    /// The engine that binds expressions.
    pub(super) engine: Engine,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    /// The guards in the condition of the current stage.
    pub(super) guards: Guards,
    /// The fields set by the current map.
    pub(super) siblings: Vec<String>,
    /// By stage and port; absent if unknown because of a mistake upstream.
    pub(super) shapes: HashMap<(usize, Port), Shape>,
    pub(super) collected: Collected,
    /// The tables of the sinks, as found by the previous pass and by this one.
    pub(super) tables: &'a Tables,
    pub(super) found: Tables,
    /// Whether a query was described over a table that was unknown to the previous pass.
    pub(super) assumed: bool,
}
