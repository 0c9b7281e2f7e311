//! Our registration at a carrier (RFC 3261 §10.2): made, kept up, and taken back.
//!
//! ```text
//!            due                     200
//! Waiting ─────────▶ Asking ──────────────────▶ Waiting until ¾ of what was granted
//!    ▲                │  ▲ 401, 407, 423: at once again
//!    └── back-off ◀───┘ refused, no answer
//!
//! any ── leave ──▶ Leaving ── answered, or two seconds ──▶ Gone
//! ```
//!
//! Contract: what a verb returns is to be sent; each request is answered by one `handle_answer`. `handle_timeout` no
//! later than `poll_timeout`.

use super::account::{Account, CHALLENGES_MAX, Unanswered};
use super::headers::NameAddr;
use super::message::{Request, Response};
use super::method::Method;
use super::uri::{SipUri, Uri};
use crate::time::{Duration, Time};

/// After the first failure; each further one doubles it.
const BACK_OFF: Duration = Duration::from_secs(5);
/// The longest wait between two tries, but for a carrier that asks for more.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// A refused password will not be better soon, and carriers lock who goes on trying it.
const REJECTED: Duration = Duration::from_secs(300);
/// The longest Retry-After that is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// How long the answer to an un-REGISTER is waited for.
const LEAVE: Duration = Duration::from_secs(2);
/// How often a carrier may want a longer registration (423) before it is believed that it wants none.
const LONGER_MAX: u32 = 2;
/// A grant shorter than this is kept up as if it were this long: one REGISTER a second is enough for anybody.
const GRANT_MIN: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub account: Account,
    /// The carrier: Request-URI, and host of the address of record.
    pub domain: SipUri,
    /// Where calls for us are to be sent, as written into Contact, without brackets.
    pub contact: Uri,
    /// How long we ask to be registered; a carrier may grant another time.
    pub expires: Duration,
}

/// What an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Said when it was not before; a refresh is no news.
    Registered {
        granted: Duration,
    },
    /// `code`: `None` when nobody answered. `realm`: the carrier asked in this one, and the account is for another.
    Failed {
        code: Option<u16>,
        realm: Option<String>,
        again: Duration,
    },
    Left,
}

#[derive(Debug)]
enum State {
    Waiting { until: Time },
    Asking(Asked),
    Leaving { until: Time, asked: Asked },
    Gone,
}

/// How one REGISTER went so far.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Challenges that were answered since the carrier last wanted something else (423).
    challenges: u32,
    /// How often it wanted a longer registration.
    longer: u32,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Registration {
    settings: Settings,
    state: State,
    /// Until when the carrier knows us.
    valid: Option<Time>,
    /// The last request, which a challenge is about.
    sent: Option<Request>,
    call_id: String,
    tag: String,
    number: u32,
    /// When it was last begun to ask.
    asked: Time,
    failures: u32,
    /// What is asked for; more than in the settings where the carrier wants that (423).
    expires: Duration,
}

/// What follows from an answer.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    pub send: Option<Request>,
    pub news: Option<News>,
}

impl Registration {
    /// Due at once. `seed`: unpredictable; names our Call-ID and tag.
    pub fn new(now: Time, settings: Settings, seed: (u64, u64)) -> Registration {
        Registration {
            state: State::Waiting { until: now },
            valid: None,
            sent: None,
            call_id: format!("{:016x}", seed.0),
            tag: format!("{:016x}", seed.1),
            number: 0,
            asked: Time::EPOCH,
            failures: 0,
            expires: settings.expires,
            settings,
        }
    }

    pub fn account(&self) -> &Account {
        &self.settings.account
    }

    pub fn is_registered(&self, now: Time) -> bool {
        self.valid.is_some_and(|valid| valid > now)
    }

    /// Where the carrier is, and where it is to send calls for us, from the next time it is asked.
    pub fn place(&mut self, domain: SipUri, contact: Uri) {
        self.settings.domain = domain;
        self.settings.contact = contact;
    }

