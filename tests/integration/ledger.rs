//! The ledger in the database: reading it back restores the program's state, and no waiting operation blocks the
//! others.

use std::{collections::HashMap, time::Duration};

use etl::{
    ledger::{Answer, Entry, Generation, History, JobState, JobStep, Refusal, RequestId, RequestState, Step},
    record::FailureKind,
    sql::Resources,
    store::{Batch, JobRecord, RunRecord, Store},
    units::Usd,
};
use proptest::prelude::*;

/// A random step of one of a few requests or jobs; invalid ones are skipped.
#[derive(Debug, Clone, Copy)]
enum Thrown {
    Request {
        which: usize,
        step: usize,
        next: bool,
    },
    Job {
        which: usize,
        step: usize,
    },
    /// Commits the steps so far together.
    Commit,
    /// Restarts the program.
    Reopen,
}

fn thrown() -> impl Strategy<Value = Thrown> {
    prop_oneof![
        8 => (0..4usize, 0..5usize, any::<bool>()).prop_map(|(which, step, next)| Thrown::Request { which, step, next }),
        5 => (0..3usize, 0..6usize).prop_map(|(which, step)| Thrown::Job { which, step }),
        3 => Just(Thrown::Commit),
        1 => Just(Thrown::Reopen),
    ]
}

fn answer(attempt: u32) -> Answer {
    Answer {
        model: "simulated:small".to_owned(),
        reply: format!("{{\"title\": \"it's “{attempt}”\"}}"),
        finish_reason: Some("stop".to_owned()),
        prompt_tokens: u64::from(attempt) * 7,
        cached_tokens: u64::from(attempt),
        completion_tokens: 3,
        cost: attempt.is_multiple_of(2).then(|| Usd::from_micros(12)),
        latency_ms: (!attempt.is_multiple_of(2)).then_some(40),
        correlation_id: None,
        note: None,
        unusable: None,
    }
}

fn entry(request: RequestId, step: usize, attempt: u32) -> Entry {
    let step = self::step(step, attempt);
    Entry {
        request,
        generation: Generation(1),
        attempt,
        stage: "extract".to_owned(),
        key: request.to_string(),
        asked_model: "mistral-small-latest".to_owned(),
        job: (step == Step::Placed).then(|| "token".to_owned()),
        step,
    }
}

fn step(at: usize, attempt: u32) -> Step {
    let refusal = Refusal { kind: FailureKind::Length, reason: "too long".to_owned() };
    match at {
        0 => Step::Placed,
        1 => Step::Answered(answer(attempt)),
        2 => Step::Refused(answer(attempt), refusal),
        3 => Step::Invalid("no".to_owned()),
        _ => Step::Missing("gone".to_owned()),
    }
}

const JOB_STEPS: [JobStep; 6] =
    [JobStep::Planned, JobStep::Uploaded, JobStep::Created, JobStep::Seen, JobStep::Collected, JobStep::Lost];

fn job(token: &str) -> JobRecord {
    JobRecord {
        pipeline: "p".to_owned(),
        estimate: 0,
        token: token.to_owned(),
        stage: "extract".to_owned(),
        server: SERVER.to_owned(),
        account: "ours".to_owned(),
        endpoint: "/v1/chat/completions".to_owned(),
        model: "mistral-small-latest".to_owned(),
        requests: 4,
        state: JobState::New,
        job: None,
        input_file: None,
        output_file: None,
        error_file: None,
        status: None,
        completed: 0,
        succeeded: 0,
        failed: 0,
        planned_at: None,
    }
}

const SERVER: &str = "here";

/// The program's state in memory.
#[derive(Default)]
struct Live {
    requests: HashMap<RequestId, (RequestState, Vec<Entry>)>,
    jobs: HashMap<String, JobRecord>,
}

