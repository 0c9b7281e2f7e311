//! Requests inside a dialog: they are heard from whom it is with, wherever that is by now, and from nobody else (RFC 3261 §22, §26.3.2).

use super::{Engine, Output};
use crate::ids::AgentId;
use crate::record::What;
use crate::sip::auth::Verdict;
use crate::sip::{Hop, InviteId, Method, Party, Request, Response};
use crate::time::Time;
use std::sync::Arc;

impl Engine {
    /// Whether this request may be handled. If it is in a dialog and comes from elsewhere than the other side of that, it may where
    /// an agent's phone is registered, a trunk is, or the password is shown; else it is refused here, and the talk goes on.
    pub(super) fn is_from_its_party(&mut self, now: Time, hop: &Hop, request: &Request) -> bool {
        let Some((id, party)) = self.endpoint.stray(hop, request) else { return true };
        let (is_there, login) = match party {
            Party::Phone(agent) => {
                let seat = self.agents.seat(AgentId(agent));
                let login = Some((seat.name.clone(), seat.password.clone()));
                (self.registrar.is_reached_by(&seat.name, hop), login)
            }
            Party::Trunk(at) => {
                let trunk = &self.settings.trunks[at];
                let login = trunk.login.as_ref().map(|login| (login.user.as_str().into(), login.password.clone()));
                // A carrier's hosts have more addresses than settings and DNS told, and its BYE must not be lost.
                let may_be = login.is_none() && trunk.certificate.is_none() && self.endpoint.is_by_name(id);
                (may_be || self.trunks.is_at_home(at, trunk, hop), login)
            }
        };
        if is_there {
            return true;
        }
        if request.method == Method::Ack {
            self.endpoint.take_stray_ack(now, id, request);
            return false;
        }
        let refusal = match login {
            Some((user, password)) => match self.judge_stray(now, hop, id, request, &user, &password) {
                None => return true,
                Some(refusal) => refusal,
            },
            None => Response::to(request, 481, None),
        };
        self.say(now, What::Strayed { from: hop.remote.ip(), code: refusal.code });
        self.endpoint.refuse_stateless(hop, refusal);
        false
    }

    /// `None`: it shows the password of whom the dialog is with. Others' are not looked at, and of wrong ones only a few, so that a
    /// dialog is no place to guess.
    fn judge_stray(
        &mut self,
        now: Time,
        hop: &Hop,
        id: InviteId,
        request: &Request,
        user: &Arc<str>,
        password: &str,
    ) -> Option<Response> {
        if self.auth.credentials(request).is_none_or(|credentials| credentials.user != **user) {
            return Some(self.auth.challenge(now, hop.remote, request, false));
        }
        if !self.endpoint.may_guess(id) {
            return Some(Response::to(request, 403, None));
        }
        let verdict = self.auth.check(now, hop.remote, request, |of| (*of == **user).then(|| password.to_owned()));
        let is_right = matches!(verdict, Verdict::Accepted { .. });
        if is_right || matches!(verdict, Verdict::Wrong { old_nonce: false, .. }) {
            self.out.push_back(Output::Judged { from: hop.remote, account: user.to_string(), is_right });
        }
        match verdict {
            Verdict::Accepted { .. } => None,
            Verdict::OtherUri { .. } => Some(Response::to(request, 400, None)),
            Verdict::Challenge { stale } => Some(self.auth.challenge(now, hop.remote, request, stale)),
            Verdict::Wrong { user, old_nonce } => {
                self.endpoint.guessed(id);
                self.say(now, What::AuthenticationFailed { user, from: hop.remote.ip() });
                Some(match old_nonce {
                    true => self.auth.challenge(now, hop.remote, request, false),
                    false => Response::to(request, 403, None),
                })
            }
        }
    }
}
