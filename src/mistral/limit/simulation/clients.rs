//! Clients in virtual time: each sends its records according to its policy, and retries refused ones.

use std::{cmp::Ordering, collections::BinaryHeap};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    super::{
        announced::Cost,
        controller::{Controller, Refusal, Start},
    },
    server::{Answer, Behaviour, ESTIMATE, Fate, Server},
};

/// How a client decides when to send.
enum Law {
    Controller(Box<Controller>),
    /// Like common clients: each request backs off independently.
    Alone,
    /// Knows the server's state, and sends when there is capacity.
    Ideal,
}

/// The longest wait of a request after a fault other than a refusal, in seconds.
const FAULT_WAIT: f64 = 0.5;

/// The kind of client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Controller,
    Alone,
    Ideal,
}

struct Client {
    law: Law,
    rng: StdRng,
    fresh: usize,
    /// Refused requests: when each may be retried, and how often it was refused.
    waiting: Vec<(f64, u32)>,
    in_flight: usize,
    /// The time of each answer.
    answers: Vec<f64>,
    wake: Option<f64>,
}

enum Event {
    Pump,
    Answer { start: Option<Start>, answer: Answer, refusals: u32 },
}

struct Scheduled {
    at: f64,
    number: u64,
    client: usize,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// Reversed, because the heap pops the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

/// The outcome of a simulation.
pub(super) struct Outcome {
    /// The time of the last answer, in seconds; infinite if not all were answered in time.
    pub(super) seconds: f64,
    /// The share of refused requests.
    pub(super) refused: f64,
    /// The time of the last answer of each client.
    pub(super) ends: Vec<f64>,
    /// Answered records of each client.
    pub(super) done: Vec<usize>,
    answers: Vec<Vec<f64>>,
    /// Attempts sent, accepted, refused and failed, as counted by the clients.
    pub(super) attempts: [u64; 4],
    pub(super) server: Server,
}

/// A running simulation.
struct Run {
    server: Server,
    clients: Vec<Client>,
    heap: BinaryHeap<Scheduled>,
    number: u64,
    concurrency: usize,
    attempts: [u64; 4],
}

/// When a simulation is aborted, in seconds.
const UNTIL: f64 = 3600.0;

/// Runs `clients` clients, started within `stagger` seconds, until each has `records` answers.
pub(super) fn run(
    behaviour: &Behaviour,
    kind: Kind,
    clients: usize,
    records: usize,
    concurrency: usize,
    stagger: f64,
    seed: u64,
) -> Outcome {
    let mut starts = StdRng::seed_from_u64(seed ^ 0x5eed);
    let client = |at: usize| Client {
        law: match kind {
            Kind::Controller => Law::Controller(Box::new(Controller::new(0.0))),
            Kind::Alone => Law::Alone,
            Kind::Ideal => Law::Ideal,
        },
        rng: StdRng::seed_from_u64(seed.wrapping_mul(1009).wrapping_add(at as u64)),
        fresh: records,
        waiting: Vec::new(),
        in_flight: 0,
        answers: Vec::new(),
        wake: None,
    };
    let mut run = Run {
        server: Server::new(behaviour.clone(), seed),
        clients: (0..clients).map(client).collect(),
        heap: BinaryHeap::new(),
        number: 0,
        concurrency,
        attempts: [0; 4],
    };
    for client in 0..clients {
        let begins = starts.random_range(0.0..stagger);
        if let Law::Controller(controller) = &mut run.clients[client].law {
            **controller = Controller::new(begins);
        }
        run.schedule(begins, client, Event::Pump);
    }
    let mut now = 0.0;
    while run.clients.iter().any(|client| client.answers.len() < records) {
        let Some(next) = run.heap.pop() else { break };
        now = next.at;
        if now > UNTIL {
            break;
        }
        run.handle(now, next.client, next.event);
    }
    let all = run.clients.iter().all(|client| client.answers.len() == records);
    Outcome {
        seconds: if all { now } else { f64::INFINITY },
        refused: run.server.limited as f64 / run.server.came.max(1) as f64,
        ends: run.clients.iter().filter_map(|client| client.answers.last().copied()).collect(),
        done: run.clients.iter().map(|client| client.answers.len()).collect(),
        attempts: run.attempts,
        answers: run.clients.into_iter().map(|client| client.answers).collect(),
        server: run.server,
    }
}

impl Outcome {
    /// Each client's share of the answers up to a time.
    pub(super) fn shares(&self, by: f64) -> Vec<f64> {
        let answered = |answers: &Vec<f64>| answers.iter().filter(|at| **at <= by).count() as f64;
        let all: f64 = self.answers.iter().map(answered).sum();
        self.answers.iter().map(|answers| answered(answers) / all).collect()
    }
}

impl Run {
    fn schedule(&mut self, at: f64, client: usize, event: Event) {
        self.number += 1;
        self.heap.push(Scheduled { at, number: self.number, client, event });
    }

