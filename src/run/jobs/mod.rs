//! Batch jobs: records become the lines of jobs, jobs are created, polled and collected.
//!
//! A job goes through [`submit`], [`create`], [`poll`] and [`collect`], which are streams that `drive::wire` connects;
//! [`shared`] is what they have in common, [`view`] is what `etl jobs` shows and does. Knows nothing of the stages
//! around them: what flows between two of these streams is a [`shared::Batched`].

pub(crate) mod collect;
pub(crate) mod context;
pub(crate) mod create;
pub(crate) mod group;
pub(crate) mod place;
pub(crate) mod poll;
pub(crate) mod shared;
pub(crate) mod submit;
pub(crate) mod view;
