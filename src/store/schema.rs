//! The schema `etl`: all internal tables and views, in one place.
//!
//! A user's tables are created by sinks ([`sink_table`](super::sink_table)); the tables for the records of waves
//! and jobs are created on demand ([`record_table`](super::record_table)).

/// The layout version; a database with a higher number was written by a newer version of the program.
pub(super) const VERSION: i64 = 2;

/// The tables of a new database.
pub(super) const TABLES: &str = "
    CREATE SCHEMA etl;
    CREATE TABLE etl.meta (version BIGINT);
    CREATE TABLE etl.runs (
        run BIGINT, pipeline VARCHAR, server VARCHAR, program VARCHAR,
        started_at TIMESTAMP, ended_at TIMESTAMP, ended VARCHAR,
        requests BIGINT, retries BIGINT, reused BIGINT,
        prompt_tokens BIGINT, completion_tokens BIGINT, cost_usd DOUBLE, cached_tokens BIGINT
    );
    CREATE TABLE etl.failures (
        run BIGINT, stage VARCHAR, key VARCHAR, kind VARCHAR, reason VARCHAR,
        attempts INTEGER, reply VARCHAR, failed_at TIMESTAMP
    );
    CREATE TABLE etl.waves (
        run BIGINT, pipeline VARCHAR, wave VARCHAR, plan VARCHAR, ok BIGINT, failed BIGINT, pending BIGINT,
        closed_at TIMESTAMP
    );
    CREATE TABLE etl.journal (
        request UUID, server VARCHAR, generation BIGINT, attempt INTEGER, state VARCHAR,
        run BIGINT, stage VARCHAR, key VARCHAR, asked_model VARCHAR, job VARCHAR,
        model VARCHAR, reply VARCHAR, finish_reason VARCHAR, refused VARCHAR, reason VARCHAR,
        prompt_tokens BIGINT, completion_tokens BIGINT, cost_usd DOUBLE, latency_ms BIGINT,
        correlation_id VARCHAR, happened_at TIMESTAMP, cached_tokens BIGINT
    );
    CREATE TABLE etl.job_steps (
        token VARCHAR, step VARCHAR, run BIGINT, pipeline VARCHAR, stage VARCHAR, server VARCHAR, account VARCHAR,
        endpoint VARCHAR, model VARCHAR, job VARCHAR,
        input_file VARCHAR, output_file VARCHAR, error_file VARCHAR, status VARCHAR,
        requests BIGINT, completed BIGINT, succeeded BIGINT, failed BIGINT, estimate_usd DOUBLE,
        happened_at TIMESTAMP
    );
    CREATE TABLE etl.origins (
        target VARCHAR, row_key VARCHAR, record VARCHAR, request UUID, server VARCHAR, run BIGINT
    );";

/// Views for users.
pub(super) const VIEWS: &str = "
    CREATE OR REPLACE VIEW etl.requests AS
        SELECT * FROM etl.journal
        QUALIFY row_number() OVER (PARTITION BY request, server, generation, attempt ORDER BY rowid DESC) = 1;
    CREATE OR REPLACE VIEW etl.answers AS FROM etl.requests WHERE state IN ('answered', 'refused');
    CREATE OR REPLACE VIEW etl.jobs AS
        SELECT * EXCLUDE (step, happened_at), step AS state,
            min(happened_at) OVER (PARTITION BY token) AS planned_at, happened_at
        FROM etl.job_steps
        QUALIFY row_number() OVER (PARTITION BY token ORDER BY rowid DESC) = 1;
    CREATE OR REPLACE VIEW etl.origin AS
        SELECT o.target, o.row_key, o.record, o.run AS first_run, a.stage, a.request, a.attempt, a.asked_model, a.model,
            a.job, a.prompt_tokens, a.completion_tokens, a.cost_usd, a.latency_ms, a.run AS answered_in_run,
            a.happened_at AS answered_at
        FROM etl.origins AS o LEFT JOIN etl.answers AS a
            ON a.request = o.request AND a.server = o.server AND a.state = 'answered'
        QUALIFY row_number() OVER (PARTITION BY o.target, o.row_key ORDER BY o.rowid DESC, a.generation DESC) = 1;";

/// Changes from layout 1 to the tables.
pub(super) const UPGRADE: &str = "
    ALTER TABLE etl.journal ADD COLUMN IF NOT EXISTS cached_tokens BIGINT;
    ALTER TABLE etl.runs ADD COLUMN IF NOT EXISTS cached_tokens BIGINT;";

/// Additions of layout 2: the owners of rows.
pub(super) const OWNERSHIP: &str = "
    -- Which source records a row of a table came from: one, or a set of them.
    CREATE TABLE IF NOT EXISTS etl.row_owners (target VARCHAR, pipeline VARCHAR, row_hash UBIGINT, owner BIGINT);
    CREATE TABLE IF NOT EXISTS etl.owner_sets (owner BIGINT, member BIGINT);
    -- All records that a source has ever given.
    CREATE TABLE IF NOT EXISTS etl.source_records (pipeline VARCHAR, source VARCHAR, record BIGINT);
    -- What a run has read and what failed in it, until it has ended.
    CREATE TABLE IF NOT EXISTS etl.read_records (run BIGINT, source VARCHAR, record BIGINT);
    CREATE TABLE IF NOT EXISTS etl.unsettled_records (run BIGINT, stage VARCHAR, record BIGINT);
    -- The columns that identify a row of a table.
    CREATE TABLE IF NOT EXISTS etl.table_keys (target VARCHAR, key VARCHAR[]);";
