//! The integration tests, in one binary: a module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    reason = "a test may fail by panic, and says what it skips; its tasks and queues are its own"
)]

mod common;

mod answers;
mod attachments;
mod auto;
mod batch;
mod chat;
mod diagnostics;
mod documents;
mod duplicates;
mod edges;
mod edits;
mod end_of_data;
mod examples;
mod fuzz;
mod how_do_i;
mod jobs;
mod kill;
mod layers;
mod ledger;
mod limits;
mod mistral_ask;
mod mistral_jobs;
mod mistral_shapes;
mod mistyped;
mod money;
mod ownership;
mod paid;
mod proofs;
mod proxy;
mod queries;
mod random;
mod read;
mod records_page;
mod refused;
mod replies;
mod requests;
mod run;
mod samples;
mod scenarios;
mod schema;
mod secrets;
mod signals;
mod sim;
mod stages;
mod stops;
mod store;
mod terminal;
mod twice;
mod types;
mod unreachable;
mod warnings;
