//! The one front door of this room: transactions, dialogs and INVITE usages of one SIP element.
//!
//! Contract: after each `handle_*` or verb (`invite`, `accept`, …) drain [`Endpoint::poll_transmit`] and
//! [`Endpoint::poll_event`] until `None`, then call `handle_timeout` no later than [`Endpoint::poll_timeout`].
//!
//! Verbs and events cross: a verb that comes too late (the usage is gone, the offer was withdrawn, the transaction is
//! answered) does nothing.

mod asides;
mod callee;
mod caller;
mod counters;
mod inbound;
mod login;
mod missing;
mod offers;
mod phones;
mod refer;
mod refresh;
mod reliable;
mod settings;
mod strays;
mod transport;
mod unreachable;
mod writing;

pub use counters::Counters;
pub(super) use inbound::note_source;
pub use settings::Settings;
pub use transport::{Hop, Transmit, Transport};

use super::body::Enclosed;
use super::dialog::Dialog;
use super::headers::{Headers, Replaces};
use super::message::{Message, Request, Response};
use super::method::Method;
use super::parse::{BadMessage, Fault};
use super::party::Party;
use super::schedule::Schedule;
use super::secrets::{Keyed, Secrets};
use super::transaction::Timings;
use super::transaction::table::{Large, Owner, ServerKey, Table};
use super::uri::Uri;
use super::usage::{Exchange, State, Usage};
use crate::time::Time;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// One INVITE usage (RFC 3261 §13–§15, RFC 5057): from the INVITE to the end of its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub u64);

/// A server transaction that waits for our final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u128);

/// A request of ours outside any dialog, sent by [`Endpoint::request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// How far the dialog is that a Replaces names (RFC 3891 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Our INVITE rings there.
    Rings,
    /// The peer's INVITE is not answered yet.
    Early,
    Confirmed,
    /// It is being ended.
    Over,
}

/// A new INVITE to be sent.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Request-URI.
    pub target: Uri,
    pub hop: Hop,
    /// Who calls, as shown on the display: display name and URI without tag.
    pub from: (Option<String>, Uri),
    pub to: Uri,
    /// User part of our Contact; `None`: the one of the settings.
    pub contact_user: Option<String>,
    /// Further headers, written as they are (Alert-Info, P-Asserted-Identity, …).
    pub headers: Headers,
    /// The SDP offer; never empty (an INVITE without offer would need the answer in its ACK).
    pub offer: Vec<u8>,
    /// What its body carries beside the offer; nobody needs to understand it.
    pub enclosed: Vec<Enclosed>,
    /// The peer is a carrier: requests inside the dialog go to where it says it is (RFC 3261 §12.2.1.1), not to where it is seen.
    pub follows: bool,
    /// A 401 or 407 is said as [`Event::Challenged`] and waits for [`Endpoint::authorize`], instead of being a failure.
    pub answers_challenges: bool,
}

/// Why a usage ended without our doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The peer sent BYE; the Reason header's text if it carried one.
    Bye { reason: Option<String> },
    /// The peer never acknowledged our 2xx (RFC 3261 §13.3.1.4), or a provisional answer that it wanted to (RFC 3262 §3).
    NoAck,
    /// A request inside the dialog was answered 408 or 481, or not at all (RFC 3261 §12.2.1.2).
    PeerGone,
    /// The peer was to refresh the session and did not (RFC 4028 §10); BYE is already sent.
    Expired,
    /// Nobody on our side answered the INVITE within [`Settings::unanswered_max`]; 480 is already sent.
    Unanswered,
}

