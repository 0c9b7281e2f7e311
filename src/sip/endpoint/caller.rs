//! INVITEs we send, to their end or to our ACK (RFC 3261 §13.2, §9.1).

use super::{Endpoint, Event, Failure, Hop, Invitation, InviteId};
use crate::sip::body::{SDP, compose};
use crate::sip::dialog::Dialog;
use crate::sip::headers::{Headers, NameAddr};
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::session_timer;
use crate::sip::transaction::table::{ClientKey, Owner, Passed, copy_credentials};
use crate::sip::usage::{Calling, Cancel, Challenged, FORKS_MAX, LENGTHENED_MAX, State, Usage};
use crate::time::{Duration, Time};

impl Endpoint {
    pub(super) fn send_invite(&mut self, now: Time, invitation: Invitation) -> InviteId {
        let id = InviteId(self.new_id());
        if self.is_full(false) || self.usages.len() >= self.settings.usages_max {
            self.events.push_back(Event::Failed { id, failure: Failure::Full });
            return id;
        }
        let (hop, answers_challenges) = (invitation.hop, invitation.answers_challenges);
        let follows = invitation.follows.then_some(Some(hop));
        let invite = self.write_invite(invitation);
        let offer = invite.body.clone();
        let call_id = invite.headers.call_id().ok().map(Into::into);
        let client = self.table.start_client(now, hop, invite, Owner::Invite(id));
        let calling = Calling::new(client, hop, offer, answers_challenges);
        let usage = Usage { follows, ..Usage::new(State::Calling(calling), None, call_id) };
        self.usages.insert(id, usage);
        id
    }

    fn write_invite(&mut self, invitation: Invitation) -> Request {
        let Invitation {
            target, hop, from: (display, from), to, contact_user, headers: further, offer, enclosed, ..
        } = invitation;
        let contact = self.contact(&hop, contact_user.as_deref(), target.is_secure());
        let from = NameAddr::new(display.as_deref(), from).with_tag(&self.table.secrets.tag());
        let mut invite = Request::new(Method::Invite, target);
        let headers = &mut invite.headers;
        headers.push("Max-Forwards", further.max_forwards().unwrap_or(70).to_string());
        headers.push("From", from.to_string());
        headers.push("To", NameAddr::new(None, to).to_string());
        headers.push("Call-ID", self.table.secrets.call_id());
        headers.push("CSeq", "1 INVITE");
        headers.push("Contact", contact);
        self.describe(headers);
        self.sign(headers, "User-Agent");
        if let Some(wish) = self.settings.session {
            session_timer::ask(wish, Duration::ZERO, headers);
        }
        let ours = ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Type"];
        for header in further.iter().filter(|h| !ours.iter().any(|name| h.name.eq_ignore_ascii_case(name))) {
            headers.push(header.name, header.value);
        }
        let (content_type, body) = compose(&offer, &enclosed);
        invite.set_body(&content_type, body);
        invite
    }

