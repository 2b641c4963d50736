//! Dataflows over documents: a YAML file becomes a graph of streams, and the graph becomes rows.

pub mod cli;
pub mod diagnostic;
pub mod event;
mod expressions;
pub mod fault;
pub mod files;
pub mod ledger;
pub mod mistral;
pub mod pages;
pub mod plan;
pub mod policy;
pub mod read;
pub mod record;
pub mod region;
pub mod report;
mod request;
pub mod run;
pub mod shown;
pub mod sim;
pub mod spec;
pub mod sql;
pub mod stage;
pub mod store;
pub mod task;
pub mod template;
pub mod units;
