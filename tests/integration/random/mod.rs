//! Random pipelines end to end: the table is as shown by `plan`, values survive, keys are unique, origins are
//! sufficient, specs that pass `check` fail no record, and a second run sends and changes nothing.
//!
//! `ETL_PIPELINES=5000` for more, `ETL_SEED=7` for another start; a failure names its seed.

mod generator;

use duckdb::{AccessMode, Config, Connection};
use etl::{
    event::RunEnd,
    plan::{Plan, Step, Target},
    run::Options,
};
use tokio_util::sync::CancellationToken;

use crate::common::{Folder, number, run};
use generator::Generated;

/// Chains per pipeline: each counts as one.
const CHAINS: u64 = 5;

/// Pipelines, divided among four tests that run in parallel.
fn pipelines(part: u64) {
    let count = number("ETL_PIPELINES", 200).div_ceil(CHAINS);
    let first = number("ETL_SEED", 1);
    for seed in (first..first + count).filter(|seed| seed % 4 == part) {
        Case::new(seed).holds();
    }
}

#[test]
fn random_pipelines_keep_what_they_promise_1() {
    pipelines(0);
}

#[test]
fn random_pipelines_keep_what_they_promise_2() {
    pipelines(1);
}

#[test]
fn random_pipelines_keep_what_they_promise_3() {
    pipelines(2);
}

#[test]
fn random_pipelines_keep_what_they_promise_4() {
    pipelines(3);
}

struct Case {
    seed: u64,
    generated: Generated,
    folder: Folder,
}

/// The source rows that are read.
fn source(folder: &Folder, query: &str, condition: &str) {
    let path = folder.path("texts.parquet").display().to_string();
    let sql = format!("COPY (FROM ({query}) AS s WHERE {condition}) TO '{path}' (FORMAT parquet)");
    Connection::open_in_memory().unwrap().execute_batch(&sql).unwrap();
}

/// The results of a run, opened once for all queries.
struct Results(Connection);

impl Results {
    fn of(folder: &Folder) -> Self {
        let config = Config::default().access_mode(AccessMode::ReadOnly).unwrap();
        Self(Connection::open_with_flags(folder.path("out.duckdb"), config).unwrap())
    }

