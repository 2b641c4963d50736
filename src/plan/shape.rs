//! The compile-time facts about the records of a port. Main type: [`Shape`].

use std::sync::Arc;

use crate::record::{LogicalType, Schema, same_name};

use super::{RecordType, caveat::Caveat};

/// The fields of a port's records, their origin, and which of them are the key.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub(super) schema: Schema,
    /// Fields that a map made, in order.
    pub(super) made: Vec<String>,
    /// Fields that hold a model's answer; each is also the name of a map in `etl`.
    pub(super) answers: Vec<String>,
    /// Maps that called a model, for `etl`.
    pub(super) maps: Vec<Arc<str>>,
    /// The fields that identify a record, in order; may be empty.
    pub(super) key: Vec<String>,
    /// The part of the key that identifies the source record; splits add the rest.
    pub(super) source_key: Vec<String>,
    /// Fields that a table leaves out by default: the content of a file, a list that was split.
    pub(super) bulky: Vec<String>,
    /// Whether these are failures.
    pub(super) failed: bool,
    /// The splits whose pieces these are, outermost first.
    pub(super) splits: Vec<SplitLevel>,
    /// The shapes of failures that pass to the next wave.
    pub(super) failures: Vec<Shape>,
    /// Fields, or parts of them, that a text should guard.
    pub(super) caveats: Vec<Caveat>,
}

/// A split above.
#[derive(Debug, Clone)]
pub(super) struct SplitLevel {
    /// The map's name.
    pub(super) stage: String,
    /// The added fields: the item, and its number if it has one.
    pub(super) own: Vec<String>,
    /// The records before it.
    pub(super) before: Box<Shape>,
}

/// Two inputs with incompatible types for a field.
#[derive(Debug)]
pub(super) struct Clash {
    pub(super) field: String,
    pub(super) first: LogicalType,
    pub(super) second: LogicalType,
}

impl Shape {
    pub(super) fn record_type(&self) -> RecordType {
        RecordType { schema: Arc::new(self.schema.clone()), maps: self.maps.clone().into() }
    }

    /// The union of several shapes by name: types widen without loss, and a missing field is NULL.
    pub(super) fn union(shapes: &[Self]) -> Result<Self, Clash> {
        let [first, rest @ ..] = shapes else { return Ok(Self::default()) };
        let mut union = first.clone();
        for field in shapes.iter().flat_map(|shape| shape.schema.fields()) {
            if shapes.iter().any(|shape| shape.schema.get(&field.name).is_none()) {
                union.caveats.push(Caveat::null(&field.name, "not every stage that is read here has it"));
            }
        }
        for shape in rest {
            for field in shape.schema.fields() {
                let Some(known) = union.schema.get(&field.name) else {
                    union.schema.set(Arc::clone(&field.name), field.datatype.clone());
                    continue;
                };
                let widened = known.datatype.widened(&field.datatype).ok_or_else(|| Clash {
                    field: field.name.to_string(),
                    first: known.datatype.clone(),
                    second: field.datatype.clone(),
                })?;
                let name = Arc::clone(&known.name);
                union.schema.set(name, widened);
            }
            let add = |all: &mut Vec<String>, more: &[String]| {
                let new: Vec<String> = more.iter().filter(|name| !all.contains(name)).cloned().collect();
                all.extend(new);
            };
            add(&mut union.made, &shape.made);
            add(&mut union.answers, &shape.answers);
            add(&mut union.bulky, &shape.bulky);
            for map in &shape.maps {
                if !union.maps.contains(map) {
                    union.maps.push(Arc::clone(map));
                }
            }
            if union.key != shape.key {
                union.key.clear();
                union.source_key.clear();
            }
            let same = union.splits.iter().zip(&shape.splits).take_while(|(a, b)| a.stage == b.stage).count();
            union.splits.truncate(same);
            union.failed |= shape.failed;
            union.failures.extend(shape.failures.iter().cloned());
            union.caveats.extend(shape.caveats.iter().cloned());
        }
        Ok(union)
    }

    /// The shape at a `failed` port.
    pub(super) fn failed(mut self) -> Self {
        self.failed = true;
        self.failures.clear();
        self
    }

    /// Adds a field made by a map.
    pub(super) fn make(&mut self, name: &str, of: LogicalType) {
        self.schema.set(name, of);
        self.made.retain(|made| !same_name(made, name));
        self.answers.retain(|answer| !same_name(answer, name));
        self.bulky.retain(|bulky| !same_name(bulky, name));
        self.caveats.retain(|caveat| !same_name(caveat.field(), name));
        self.made.push(name.to_owned());
    }

    /// Keeps the fields for which `keep` is true.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let fields = self.schema.fields().iter().filter(|field| keep(&field.name));
        self.schema = Schema::new(fields.map(|field| (Arc::clone(&field.name), field.datatype.clone())));
        for names in [&mut self.made, &mut self.answers, &mut self.bulky] {
            names.retain(|name| keep(name));
        }
        self.caveats.retain(|caveat| keep(caveat.field()));
        if !self.key.iter().all(|name| keep(name)) {
            self.key.clear();
            self.source_key.clear();
        }
    }

    /// Renames fields, all at once.
    pub(super) fn rename(&mut self, new_of: impl Fn(&str) -> Option<String>) {
        let name = |name: &str| new_of(name).unwrap_or_else(|| name.to_owned());
        let fields = self.schema.fields().iter();
        self.schema = Schema::new(fields.map(|field| (name(&field.name), field.datatype.clone())));
        for names in [&mut self.made, &mut self.answers, &mut self.bulky, &mut self.key, &mut self.source_key]
        {
            for old in names.iter_mut() {
                *old = name(old);
            }
        }
        for caveat in &mut self.caveats {
            let field = caveat.field().to_owned();
            caveat.path.replace_range(..field.len(), &name(&field));
        }
    }
}