    pub(super) fn send_invite_again(&mut self, now: Time, id: InviteId, name: &str, value: String) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        if !matches!(usage.state, State::Challenged(_)) {
            return;
        }
        // The next state is known only when the request is sent; nothing sees the one between.
        let State::Challenged(challenged) =
            std::mem::replace(&mut usage.state, State::Ending { reason: None, missing_until: None })
        else {
            return;
        };
        let Challenged { mut invite, offer, hop, challenges, lengthened, .. } = *challenged;
        invite.headers.set(name, value);
        invite.body = offer.clone();
        let client = self.restart_invite(now, id, hop, invite);
        let challenges = challenges + 1;
        self.call_again(id, Calling { challenges, lengthened, ..Calling::new(client, hop, offer, true) });
    }

    /// The INVITE begins anew: same Call-ID and From tag, next CSeq (RFC 3261 §8.1.3.5).
    fn restart_invite(&mut self, now: Time, id: InviteId, hop: Hop, mut invite: Request) -> ClientKey {
        let number = invite.headers.cseq().map_or(0, |(number, _)| number) + 1;
        invite.headers.remove_first_item("Via");
        invite.headers.set("CSeq", format!("{number} INVITE"));
        self.table.start_client(now, hop, invite, Owner::Invite(id))
    }

    fn call_again(&mut self, id: InviteId, calling: Calling) {
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.state = State::Calling(calling);
        }
        self.arm(id);
    }

    /// The peer wants longer sessions than we asked for (RFC 4028 §7.3).
    fn invite_too_short(&mut self, now: Time, id: InviteId, mut invite: Request, response: &Response) {
        self.forget_early(id);
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let State::Calling(calling) =
            std::mem::replace(&mut usage.state, State::Ending { reason: None, missing_until: None })
        else {
            return;
        };
        usage.shortest = usage.shortest.max(session_timer::min_se(&response.headers));
        if let Some(wish) = self.settings.session {
            session_timer::ask(wish, usage.shortest, &mut invite.headers);
        }
        invite.body = calling.offer.clone();
        let client = self.restart_invite(now, id, calling.hop, invite);
        self.call_again(
            id,
            Calling {
                client,
                lengthened: calling.lengthened + 1,
                provisional: false,
                tag: None,
                previews: Vec::new(),
                early: Vec::new(),
                ..calling
            },
        );
    }

    pub(super) fn challenge_expired(&mut self, now: Time, id: InviteId) {
        let Some(Usage { state: State::Challenged(challenged), .. }) = self.usages.get(&id) else { return };
        if challenged.until <= now {
            let failure = Failure::Response(Box::new(challenged.response.clone()));
            self.invite_failed(id, failure);
        }
    }

    pub(super) fn cancel_invite(&mut self, now: Time, id: InviteId, reason: Option<&str>) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        match &mut usage.state {
            State::Calling(calling) if calling.cancel == Cancel::No => {
                calling.cancel = Cancel::Wanted { reason: reason.map(str::to_string) };
                match calling.missing_until {
                    Some(_) => self.miss(now, id, Failure::Cancelled),
                    None => self.send_cancel(now, id),
                }
            }
            State::Challenged(_) => self.invite_failed(id, Failure::Cancelled),
            _ => {}
        }
    }

    /// Sends the CANCEL that is wanted, once a provisional answer allows it (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Time, id: InviteId) {
        let Some(Usage { state: State::Calling(calling), .. }) = self.usages.get_mut(&id) else { return };
        let Cancel::Wanted { reason } = &mut calling.cancel else { return };
        if !calling.provisional {
            let client = calling.client;
            return self.table.abandon(client);
        }
        let reason = reason.take();
        let mut further = Headers::new();
        if let Some(reason) = &reason {
            further.push("Reason", reason.as_str());
        }
        calling.cancel = Cancel::Sent { reason };
        let client = calling.client;
        self.sign(&mut further, "User-Agent");
        self.table.cancel(now, client, Owner::Cancel(id), further);
    }

    /// A response to an INVITE that was to begin a usage.
    pub(super) fn invite_answered(&mut self, now: Time, hop: &Hop, passed: Passed, id: InviteId, response: Response) {
        self.missed_answers(now, hop, id, &response);
        if response.is_provisional() {
            self.invite_progresses(now, hop, passed.key, id, response);
        } else if response.is_success() {
            self.invite_accepted(now, hop, passed.key, id, response);
        } else if let Some(invite) = passed.refused
            && let Some(calling) = self.calling(id, passed.key)
        {
            let challenged = matches!(response.code, 401 | 407) && calling.answers_challenges;
            let too_short = response.code == 422 && calling.lengthened < LENGTHENED_MAX;
            if calling.cancel != Cancel::No && response.code == 487 {
                self.invite_failed(id, Failure::Cancelled);
            } else if calling.cancel == Cancel::No && challenged {
                self.invite_challenged(now, hop, id, invite, response);
            } else if calling.cancel == Cancel::No && too_short && self.settings.session.is_some() {
                self.invite_too_short(now, id, invite, &response);
            } else {
                self.invite_failed(id, Failure::Response(Box::new(response)));
            }
        }
    }

    fn invite_progresses(&mut self, now: Time, hop: &Hop, key: ClientKey, id: InviteId, mut response: Response) {
        let Some(invite) = self.table.invite(key).cloned() else { return };
        let name = invite.headers.call_id().ok().zip(invite.headers.from_().ok());
        let name = name.map(|(call_id, from)| (call_id.to_string(), from.tag().unwrap_or_default().to_string()));
        let Some(calling) = self.calling(id, key) else {
            // Nobody waits for the answer any more.
            return self.table.give_up_at(key, now + self.table.timings().patience());
        };
        calling.provisional = true;
        let is_back = calling.missing_until.is_some() && calling.hop.gives_way_to(hop);
        if is_back {
            (calling.missing_until, calling.hop) = (None, *hop);
        }
        let cancelled = calling.cancel != Cancel::No;
        if response.code > 100
            && let Some((call_id, local)) = name
            && let Some(remote) = response.headers.to_tag().map(str::to_string)
            && self.usages.get(&id).is_some_and(|usage| usage.dialog_keys.len() < FORKS_MAX)
        {
            self.know_dialog(id, (&call_id, &local, &remote));
            if let Some(calling) = self.calling(id, key) {
                calling.previewed(&remote, response.description());
                calling.tag = Some(remote);
            }
        }
        if is_back {
            self.table.goes_by(key, hop);
            self.arm(id);
        }
        let is_new = response.code > 100 && self.acknowledge_progress(now, hop, id, &invite, &mut response);
        if cancelled {
            self.send_cancel(now, id);
        } else if is_new {
            let body = response.description().to_vec();
            self.events.push_back(Event::Progress { id, code: response.code, reason: response.reason, body });
        }
    }

    fn invite_accepted(&mut self, now: Time, hop: &Hop, key: ClientKey, id: InviteId, mut response: Response) {
        response.keep_description();
        let Some(invite) = self.table.invite(key) else { return };
        let tag = response.headers.to_tag().map(str::to_string).unwrap_or_default();
        let number = invite.headers.cseq().map_or(0, |(number, _)| number);
        let contact = invite.headers.get("Contact").unwrap_or_default().to_string();
        let dialog = Dialog::of_caller(invite, &response, contact, *hop);
        let dialog = match self.usages.get(&id) {
            Some(usage) => dialog.map(|dialog| usage.of_this(dialog)),
            None => dialog,
        };
        if self.table.acknowledge_again(key, &tag, hop) {
            return;
        }
        let is_one_too_many = self.table.forks(key) >= FORKS_MAX;
        let Some(mut dialog) = dialog.filter(|_| !is_one_too_many) else {
            self.table.counters.dropped += 1;
            self.table.counters.forks_ignored += u64::from(is_one_too_many);
            return;
        };
        if let Some(calling) = self.calling(id, key) {
            let early = calling.early.iter().find(|early| early.tag == tag);
            early.into_iter().for_each(|early| dialog.follows(&early.dialog));
            let (described, is_renewed) = (calling.described(&tag), early.is_some_and(|early| early.is_renewed));
            if is_renewed || (response.body.is_empty() && !described.is_empty()) {
                response.set_body(SDP, described.to_vec());
            }
        }
        let mut ack = dialog.ack(number);
        if let Some(invite) = self.table.invite(key) {
            copy_credentials(invite, &mut ack);
        }
        self.sign(&mut ack.headers, "User-Agent");
        self.table.acknowledge(key, &tag, dialog.hop(), ack);
        match self.calling(id, key).map(|calling| calling.cancel == Cancel::No) {
            Some(true) => {
                self.forget_early(id);
                self.know_dialog(id, dialog.id());
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.dialog = Some(dialog);
                    usage.state = State::Answered;
                    usage.peer_updates = super::refresh::allows_update(&response.headers);
                }
                self.session_settled(now, id, &response);
                self.arm(id);
                self.events.push_back(Event::Answered { id, response: Box::new(response) });
                return;
            }
            // The 2xx crossed our CANCEL: to its user it is over, and what is left is to end it.
            Some(false) => {
                self.events.push_back(Event::Failed { id, failure: Failure::Cancelled });
                self.forget_early(id);
                self.know_dialog(id, dialog.id());
                if let Some(usage) = self.usages.get_mut(&id) {
                    usage.dialog = Some(dialog);
                }
                return self.send_bye(now, id, None);
            }
            // Another fork was first, or the usage is over.
            None => {}
        }
        let bye = dialog.request(Method::Bye);
        self.start_request(now, dialog.hop(), bye, Owner::Nobody);
    }

    fn invite_challenged(&mut self, now: Time, hop: &Hop, id: InviteId, invite: Request, response: Response) {
        let (patience, event) = (self.table.timings().patience(), Box::new(response.clone()));
        self.forget_early(id);
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let State::Calling(calling) =
            std::mem::replace(&mut usage.state, State::Ending { reason: None, missing_until: None })
        else {
            return;
        };
        // To where it was sent, by the connection that was opened for it.
        let hop = Hop { connection: hop.connection, ..calling.hop };
        let Calling { offer, challenges, lengthened, .. } = calling;
        let until = now + patience;
        let challenged = Challenged { invite, offer, hop, response, until, challenges, lengthened };
        usage.state = State::Challenged(Box::new(challenged));
        self.arm(id);
        self.events.push_back(Event::Challenged { id, response: event });
    }

    /// Our INVITE was not answered at all.
    pub(super) fn invite_lost(&mut self, id: InviteId, failure: Failure) {
        if let Some(Usage { state: State::Calling(calling), .. }) = self.usages.get(&id) {
            let failure = if calling.cancel == Cancel::No { failure } else { Failure::Cancelled };
            self.invite_failed(id, failure);
        }
    }

    fn invite_failed(&mut self, id: InviteId, failure: Failure) {
        self.events.push_back(Event::Failed { id, failure });
        self.remove(id);
    }

    /// The early dialogs are over: one is confirmed, or the INVITE begins anew.
    pub(super) fn forget_early(&mut self, id: InviteId) {
        if let Some(usage) = self.usages.get_mut(&id) {
            for key in usage.dialog_keys.drain(..) {
                self.dialogs.remove(&key);
            }
        }
    }

    /// The usage, if it still waits for an answer to this very INVITE.
    fn calling(&mut self, id: InviteId, key: ClientKey) -> Option<&mut Calling> {
        match &mut self.usages.get_mut(&id)?.state {
            State::Calling(calling) if calling.client == key => Some(calling),
            _ => None,
        }
    }
}
