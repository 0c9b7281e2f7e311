//! What an operator may change about media.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Legs that one worker carries at once; one more is refused as full.
    pub legs_max: u32,
    /// A leg that should be sending and sends no RTP for this long is reported as silent.
    pub silence_limit: Duration,
    /// How long after a new remote address a peer behind NAT may be found at another host than the one it named. Afterwards only its port
    /// may differ.
    pub latch_window: Duration,
    /// Mean time between two RTCP reports of a leg (RFC 3550 §6.2 says 5 s); each is drawn between half and one and a half of it.
    pub rtcp_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            legs_max: 4000,
            silence_limit: Duration::from_secs(30),
            latch_window: Duration::from_secs(10),
            rtcp_interval: Duration::from_secs(5),
        }
    }
}