    /// The result of a query, one row per line.
    fn sql(&self, query: &str) -> String {
        let sql = format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query}\n)");
        let mut statement = self.0.prepare(&sql).unwrap_or_else(|error| panic!("{error}\n{query}"));
        let mut rows = statement.query([]).unwrap();
        let width = rows.as_ref().unwrap().column_count();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let value = |at| row.get::<_, Option<String>>(at).unwrap().unwrap_or_else(|| "NULL".to_owned());
            lines.push((0..width).map(value).collect::<Vec<_>>().join(" | "));
        }
        lines.join("\n")
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Case {
    fn new(seed: u64) -> Self {
        let generated = Generated::new(seed, CHAINS);
        let folder = Folder::new();
        source(&folder, &generated.source, "true");
        Self { seed, generated, folder }
    }

    /// The context reported with a failure.
    fn about(&self) -> String {
        format!("seed {}\n{}\n{}", self.seed, self.generated.source, self.generated.spec)
    }

    fn run(&self, folder: &Folder) -> (Plan, u64) {
        let path = folder.path("spec.yaml");
        let pipeline = etl::run::Pipeline::from_text(&path, &self.generated.spec, &[])
            .unwrap_or_else(|mistakes| panic!("{}\n{}", mistakes.render(false), self.about()));
        let options = Options { offline: true, ..Options::default() };
        let ended = run(&pipeline, &options, CancellationToken::new())
            .unwrap_or_else(|error| panic!("{error}\n{}", self.about()));
        assert!(matches!(ended.end, RunEnd::Complete), "{:?}\n{}", ended.end, self.why(folder));
        assert_eq!((ended.sum.failures, ended.sum.pending()), (0, 0), "{:?}\n{}", ended.sum, self.about());
        (pipeline.plan().clone(), ended.progress.usage.requests)
    }

    fn why(&self, folder: &Folder) -> String {
        format!(
            "{}\n{}",
            Results::of(folder).sql("SELECT stage, kind, reason FROM etl.failures LIMIT 5"),
            self.about()
        )
    }

    fn holds(&self) {
        let (plan, _) = self.run(&self.folder);
        let results = Results::of(&self.folder);
        self.types_are_those_of_the_plan(&results, &plan);
        self.keys_are_unique(&results, &plan);
        self.values_survive(&results);
        let before = self.tables(&results);
        if self.seed.is_multiple_of(3) {
            self.origins_are_sufficient(&results, &plan);
        }
        drop(results);
        let (_, requests) = self.run(&self.folder);
        assert_eq!(requests, 0, "the second run asks\n{}", self.about());
        assert_eq!(
            before,
            self.tables(&Results::of(&self.folder)),
            "the second run changes rows\n{}",
            self.about()
        );
    }

    fn tables(&self, results: &Results) -> Vec<String> {
        let rows = |table: &str| {
            let mut rows: Vec<String> =
                results.sql(&format!("FROM {table}")).lines().map(str::to_owned).collect();
            rows.sort();
            rows.join("\n")
        };
        self.generated.chains.iter().map(|chain| rows(&chain.table)).collect()
    }

    fn types_are_those_of_the_plan(&self, results: &Results, plan: &Plan) {
        for (table, sink) in sinks(plan) {
            let planned: Vec<String> = sink
                .columns
                .iter()
                .map(|column| format!("{} | {}", column.name, column.datatype.sql()))
                .collect();
            let found = results.sql(&format!(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{table}' ORDER BY column_index"
            ));
            let found: Vec<String> = found
                .lines()
                .map(|line| {
                    let (name, of) = line.rsplit_once(" | ").unwrap();
                    format!("{name} | {}", etl::record::parse_type(of).sql())
                })
                .collect();
            assert_eq!(planned, found, "{table}\n{}", self.about());
        }
    }

    fn keys_are_unique(&self, results: &Results, plan: &Plan) {
        for (table, sink) in sinks(plan) {
            let key: Vec<String> = sink.key.iter().map(|name| quoted(name)).collect();
            let sql = format!("SELECT count(*) - count(DISTINCT ({})) FROM {table}", key.join(", "));
            assert_eq!(results.sql(&sql), "0", "{table}\n{}", self.about());
        }
    }

    fn values_survive(&self, results: &Results) {
        let key: Vec<String> = self.generated.key.iter().map(|name| quoted(name)).collect();
        let path = self.folder.path("texts.parquet").display().to_string();
        for chain in &self.generated.chains {
            let has = results.sql(&format!(
                "SELECT column_name FROM duckdb_columns() WHERE table_name = '{}'",
                chain.table
            ));
            let kept: Vec<&String> =
                chain.kept.iter().filter(|kept| has.lines().any(|name| name == *kept)).collect();
            if kept.is_empty() {
                continue;
            }
            assert_eq!(kept.len(), chain.kept.len(), "a column is gone\n{}", self.about());
            let same: Vec<String> =
                kept.iter().map(|name| format!("o.{0} IS NOT DISTINCT FROM s.{0}", quoted(name))).collect();
            let on: Vec<String> = key.iter().map(|name| format!("o.{name} = s.{name}")).collect();
            let changed = results.sql(&format!(
                "SELECT count(*) FROM {} AS o LEFT JOIN read_parquet('{path}') AS s ON {} WHERE NOT ({})",
                chain.table,
                on.join(" AND "),
                same.join(" AND ")
            ));
            assert_eq!(changed, "0", "values of {} differ\n{}", chain.table, self.about());
        }
    }

    /// A run over only the source records of a row yields that row.
    fn origins_are_sufficient(&self, results: &Results, plan: &Plan) {
        let at = (self.seed % CHAINS) as usize;
        let chain = &self.generated.chains[at];
        let Some((_, sink)) = sinks(plan).find(|(table, _)| *table == chain.table) else { return };
        let texts = |names: &[String]| -> String {
            let texts: Vec<String> =
                names.iter().map(|name| format!("CAST({} AS VARCHAR)", quoted(name))).collect();
            texts.join(", ")
        };
        let (row_key, key) = (texts(&sink.key), texts(&self.generated.key));
        let row = results.sql(&format!("FROM {} ORDER BY hash({row_key}) LIMIT 1", chain.table));
        if row.is_empty() {
            return;
        }
        let owner = results.sql(&format!(
            "SELECT owner FROM etl.row_owners WHERE target = '{0}' AND row_hash =
             (SELECT hash({row_key}) FROM {0} ORDER BY hash({row_key}) LIMIT 1)",
            chain.table
        ));
        let key_columns = self.generated.key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let members = results.sql(&format!(
            "SELECT 'row(' || array_to_string(['''' || replace(k, '''', '''''') || '''' FOR k IN [{key}]], ', ') || ')'
             FROM everything JOIN etl.row_owners AS o ON o.target = 'everything' AND o.row_hash = hash({key})
             WHERE o.owner = {owner} OR o.owner IN (SELECT member FROM etl.owner_sets WHERE owner = {owner})"
        ));
        assert!(!members.is_empty(), "a row without origins in {}\n{}", chain.table, self.about());
        let members: Vec<&str> = members.lines().collect();
        let folder = Folder::new();
        let condition = format!(
            "({}) IN ({})",
            key_columns
                .split(", ")
                .map(|name| format!("CAST({name} AS VARCHAR)"))
                .collect::<Vec<_>>()
                .join(", "),
            members.iter().map(|member| member.trim_start_matches("row")).collect::<Vec<_>>().join(", ")
        );
        source(&folder, &self.generated.source, &condition);
        self.run(&folder);
        let found = Results::of(&folder).sql(&format!("FROM {}", chain.table));
        let is_there = found.contains(&row);
        assert!(is_there, "{} records give\n{found}\nwithout\n{row}\n{}", members.len(), self.about());
    }
}

fn sinks(plan: &Plan) -> impl Iterator<Item = (&str, &etl::plan::Sink)> {
    plan.nodes.iter().filter_map(|node| match &node.step {
        Step::Sink(sink) => match &sink.target {
            Target::Table(table) => Some((table.as_str(), sink)),
            Target::File { .. } => None,
        },
        _ => None,
    })
}
