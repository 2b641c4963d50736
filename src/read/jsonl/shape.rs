//! The type that holds all values of a key. Main type: [`Shape`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::record::LogicalType;

use super::{
    node::{Kind, Node},
    number::Numbers,
};

/// The most keys of a struct. With more, the keys are data, and the type is JSON.
const MOST_KEYS: usize = 200;

/// The facts about the values of a key. It only grows, so the order of lines does not matter.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    boolean: bool,
    text: bool,
    numbers: Option<Numbers>,
    list: Option<Box<Shape>>,
    object: Option<Box<Object>>,
    deep: bool,
    /// The values that are not null.
    values: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Object {
    fields: Vec<(String, Shape)>,
    /// Positions by lowercase name, built as fields are added.
    #[serde(skip)]
    places: HashMap<String, usize>,
    /// It has too many keys, or keys that cannot be in one struct.
    is_map: bool,
}

impl Shape {
    pub(super) fn see(&mut self, node: &Node<'_>) {
        self.values += u64::from(!matches!(node.kind, Kind::Null));
        match &node.kind {
            Kind::Null => {}
            Kind::Boolean(_) => self.boolean = true,
            Kind::Text(_) => self.text = true,
            Kind::Number => self.numbers.get_or_insert_default().see(node.raw),
            Kind::List(items) => {
                let list = self.list.get_or_insert_default();
                items.iter().for_each(|item| list.see(item));
            }
            Kind::Object(members) => {
                let object = self.object.get_or_insert_default();
                let mut seen = Vec::with_capacity(members.len());
                for (guess, member) in members.iter().enumerate() {
                    match object.place(guess, &member.key) {
                        Some(at) if !seen.contains(&at) => {
                            seen.push(at);
                            object.fields[at].1.see(&member.node);
                        }
                        _ => object.give_up(),
                    }
                }
            }
            Kind::Deep => self.deep = true,
        }
    }

    /// Merges the facts about the key from another file.
    pub(super) fn merge(&mut self, other: Self) {
        let Self { boolean, text, numbers, list, object, deep, values } = other;
        self.values += values;
        self.boolean |= boolean;
        self.text |= text;
        self.deep |= deep;
        if let Some(numbers) = numbers {
            self.numbers.get_or_insert_default().merge(&numbers);
        }
        if let Some(list) = list {
            self.list.get_or_insert_default().merge(*list);
        }
        if let Some(object) = object {
            self.object.get_or_insert_default().merge(*object);
        }
    }

    /// How many values are not null.
    pub(super) const fn values(&self) -> u64 {
        self.values
    }

    /// Whether texts stand beside numbers or booleans: the type is JSON, in which a text has quotes.
    pub(super) fn is_mixed(&self) -> bool {
        let Self { boolean, text, numbers, list, object, deep, values: _ } = self;
        *text && (*boolean || numbers.is_some()) && list.is_none() && object.is_none() && !deep
    }

    pub(super) fn datatype(&self) -> LogicalType {
        let Self { boolean, text, numbers, list, object, deep, values: _ } = self;
        match (boolean, text, numbers, list, object, deep) {
            (true, false, None, None, None, false) => LogicalType::Boolean,
            (false, true, None, None, None, false) => LogicalType::Varchar,
            (false, false, Some(numbers), None, None, false) => numbers.datatype(),
            (false, false, None, Some(list), None, false) => LogicalType::List(Box::new(list.datatype())),
            (false, false, None, None, Some(object), false) => object.datatype(),
            _ => LogicalType::Json,
        }
    }
}

impl Object {
    /// The position of a key, which is added if new; `None` if this is not a struct.
    fn place(&mut self, guess: usize, key: &str) -> Option<usize> {
        if self.is_map || key.is_empty() {
            return None;
        }
        if self.fields.get(guess).is_some_and(|(known, _)| known == key) {
            return Some(guess);
        }
        let lower = key.to_lowercase();
        if let Some(at) = self.places.get(&lower) {
            return Some(*at);
        }
        if self.fields.len() == MOST_KEYS {
            return None;
        }
        self.places.insert(lower, self.fields.len());
        self.fields.push((key.to_owned(), Shape::default()));
        Some(self.fields.len() - 1)
    }

    fn merge(&mut self, other: Self) {
        if other.is_map {
            return self.give_up();
        }
        for (guess, (key, shape)) in other.fields.into_iter().enumerate() {
            match self.place(guess, &key) {
                Some(at) => self.fields[at].1.merge(shape),
                None => return self.give_up(),
            }
        }
    }

    fn give_up(&mut self) {
        *self = Self { is_map: true, ..Self::default() };
    }

    fn datatype(&self) -> LogicalType {
        match self.is_map || self.fields.is_empty() {
            true => LogicalType::Json,
            false => LogicalType::Struct(
                self.fields.iter().map(|(name, shape)| (name.clone(), shape.datatype())).collect(),
            ),
        }
    }
}
