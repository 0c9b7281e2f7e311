//! A softphone without sound, sockets or clock: registers, calls, is called. One call at a time.
//!
//! Contract: after each verb and `handle_*` drain [`Phone::poll_transmit`] and [`Phone::poll_event`], then call
//! `handle_timeout` no later than [`Phone::poll_timeout`].

use super::chance::Chance;
use crate::media::{Codec, Direction, Stream};
use crate::sdp::{Answer, Capabilities, Negotiator};
use crate::sip::body::Enclosed;
use crate::sip::digest::{self, Login};
use crate::sip::endpoint::{EndCause, Failure, Invitation, Settings};
use crate::sip::{
    self, ClientId, Endpoint, Headers, Hop, InviteId, Message, Method, Request, Transmit, Transport, Uri,
};
use crate::time::{Duration, Time};
use std::collections::VecDeque;
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub struct PhoneSettings {
    pub transport: Transport,
    /// Our SIP address.
    pub local: SocketAddr,
    /// The switchboard's SIP address.
    pub server: SocketAddr,
    /// Where we want to hear.
    pub rtp: SocketAddr,
    pub user: String,
    /// Without one the phone cannot register and fails when challenged.
    pub password: Option<String>,
}

/// What the phone shows to the person in front of it.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneEvent {
    Registered,
    /// The final code; 408 if nobody answered.
    RegistrationFailed {
        code: u16,
    },
    /// Somebody calls; answer, decline or let it ring. `from` is what the display shows.
    Rings {
        from: String,
    },
    /// Somebody calls while the phone is in use; it said busy by itself.
    CalledWhileBusy,
    /// Somebody calls a phone set to "do not disturb"; it refused by itself.
    CalledInVain,
    /// Who called has given up, or somebody else answered.
    StoppedRinging,
    /// Our call rings at the other end.
    Ringing,
    /// Our call is somewhere else before its answer (181, 182, 183): what is said of it, and whether there is something to hear.
    Progress {
        code: u16,
        reason: String,
        sound: bool,
    },
    /// The two ends agreed; speak to `stream.remote`.
    Connected {
        stream: Stream,
    },
    /// The other end changed something (hold, another address).
    Changed {
        stream: Stream,
    },
    /// Our call was not answered; the final code, 408 for silence.
    Failed {
        code: u16,
    },
    /// How far our transfer is: what REFER was answered, then what NOTIFYs tell.
    Transferring {
        code: u16,
    },
    /// The other end hung up, or is gone.
    Ended,
}

fn negotiator(settings: &PhoneSettings, id: u64) -> Negotiator {
    let capabilities = Capabilities { codecs: vec![Codec::Pcmu, Codec::Pcma], digits: true, address: settings.rtp };
    Negotiator::new(capabilities, id)
}

enum State {
    Idle,
    Calling { invite: InviteId, tried: bool },
    Rung { invite: InviteId, offer: Vec<u8> },
    Talking { invite: InviteId },
}

/// See the module's documentation.
pub struct Phone {
    settings: PhoneSettings,
    endpoint: Endpoint,
    state: State,
    sdp: Negotiator,
    calls: u64,
    seed: u64,
    logins: u64,
    do_not_disturb: bool,
    replaces: Option<sip::Replaces>,
    registration: Option<Registration>,
    events: VecDeque<PhoneEvent>,
}

struct Registration {
    expires: Duration,
    call_id: String,
    cseq: u32,
    pending: Option<(ClientId, Request, bool)>,
    /// When to register again.
    refresh: Option<Time>,
}

impl Phone {
    pub fn new(settings: PhoneSettings, seed: u64) -> Phone {
        let sip = Settings { contact_user: settings.user.clone(), ..Settings::default() };
        Phone {
            endpoint: Endpoint::new(sip, seed.into()),
            state: State::Idle,
            sdp: negotiator(&settings, 0),
            calls: 0,
            seed,
            logins: 0,
            do_not_disturb: false,
            replaces: None,
            registration: None,
            events: VecDeque::new(),
            settings,
        }
    }

