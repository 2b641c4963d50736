//! Mistakes about batch jobs as shown to a user, and the short form of a batch.

use crate::diagnostics::{GOOD, changed, folder, reported};

/// The valid pipeline with its first map as the three stages of a batch, and one change.
fn batched(from: &str, to: &str) -> String {
    const BATCH: &str = "\
  - map: job
    submit:
      chat:
        model: ${params.model}
        prompt: { file: prompt.md.j2 }
        schema: schema.json
      max_requests: 100
  - poll: finished
    job: mistral
    every: 30s
    timeout: 24h
  - map: extract
    collect: {}
";
    let start = GOOD.find("  - map: extract").unwrap();
    let end = GOOD.find("  - wave: extracted").unwrap();
    // The line continuation above removes the first indent.
    let spec = format!("{}  {BATCH}{}", &GOOD[..start], &GOOD[end..]);
    assert!(spec.contains(from), "{from}");
    let dir = folder();
    reported(dir.path(), &spec.replacen(from, to, 1), &[])
}

#[test]
fn mistakes_about_batch_jobs() {
    let cases = [
        (
            "nothing collects",
            "  - map: extract\n    collect: {}\n",
            "  - map: extract\n    fields: { title: job.id }\n",
        ),
        ("nothing polls", "  - poll: finished\n    job: mistral\n    every: 30s\n    timeout: 24h\n", ""),
        ("a map between", "  - poll: finished", "  - map: between\n    keep: job\n  - poll: finished"),
        (
            "somebody else reads",
            "  - wave: extracted",
            "  - sink: jobs\n    from: finished\n    table: jobs\n  - wave: extracted\n    from: extract",
        ),
        ("a port of the submit", "from: [extracted, repair]", "from: [extracted, repair, job.failed]"),
        (
            "a poll of no job",
            "  - sink: metadata",
            "  - poll: late\n    job: mistral\n    from: extracted\n  - sink: metadata",
        ),
        (
            "a condition on no field",
            "    timeout: 24h",
            "    timeout: 24h\n    until: job.statsu = 'SUCCESS'",
        ),
        ("no unit", "every: 30s", "every: 30"),
        ("too large", "max_requests: 100", "max_bytes: 600MB"),
        ("a wave's condition", "  - wave: extracted", "  - wave: extracted\n    stop_if: faild > 3"),
        ("a wave's query", "  - wave: extracted", "  - wave: extracted\n    sql: SELECT * FROM missing"),
        ("a budget", "duckdb: out.duckdb", "duckdb: out.duckdb\nbudget: 5"),
        (
            "a price",
            "duckdb: out.duckdb",
            "duckdb: out.duckdb\nprices: { small: { prompt: 0.1 USD, complete: 1 USD } }",
        ),
    ];
    let reported: Vec<String> =
        cases.iter().map(|(name, from, to)| format!("# {name}\n{}", batched(from, to))).collect();
    insta::assert_snapshot!(reported.join("\n"));
}

#[test]
fn the_short_form_of_a_batch_is_its_three_stages() {
    let long = batched("timeout: 24h", "timeout: 24h");
    let short = changed(
        "      schema: schema.json\n  - wave",
        "      schema: schema.json\n    batch: { max_requests: 100, every: 30s, timeout: 24h }\n  - wave",
    );
    let plain = |plan: &str| {
        let names = [("extract.submit", "job"), ("extract.poll", "finished")];
        let plan = names.iter().fold(plan.to_owned(), |plan, (long, short)| plan.replace(long, short));
        plan.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(plain(&short), plain(&long));
    assert!(short.contains("extract.submit"), "{short}");
}
