//! Runs that continue what an earlier one began: jobs, closed waves, a budget.

use super::*;

/// Runs until the first event that `wanted` accepts, then interrupts.
async fn interrupted_at(folder: &Folder, spec: &str, sim: &Sim, wanted: fn(&EventKind) -> bool) -> Ended {
    let stop = CancellationToken::new();
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    crate::common::run_watched(&folder.pipeline(spec, &[]), &options, stop.clone(), |kind| {
        if wanted(kind) {
            stop.cancel();
        }
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_its_jobs_and_the_next_one_comes_back_to_them() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.2, ..quick() }).await.unwrap());
    let spec = one(200, 50, "attempts: 2", "");
    let created = |kind: &EventKind| matches!(kind, EventKind::JobChanged { .. });
    let ended = interrupted_at(&folder, &spec, &sim, created).await;
    assert_eq!(ended.end, RunEnd::Interrupted);
    assert!(ended.sum.pending() > 0);
    let jobs = sim.stats().jobs;
    assert!(jobs >= 1);
    let ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!(ended.sum.rows + ended.sum.failures, 200);
    let stats = sim.stats();
    assert_eq!(
        count(&folder, "SELECT count(*) FROM etl.answers"),
        stats.answered,
        "the ledger knows every answer"
    );
    // A refused answer is followed by a continued conversation, which is a different request.
    let again = count(&folder, "SELECT count(*) - count(DISTINCT request) FROM etl.answers");
    assert!(again > 0);
    assert_eq!((stats.duplicates, stats.jobs_twice), (0, 0));
    let twice = "SELECT count(*) FROM etl.answers a JOIN etl.answers b USING (request) WHERE a.state = 'answered' AND b.attempt > a.attempt";
    assert_eq!(count(&folder, twice), 0, "only refused ones are asked again");
    assert_eq!(count(&folder, "SELECT count(*) FROM etl.jobs WHERE state NOT IN ('collected', 'lost')"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_is_closed_stays_closed() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.4, ..quick() }).await.unwrap());
    let spec = format!(
        "{}
  - map: extract
    chat: {CHAT}
  - wave: extracted
  - map: repair
    from: extracted.failed
    into: extract
    chat: {REPAIR}
    batch: {{ {POLL}, wait: 300ms }}
  - sink: metadata
    from: [extracted, repair]
    table: metadata
",
        head(60, "")
    );
    let below = |kind: &EventKind| matches!(kind, EventKind::JobChanged { .. });
    assert_eq!(interrupted_at(&folder, &spec, &sim, below).await.end, RunEnd::Interrupted);
    let options = Options { base_url: Some(sim.url()), ..Options::default() };
    let mut since: Option<i64> = None;
    let ended = crate::common::run_watched(
        &folder.pipeline(&spec, &[]),
        &options,
        CancellationToken::new(),
        |kind| {
            if let EventKind::WaveClosed { since: run, .. } = kind {
                since = *run;
            }
        },
    )
    .await
    .unwrap();
    conserved(&ended);
    assert_eq!((ended.sum.read, since), (60, Some(1)));
    assert_eq!(ended.sum.rows + ended.sum.failures, 60);
    let source = &ended.progress.stages[0];
    assert_eq!(source.taken, 0, "nothing above the wave is read again");
    // The run is complete: the next one starts from the top, and sends nothing.
    let again = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&again);
    assert_eq!((again.progress.stages[0].taken, again.progress.usage.requests), (60, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_account_is_left_alone() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.0, ..quick() }).await.unwrap());
    let spec = one(30, 50, "", "");
    let created = |kind: &EventKind| matches!(kind, EventKind::JobChanged { .. });
    interrupted_at(&folder, &spec, &sim, created).await;
    let other = spec.replace("api_key: test", "api_key: another");
    let ended = ask(&folder, &other, &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.sum.unanswered, sim.stats().jobs), (30, 1), "nothing is asked a second time");
    let reason = folder.sql("SELECT DISTINCT reason FROM etl.failures");
    assert!(reason.contains("belongs to another account: run it with that account's key"), "{reason}");
    let ended = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, sim.stats().jobs, sim.stats().duplicates), (30, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_stops_new_work_and_the_next_run_goes_on() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.0, ..quick() }).await.unwrap());
    let spec = |budget: &str| {
        format!(
            "{}
  - map: extract
    concurrency: 4
    chat: {}
  - sink: metadata
    table: metadata
",
            head(
                60,
                &format!(
                    "budget: {budget}\nprices: {{ mistral-small: {{ prompt: 1 USD, completion: 100 USD }} }}"
                )
            ),
            CHAT.replace("schema.json }", "schema.json, max_tokens: 200 }")
        )
    };
    // An answer is reserved at 0.02 USD, and costs less.
    let ended = ask(&folder, &spec("0.10 USD"), &sim, Options::default()).await;
    let RunEnd::OutOfMoney(reported) = &ended.end else { panic!("{:?}", ended.end) };
    assert!(reported.starts_with("the budget of 0.1000 USD does not cover"), "{reported}");
    assert_eq!(ended.end.exit_code(), 4);
    let answered = sim.stats().answered;
    assert!((4..60).contains(&answered), "{answered}");
    assert_eq!(count(&folder, "SELECT count(*) FROM etl.answers"), answered, "what was under way is kept");
    let spent: f64 = folder.sql("SELECT sum(cost_usd) FROM etl.answers").parse().unwrap();
    assert!(
        spent <= 0.10 && spent + 0.021 > 0.10,
        "{spent}: nothing was in flight, and another request did not fit"
    );
    // The same budget: the amount spent still counts.
    let ended = ask(&folder, &spec("0.10 USD"), &sim, Options::default()).await;
    assert!(matches!(ended.end, RunEnd::OutOfMoney(_)));
    let spent: f64 = folder.sql("SELECT sum(cost_usd) FROM etl.answers").parse().unwrap();
    assert!(spent <= 0.10, "{spent}");
    let ended = ask(&folder, &spec("10 USD"), &sim, Options::default()).await;
    conserved(&ended);
    assert_eq!((ended.sum.rows, sim.stats().duplicates), (60, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_for_good_is_asked_again_only_if_one_says_so() {
    let (folder, sim) = (folder(), Sim::start(SimConfig { misfits: 0.5, ..quick() }).await.unwrap());
    let spec = one(60, 100, "", "");
    let first = ask(&folder, &spec, &sim, Options::default()).await;
    conserved(&first);
    let rejected = count(&folder, "SELECT count(*) FROM rejected");
    assert!(rejected > 10);
    assert_eq!(ask(&folder, &spec, &sim, Options::default()).await.progress.usage.requests, 0);
    let options = Options { retry_failed: true, ..Options::default() };
    let again = ask(&folder, &spec, &sim, options).await;
    conserved(&again);
    assert_eq!(again.progress.usage.requests, rejected);
    assert!(count(&folder, "SELECT count(*) FROM rejected") < rejected);
    // Only for a named stage, which this pipeline does not have.
    let only = Options { fresh: true, only: Some("elsewhere".to_owned()), ..Options::default() };
    let ended = ask(&folder, &spec, &sim, only).await;
    assert_eq!((ended.progress.usage.requests, ended.sum.unanswered), (0, 60));
}

/// A resumed job emits its records at once, if it is given up; those that the source reads after that are pending, too.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_after_their_job_was_given_up_are_pending() {
    let text = "batch: { queue: { median: 100h, spread: 0.1 }, run: 100h, line: 1s }";
    let (folder, sim) = (folder(), Sim::start(quick().with_yaml("slow", text).unwrap()).await.unwrap());
    let spec = one(60, 30, "", "")
        .replace("  - map: extract", "  - throttle: pace\n    rate: 40/s\n  - map: extract")
        .replace("wait: 300ms", "wait: 300ms, timeout: 1s");
    let created = |kind: &EventKind| matches!(kind, EventKind::JobChanged { .. });
    assert_eq!(interrupted_at(&folder, &spec, &sim, created).await.end, RunEnd::Interrupted);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), ask(&folder, &spec, &sim, Options::default()));
    let ended = ended.await.expect("the run does not end");
    conserved(&ended);
    assert_eq!((ended.end, ended.sum.unanswered), (RunEnd::Pending, 60));
    let reasons = folder
        .sql("SELECT count(*) FROM etl.failures WHERE reason LIKE 'its batch job could not be collected%'");
    assert_ne!(reasons, "0", "no record came late");
    assert_eq!(sim.stats().duplicates, 0);
}
