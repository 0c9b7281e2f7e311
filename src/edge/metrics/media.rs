//! RTP in numbers, as the media workers count it.

use super::{counter, gauge, register};
use crate::edge::media::Counters;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::sync::{Mutex, PoisonError};

/// Brings what the workers have counted since the last look to the registry.
pub struct Media {
    last: Mutex<Counters>,
    received: IntCounter,
    sent: IntCounter,
    lost: IntCounter,
    foreign: IntCounter,
    malformed: IntCounter,
    sends_failed: IntCounter,
    late: IntCounter,
    commands_refused: IntCounter,
    digits_lost: IntCounter,
    legs: IntGauge,
    playing: IntGauge,
}

impl Media {
    pub(super) fn new(registry: &Registry) -> Media {
        let packets = Opts::new("vaxel_rtp_packets_total", "RTP packets.");
        let packets = register(registry, IntCounterVec::new(packets, &["direction"]).expect("a valid name"));
        let counter = |name: &str, help: &str| counter(registry, name, help);
        Media {
            last: Mutex::default(),
            received: packets.with_label_values(&["received"]),
            sent: packets.with_label_values(&["sent"]),
            lost: counter("vaxel_rtp_lost_packets_total", "RTP packets that peers sent and that never came."),
            foreign: counter(
                "vaxel_rtp_foreign_packets_total",
                "Packets dropped: from another address than the peer's.",
            ),
            malformed: counter("vaxel_rtp_malformed_packets_total", "Packets dropped: no RTP, or no agreed payload."),
            sends_failed: counter("vaxel_rtp_sends_failed_total", "RTP packets that the system did not take."),
            late: counter("vaxel_media_late_total", "Media timers served more than 10 ms late."),
            commands_refused: counter("vaxel_media_commands_refused_total", "Media commands lost: a worker was full."),
            digits_lost: counter("vaxel_media_digits_lost_total", "Digits lost: the engine was full."),
            legs: gauge(registry, "vaxel_media_legs", "Legs that hold a pair of RTP ports."),
            playing: gauge(registry, "vaxel_media_playing_legs", "Legs to which a sound is played."),
        }
    }

    /// `counted`: the workers' counters now. They only grow; their gauges are taken as they are.
    pub fn update(&self, counted: Counters) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (media, workers) = (counted.media, counted.workers);
        for (counter, now, before) in [
            (&self.received, media.packets_received, last.media.packets_received),
            (&self.sent, media.packets_sent, last.media.packets_sent),
            (&self.lost, media.packets_lost, last.media.packets_lost),
            (&self.foreign, media.packets_foreign, last.media.packets_foreign),
            (&self.malformed, media.packets_malformed, last.media.packets_malformed),
            (&self.sends_failed, workers.sends_failed, last.workers.sends_failed),
            (&self.late, workers.late, last.workers.late),
            (&self.commands_refused, counted.commands_refused, last.commands_refused),
            (&self.digits_lost, workers.digits_lost, last.workers.digits_lost),
        ] {
            counter.inc_by(now.saturating_sub(before));
        }
        self.legs.set(media.legs.into());
        self.playing.set(media.playing.into());
        *last = counted;
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
        let mut counted = Counters::default();
        for (packets, legs) in [(10, 2), (15, 1)] {
            counted.media.packets_received = packets;
            counted.media.packets_lost = packets / 5;
            counted.media.legs = legs;
            metrics.media.update(counted);
        }
        let scraped = scrape(&metrics);
        assert_eq!(scraped[r#"vaxel_rtp_packets_total{direction="received"}"#], 15.0);
        assert_eq!(scraped[r#"vaxel_rtp_packets_total{direction="sent"}"#], 0.0);
        assert_eq!(scraped["vaxel_rtp_lost_packets_total"], 3.0);
        assert_eq!(scraped["vaxel_rtp_foreign_packets_total"], 0.0);
        assert_eq!(scraped["vaxel_media_legs"], 1.0);
    }
}
