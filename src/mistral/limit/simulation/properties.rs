//! Properties that hold for any server: no hang, no attempt without a response, a time near the ideal.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    clients::{Kind, run},
    quantile, seeds,
    server::{Behaviour, CALM, RetryAfter},
};

/// Random servers for each seed of the other cases.
const SERVERS: u64 = 10;

/// A random server, and the records and requests in flight of its client.
fn server(rng: &mut StdRng) -> (Behaviour, usize, usize) {
    let window = [1.0, 1.0, 1.0, 6.0, 60.0][rng.random_range(0..5)];
    let per_second = 2_f64.powf(rng.random_range(1.0..8.0));
    let limited = rng.random_bool(0.7);
    let requests = if limited { (per_second * window).round().max(1.0) } else { 0.0 };
    let outage = rng.random_bool(0.25).then(|| (rng.random_range(0.0..20.0), rng.random_range(1.0..25.0)));
    let halved = limited && rng.random_bool(0.2);
    let change = halved.then(|| (rng.random_range(5.0..20.0), (requests / 2.0).round().max(1.0)));
    let behaviour = Behaviour {
        requests,
        window,
        share: if rng.random_bool(0.4) { rng.random_range(0.0..0.3) } else { 0.0 },
        latency: 10_f64.powf(rng.random_range(-2.0..0.5)),
        spread: rng.random_range(0.0..0.9),
        announced: rng.random_bool(0.4),
        by_second: window == 1.0 && rng.random_bool(0.5),
        retry: [RetryAfter::No, RetryAfter::Fixed(1.0), RetryAfter::Exact][rng.random_range(0..3)],
        outage,
        change,
        ..CALM
    };
    let rate = if limited { requests / window } else { 100.0 };
    let records = ((rate * rng.random_range(15.0..60.0)) as usize).clamp(50, 3000);
    (behaviour, records, rng.random_range(4..64))
}

#[test]
fn any_server_is_asked_to_the_end_in_little_more_than_the_least_time() {
    let (mut over, mut refused, mut excess) = (Vec::new(), Vec::new(), Vec::new());
    for seed in seeds().flat_map(|seed| (0..SERVERS).map(move |at| seed * 1000 + at)) {
        let (behaviour, records, concurrency) = server(&mut StdRng::seed_from_u64(seed));
        let ideal = run(&behaviour, Kind::Ideal, 1, records, concurrency, 0.01, seed);
        let outcome = run(&behaviour, Kind::Controller, 1, records, concurrency, 0.01, seed);
        let [sent, accepted, limited, _] = outcome.attempts;
        assert!(outcome.seconds.is_finite(), "seed {seed} hangs: {behaviour:?}");
        assert_eq!((accepted, sent), (records as u64, accepted + limited), "seed {seed}: {behaviour:?}");
        let allowed = 2.0 * ideal.seconds + 10.0;
        if outcome.seconds > allowed {
            excess.push((seed, outcome.seconds, ideal.seconds));
        }
        over.push(outcome.seconds / allowed);
        refused.push(outcome.refused - behaviour.share);
    }
    let over = quantile(&over, 0.95);
    assert!(over <= 1.0, "{over:.2} of twice the ideal and ten seconds: {excess:.1?}");
    let (usual, most) = (quantile(&refused, 0.95), quantile(&refused, 1.0));
    assert!(usual <= 0.35, "{usual:.2} refused beyond the sporadic share");
    assert!(most <= 0.85, "{most:.2} refused beyond the sporadic share in one seed");
}