    /// Registers and keeps registered, at the latest every `expires`.
    pub fn register(&mut self, now: Time, expires: Duration) {
        let call_id = format!("{}-{}", self.settings.user, now.as_micros());
        let mut registration = Registration { expires, call_id, cseq: 0, pending: None, refresh: None };
        let request = self.register_request(&mut registration, None);
        let id = self.endpoint.request(now, self.hop(), request.clone());
        registration.pending = Some((id, request, false));
        self.registration = Some(registration);
        self.settle(now);
    }

    /// Takes the registration back.
    pub fn unregister(&mut self, now: Time) {
        if let Some(mut registration) = self.registration.take() {
            registration.expires = Duration::ZERO;
            registration.refresh = None;
            let request = self.register_request(&mut registration, None);
            let id = self.endpoint.request(now, self.hop(), request.clone());
            registration.pending = Some((id, request, false));
            self.registration = Some(registration);
        }
        self.settle(now);
    }

    /// Calls a number; `Connected` or `Failed` follows. Does nothing while in a call.
    pub fn call(&mut self, now: Time, number: &str) {
        self.call_to(now, self.server_uri(Some(number)));
    }

    /// The same, with a Request-URI of any kind.
    pub fn call_to(&mut self, now: Time, target: Uri) {
        self.call_saying(now, target, Headers::default(), Vec::new());
    }

    /// The same, with more headers and something beside the offer.
    pub fn call_saying(&mut self, now: Time, target: Uri, mut headers: Headers, enclosed: Vec<Enclosed>) {
        if !self.is_idle() {
            return;
        }
        self.calls += 1;
        self.sdp = negotiator(&self.settings, self.calls);
        self.replaces.iter().for_each(|replaces| headers.push("Replaces", replaces.to_string()));
        let invitation = Invitation {
            target: target.clone(),
            hop: self.hop(),
            from: (None, self.server_uri(Some(&self.settings.user))),
            to: target,
            contact_user: Some(self.settings.user.clone()),
            headers,
            offer: self.sdp.offer(Direction::SendRecv),
            enclosed,
            follows: false,
            answers_challenges: self.settings.password.is_some(),
        };
        let invite = self.endpoint.invite(now, invitation);
        self.state = State::Calling { invite, tried: false };
        self.settle(now);
    }

    /// Answers what rings.
    pub fn answer(&mut self, now: Time) {
        let State::Rung { invite, offer } = &self.state else { return };
        let invite = *invite;
        self.calls += 1;
        self.sdp = negotiator(&self.settings, self.calls);
        match self.sdp.answer(offer, Direction::SendRecv) {
            Ok(Answer { body, stream }) => {
                self.endpoint.accept(now, invite, body);
                self.state = State::Talking { invite };
                self.events.push_back(PhoneEvent::Connected { stream });
            }
            Err(_) => {
                self.endpoint.reject(now, invite, 488, Headers::default());
                self.state = State::Idle;
            }
        }
        self.settle(now);
    }

    /// Refuses what rings: 486 busy, 603 decline, 480 not available.
    pub fn decline(&mut self, now: Time, code: u16) {
        if let State::Rung { invite, .. } = self.state {
            self.endpoint.reject(now, invite, code, Headers::default());
            self.state = State::Idle;
        }
        self.settle(now);
    }

