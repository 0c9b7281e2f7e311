//! Our certificate.

use super::register;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, Opts, Registry};

#[derive(Clone)]
pub struct Certificates {
    /// Without a child until there is a certificate: 0 would mean one that ended in 1970.
    expiry: GaugeVec,
    pub reloaded: IntCounter,
    pub reload_failed: IntCounter,
}

impl Certificates {
    pub(super) fn new(registry: &Registry) -> Certificates {
        let expiry = Opts::new(
            "vaxel_tls_certificate_expiry_timestamp_seconds",
            "When our certificate ends, since the Unix epoch; of a chain, the first to end.",
        );
        let reloads = Opts::new(
            "vaxel_tls_certificate_reloads_total",
            "Times that changed certificate files were read again; `failed`: they were unusable, and those from before stay.",
        );
        let reloads = register(registry, IntCounterVec::new(reloads, &["result"]).expect("a valid name"));
        Certificates {
            expiry: register(registry, GaugeVec::new(expiry, &[]).expect("a valid name")),
            reloaded: reloads.with_label_values(&["ok"]),
            reload_failed: reloads.with_label_values(&["failed"]),
        }
    }

    /// `at`: seconds since the Unix epoch.
    pub fn expires(&self, at: i64) {
        self.expiry.with_label_values(&[] as &[&str]).set(at as f64);
    }
}
