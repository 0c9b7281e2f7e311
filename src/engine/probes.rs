//! Whether the phones of an agent who is doubted are there: each is asked by OPTIONS (RFC 3261 §11), as it would be called.

use super::Engine;
use crate::acd::Change;
use crate::ids::AgentId;
use crate::sip::{ClientId, Failure, Method, Request, Response};
use crate::time::Time;

impl Engine {
    /// Asks every phone of the agent; one that answers is enough.
    pub(super) fn on_probe(&mut self, now: Time, agent: AgentId) {
        self.probes.retain(|_, asked| *asked != agent);
        let name = self.agents.is_one(agent).then(|| self.agents.seat(agent).name.clone());
        let phones: Vec<_> = name.iter().flat_map(|name| self.registrar.phones(name, false)).cloned().collect();
        if phones.is_empty() {
            return self.acd_apply(now, Change::ProbeEnded { agent, reachable: false });
        }
        for phone in phones {
            let mut request = Request::new(Method::Options, phone.uri.clone());
            phone.path.iter().for_each(|proxy| request.headers.push("Route", proxy));
            let id = self.endpoint.request(now, phone.hop, request);
            self.probes.insert(id, agent);
        }
    }

    /// What a phone said. False: it was asked something else.
    pub(super) fn on_probe_answer(&mut self, now: Time, id: ClientId, result: &Result<Box<Response>, Failure>) -> bool {
        let Some(agent) = self.probes.remove(&id) else { return false };
        let reachable = matches!(result, Ok(response) if !is_of_nobody(response.code));
        if reachable {
            self.probes.retain(|_, asked| *asked != agent);
        }
        if !self.probes.values().any(|asked| *asked == agent) {
            self.acd_apply(now, Change::ProbeEnded { agent, reachable });
        }
        true
    }
}

/// Said by who stands before the phone, of a phone that is not there; whatever else is said, a phone has said.
fn is_of_nobody(code: u16) -> bool {
    matches!(code, 408 | 430 | 480 | 503)
}