    /// Ends the call, whatever its state.
    pub fn hang_up(&mut self, now: Time) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {}
            State::Calling { invite, .. } => self.endpoint.cancel(now, invite, None),
            State::Rung { invite, .. } => self.endpoint.reject(now, invite, 486, Headers::default()),
            State::Talking { invite } => self.endpoint.bye(now, invite, None),
        }
        self.settle(now);
    }

    /// Puts the other end on hold, or takes it back; `Changed` follows.
    pub fn hold(&mut self, now: Time, held: bool) {
        if let State::Talking { invite } = self.state {
            let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
            let offer = self.sdp.offer(direction);
            self.endpoint.reinvite(now, invite, offer);
        }
        self.settle(now);
    }

    /// Sends the other end to this number; `Transferring` tells how far it is, and the phone hangs up when it is done.
    pub fn transfer(&mut self, now: Time, number: &str) {
        let to = format!("<{}>", self.server_uri(Some(number)));
        self.refer(now, &to);
    }

    /// Sends the other end to the other end of another call of this account, which has this dialog.
    pub fn transfer_to(&mut self, now: Time, dialog: &sip::Replaces) {
        let mut to = self.server_uri(Some("other"));
        if let Uri::Sip(uri) = &mut to {
            uri.headers.push(("Replaces".into(), dialog.to_string()));
        }
        self.refer(now, &format!("<{to}>"));
    }

    fn refer(&mut self, now: Time, to: &str) {
        if let State::Talking { invite } = self.state {
            let me = format!("<{}>", self.server_uri(Some(&self.settings.user)));
            self.endpoint.refer(now, invite, to, &[("Referred-By", &me)]);
        }
        self.settle(now);
    }

    /// Takes the place of another phone of this account in its call.
    pub fn take_over(&mut self, now: Time, dialog: &sip::Replaces) {
        self.replaces = Some(dialog.clone());
        self.call(now, "take-over");
        self.replaces = None;
    }

    /// The dialog of the present call, as others must name it to the switchboard.
    pub fn dialog(&self) -> Option<sip::Replaces> {
        match self.state {
            State::Calling { invite, .. } | State::Rung { invite, .. } | State::Talking { invite } => {
                self.endpoint.dialog_name(invite)
            }
            State::Idle => None,
        }
    }

    /// Refuses every call by itself, without ringing, or does so no more.
    pub fn do_not_disturb(&mut self, on: bool) {
        self.do_not_disturb = on;
    }

    /// Presses a key by SIP INFO.
    pub fn press(&mut self, now: Time, key: char) {
        if let State::Talking { invite } = self.state {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            self.endpoint.info(now, invite, "application/dtmf-relay", body.into_bytes());
        }
        self.settle(now);
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub fn is_talking(&self) -> bool {
        matches!(self.state, State::Talking { .. })
    }

    /// In one word.
    pub fn doing(&self) -> &'static str {
        match self.state {
            State::Idle => "idle",
            State::Calling { .. } => "calling",
            State::Rung { .. } => "rung",
            State::Talking { .. } => "talking",
        }
    }

    /// Nothing is remembered of any call or request.
    pub fn is_forgetful(&self) -> bool {
        self.endpoint.entries() == 0
    }

    pub fn settings(&self) -> &PhoneSettings {
        &self.settings
    }

    pub fn handle(&mut self, now: Time, hop: &Hop, message: Message) {
        self.endpoint.handle_message(now, hop, message);
        self.settle(now);
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        if let Some(mut registration) = self.registration.take() {
            if registration.refresh.is_some_and(|due| due <= now) {
                registration.refresh = None;
                let request = self.register_request(&mut registration, None);
                let id = self.endpoint.request(now, self.hop(), request.clone());
                registration.pending = Some((id, request, false));
            }
            self.registration = Some(registration);
        }
        self.settle(now);
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let refresh = self.registration.as_ref().and_then(|r| r.refresh);
        [self.endpoint.poll_timeout(), refresh].into_iter().flatten().min()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    pub fn poll_event(&mut self) -> Option<PhoneEvent> {
        self.events.pop_front()
    }

    fn settle(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            self.on_sip(now, event);
        }
    }

    fn on_sip(&mut self, now: Time, event: sip::Event) {
        match event {
            sip::Event::Invite { id, request, .. } => {
                if !self.is_idle() {
                    self.events.push_back(PhoneEvent::CalledWhileBusy);
                    return self.endpoint.reject(now, id, 486, Headers::default());
                }
                if self.do_not_disturb {
                    self.events.push_back(PhoneEvent::CalledInVain);
                    return self.endpoint.reject(now, id, 480, Headers::default());
                }
                let from = request.headers.from_().ok();
                let from = from.map(|f| f.display.unwrap_or_else(|| f.uri.user().unwrap_or_default().to_owned()));
                self.endpoint.ring(now, id, 180, Vec::new());
                self.state = State::Rung { invite: id, offer: request.description().to_vec() };
                self.events.push_back(PhoneEvent::Rings { from: from.unwrap_or_default() });
            }
            sip::Event::Cancelled { id } => self.over(id, PhoneEvent::StoppedRinging),
            sip::Event::Ended { id, cause } => {
                let unanswered = cause == EndCause::Unanswered;
                self.over(id, if unanswered { PhoneEvent::StoppedRinging } else { PhoneEvent::Ended });
            }
            sip::Event::RefreshDue { id } => {
                let offer = self.sdp.offer(Direction::SendRecv);
                self.endpoint.reinvite(now, id, offer);
            }
            sip::Event::Challenged { id, response } => self.on_challenged(now, id, &response),
            sip::Event::Progress { id, code, reason, body } => {
                if matches!(self.state, State::Calling { invite, .. } if invite == id) {
                    let sound = !body.is_empty();
                    self.events.push_back(match code {
                        180 => PhoneEvent::Ringing,
                        code => PhoneEvent::Progress { code, reason, sound },
                    });
                }
            }
            sip::Event::Answered { id, response } => {
                if !matches!(self.state, State::Calling { invite, .. } if invite == id) {
                    return self.endpoint.bye(now, id, None);
                }
                match self.sdp.accept(&response.body) {
                    Ok(stream) => {
                        self.state = State::Talking { invite: id };
                        self.events.push_back(PhoneEvent::Connected { stream });
                    }
                    Err(_) => {
                        self.endpoint.bye(now, id, None);
                        self.over(id, PhoneEvent::Failed { code: 488 });
                    }
                }
            }
            sip::Event::Failed { id, failure } => {
                let code = match failure {
                    Failure::Response(response) => {
                        assert!(
                            response.code != 503 || response.headers.retry_after().is_some(),
                            "it says when to try again"
                        );
                        response.code
                    }
                    Failure::Cancelled => 487,
                    Failure::Timeout | Failure::Unreachable | Failure::Full => 408,
                };
                self.over(id, PhoneEvent::Failed { code });
            }
            sip::Event::Offered { id, offer } => match self.sdp.answer(&offer, Direction::SendRecv) {
                Ok(Answer { body, stream }) => {
                    self.endpoint.answer_offer(now, id, body);
                    self.events.push_back(PhoneEvent::Changed { stream });
                }
                Err(_) => self.endpoint.refuse_offer(now, id, 488, Headers::default()),
            },
            sip::Event::OfferAnswered { result, .. } => {
                if let Ok(body) = result
                    && let Ok(stream) = self.sdp.accept(&body)
                {
                    self.events.push_back(PhoneEvent::Changed { stream });
                }
            }
            sip::Event::Request { id, request, .. } => {
                let response = sip::Response::to(&request, 200, "OK");
                self.endpoint.respond(now, id, response);
            }
            sip::Event::Response { id, result } => self.on_registered(now, id, result),
            sip::Event::Refer { refer, request, .. } => {
                let refusal = sip::Response::to(&request, 603, None);
                self.endpoint.respond(now, refer, refusal);
            }
            sip::Event::ReferAnswered { code, .. } => self.events.push_back(PhoneEvent::Transferring { code }),
            sip::Event::ReferProgress { id, code } => {
                self.events.push_back(PhoneEvent::Transferring { code });
                if (200..300).contains(&code) && matches!(self.state, State::Talking { invite } if invite == id) {
                    self.endpoint.bye(now, id, None);
                    self.over(id, PhoneEvent::Ended);
                }
            }
            sip::Event::Confirmed { .. } | sip::Event::Info { .. } | sip::Event::OfferWithdrawn { .. } => {}
        }
    }

    fn over(&mut self, id: InviteId, event: PhoneEvent) {
        let current = match self.state {
            State::Idle => None,
            State::Calling { invite, .. } | State::Rung { invite, .. } | State::Talking { invite } => Some(invite),
        };
        if current == Some(id) {
            self.state = State::Idle;
            self.events.push_back(event);
        }
    }

    fn on_challenged(&mut self, now: Time, id: InviteId, response: &sip::Response) {
        let State::Calling { invite, tried } = &mut self.state else { return };
        if *invite != id {
            return;
        }
        if std::mem::replace(tried, true) {
            return self.endpoint.cancel(now, id, None);
        }
        match self.credentials(response, &Method::Invite, None) {
            Some((name, value)) => self.endpoint.authorize(now, id, name, value),
            None => self.endpoint.cancel(now, id, None),
        }
    }

    fn on_registered(&mut self, now: Time, id: ClientId, result: Result<Box<sip::Response>, Failure>) {
        let Some(mut registration) = self.registration.take() else { return };
        match registration.pending.take() {
            Some((pending, request, tried)) if pending == id => match result {
                Ok(response) if response.code == 401 && !tried => {
                    let credentials = self.credentials(&response, &Method::Register, Some(&request.uri));
                    if let Some((name, value)) = credentials {
                        let again = self.register_request(&mut registration, Some((name, &value)));
                        let id = self.endpoint.request(now, self.hop(), again.clone());
                        registration.pending = Some((id, again, true));
                    } else {
                        self.events.push_back(PhoneEvent::RegistrationFailed { code: 401 });
                    }
                }
                Ok(response) if response.code == 200 => {
                    if !registration.expires.is_zero() {
                        registration.refresh = Some(now + registration.expires.mul_f64(0.8));
                        self.events.push_back(PhoneEvent::Registered);
                    }
                }
                other => {
                    let code = other.map_or(408, |response| response.code);
                    registration.refresh = Some(now + Duration::from_secs(5));
                    self.events.push_back(PhoneEvent::RegistrationFailed { code });
                }
            },
            other => registration.pending = other,
        }
        self.registration = Some(registration);
    }

    fn credentials(
        &mut self,
        response: &sip::Response,
        method: &Method,
        uri: Option<&Uri>,
    ) -> Option<(&'static str, String)> {
        let password = self.settings.password.clone()?;
        let (asks, answers) = match response.code {
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => ("WWW-Authenticate", "Authorization"),
        };
        let challenge = digest::first_usable(&response.headers, asks)?;
        let number = response.headers.to().ok()?.uri;
        let uri = uri.unwrap_or(&number).to_string();
        self.logins += 1;
        let cnonce = format!("{:016x}", Chance::new(self.seed ^ self.logins).bits());
        let login = Login { user: &self.settings.user, password: &password, method, uri: &uri, cnonce: &cnonce, nc: 1 };
        Some((answers, digest::answer(&challenge, &login)))
    }

    fn register_request(&self, registration: &mut Registration, credentials: Option<(&str, &str)>) -> Request {
        registration.cseq += 1;
        let me = self.server_uri(Some(&self.settings.user));
        let mut headers = Headers::default();
        headers.push("From", format!("<{me}>;tag={}", registration.call_id));
        headers.push("To", format!("<{me}>"));
        headers.push("Call-ID", registration.call_id.clone());
        headers.push("CSeq", format!("{} REGISTER", registration.cseq));
        let local = self.settings.local;
        let tcp = if self.settings.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        headers.push("Contact", format!("<sip:{}@{local}{tcp}>", self.settings.user));
        headers.push("Expires", registration.expires.as_secs().to_string());
        if let Some((name, value)) = credentials {
            headers.push(name, value);
        }
        Request { method: Method::Register, uri: self.server_uri(None), headers, body: Vec::new() }
    }

    fn server_uri(&self, user: Option<&str>) -> Uri {
        Uri::sip(user, self.settings.server)
    }

    fn hop(&self) -> Hop {
        Hop {
            transport: self.settings.transport,
            local: self.settings.local,
            remote: self.settings.server,
            connection: None,
        }
    }
}
