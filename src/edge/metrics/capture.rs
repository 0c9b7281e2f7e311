//! What operators who look at SIP get of it, and what not.

use super::{counter, gauge, register};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Clone)]
pub struct Capture {
    /// 1: messages go to the capture server.
    pub on: IntGauge,
    pub sent: IntCounter,
    pub server_lost: IntCounter,
    pub trace_lost: IntCounter,
}

impl Capture {
    pub fn new(registry: &Registry) -> Capture {
        let lost = Opts::new("vaxel_capture_lost_total", "SIP messages that a listener was too slow for.");
        let lost = IntCounterVec::new(lost, &["listener"]).expect("a valid name");
        Capture {
            on: gauge(registry, "vaxel_capture_on", "1 while SIP messages go to the capture server."),
            sent: counter(registry, "vaxel_capture_sent_total", "SIP messages sent to the capture server."),
            server_lost: lost.with_label_values(&["server"]),
            trace_lost: register(registry, lost).with_label_values(&["trace"]),
        }
    }
}
