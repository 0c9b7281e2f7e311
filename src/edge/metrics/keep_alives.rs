//! What keeps ways open and shows that they are: sent, answered, and found to be lost.

use super::register;
use crate::sip::registrar::Asked;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub struct KeepAlives {
    /// On connections that we opened (RFC 5626 §4.4.1).
    pub connection: Kind,
    pub websocket: Kind,
    /// Line breaks to carriers by UDP, which nobody answers.
    pub datagrams: IntCounter,
    /// Peers' own, that we answered.
    pub of_peers: IntCounter,
    phones: Kind,
    last: Arc<Mutex<Asked>>,
}

#[derive(Clone)]
pub struct Kind {
    pub sent: IntCounter,
    pub answered: IntCounter,
    /// Nothing came any more, so the connection or registration is over.
    pub lost: IntCounter,
}

impl KeepAlives {
    pub(super) fn new(registry: &Registry) -> KeepAlives {
        let all = Opts::new(
            "vaxel_sip_keep_alives_total",
            "Keep-alives by kind: `options` to phones behind NAT, `crlf` on connections that we opened, `websocket`, `crlf_udp` to carriers, `of_peer`; `lost`: who had answered before did not, and is gone.",
        );
        let all = register(registry, IntCounterVec::new(all, &["kind", "result"]).expect("a valid name"));
        let kind = |name: &str| Kind {
            sent: all.with_label_values(&[name, "sent"]),
            answered: all.with_label_values(&[name, "answered"]),
            lost: all.with_label_values(&[name, "lost"]),
        };
        KeepAlives {
            connection: kind("crlf"),
            websocket: kind("websocket"),
            datagrams: all.with_label_values(&["crlf_udp", "sent"]),
            of_peers: all.with_label_values(&["of_peer", "answered"]),
            phones: kind("options"),
            last: Arc::default(),
        }
    }

    /// `asked`: the registrar's counts now; they only grow.
    pub fn update(&self, asked: &Asked) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, now, before) in [
            (&self.phones.sent, asked.sent, last.sent),
            (&self.phones.answered, asked.answered, last.answered),
            (&self.phones.lost, asked.lost, last.lost),
        ] {
            counter.inc_by(now.saturating_sub(before));
        }
        *last = *asked;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scrape;
    use super::super::{Metrics, Names};
    use super::*;
    use crate::edge::Clock;

    #[test]
    fn what_was_counted_is_not_counted_again_and_all_kinds_are_there_from_the_start() {
        let metrics = Metrics::new(Clock::start(), &Names::default());
        let count = |kind, result| {
            scrape(&metrics)[&format!("vaxel_sip_keep_alives_total{{kind=\"{kind}\",result=\"{result}\"}}")]
        };
        for kind in ["crlf", "websocket", "options"] {
            assert_eq!([count(kind, "sent"), count(kind, "answered"), count(kind, "lost")], [0.0; 3], "{kind}");
        }
        assert_eq!((count("crlf_udp", "sent"), count("of_peer", "answered")), (0.0, 0.0));
        let keep_alives = &metrics.traffic.keep_alives;
        keep_alives.update(&Asked { sent: 3, answered: 2, lost: 0 });
        keep_alives.update(&Asked { sent: 4, answered: 2, lost: 1 });
        assert_eq!((count("options", "sent"), count("options", "answered"), count("options", "lost")), (4.0, 2.0, 1.0));
    }
}
