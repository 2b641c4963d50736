//! Batch jobs: records become lines of jobs, which are created, polled and collected.
//!
//! A job passes through [`submit`], [`create`], [`poll`] and [`collect`], streams connected by `drive::wire`;
//! [`shared`] is their common state, [`view`] implements `etl jobs`. Knows nothing about other stages: a
//! [`shared::Batched`] flows between two of these streams.

pub(crate) mod collect;
pub(crate) mod context;
pub(crate) mod create;
pub(crate) mod group;
pub(crate) mod place;
pub(crate) mod poll;
pub(crate) mod shared;
pub(crate) mod submit;
pub(crate) mod view;
