//! SIP transactions and dialogs in numbers, as the engine's endpoint counts them.

use super::{counter, gauge, register};
use crate::sip::Counters;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::sync::{Mutex, PoisonError};

/// Brings what the endpoint has counted since the last look to the registry.
pub struct Transactions {
    last: Mutex<Counters>,
    resent: IntCounter,
    repeated: IntCounter,
    timeouts: IntCounter,
    dropped: IntCounter,
    refused_full: IntCounter,
    unanswered: IntCounter,
    sessions_expired: IntCounter,
    large_by_tcp: IntCounter,
    large_refused: IntCounter,
    large_by_udp: IntCounter,
    transactions: IntGauge,
    dialogs: IntGauge,
}

impl Transactions {
    pub(super) fn new(registry: &Registry) -> Transactions {
        let retransmissions = Opts::new(
            "vaxel_sip_retransmissions_total",
            "SIP messages sent again by a timer, and requests that came again.",
        );
        let retransmissions = IntCounterVec::new(retransmissions, &["direction"]).expect("a valid name");
        let retransmissions = register(registry, retransmissions);
        let large = Opts::new(
            "vaxel_sip_large_requests_total",
            "Requests of ours that were too large for a datagram, by the way they went: `tcp`, `refused` (they were not taken there, and went by UDP after all), `udp` (nobody would take a connection).",
        );
        let large = register(registry, IntCounterVec::new(large, &["way"]).expect("a valid name"));
        let counter = |name: &str, help: &str| counter(registry, name, help);
        Transactions {
            last: Mutex::default(),
            resent: retransmissions.with_label_values(&["sent"]),
            repeated: retransmissions.with_label_values(&["received"]),
            timeouts: counter("vaxel_sip_transaction_timeouts_total", "SIP requests of ours that nobody answered."),
            dropped: counter("vaxel_sip_stray_messages_total", "SIP responses and ACKs that belong to nothing."),
            refused_full: counter("vaxel_sip_refused_full_total", "SIP requests answered 503: a table was full."),
            unanswered: counter(
                "vaxel_sip_invites_unanswered_total",
                "INVITEs answered 480 because nothing here had answered them for too long: a fault of vaxel's own.",
            ),
            sessions_expired: counter(
                "vaxel_sip_sessions_expired_total",
                "Dialogs ended because the peer did not refresh the session in time (RFC 4028).",
            ),
            large_by_tcp: large.with_label_values(&["tcp"]),
            large_refused: large.with_label_values(&["refused"]),
            large_by_udp: large.with_label_values(&["udp"]),
            transactions: gauge(registry, "vaxel_sip_transactions", "SIP transactions that live."),
            dialogs: gauge(registry, "vaxel_sip_usages", "INVITE usages that live, from the INVITE to the end."),
        }
    }

    /// `counted`: the endpoint's counters now; they only grow.
    pub fn update(&self, counted: &Counters, transactions: usize, usages: usize) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, now, before) in [
            (&self.resent, counted.retransmissions_sent, last.retransmissions_sent),
            (&self.repeated, counted.retransmissions_received, last.retransmissions_received),
            (&self.timeouts, counted.timeouts, last.timeouts),
            (&self.dropped, counted.dropped, last.dropped),
            (&self.refused_full, counted.refused_full, last.refused_full),
            (&self.unanswered, counted.unanswered, last.unanswered),
            (&self.sessions_expired, counted.sessions_expired, last.sessions_expired),
            (&self.large_by_tcp, counted.large_by_tcp, last.large_by_tcp),
            (&self.large_refused, counted.large_refused, last.large_refused),
            (&self.large_by_udp, counted.large_by_udp, last.large_by_udp),
        ] {
            counter.inc_by(now.saturating_sub(before));
        }
        self.transactions.set(i64::try_from(transactions).unwrap_or(i64::MAX));
        self.dialogs.set(i64::try_from(usages).unwrap_or(i64::MAX));
        *last = *counted;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;

    #[test]
    fn counters_grow_by_what_is_new_and_gauges_follow() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        let mut counted = Counters { retransmissions_sent: 3, timeouts: 1, unanswered: 2, ..Counters::default() };
        (counted.large_by_tcp, counted.large_refused, counted.large_by_udp) = (6, 2, 1);
        metrics.transactions.update(&counted, 7, 2);
        counted.retransmissions_sent = 5;
        metrics.transactions.update(&counted, 4, 1);
        let seen = scrape(&metrics);
        for (series, value) in [
            (r#"vaxel_sip_retransmissions_total{direction="sent"}"#, 5.0),
            (r#"vaxel_sip_retransmissions_total{direction="received"}"#, 0.0),
            ("vaxel_sip_transaction_timeouts_total", 1.0),
            (r#"vaxel_sip_large_requests_total{way="tcp"}"#, 6.0),
            (r#"vaxel_sip_large_requests_total{way="refused"}"#, 2.0),
            (r#"vaxel_sip_large_requests_total{way="udp"}"#, 1.0),
            ("vaxel_sip_invites_unanswered_total", 2.0),
            ("vaxel_sip_transactions", 4.0),
            ("vaxel_sip_usages", 1.0),
        ] {
            assert_eq!(seen.get(series), Some(&value), "{series}");
        }
    }
}