/// Why an INVITE of ours found nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A final answer other than 2xx: 486, 603, 302, ….
    Response(Box<Response>),
    /// Timer B: no answer at all.
    Timeout,
    /// The transport said that it cannot reach the hop.
    Unreachable,
    /// We cancelled it and it is over now: 487, or nothing within the time RFC 3261 §9.1 gives, or a 2xx that crossed the
    /// CANCEL (it was acknowledged and ended by BYE).
    Cancelled,
    /// A table of ours is at its bound; nothing was sent.
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new INVITE outside a dialog; 100 is already sent. Answer with `ring` (as often as wanted) and then `accept`, `reject` or
    /// `challenge`.
    Invite { id: InviteId, request: Box<Request>, hop: Hop },
    /// The caller cancelled (or ended the early dialog by BYE, or its INVITE expired) before an answer; 487 is already sent and
    /// the usage is gone.
    Cancelled { id: InviteId },
    /// The ACK for our 2xx, or the PRACK for the provisional answer that made our late offer; `body` is the answer to that offer.
    /// For the 2xx of a re-INVITE it is said only when `body` is not empty.
    Confirmed { id: InviteId, body: Vec<u8> },
    /// Our INVITE was challenged (401, 407). Answer with `authorize` or `cancel`; after 64·T1 it fails with this response.
    Challenged { id: InviteId, response: Box<Response> },
    /// A provisional answer (101–199) to our INVITE.
    Progress { id: InviteId, code: u16, reason: String, body: Vec<u8> },
    /// The first 2xx to our INVITE; ACK is already sent. Further forks were acknowledged and ended by BYE. Its body is the
    /// description of its dialog, even if only an acknowledged provisional answer (RFC 3262) brought one.
    Answered { id: InviteId, response: Box<Response> },
    /// Our INVITE is over without a dialog; the usage is gone.
    Failed { id: InviteId, failure: Failure },
    /// The peer's re-INVITE (or UPDATE with an offer). Answer with `answer_offer` or `refuse_offer`. `offer` is empty when the peer wants
    /// us to offer.
    Offered { id: InviteId, offer: Vec<u8> },
    /// The peer cancelled the offer before it was answered; the session stays as it was.
    OfferWithdrawn { id: InviteId },
    /// The answer to our `reinvite`: the SDP, or the code of the refusal (491 was retried before it comes here).
    OfferAnswered { id: InviteId, result: Result<Vec<u8>, u16> },
    /// The session must be refreshed by a re-INVITE, because the peer takes no UPDATE: call `reinvite` with what is in force.
    RefreshDue { id: InviteId },
    /// INFO inside the dialog, already answered 200.
    Info { id: InviteId, content_type: String, body: Vec<u8> },
    /// The peer wants its other party sent elsewhere (RFC 3515); the request has one readable Refer-To. Answer with `accept_refer`,
    /// or with `respond` and a refusal.
    Refer { id: InviteId, refer: TransactionId, request: Box<Request> },
    /// The final answer to our `refer`.
    ReferAnswered { id: InviteId, code: u16 },
    /// What a NOTIFY told of it: the code of a provisional or final answer.
    ReferProgress { id: InviteId, code: u16 },
    /// The usage ended by other than our own `bye`, `reject` or `challenge`; nothing more will be said of it.
    Ended { id: InviteId, cause: EndCause },
    /// A request outside any dialog that is not INVITE, ACK or CANCEL: answer it with `respond`.
    Request { id: TransactionId, request: Box<Request>, hop: Hop },
    /// The final answer to a `request`, or why there is none.
    Response { id: ClientId, result: Result<Box<Response>, Failure> },
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Endpoint {
    settings: Settings,
    table: Table,
    events: VecDeque<Event>,
    usages: HashMap<InviteId, Usage>,
    /// The usages by the keys of their dialogs.
    dialogs: Keyed<u128, InviteId>,
    /// The usages with phones, by whose they are.
    phones: BTreeSet<(u64, InviteId)>,
    schedule: Schedule<InviteId>,
    last_id: u64,
}

impl Endpoint {
    /// `seed` decides every tag, branch, Call-ID and back-off; from an unguessable one follow unguessable ones.
    pub fn new(settings: Settings, seed: u128) -> Endpoint {
        let timings = Timings { t1: settings.t1, t2: settings.t2, t4: settings.t4 };
        let large = Large::new(settings.tcp.clone());
        Endpoint {
            settings,
            table: Table::new(timings, Secrets::new(seed), large),
            events: VecDeque::new(),
            usages: HashMap::new(),
            dialogs: Keyed::default(),
            phones: BTreeSet::new(),
            schedule: Schedule::new(),
            last_id: 0,
        }
    }

    /// A message that was read from the wire. Its answer, if it needs one, is among the transmits that follow.
    pub fn handle_message(&mut self, now: Time, hop: &Hop, message: Message) {
        match message {
            Message::Request(request) => self.receive_request(now, hop, request),
            Message::Response(response) => self.receive_response(now, hop, response),
        }
    }

    /// Whether `handle_message` would do more than send an old answer again: a request outside any dialog that no transaction
    /// knows, and neither ACK nor CANCEL. Who sent it can be judged before it is handled.
    pub fn begins(&self, request: &Request) -> bool {
        self.is_beginning(request)
    }

