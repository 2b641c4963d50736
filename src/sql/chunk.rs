//! Records → DuckDB: a table function that hands over a chunk of rows.
//!
//! Every leaf goes over as text and is cast in the statement, so that no `unsafe` is needed. One function
//! fills vectors, led by the declared type: a text that is put into a vector of another type would end the
//! process. Main type: [`Slot`].

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc, LazyLock, Mutex, Weak,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use duckdb::{
    Connection,
    core::{
        DataChunkHandle, FlatVector, Inserter, ListVector, LogicalTypeHandle, LogicalTypeId, StructVector,
    },
    vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab},
};

use crate::record::{LogicalType, Schema, Value, quote};

use super::{Row, SqlError};

/// Rows that DuckDB takes at once.
const VECTOR: usize = 2048;

const FUNCTION: &str = "etl_chunk";

static SLOTS: LazyLock<Mutex<HashMap<i64, Weak<Slot>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicI64 = AtomicI64::new(1);

/// Rows of one schema on their way into statements. A statement names it by [`Slot::relation`].
pub struct Slot {
    id: i64,
    schema: Schema,
    rows: Mutex<Arc<[Row]>>,
}

impl Slot {
    /// A slot for rows of a schema.
    pub fn new(schema: Schema) -> Arc<Self> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Self { id, schema, rows: Mutex::new(Arc::new([])) });
        if let Ok(mut slots) = SLOTS.lock() {
            slots.retain(|_, slot| slot.strong_count() > 0);
            slots.insert(id, Arc::downgrade(&slot));
        }
        slot
    }

    /// The rows that statements see from now on.
    pub fn set(&self, rows: Arc<[Row]>) {
        if let Ok(mut held) = self.rows.lock() {
            *held = rows;
        }
    }

    /// A subquery that gives the rows with their declared types.
    pub fn relation(&self) -> String {
        let columns: Vec<String> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| format!("CAST(c{at} AS {}) AS {}", field.datatype.sql(), quote(&field.name)))
            .collect();
        let columns = if columns.is_empty() { "1 AS etl_nothing".to_owned() } else { columns.join(", ") };
        format!("(SELECT {columns} FROM {FUNCTION}({}))", self.id)
    }
}

/// Lets statements of a connection read from slots.
///
/// # Errors
/// When DuckDB refuses.
pub fn register(connection: &Connection) -> Result<(), SqlError> {
    Ok(connection.register_table_function::<Chunk>(FUNCTION)?)
}

struct Chunk;

struct Taken {
    rows: Arc<[Row]>,
    columns: Vec<usize>,
    next: AtomicUsize,
}

impl VTab for Chunk {
    type BindData = Arc<Slot>;
    type InitData = Mutex<Option<Arc<Taken>>>;

