//! Records → DuckDB: a table function that returns a chunk of rows. Main type: [`Slot`].
//!
//! A leaf is passed as the carrier of its type, in an Arrow array, and cast in the statement, which avoids `unsafe`
//! code.

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
    arrow::{
        array::{Array, ArrayRef, RecordBatch},
        datatypes,
    },
    core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId},
    vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab, record_batch_to_duckdb_data_chunk},
};

use crate::record::{Schema, Value, quote};

use super::{
    Row, SqlError,
    carrier::{array, handle},
};

/// The most rows that DuckDB takes at once.
const VECTOR: usize = 2048;

const FUNCTION: &str = "etl_chunk";

static SLOTS: LazyLock<Mutex<HashMap<i64, Weak<Slot>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicI64 = AtomicI64::new(1);

/// Rows of one schema, as input for statements. A statement reads them by [`Slot::relation`].
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

    /// Sets the rows for later statements.
    pub fn set(&self, rows: Arc<[Row]>) {
        if let Ok(mut held) = self.rows.lock() {
            *held = rows;
        }
    }

    /// A subquery for the rows with their declared types.
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
            bind.add_result_column(&format!("c{at}"), handle(&field.datatype));
        }
        if slot.schema.is_empty() {
            bind.add_result_column("c0", LogicalTypeHandle::from(LogicalTypeId::Varchar));
        }
        Ok(slot)
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn Error>> {
        // A statement reads the rows in the slot at its start; `func` has the slot, and takes them.
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
        let mut columns = Vec::with_capacity(taken.columns.len());
        for &column in &taken.columns {
            let Some(field) = slot.schema.fields().get(column) else { continue };
            let values: Vec<&Value> =
                rows.iter().map(|row| row.get(column).unwrap_or(&Value::Null)).collect();
            columns.push(array(&field.datatype, &values)?);
        }
        if columns.is_empty() {
            output.set_len(rows.len());
        } else {
            let field = |(at, column): (usize, &ArrayRef)| {
                datatypes::Field::new(format!("c{at}"), Array::data_type(column).clone(), true)
            };
            let fields: Vec<datatypes::Field> = columns.iter().enumerate().map(field).collect();
            let batch = RecordBatch::try_new(Arc::new(datatypes::Schema::new(fields)), columns)?;
            record_batch_to_duckdb_data_chunk(&batch, output)?;
        }
        Ok(())
    }

    fn supports_pushdown() -> bool {
        true
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
    }
}
