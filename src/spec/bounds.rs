//! How much goes on at once, and how long is waited.

use std::{fmt, time::Duration};

use crate::{diagnostic::Fault, units::Span};

use super::{
    reader::{Mapping, Reader},
    tree::{Kind, Node},
};

/// Requests under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    Fixed(usize),
    /// As many as give the most, found out while asking.
    Auto {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
}

impl Concurrency {
    /// What holds unless said.
    pub const DEFAULT: Self = Self::Fixed(4);
    /// What `auto` alone means.
    pub const AUTO: Self = Self::Auto { min: 1, max: 64 };

    /// The most that there can ever be.
    pub fn most(self) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::Auto { max, .. } => max,
        }
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(count) => write!(f, "{count} at a time"),
            Self::Auto { min, max } => write!(f, "{min} to {max} at a time, as many as give the most"),
        }
    }
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until it takes up a connection.
    pub connect: Duration,
    /// Until its answer begins.
    pub first_byte: Duration,
    /// Until its answer is there in full.
    pub whole: Duration,
}

impl Timeouts {
    /// What holds unless said.
    pub const DEFAULT: Self = Self {
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(300),
        whole: Duration::from_secs(300),
    };
}

pub(super) const TIMEOUTS: &[&str] = &["connect", "first_byte", "whole"];
pub(super) const AUTO: &[&str] = &["auto"];
pub(super) const AUTO_BOUNDS: &[&str] = &["min", "max"];

pub(super) const MOST_SLOTS: u64 = 4096;
const SLOTS: &str = "a number of slots, 1 to 4096";
const SLOTS_OR_AUTO: &str = "a number of slots, 1 to 4096, or `auto`";

/// A fixed number, for what is not found out while asking.
pub(super) fn slots(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Concurrency {
    let count = mapping.take("concurrency").and_then(|node| reader.count(&node, (1, MOST_SLOTS), SLOTS));
    count.map_or(Concurrency::DEFAULT, |count| Concurrency::Fixed(count as usize))
}

/// A number, `auto`, or `{ auto: { min: 2, max: 64 } }`.
pub(super) fn concurrency(mapping: &mut Mapping, reader: &mut Reader<'_>) -> Concurrency {
    let Some(node) = mapping.take("concurrency") else { return Concurrency::DEFAULT };
    match &node.kind {
        Kind::Text(word) if word == "auto" => Concurrency::AUTO,
        Kind::Map(_) => auto(node, reader).unwrap_or(Concurrency::AUTO),
        _ => {
            let count = reader.count(&node, (1, MOST_SLOTS), SLOTS_OR_AUTO);
            count.map_or(Concurrency::DEFAULT, |count| Concurrency::Fixed(count as usize))
        }
    }
}

fn auto(node: Node, reader: &mut Reader<'_>) -> Option<Concurrency> {
    let mut mapping = reader.mapping(node, "`concurrency:`", AUTO)?;
    let node = reader.need(&mut mapping, "auto", "{ auto: { min: 2, max: 64 } }");
    reader.finish(mapping);
    let node = node?;
    let place = node.span.clone();
    let mut bounds = reader.mapping(node, "`auto:`", AUTO_BOUNDS)?;
    let Concurrency::Auto { min, max } = Concurrency::AUTO else { return None };
    let mut bound = |name: &str| {
        bounds
            .take(name)
            .and_then(|node| reader.count(&node, (1, MOST_SLOTS), SLOTS))
            .map(|count| count as usize)
    };
    let (min, max) = (bound("min").unwrap_or(min), bound("max").unwrap_or(max));
    reader.finish(bounds);
    if min > max {
        let fault =
            Fault::OutOfBounds { found: format!("max: {max}"), wanted: "a `max` that is not below `min`" };
        reader.report(place, fault);
        return None;
    }
    Some(Concurrency::Auto { min, max })
}

/// `timeouts: { connect: 10s, first_byte: 5min, whole: 5min }`
pub(super) fn timeouts(node: Node, reader: &mut Reader<'_>) -> Timeouts {
    let mut timeouts = Timeouts::DEFAULT;
    let Some(mut mapping) = reader.mapping(node, "`timeouts:`", TIMEOUTS) else { return timeouts };
    for (name, time) in
        TIMEOUTS.iter().zip([&mut timeouts.connect, &mut timeouts.first_byte, &mut timeouts.whole])
    {
        let Some(node) = mapping.take(name) else { continue };
        let place = node.span.clone();
        match reader.unit(node) {
            Some(Span(Duration::ZERO)) => {
                let wanted = "a time above nothing, such as `30s`";
                reader.report(place, Fault::OutOfBounds { found: "0".to_owned(), wanted });
            }
            Some(Span(given)) => *time = given,
            None => {}
        }
    }
    reader.finish(mapping);
    timeouts
}
