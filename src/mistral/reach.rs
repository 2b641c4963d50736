//! Whether the server can be reached at all. Before the first response of any kind, an invalid certificate, a
//! name that does not resolve and a refused connection are configuration mistakes, and retrying for minutes is
//! pointless; afterwards they are an ordinary outage.
//!
//! Main type: [`Reach`], shared by a client and its clones; used by the HTTP edge.

use std::{
    error::Error,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{StopCause, lock::unpoisoned};

/// How long a server may refuse connections or its name may fail to resolve: it may be starting.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause between attempts meanwhile: a backoff could far exceed the patience.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Whether an attempt without a connection is the last.
#[derive(Debug)]
pub(super) enum Blocked {
    /// The server may be starting: the next attempt is due after [`PAUSE`].
    Maybe,
    /// No connection is expected.
    ForGood(StopCause),
}

/// What is known about the server's reachability.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach(Arc<Mutex<State>>);

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Unknown,
    /// No response since the first request, sent at that time.
    Asking(Instant),
    Reached,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Certificate,
    Name,
    Refused,
}

impl Obstacle {
    fn of(error: &(dyn Error + 'static), text: &str) -> Option<Self> {
        if text.contains("invalid peer certificate") {
            return Some(Self::Certificate);
        }
        if text.contains("dns error") {
            return Some(Self::Name);
        }
        let refused = |kind| {
            use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable)
        };
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|error| refused(error.kind())) {
                return Some(Self::Refused);
            }
            cause = error.source();
        }
        None
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Certificate => {
                "check that `base_url` and the clock of this machine are correct, and that this machine trusts the \
             issuer of the certificate"
            }
            Self::Name => "check the spelling of the host in `base_url`, and the network",
            Self::Refused => "check that the server is running, and the host and port in `base_url`",
        }
    }
}

impl Reach {
    /// Records that a request is sent.
    pub(super) fn asked(&self) {
        let mut state = unpoisoned(&self.0);
        if let State::Unknown = *state {
            *state = State::Asking(Instant::now());
        }
    }

    /// Records that the server responded.
    pub(super) fn reached(&self) {
        *unpoisoned(&self.0) = State::Reached;
    }

    /// Records a failed connection, described by `text`; returns the consequence unless it is an ordinary outage.
    pub(super) fn failed(&self, error: &(dyn Error + 'static), text: &str, host: &str) -> Option<Blocked> {
        let obstacle = Obstacle::of(error, text)?;
        let waited = match *unpoisoned(&self.0) {
            State::Reached => return None,
            State::Asking(since) => since.elapsed(),
            State::Unknown => Duration::ZERO,
        };
        let is_final = obstacle == Obstacle::Certificate || waited >= PATIENCE;
        if !is_final {
            return Some(Blocked::Maybe);
        }
        let (host, reported) = (host.to_owned(), text.to_owned());
        Some(Blocked::ForGood(StopCause::Unreachable { host, reported, advice: obstacle.advice() }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_may_be_starting_has_three_seconds_and_a_bad_certificate_none() {
        let reach = Reach::default();
        reach.asked();
        let failed = |reach: &Reach, text: &str| {
            matches!(reach.failed(&refused(), text, "h"), Some(Blocked::ForGood(_)))
        };
        assert!(matches!(reach.failed(&refused(), "connection refused", "h"), Some(Blocked::Maybe)));
        advance(Duration::from_secs(2)).await;
        assert!(!failed(&reach, "dns error"));
        advance(Duration::from_secs(1)).await;
        assert!(failed(&reach, "connection refused") && failed(&reach.clone(), "dns error: no such name"));
        assert!(failed(&Reach::default(), "invalid peer certificate: Expired"));
        reach.reached();
        assert!(reach.failed(&refused(), "connection refused", "h").is_none(), "now it is an outage");
    }

    #[test]
    fn what_is_in_the_way_is_seen_within_the_causes() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let text = certificate.to_string();
        assert_eq!(Obstacle::of(&io::Error::other(certificate), &text), Some(Obstacle::Certificate));
        assert_eq!(Obstacle::of(&refused(), "tcp connect error"), Some(Obstacle::Refused));
        let timed_out: io::Error = io::ErrorKind::TimedOut.into();
        assert_eq!(Obstacle::of(&timed_out, "deadline has elapsed"), None);
    }
}