    /// Sends the refusal of a request that `handle_message` is not given, without any state kept of it (RFC 3261 §8.2.7).
    pub fn refuse_stateless(&mut self, hop: &Hop, mut refusal: Response) {
        let Some(hop) = refusal.go_back(hop) else { return };
        self.send_refusal(hop, refusal);
    }

    /// Bytes that are no message to act on: answered with what is wrong where they can be answered.
    pub fn handle_malformed(&mut self, _now: Time, hop: &Hop, bad: &BadMessage) {
        if *bad.fault() == Fault::Empty {
            return;
        }
        self.table.counters.malformed += 1;
        if let Some(mut response) = bad.response() {
            // Without a readable Via, to where it came from.
            let hop = response.go_back(hop).unwrap_or(*hop);
            self.send_stateless(hop, response);
        }
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((owner, request)) = self.table.handle_timeout(now) {
            match owner {
                Owner::Invite(id) => self.invite_lost(id, Failure::Timeout),
                Owner::Reinvite(id) | Owner::Info(id) | Owner::Refresh(id) | Owner::Refer(id) => {
                    self.unanswered(now, owner, id, &request);
                }
                Owner::Prack(_) => self.prack_unanswered(now, owner, &request),
                Owner::Bye(id) => self.bye_unanswered(now, id),
                Owner::Request(id) => {
                    self.events.push_back(Event::Response { id, result: Err(Failure::Timeout) });
                }
                Owner::Cancel(_) | Owner::Ask(_) | Owner::Nobody => {}
            }
        }
        while let Some(id) = self.schedule.due(now) {
            self.usage_timeout(now, id);
        }
    }

