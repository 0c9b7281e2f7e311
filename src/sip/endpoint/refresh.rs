//! Session timers in a dialog (RFC 4028): refreshes of ours and of the peer, and the end when none comes.

use super::{EndCause, Endpoint, Event, Hop, InviteId};
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::session_timer::{self, Due};
use crate::sip::transaction::table::Owner;
use crate::sip::usage::{Exchange, State};
use crate::time::Time;

/// What the BYE for a session says whose refresh never came (RFC 4028 §10, RFC 3326).
const EXPIRED: &str = "SIP;cause=408;text=\"Session expired\"";

/// Whether who sent these headers takes UPDATE.
pub(super) fn allows_update(headers: &Headers) -> bool {
    headers.items("Allow").any(|method| method.eq_ignore_ascii_case("UPDATE"))
}

/// Whether who refuses a refresh like this may take it soon.
pub(super) fn is_for_the_moment(code: u16) -> bool {
    matches!(code, 491 | 500 | 503)
}

impl Endpoint {
    pub(super) fn too_short_session(&self, request: &Request) -> Option<Response> {
        session_timer::too_short(self.settings.session?, &request.headers)
    }

    /// Writes into our 2xx what the peer's request asked for, and lives by it.
    pub(super) fn settle_session(&mut self, now: Time, id: InviteId, asked: &Headers, ok: &mut Response) {
        let Some(wish) = self.settings.session else { return };
        let timer = session_timer::settle(now, wish, asked, &mut ok.headers);
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.session = timer;
        }
    }

    /// The peer's 2xx to an INVITE or UPDATE of ours.
    pub(super) fn session_settled(&mut self, now: Time, id: InviteId, ok: &Response) {
        let wanted = self.settings.session.is_some();
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.session = wanted.then(|| session_timer::settled(now, &ok.headers)).flatten();
        }
    }

    /// The peer's 422. False: the session has no timer that could be longer.
    pub(super) fn lengthen_session(&mut self, id: InviteId, refusal: &Response) -> bool {
        let Some(usage) = self.usages.get_mut(&id) else { return false };
        let shortest = session_timer::min_se(&refusal.headers);
        usage.shortest = usage.shortest.max(shortest);
        usage.session.as_mut().map(|session| session.lengthen(shortest)).is_some()
    }

    /// What a re-INVITE or UPDATE of ours says about the session: without it the timer would end (RFC 4028 §7.4).
    pub(super) fn ask_session(&self, id: InviteId, headers: &mut Headers) {
        let (Some(wish), Some(usage)) = (self.settings.session, self.usages.get(&id)) else { return };
        match usage.session {
            Some(session) => session.write(wish, usage.shortest, headers),
            None => session_timer::ask(wish, usage.shortest, headers),
        }
    }

    pub(super) fn session_due(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        if !matches!(usage.state, State::Answered) {
            return;
        }
        match usage.session.as_mut().and_then(|session| session.handle_timeout(now)) {
            Some(Due::Refresh) => self.refresh_session(now, id),
            Some(Due::Expired) => {
                self.table.counters.sessions_expired += 1;
                self.events.push_back(Event::Ended { id, cause: EndCause::Expired });
                self.send_bye(now, id, Some(EXPIRED));
            }
            None => {}
        }
    }

    fn refresh_session(&mut self, now: Time, id: InviteId) {
        // A refresh may be refused after we have hung up.
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| matches!(usage.state, State::Answered)) else {
            return;
        };
        let idle = matches!(usage.exchange, Exchange::Idle) && usage.unacknowledged.is_none() && usage.wanted.is_none();
        if !idle {
            // What is under way refreshes as well; should it fail, we do.
            return usage.session.iter_mut().for_each(|session| session.wait(now));
        }
        if !usage.peer_updates {
            return self.events.push_back(Event::RefreshDue { id });
        }
        let Some(dialog) = &mut usage.dialog else { return };
        let mut update = dialog.request(Method::Update);
        let hop = dialog.hop();
        self.describe(&mut update.headers);
        self.ask_session(id, &mut update.headers);
        self.start_request(now, hop, update, Owner::Refresh(id));
    }

    /// The final answer to an UPDATE of ours.
    pub(super) fn refresh_answered(&mut self, now: Time, hop: &Hop, id: InviteId, answer: &Response) {
        let is_challenged = self.is_challenged(id, answer);
        match answer.code {
            _ if is_challenged => self.refresh_session(now, id),
            200..300 => {
                if let Some(dialog) = self.usages.get_mut(&id).and_then(|usage| usage.dialog.as_mut()) {
                    dialog.refresh(&answer.headers);
                    dialog.heard_by(hop);
                }
                self.session_settled(now, id, answer);
            }
            408 | 481 => return self.peer_gone(now, id),
            405 | 501 => {
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.peer_updates = false;
                }
                self.refresh_session(now, id);
            }
            422 => {
                self.lengthen_session(id, answer);
                self.refresh_again(now, id);
            }
            code if is_for_the_moment(code) => self.refresh_again(now, id),
            // It lives and will not be refreshed like this; the next refresh is at its time.
            _ => {}
        }
        self.arm(id);
    }

    /// The refresh could not be sent by `failed`.
    pub(super) fn refresh_unreachable(&mut self, now: Time, id: InviteId, failed: &Hop) {
        if self.has_other_way(id, failed) {
            self.refresh_lost(now, id);
        }
    }

    /// Our UPDATE reached nobody, and there is another way.
    pub(super) fn refresh_lost(&mut self, now: Time, id: InviteId) {
        self.refresh_again(now, id);
        self.arm(id);
    }

    pub(super) fn refresh_again(&mut self, now: Time, id: InviteId) {
        if let Some(session) = self.usages.get_mut(&id).and_then(|usage| usage.session.as_mut()) {
            session.refused(now);
        }
    }
}
