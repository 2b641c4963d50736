//! Several answers for a record, each in a separate record.

use etl::run::Options;
use tokio_util::sync::CancellationToken;

use crate::common::{Ended, Folder, conserved, run};

fn offline(folder: &Folder, spec: &str) -> Ended {
    let options = Options { offline: true, ..Options::default() };
    run(&folder.pipeline(spec, &[]), &options, CancellationToken::new()).unwrap()
}

const SPEC: &str = "
duckdb: out.duckdb
stages:
  - source: topics
    rows: [{ id: 1, topic: sea }, { id: 2, topic: wood }, { id: 3 }]
    key: id
  - map: poem
    when: topic IS NOT NULL
    samples: 3
    chat: { model: mistral-small-latest, temperature: 1.0, prompt: \"A poem about {{ topic }}.\" }
  - sink: poems
  - gather: all_of_them
  - sink: lists
    columns: { count: 'len(all_of_them)', numbers: '[p.poem_sample for p in all_of_them]' }
";

#[test]
fn each_sample_is_a_request_of_its_own_and_the_next_run_asks_nothing() {
    let folder = Folder::new();
    let ended = offline(&folder, SPEC);
    conserved(&ended);
    assert_eq!(ended.progress.usage.requests, 6);
    assert_eq!(
        folder.sql("SELECT id, string_agg(poem_sample, ' ' ORDER BY poem_sample), count(DISTINCT request) FROM poems GROUP BY id ORDER BY id"),
        "1 | 1 2 3 | 3\n2 | 1 2 3 | 3\n3 | 1 | 0"
    );
    assert_eq!(folder.sql("FROM lists ORDER BY id"), "1 | 3 | [1, 2, 3]\n2 | 3 | [1, 2, 3]\n3 | 1 | [1]");
    assert_eq!(offline(&folder, SPEC).progress.usage.requests, 0);
    // One sample is the same request as without `samples:`.
    let one = offline(&folder, &SPEC.replace("    samples: 3\n", "    samples: 1\n"));
    assert_eq!(one.progress.usage.requests, 0);
    assert_eq!(folder.sql("SELECT count(*) FROM poems"), "3", "the samples that are no longer taken go");
}

#[test]
fn samples_are_taken_above_a_throttle_and_in_jobs() {
    for change in [
        ("    samples: 3", "    samples: 3\n    batch: {}"),
        ("  - map: poem", "  - throttle: pace\n    rate: 100/s\n  - map: poem"),
    ] {
        let folder = Folder::new();
        let spec = SPEC.replace(change.0, change.1);
        let ended = offline(&folder, &spec);
        conserved(&ended);
        assert_eq!(folder.sql("SELECT count(*), count(DISTINCT request) FROM poems"), "7 | 6");
    }
}