    fn bind(bind: &BindInfo) -> Result<Arc<Slot>, Box<dyn Error>> {
        let id = bind.get_parameter(0).to_int64();
        let slot = SLOTS.lock().ok().and_then(|slots| slots.get(&id).and_then(Weak::upgrade));
        let slot = slot.ok_or("the chunk of records is gone")?;
        for (at, field) in slot.schema.fields().iter().enumerate() {
            bind.add_result_column(&format!("c{at}"), texts(&field.datatype));
        }
        if slot.schema.is_empty() {
            bind.add_result_column("c0", LogicalTypeHandle::from(LogicalTypeId::Varchar));
        }
        Ok(slot)
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn Error>> {
        // The rows are those of the slot when the statement begins; `func` has the slot, and takes them.
        let columns = init.get_column_indices().into_iter().map(|at| at as usize).collect();
        Ok(Mutex::new(Some(Arc::new(Taken { rows: Arc::new([]), columns, next: AtomicUsize::new(0) }))))
    }

    fn func(function: &TableFunctionInfo<Self>, output: &mut DataChunkHandle) -> Result<(), Box<dyn Error>> {
        let slot = function.get_bind_data();
        let taken = {
            let mut state = function.get_init_data().lock().map_err(|_| "a chunk panicked")?;
            let current = state.take().ok_or("a chunk without its state")?;
            let current = match current.next.load(Ordering::Relaxed) {
                0 if current.rows.is_empty() => {
                    let rows = slot.rows.lock().map_err(|_| "a chunk panicked")?.clone();
                    Arc::new(Taken { rows, columns: current.columns.clone(), next: AtomicUsize::new(0) })
                }
                _ => current,
            };
            *state = Some(Arc::clone(&current));
            current
        };
        let start = taken.next.fetch_add(VECTOR, Ordering::Relaxed).min(taken.rows.len());
        let rows = &taken.rows[start..(start + VECTOR).min(taken.rows.len())];
        for (at, &column) in taken.columns.iter().enumerate() {
            let Some(field) = slot.schema.fields().get(column) else { continue };
            let values: Vec<&Value> =
                rows.iter().map(|row| row.get(column).unwrap_or(&Value::Null)).collect();
            fill_column(output, at, &field.datatype, &values);
        }
        output.set_len(rows.len());
        Ok(())
    }

    fn supports_pushdown() -> bool {
        true
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
    }
}

/// The type with every leaf as text.
fn texts(of: &LogicalType) -> LogicalTypeHandle {
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => LogicalTypeHandle::list(&texts(of)),
        LogicalType::Struct(fields) => {
            let fields: Vec<(&str, LogicalTypeHandle)> =
                fields.iter().map(|(name, of)| (name.as_str(), texts(of))).collect();
            LogicalTypeHandle::struct_type(&fields)
        }
        _ => LogicalTypeHandle::from(LogicalTypeId::Varchar),
    }
}

fn fill_column(output: &DataChunkHandle, at: usize, of: &LogicalType, values: &[&Value]) {
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => fill_list(output.list_vector(at), of, values),
        LogicalType::Struct(fields) => fill_struct(output.struct_vector(at), fields, values),
        _ => fill_leaves(output.flat_vector(at), values),
    }
}

fn fill_leaves(mut vector: FlatVector<'_>, values: &[&Value]) {
    for (at, value) in values.iter().enumerate() {
        match value.leaf() {
            Some(text) => vector.insert(at, &*text),
            None => vector.set_null(at),
        }
    }
}

fn fill_struct(mut vector: StructVector<'_>, fields: &[(String, LogicalType)], values: &[&Value]) {
    for (at, value) in values.iter().enumerate() {
        if !matches!(value, Value::Struct(_)) {
            vector.set_null(at);
        }
    }
    for (at, (_, of)) in fields.iter().enumerate() {
        let inside: Vec<&Value> = values
            .iter()
            .map(|value| match value {
                Value::Struct(values) => values.get(at).unwrap_or(&Value::Null),
                _ => &Value::Null,
            })
            .collect();
        match of {
            LogicalType::List(of) | LogicalType::Array(of, _) => {
                fill_list(vector.list_vector_child(at), of, &inside);
            }
            LogicalType::Struct(fields) => fill_struct(vector.struct_vector_child(at), fields, &inside),
            _ => fill_leaves(vector.child(at, values.len()), &inside),
        }
    }
}

fn fill_list(mut vector: ListVector<'_>, of: &LogicalType, values: &[&Value]) {
    let mut items: Vec<&Value> = Vec::new();
    let mut entries = Vec::with_capacity(values.len());
    for value in values {
        let start = items.len();
        if let Value::List(list) = value {
            items.extend(list.iter());
        }
        entries.push((start, items.len() - start));
    }
    let total = items.len();
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => {
            // An error is one of memory, and DuckDB's next call meets it, too.
            let _ = vector.try_reserve(total);
            fill_list(vector.list_child(), of, &items);
        }
        LogicalType::Struct(fields) => fill_struct(vector.struct_child(total), fields, &items),
        _ => fill_leaves(vector.child(total), &items),
    }
    for (at, (value, (start, length))) in values.iter().zip(entries).enumerate() {
        vector.set_entry(at, start, length);
        if !matches!(value, Value::List(_)) {
            vector.set_null(at);
        }
    }
    vector.set_len(total);
}