impl Live {
    /// Applies a step if valid; a request's step goes into the batch with its entry, a job's with its record.
    fn take(&mut self, thrown: Thrown, batch: &mut Batch) {
        match thrown {
            Thrown::Request { which, step: at, next } => {
                let id = RequestId::of("/v1/chat/completions", &[which as u8]);
                let (state, entries) = self.requests.entry(id).or_default();
                let attempt = state.attempts().max(1) + u32::from(next && state.attempts() > 0);
                let entry = entry(id, at, attempt);
                let Ok(after) = state.next(attempt, &entry.step) else { return };
                *state = after;
                entries.push(entry.clone());
                batch.entries.push(entry);
            }
            Thrown::Job { which, step } => {
                let token = format!("job {which}");
                let record = self.jobs.entry(token.clone()).or_insert_with(|| job(&token));
                let step = JOB_STEPS[step].clone();
                if record.step(&step).is_err() {
                    return;
                }
                if step == JobStep::Created {
                    record.job = Some(format!("id of {token}"));
                }
                if step == JobStep::Seen {
                    record.completed += 1;
                    record.status = Some("RUNNING".to_owned());
                }
                batch.jobs.push((record.clone(), step));
            }
            Thrown::Commit | Thrown::Reopen => {}
        }
    }

    /// Reading back restores this state.
    async fn is_read_back(&self, store: &Store) {
        let ids = self.requests.keys().copied().collect();
        let known = store.known(SERVER, ids).await.unwrap();
        for (id, (state, entries)) in &self.requests {
            let none = History::new(Generation(1));
            let history = known.get(id).unwrap_or(&none);
            assert_eq!(history.state().as_ref(), Ok(state));
            assert_eq!(&history.entries, entries);
        }
        let jobs = store.jobs("p", SERVER).await.unwrap();
        let begun = self.jobs.values().filter(|job| job.state != JobState::New);
        assert_eq!(jobs.len(), begun.count());
        for found in jobs {
            assert!(found.planned_at.is_some());
            assert_eq!(Some(&JobRecord { planned_at: None, ..found.clone() }), self.jobs.get(&found.token));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// However steps are grouped into commits, and however often the program restarts: reading back restores the
    /// state that the program had when it wrote them.
    #[test]
    fn the_ledger_replayed_is_the_live_state(steps in proptest::collection::vec(thrown(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger.duckdb");
            let open = || async { Store::open(&path, folder.path(), &Resources::default()).await.unwrap() };
            let record = || RunRecord { pipeline: "test".to_owned(), server: SERVER.to_owned() };
            let mut store = open().await;
            let mut run = store.begin(record()).await.unwrap();
            let (mut live, mut batch) = (Live::default(), Batch::default());
            for thrown in steps {
                live.take(thrown, &mut batch);
                if matches!(thrown, Thrown::Commit | Thrown::Reopen) {
                    store.commit(run, SERVER, std::mem::take(&mut batch)).await.unwrap();
                    if matches!(thrown, Thrown::Reopen) {
                        drop(store);
                        store = open().await;
                        run = store.begin(record()).await.unwrap();
                    }
                    live.is_read_back(&store).await;
                }
            }
            store.commit(run, SERVER, batch).await.unwrap();
            live.is_read_back(&store).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_and_is_not_polled_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        Store::open(&folder.path().join("x.duckdb"), folder.path(), &Resources::default()).await.unwrap();
    let run =
        store.begin(RunRecord { pipeline: "test".to_owned(), server: SERVER.to_owned() }).await.unwrap();
    let entries = (0..60_000u32).map(|at| entry(RequestId::of("x", &at.to_le_bytes()), 1, 1));
    let batch = Batch { entries: entries.collect(), ..Batch::default() };
    // A long operation has the connection; one that waits behind it is polled once, and never again.
    let long = store.commit(run, SERVER, batch);
    tokio::pin!(long);
    assert!(futures::poll!(&mut long).is_pending());
    let mut left = Box::pin(store.jobs("p", SERVER));
    assert!(futures::poll!(&mut left).is_pending());
    long.await.unwrap();
    let mut left_too = Box::pin(store.jobs("p", SERVER));
    let _ = futures::poll!(&mut left_too);
    for _ in 0..3 {
        let others = tokio::time::timeout(Duration::from_secs(1), store.spent("test", SERVER));
        others.await.expect("it gets its turn").unwrap();
    }
    // When polled again later, it has its answer.
    assert!(tokio::time::timeout(Duration::from_secs(1), left).await.unwrap().unwrap().is_empty());
}