    /// The carrier is elsewhere now: it is asked there at once, even if it refused us where it was.
    pub fn moved(&mut self, now: Time) {
        self.hurry(now);
    }

    /// The connection that calls for us would have come by is lost: the carrier is asked anew at once, if it knows us and the last
    /// time went well.
    pub fn lost_way(&mut self, now: Time) {
        if self.failures == 0 && self.is_registered(now) {
            self.hurry(now);
        }
    }

    /// However often connections are lost, or DNS changes its mind, it is not asked more often than after a failure.
    fn hurry(&mut self, now: Time) {
        if let State::Waiting { until } = &mut self.state {
            *until = (*until).min(now.max(self.asked + BACK_OFF));
        }
    }

    /// Challenges to the last request that were answered.
    pub fn challenges(&self) -> u32 {
        match self.state {
            State::Asking(asked) | State::Leaving { asked, .. } => asked.challenges,
            State::Waiting { .. } | State::Gone => 0,
        }
    }

    /// It is being taken back, from where it was made.
    pub fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving { .. })
    }

    /// Whether nothing more will be asked or waited for.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Waiting { until } | State::Leaving { until, .. } => Some(until),
            State::Asking(_) | State::Gone => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Time) -> Option<Request> {
        match self.state {
            State::Waiting { until } if until <= now => {
                self.state = State::Asking(Asked::default());
                self.asked = now;
                Some(self.request(self.expires, None))
            }
            State::Leaving { until, .. } if until <= now => {
                self.state = State::Gone;
                None
            }
            _ => None,
        }
    }

    /// The last request, for whoever answers its challenge.
    pub fn sent(&self) -> Option<&Request> {
        self.sent.as_ref()
    }

    /// Takes the registration back, if there is or may be one.
    pub fn leave(&mut self, now: Time) -> Option<Request> {
        if matches!(self.state, State::Leaving { .. } | State::Gone) {
            return None;
        }
        // One that is being asked for may be granted after all.
        if !self.is_registered(now) && !matches!(self.state, State::Asking(_)) {
            self.state = State::Gone;
            return None;
        }
        self.state = State::Leaving { until: now + LEAVE, asked: Asked::default() };
        Some(self.request(Duration::ZERO, None))
    }

    /// The final answer to the request with this CSeq; `None`: there was none. `answer`: what the challenge of a 401 or 407
    /// is answered with. `draw` decides the jitter.
    pub fn handle_answer(
        &mut self,
        now: Time,
        number: u32,
        response: Option<&Response>,
        answer: Option<Result<(&'static str, String), Unanswered>>,
        draw: u64,
    ) -> Step {
        // Of a request that another one has overtaken.
        if number != self.number {
            return Step::default();
        }
        let (asked, leaving) = match self.state {
            State::Asking(asked) => (asked, None),
            State::Leaving { until, asked } => (asked, Some(until)),
            State::Waiting { .. } | State::Gone => return Step::default(),
        };
        let again = |asked: Asked| match leaving {
            Some(until) => State::Leaving { until, asked },
            None => State::Asking(asked),
        };
        let expires = if leaving.is_some() { Duration::ZERO } else { self.expires };
        let code = response.map(|response| response.code);
        let mut realm = None;
        match (code, answer) {
            (Some(200..300), _) if leaving.is_some() => {
                (self.state, self.valid) = (State::Gone, None);
                return Step { send: None, news: Some(News::Left) };
            }
            (Some(200..300), _) => return self.granted(now, response),
            (Some(401 | 407), Some(Ok(header))) if asked.challenges < CHALLENGES_MAX => {
                self.state = again(Asked { challenges: asked.challenges + 1, ..asked });
                return Step { send: Some(self.request(expires, Some(header))), news: None };
            }
            (Some(401 | 407), Some(Err(Unanswered::OtherRealm(other)))) => realm = Some(other),
            (Some(423), _) if asked.longer < LONGER_MAX && leaving.is_none() => {
                let wanted =
                    response.and_then(|r| r.headers.get("Min-Expires")).and_then(|min| min.trim().parse().ok());
                if let Some(wanted) =
                    wanted.map(Duration::from_secs).filter(|w| *w > expires && *w <= RETRY_AFTER_MAX * 24)
                {
                    self.expires = wanted;
                    self.state = again(Asked { challenges: 0, longer: asked.longer + 1 });
                    return Step { send: Some(self.request(wanted, None)), news: None };
                }
            }
            _ => {}
        }
        if leaving.is_some() {
            self.state = State::Gone;
            return Step::default();
        }
        let wait = self.back_off(code, response, draw);
        self.state = State::Waiting { until: now + wait };
        // Nobody has to be believed registered who was refused; a carrier that is silent may still know us.
        if code.is_some() {
            self.valid = None;
        }
        Step { send: None, news: Some(News::Failed { code, realm, again: wait }) }
    }

    fn granted(&mut self, now: Time, response: Option<&Response>) -> Step {
        let granted = response.and_then(|response| self.grant(response)).unwrap_or(self.expires).max(GRANT_MIN);
        let was = self.is_registered(now);
        self.failures = 0;
        self.valid = Some(now + granted);
        self.state = State::Waiting { until: now + granted * 3 / 4 };
        Step { send: None, news: (!was).then_some(News::Registered { granted }) }
    }

    /// What the carrier says of our Contact (RFC 3261 §10.2.4), or of all.
    fn grant(&self, response: &Response) -> Option<Duration> {
        let contacts = response.headers.contacts().unwrap_or_default();
        let ours = contacts.iter().find(|contact| contact.uri.equivalent(&self.settings.contact));
        let seconds = ours.and_then(NameAddr::expires).or_else(|| response.headers.expires())?;
        // Longer than we asked for would mean that we forget to refresh.
        Some(Duration::from_secs(seconds.into()).min(self.expires))
    }

    /// 5, 10, 20 … 300 s, each a quarter more or less.
    fn back_off(&mut self, code: Option<u16>, response: Option<&Response>, draw: u64) -> Duration {
        let rejected = matches!(code, Some(401 | 403 | 404 | 407));
        let base = if rejected { REJECTED } else { (BACK_OFF * (1 << self.failures.min(6))).min(BACK_OFF_MAX) };
        self.failures = self.failures.saturating_add(1);
        let jittered = base * 3 / 4 + base * (draw % 1000) as u32 / 2000;
        let asked = response.and_then(|response| response.headers.retry_after()).unwrap_or_default();
        jittered.max(asked.min(RETRY_AFTER_MAX))
    }

    fn request(&mut self, expires: Duration, header: Option<(&'static str, String)>) -> Request {
        self.number += 1;
        let Settings { account, domain, contact, .. } = &self.settings;
        let mut request = Request::new(Method::Register, Uri::Sip(domain.clone()));
        let record = Uri::Sip(SipUri::new(Some(&account.user), domain.host.clone(), domain.port));
        for (name, value) in [
            ("From", NameAddr::new(None, record.clone()).with_tag(&self.tag).to_string()),
            ("To", NameAddr::new(None, record).to_string()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{} REGISTER", self.number)),
            ("Contact", format!("<{contact}>;expires={}", expires.as_secs())),
            ("Expires", expires.as_secs().to_string()),
        ] {
            request.headers.push(name, value);
        }
        if let Some((name, value)) = header {
            request.headers.push(name, value);
        }
        self.sent = Some(request.clone());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    fn settings() -> Settings {
        let account = Account { user: "vaxel".into(), password: "secret".into(), realm: "carrier".into() };
        let Ok(Uri::Sip(domain)) = "sip:carrier.example".parse() else { panic!("a SIP URI") };
        let contact = "sip:vaxel@192.0.2.1:5060".parse().unwrap();
        Settings { account, domain, contact, expires: Duration::from_secs(600) }
    }

    fn registration() -> (Registration, Request) {
        let mut registration = Registration::new(NOW, settings(), (1, 2));
        let request = registration.handle_timeout(NOW).expect("due at once");
        (registration, request)
    }

    fn number(request: &Request) -> u32 {
        request.headers.cseq().unwrap().0
    }

    fn answer(request: &Request, code: u16, headers: &[(&str, &str)]) -> Response {
        let mut response = Response::to(request, code, None);
        for (name, value) in headers {
            response.headers.push(name, *value);
        }
        response
    }

    fn ok(registration: &mut Registration, at: Time, request: &Request, expires: &str) -> Step {
        let contact = format!("<sip:other@192.0.2.9>;expires=5, <sip:vaxel@192.0.2.1:5060>;expires={expires}");
        registration.handle_answer(at, number(request), Some(&answer(request, 200, &[("Contact", &contact)])), None, 0)
    }

    #[test]
    fn it_asks_for_its_own_account_and_refreshes_after_three_quarters() {
        let (mut registration, request) = registration();
        assert_eq!(request.uri.to_string(), "sip:carrier.example");
        assert_eq!(request.headers.get("To"), Some("<sip:vaxel@carrier.example>"));
        assert_eq!(request.headers.get("Contact"), Some("<sip:vaxel@192.0.2.1:5060>;expires=600"));
        let step = ok(&mut registration, NOW, &request, "400");
        assert_eq!(step.news, Some(News::Registered { granted: Duration::from_secs(400) }));
        let refresh = NOW + Duration::from_secs(300);
        assert_eq!(registration.poll_timeout(), Some(refresh));
        assert_eq!(registration.handle_timeout(refresh - Duration::from_micros(1)), None);
        let again = registration.handle_timeout(refresh).expect("a refresh");
        assert_eq!((number(&again), again.headers.get("Call-ID")), (2, request.headers.get("Call-ID")));
        assert_eq!(ok(&mut registration, refresh, &again, "400").news, None, "a refresh is no news");
        assert!(registration.is_registered(refresh + Duration::from_secs(399)));
        assert!(!registration.is_registered(refresh + Duration::from_secs(400)));
    }

    #[test]
    fn a_challenge_is_answered_with_the_next_number_and_a_refused_password_not_tried_again_soon() {
        let (mut registration, request) = registration();
        let asked = answer(&request, 401, &[]);
        let header = Some(Ok(("Authorization", "Digest x".to_owned())));
        let step = registration.handle_answer(NOW, 1, Some(&asked), header, 0);
        let again = step.send.expect("sent again");
        assert_eq!((number(&again), again.headers.get("Authorization")), (2, Some("Digest x")));
        let step = registration.handle_answer(NOW, 2, Some(&asked), Some(Err(Unanswered::Rejected)), 0);
        let Some(News::Failed { code: Some(401), realm: None, again }) = step.news else { panic!("{step:?}") };
        assert!(again >= Duration::from_secs(225), "{again:?}");
        assert_eq!(registration.handle_timeout(NOW + Duration::from_secs(200)), None);
    }

    #[test]
    fn a_foreign_realm_is_said() {
        let (mut registration, request) = registration();
        let asked = answer(&request, 407, &[]);
        let step =
            registration.handle_answer(NOW, 1, Some(&asked), Some(Err(Unanswered::OtherRealm("thief".into()))), 0);
        assert!(matches!(step.news, Some(News::Failed { realm: Some(realm), .. }) if realm == "thief"));
    }

    #[test]
    fn failures_back_off_with_jitter_up_to_five_minutes_and_honour_retry_after() {
        let mut waits = Vec::new();
        for draw in [0, 999] {
            let (mut registration, mut request) = registration();
            let mut now = NOW;
            for _ in 0..9 {
                let Step { news: Some(News::Failed { code: None, again, .. }), .. } =
                    registration.handle_answer(now, number(&request), None, None, draw)
                else {
                    panic!("no failure")
                };
                waits.push(again.as_millis());
                now += again;
                request = registration.handle_timeout(now).expect("tried again");
            }
        }
        assert_eq!(waits[..9], [3750, 7500, 15_000, 30_000, 60_000, 120_000, 225_000, 225_000, 225_000]);
        assert_eq!(waits[9..12], [6247, 12_495, 24_990]);
        let (mut registration, request) = registration();
        let later = answer(&request, 503, &[("Retry-After", "120")]);
        let step = registration.handle_answer(NOW, 1, Some(&later), None, 0);
        assert!(matches!(step.news, Some(News::Failed { again, .. }) if again == Duration::from_secs(120)));
    }

    #[test]
    fn a_carrier_that_wants_longer_registrations_gets_them() {
        let (mut registration, request) = registration();
        let step = registration.handle_answer(NOW, 1, Some(&answer(&request, 423, &[("Min-Expires", "900")])), None, 0);
        assert_eq!(step.send.unwrap().headers.get("Expires"), Some("900"));
        let step = registration.handle_answer(NOW, 2, Some(&answer(&request, 423, &[("Min-Expires", "1")])), None, 0);
        assert!(matches!(step.news, Some(News::Failed { code: Some(423), .. })));
    }

    #[test]
    fn challenges_are_counted_as_such_and_not_what_lies_between() {
        let (mut registration, mut request) = registration();
        let (ask, header) =
            (|request: &Request| answer(request, 401, &[]), || Some(Ok(("Authorization", String::new()))));
        for (min_expires, answered) in [("900", 1), ("1800", 3)] {
            for n in 0..answered {
                assert_eq!(registration.challenges(), n);
                let step = registration.handle_answer(NOW, number(&request), Some(&ask(&request)), header(), 0);
                request = step.send.expect("answered");
            }
            let longer = answer(&request, 423, &[("Min-Expires", min_expires)]);
            request = registration.handle_answer(NOW, number(&request), Some(&longer), None, 0).send.expect("longer");
        }
        assert_eq!(number(&request), 7);
        for _ in 0..CHALLENGES_MAX {
            let step = registration.handle_answer(NOW, number(&request), Some(&ask(&request)), header(), 0);
            request = step.send.expect("answered");
        }
        let step = registration.handle_answer(NOW, number(&request), Some(&ask(&request)), header(), 0);
        assert!(matches!(step.news, Some(News::Failed { code: Some(401), .. })), "it asks without end: {step:?}");
        // And neither does a carrier that always wants longer.
        let (mut registration, mut request) = super::tests::registration();
        for n in 0..=LONGER_MAX {
            let longer = answer(&request, 423, &[("Min-Expires", &(1000 * (n + 1)).to_string())]);
            let again = registration.handle_answer(NOW, number(&request), Some(&longer), None, 0).send;
            assert_eq!(again.is_some(), n < LONGER_MAX);
            request = again.unwrap_or(request);
        }
    }

    #[test]
    fn it_takes_itself_back_and_does_not_wait_for_ever() {
        let (mut registration, request) = registration();
        ok(&mut registration, NOW, &request, "600");
        let leave = registration.leave(NOW).expect("an un-REGISTER");
        assert_eq!(leave.headers.get("Contact"), Some("<sip:vaxel@192.0.2.1:5060>;expires=0"));
        assert_eq!(registration.leave(NOW), None);
        let step = registration.handle_answer(NOW, 2, Some(&answer(&leave, 200, &[])), None, 0);
        assert_eq!((step.news, registration.is_gone()), (Some(News::Left), true));
        let (mut registration, request) = super::tests::registration();
        ok(&mut registration, NOW, &request, "600");
        registration.leave(NOW);
        assert_eq!(registration.handle_timeout(NOW + LEAVE), None);
        assert!(registration.is_gone());
    }

    #[test]
    fn one_that_never_was_is_not_taken_back() {
        let mut registration = Registration::new(NOW, settings(), (1, 2));
        assert_eq!(registration.leave(NOW), None);
        assert!(registration.is_gone());
    }
}