    /// When `handle_timeout` must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.table.poll_timeout().into_iter().chain(self.schedule.next()).min()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.table.transmits.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn counters(&self) -> &Counters {
        &self.table.counters
    }

    /// Live transactions of both kinds.
    pub fn transactions(&self) -> usize {
        self.table.len()
    }

    /// Live INVITE usages, those included that end behind their user's back.
    pub fn usages(&self) -> usize {
        self.usages.len()
    }

    /// The usage of this Call-ID. Looks at every usage: for somebody who watches, not for each message.
    pub fn usage_with(&self, call_id: &str) -> Option<InviteId> {
        self.usages.iter().find(|(_, usage)| usage.call_id() == Some(call_id)).map(|(id, _)| *id)
    }

    /// Entries in all tables and indices together: zero when everything has ended and all timers have run out.
    pub fn entries(&self) -> usize {
        self.table.entries() + self.usages.len() + self.dialogs.len() + self.schedule.len()
    }

    /// Answers an [`Event::Request`]. Via, From, To (with our tag), Call-ID and CSeq are those of the request, whatever the
    /// response carries; every other header is written as given.
    pub fn respond(&mut self, now: Time, id: TransactionId, response: Response) {
        self.answer(now, ServerKey(id.0), response);
    }

    /// Answers a new INVITE finally with other than 2xx; headers as in `respond`. The usage is gone, and so is every memory of
    /// the INVITE: whoever did not get this answer asks again, and it is not repeated to whoever never asked. If the INVITE
    /// came in the same turn, this is the only answer.
    pub fn challenge(&mut self, now: Time, id: InviteId, response: Response) {
        self.dismiss_invite(now, id, response);
    }

    /// Sends a request outside any dialog (REGISTER, OPTIONS, MESSAGE; not INVITE). Via is ours; From, To, Call-ID, CSeq,
    /// Max-Forwards and Contact are written if the request has none, so that a REGISTER can keep its own.
    pub fn request(&mut self, now: Time, hop: Hop, request: Request) -> ClientId {
        let id = ClientId(self.new_id());
        if self.is_full(false) {
            self.events.push_back(Event::Response { id, result: Err(Failure::Full) });
            return id;
        }
        let request = self.complete_request(&hop, request);
        self.table.start_client(now, hop, request, Owner::Request(id));
        id
    }

    /// Calls. Answered by `Progress`…, then `Answered` or `Failed`.
    pub fn invite(&mut self, now: Time, invitation: Invitation) -> InviteId {
        self.send_invite(now, invitation)
    }

    /// Whether our INVITE was answered in any way, provisionally (100) included.
    pub fn is_heard(&self, id: InviteId) -> bool {
        !matches!(self.usages.get(&id), Some(Usage { state: State::Calling(calling), .. }) if !calling.provisional)
    }

    /// Sends a challenged INVITE again with this header more (`Authorization`, `Proxy-Authorization`): same Call-ID, next CSeq.
    pub fn authorize(&mut self, now: Time, id: InviteId, name: &str, value: String) {
        self.send_invite_again(now, id, name, value);
    }

    /// The caller is a carrier: requests of ours inside the dialog go to where it says it is, once it has shown that it got an
    /// answer of ours, and answers to its INVITE to where it takes connections if its own is gone. `known`: where it is if it says a name and its connection is lost.
    pub fn follow(&mut self, id: InviteId, known: Option<Hop>) {
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.follows = Some(known);
            if let Some(dialog) = &mut usage.dialog {
                dialog.follow(known);
            }
            if let State::Incoming { server, .. } = usage.state {
                self.table.reopens(server);
            }
        }
    }

    /// Sends a provisional answer (101–199) to a new INVITE; repeated each minute (RFC 3261 §13.3.1.1). Where the INVITE described
    /// nothing, `body` may be our offer if the caller [acknowledges](Endpoint::is_acknowledging) it; `accept` has none then.
    pub fn ring(&mut self, now: Time, id: InviteId, code: u16, body: Vec<u8>) {
        self.ring_invite(now, id, code, "", body);
    }

    /// The same with a reason phrase of its own; empty: the usual one.
    pub fn ring_saying(&mut self, now: Time, id: InviteId, code: u16, reason: &str, body: Vec<u8>) {
        self.ring_invite(now, id, code, reason, body);
    }

    /// Answers a new INVITE with 200; resent until the ACK comes. `body` is the SDP answer, or our offer if there was none.
    pub fn accept(&mut self, now: Time, id: InviteId, body: Vec<u8>) {
        self.accept_invite(now, id, body);
    }

    /// Answers a new INVITE finally with `code` (300–699; anything else becomes 500) and these headers more. The usage is gone.
    pub fn reject(&mut self, now: Time, id: InviteId, code: u16, headers: Headers) {
        let response = Response { code, reason: String::new(), headers, body: Vec::new() };
        self.refuse_invite(now, id, response);
    }

    /// Takes our unanswered INVITE back; `Failed` follows in every case. `reason`: a Reason header's value (RFC 3326), for
    /// example `SIP;cause=200;text="Call completed elsewhere"`.
    pub fn cancel(&mut self, now: Time, id: InviteId, reason: Option<&str>) {
        self.cancel_invite(now, id, reason);
    }

    /// Ends an answered usage from our side; nothing more will be said of it. BYE waits for the ACK of our 2xx where one is
    /// missing (RFC 3261 §15). An unanswered one is cancelled (`Failed` follows) or rejected with 480 instead.
    pub fn bye(&mut self, now: Time, id: InviteId, reason: Option<&str>) {
        match self.usages.get(&id).map(|usage| &usage.state) {
            Some(State::Answered) => self.leave(now, id, reason),
            Some(State::Calling(_) | State::Challenged(_)) => self.cancel(now, id, reason),
            Some(State::Incoming { .. }) => self.reject(now, id, 480, Headers::new()),
            Some(State::Missed { .. } | State::Leaving { .. } | State::Ending { .. }) | None => {}
        }
    }

    /// Offers a new session; `OfferAnswered` follows unless the usage ends first. While another offer is under way it waits;
    /// a later one replaces a waiting one, and only the last is answered. Nothing happens before the usage is answered.
    pub fn reinvite(&mut self, now: Time, id: InviteId, offer: Vec<u8>) {
        self.want_offer(now, id, offer);
    }

    /// Answers `Offered` with 200.
    pub fn answer_offer(&mut self, now: Time, id: InviteId, body: Vec<u8>) {
        self.accept_offer(now, id, body);
    }

    /// Refuses `Offered` with `code` (300–699; anything else becomes 488) and these headers more; the session stays as it was.
    pub fn refuse_offer(&mut self, now: Time, id: InviteId, code: u16, headers: Headers) {
        self.reject_offer(now, id, code, headers);
    }

    /// Sends an INFO inside the dialog; its answer is not said, except that 408, 481 and silence end the usage. It waits for
    /// the ACK of our 2xx (the peer may not know the dialog before) and for the answer to the INFO before it, so that what they
    /// say comes in order; at most 16 wait, further ones are dropped.
    pub fn info(&mut self, now: Time, id: InviteId, content_type: &str, body: Vec<u8>) {
        self.send_info(now, id, content_type.to_string(), body);
    }

    /// Takes a REFER: 202. `notifies`: `notify_refer` will tell what becomes of it; otherwise the peer asked not to be told
    /// (RFC 4488).
    pub fn accept_refer(&mut self, now: Time, id: InviteId, refer: TransactionId, notifies: bool) {
        self.accept_referral(now, id, refer, notifies);
    }

    /// Tells the peer how far its REFER with the CSeq `number` is: `code` is that of a provisional answer, or final, and
    /// then the last word. Nothing happens once the usage is not up any more.
    pub fn notify_refer(&mut self, now: Time, id: InviteId, number: u32, code: u16) {
        self.send_refer_progress(now, id, number, code);
    }

    /// Asks the peer of an answered usage to call `refer_to` (a name-addr, perhaps with Replaces). `ReferAnswered` follows, and
    /// `ReferProgress` as often as the peer tells.
    pub fn refer(&mut self, now: Time, id: InviteId, refer_to: &str, further: &[(&str, &str)]) {
        self.send_refer(now, id, refer_to, further);
    }

    /// The usage whose dialog this names, seen from us, and how far it is; `None`: we know no such dialog.
    pub fn standing(&self, dialog: &Replaces) -> Option<(InviteId, Standing)> {
        self.standing_of(dialog)
    }

    /// The name of a usage's dialog, as the peer must write it to us; `None` before there is one.
    pub fn dialog_name(&self, id: InviteId) -> Option<Replaces> {
        self.name_of_dialog(id)
    }

    // What callers and callees share.

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// `within`: for what belongs to a dialog or transaction that is there already.
    fn is_full(&self, within: bool) -> bool {
        let max = self.settings.transactions_max;
        self.table.len() >= if within { max + max / 8 } else { max }
    }

    fn receive_response(&mut self, now: Time, hop: &Hop, response: Response) {
        let Some(passed) = self.table.receive_response(now, hop, &response) else { return };
        match passed.owner {
            Owner::Invite(id) => self.invite_answered(now, hop, passed, id, response),
            Owner::Reinvite(id) => self.reinvite_answered(now, hop, passed, id, response),
            Owner::Info(_) | Owner::Prack(_) if response.is_final() => self.aside_answered(now, passed, &response),
            Owner::Refresh(id) if response.is_final() => self.refresh_answered(now, hop, id, &response),
            Owner::Refer(id) if response.is_final() => self.refer_answered(now, id, &response),
            Owner::Bye(id) if response.is_final() => match self.is_challenged(id, &response) {
                true => self.send_bye_again(now, id),
                false => self.forget_ending(id),
            },
            Owner::Cancel(id) if response.code == 481 => self.cancelled_in_vain(now, hop, id),
            Owner::Ask(id) if response.code == 481 => self.rings_no_more(now, hop, id),
            Owner::Request(id) if response.is_final() => {
                self.events.push_back(Event::Response { id, result: Ok(Box::new(response)) });
            }
            _ => {}
        }
    }

    fn usage_timeout(&mut self, now: Time, id: InviteId) {
        self.give_up_incoming(now, id);
        self.ring_again(now, id);
        self.challenge_expired(now, id);
        self.resend_reliable(now, id);
        self.resend_accepted(now, id);
        self.offer_next(now, id);
        self.session_due(now, id);
        self.missing_too_long(now, id);
        self.not_back(now, id);
        self.arm(id);
    }

    /// The user wants to leave an answered usage.
    fn leave(&mut self, now: Time, id: InviteId, reason: Option<&str>) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        usage.wanted = None;
        if usage.unacknowledged.as_ref().is_some_and(|waiting| waiting.first) {
            usage.state = State::Leaving { reason: reason.map(str::to_string) };
            self.arm(id);
        } else {
            self.send_bye(now, id, reason);
        }
    }

    /// From here on the usage only waits for the answer to this BYE.
    fn send_bye(&mut self, now: Time, id: InviteId, reason: Option<&str>) {
        self.terminate_offer(now, id);
        let Some(usage) = self.usages.get_mut(&id) else { return };
        usage.state = State::Ending { reason: reason.map(str::to_string), missing_until: None };
        usage.unacknowledged = None;
        usage.wanted = None;
        // Whatever else was being asked for, this has its own tries.
        usage.showing.iter_mut().for_each(|showing| showing.settled());
        self.send_bye_again(now, id);
    }

    /// The BYE as it was, by the way and with the credentials that are good now.
    fn send_bye_again(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        let State::Ending { reason, missing_until } = &mut usage.state else { return };
        *missing_until = None;
        let Some(dialog) = &mut usage.dialog else { return self.forget(now, id) };
        let mut bye = dialog.request(Method::Bye);
        let hop = dialog.hop();
        if let Some(reason) = reason {
            bye.headers.push("Reason", reason);
        }
        self.start_request(now, hop, bye, Owner::Bye(id));
        self.arm(id);
    }

    /// Nobody answered a request inside the dialog. Where it went to where the peer says that it is, the call goes on, and from here
    /// on to where the peer is seen; a REFER is lost by that.
    fn unanswered(&mut self, now: Time, owner: Owner, id: InviteId, request: &Request) {
        let is_up = self.usages.get(&id).is_some_and(|usage| matches!(usage.state, State::Answered));
        if !(is_up && self.turn_back(id)) {
            return self.peer_gone(now, id);
        }
        match owner {
            Owner::Reinvite(_) => self.reinvite_lost(now, id, true),
            Owner::Refresh(_) => self.refresh_lost(now, id),
            Owner::Info(_) => self.send_aside_again(now, owner, request),
            _ => {}
        }
    }

    /// Nobody answers where the peer of this dialog says it is. True: there is another way, where it is seen.
    fn turn_back(&mut self, id: InviteId) -> bool {
        let dialog = self.usages.get_mut(&id).and_then(|usage| usage.dialog.as_mut());
        dialog.is_some_and(Dialog::turn_back)
    }

    /// Whether the dialog has, or can be given, another hop than the one that failed.
    fn has_other_way(&mut self, id: InviteId, failed: &Hop) -> bool {
        let dialog = self.usages.get_mut(&id).and_then(|usage| usage.dialog.as_mut());
        dialog.is_some_and(|dialog| dialog.has_other_way(failed))
    }

    /// The peer no longer knows the dialog, or no longer answers (RFC 3261 §12.2.1.2).
    fn peer_gone(&mut self, now: Time, id: InviteId) {
        // What was not answered may have gone where nobody is; the BYE goes where somebody was.
        self.turn_back(id);
        match self.usages.get_mut(&id).map(|usage| &mut usage.state) {
            Some(State::Answered) => {
                self.events.push_back(Event::Ended { id, cause: EndCause::PeerGone });
                self.send_bye(now, id, None);
            }
            Some(State::Leaving { reason }) => {
                let reason = reason.take();
                self.send_bye(now, id, reason.as_deref());
            }
            _ => {}
        }
    }

    fn forget_ending(&mut self, id: InviteId) {
        if self.usages.get(&id).is_some_and(|usage| matches!(usage.state, State::Ending { .. })) {
            self.remove(id);
        }
    }

    /// The usage is gone; a request of the peer that still waits for our answer is terminated.
    fn forget(&mut self, now: Time, id: InviteId) {
        self.terminate_offer(now, id);
        self.remove(id);
    }

    fn remove(&mut self, id: InviteId) {
        let Some(mut usage) = self.usages.remove(&id) else { return };
        for key in &usage.dialog_keys {
            self.dialogs.remove(key);
        }
        if let Some(Party::Phone(owner)) = usage.party {
            self.phones.remove(&(owner.into(), id));
        }
        self.schedule.move_to(id, &mut usage.armed, None);
    }

    /// 487 to the peer's offer, if one waits for its answer; ours is given the usual time to be answered after all.
    fn terminate_offer(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id) else { return };
        match std::mem::replace(&mut usage.exchange, Exchange::Idle) {
            Exchange::Received { server, .. } => {
                self.answer(now, server, writing::response(487));
            }
            Exchange::Sent(sent) => {
                self.table.give_up_at(sent.client, now + self.table.timings().patience());
                self.table.abandon(sent.client);
            }
            Exchange::Idle => {}
        }
    }

    /// Makes the usage known by its dialog's name.
    fn know_dialog(&mut self, id: InviteId, name: (&str, &str, &str)) {
        let key = self.table.secrets.key(name);
        if let Some(usage) = self.usages.get_mut(&id)
            && !usage.dialog_keys.contains(&key)
        {
            usage.dialog_keys.push(key);
            self.dialogs.insert(key, id);
        }
    }

    fn arm(&mut self, id: InviteId) {
        if let Some(usage) = self.usages.get_mut(&id) {
            let next = usage.next_timeout();
            self.schedule.move_to(id, &mut usage.armed, next);
        }
    }
}

#[cfg(test)]
mod tests;