    fn wake(&mut self, now: f64, client: usize, at: f64) {
        let at = at.max(now);
        let known = &mut self.clients[client].wake;
        if known.is_none_or(|known| at < known - 1e-9 || known <= now) {
            *known = Some(at);
            self.schedule(at, client, Event::Pump);
        }
    }

    fn handle(&mut self, now: f64, client: usize, event: Event) {
        match event {
            Event::Pump => {
                let known = &mut self.clients[client].wake;
                if known.is_some_and(|known| known <= now + 1e-12) {
                    *known = None;
                }
            }
            Event::Answer { start, answer, refusals } => {
                let wait = self.answered(now, client, start, &answer, refusals);
                if let Some(wait) = wait {
                    self.clients[client].waiting.push((now + wait, refusals + 1));
                    self.wake(now, client, now + wait);
                }
            }
        }
        self.pump(now, client);
    }

    /// Returns how long a refused request waits.
    fn answered(
        &mut self,
        now: f64,
        client: usize,
        start: Option<Start>,
        answer: &Answer,
        refusals: u32,
    ) -> Option<f64> {
        self.attempts[match answer.fate {
            Fate::Accepted => 1,
            Fate::Refused => 2,
            Fate::Failed => 3,
        }] += 1;
        let client = &mut self.clients[client];
        client.in_flight -= 1;
        let accepted = answer.fate == Fate::Accepted;
        if accepted {
            client.answers.push(now);
        }
        if answer.fate == Fate::Failed {
            if let (Law::Controller(controller), Some(start)) = (&mut client.law, start) {
                controller.on_failed(now, &start, client.rng.random());
            }
            return Some(FAULT_WAIT * client.rng.random::<f64>());
        }
        match (&mut client.law, start) {
            (Law::Controller(controller), Some(start)) => {
                for limit in &answer.limits {
                    controller.apply(limit, &start, accepted);
                }
                if accepted {
                    controller.on_accepted(now, &start, Cost { tokens: answer.tokens, pages: 0.0 });
                    return None;
                }
                let jitter = client.rng.random();
                let refusal = Refusal {
                    announced: &answer.limits,
                    retry_after: answer.retry_after,
                    is_capacity: answer.is_capacity,
                    before: refusals,
                    jitter,
                };
                Some(controller.on_refused(now, &start, &refusal).0)
            }
            _ if accepted => None,
            (Law::Ideal, _) => Some(0.0),
            _ => Some(match answer.retry_after {
                Some(wait) => wait * client.rng.random_range(1.0..1.1),
                None => {
                    (0.5 * f64::from(1_u32 << refusals.min(6))).min(8.0) * client.rng.random_range(0.5..1.0)
                }
            }),
        }
    }

    fn pump(&mut self, now: f64, at: usize) {
        while self.clients[at].in_flight < self.concurrency {
            let client = &mut self.clients[at];
            let first = client.waiting.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0));
            let first = first.map(|(place, (due, _))| (place, *due));
            let due = first.filter(|(_, due)| *due <= now + 1e-9);
            if due.is_none() && client.fresh == 0 {
                if let Some((_, due)) = first {
                    self.wake(now, at, due);
                }
                return;
            }
            let start = match &mut client.law {
                Law::Alone => None,
                Law::Ideal => {
                    let room = self.server.room_at(now);
                    if room > now {
                        self.wake(now, at, room + 1e-6);
                        return;
                    }
                    None
                }
                Law::Controller(controller) => {
                    match controller.admit(now, Cost { tokens: ESTIMATE, pages: 0.0 }) {
                        Ok(start) => Some(start),
                        Err(wait) => {
                            if let Some(until) = wait.until {
                                self.wake(now, at, until + 1e-9);
                            }
                            return;
                        }
                    }
                }
            };
            let refusals = match due {
                Some((place, _)) => client.waiting.swap_remove(place).1,
                None => {
                    client.fresh -= 1;
                    0
                }
            };
            client.in_flight += 1;
            self.attempts[0] += 1;
            let answer = self.server.arrive(now);
            self.schedule(now + answer.delay, at, Event::Answer { start, answer, refusals });
        }
    }
}

/// How many requests arrived between two times, and how many were accepted.
pub(super) fn between(log: &[(f64, bool)], from: f64, to: f64) -> (usize, usize) {
    let came = || log.iter().filter(|(at, _)| (from..to).contains(at));
    (came().count(), came().filter(|(_, accepted)| *accepted).count())
}
