//! Session timers (RFC 4028): a dialog whose peer died without a word ends by itself.
//!
//! Pure rules, for both roles: what an INVITE asks for, what a 2xx settles, when the refresher sends, when the other
//! gives up. The endpoint sends and receives.

use super::headers::Headers;
use super::lex;
use super::message::Response;
use crate::time::{Duration, Time};

/// The option tag.
pub const TIMER: &str = "timer";

/// The shortest interval anybody may ask for (RFC 4028 §4).
pub const SHORTEST: Duration = Duration::from_secs(90);

/// What we ask for and accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How long a session lasts without a refresh; RFC 4028 §4 recommends 30 min.
    pub interval: Duration,
    /// The shortest we accept, at least 90 s.
    pub shortest: Duration,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { interval: Duration::from_secs(1800), shortest: SHORTEST }
    }
}

/// `Session-Expires` (§4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    pub interval: Duration,
    /// Whether the one who sent the request of this transaction refreshes; `None`: to be settled.
    pub by_sender: Option<bool>,
}

impl SessionExpires {
    /// `None`: missing, or not a number of seconds below 2^32. An unknown refresher is as good as none.
    pub fn of(headers: &Headers) -> Option<SessionExpires> {
        let value = headers.get("Session-Expires")?;
        let (seconds, params) = value.split_once(';').unwrap_or((value, ""));
        let interval = Duration::from_secs(lex::number(lex::trim(seconds), u32::MAX.into())?);
        let refresher = params.split(';').find_map(|param| {
            let (name, value) = param.split_once('=')?;
            lex::trim(name).eq_ignore_ascii_case("refresher").then_some(lex::trim(value))
        });
        let by_sender = match refresher {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(true),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(false),
            _ => None,
        };
        Some(SessionExpires { interval, by_sender })
    }

    fn value(self) -> String {
        let seconds = self.interval.as_secs();
        match self.by_sender {
            Some(true) => format!("{seconds};refresher=uac"),
            Some(false) => format!("{seconds};refresher=uas"),
            None => seconds.to_string(),
        }
    }
}

/// `Min-SE` (§5); 90 s where there is none.
pub fn min_se(headers: &Headers) -> Duration {
    let value = headers.get("Min-SE").map(|value| value.split(';').next().unwrap_or(value));
    let seconds = value.and_then(|value| lex::number(lex::trim(value), u32::MAX.into()));
    seconds.map_or(SHORTEST, Duration::from_secs).max(SHORTEST)
}

/// The session's clock in one dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    interval: Duration,
    we_refresh: bool,
    due: Time,
    /// Refreshes of ours in a row that were refused for the moment.
    refused: u32,
}

/// How soon a refresh is tried again that met an offer under way or was refused for the moment; each further time it takes twice
/// as long.
const AGAIN: Duration = Duration::from_secs(3);
/// After so many in a row the next one is at its regular time.
const AGAIN_MAX: u32 = 5;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a refresh.
    Refresh,
    /// The peer's refresh never came: BYE.
    Expired,
}

impl SessionTimer {
    /// Settled by a 2xx at `now`. The refresher sends at half the interval (§7.2, §10); the other waits until
    /// a third of it or 32 s, whichever is less, is left.
    pub fn new(now: Time, interval: Duration, we_refresh: bool) -> SessionTimer {
        let mut timer = SessionTimer { interval, we_refresh, due: now, refused: 0 };
        timer.restart(now);
        timer
    }

    fn restart(&mut self, now: Time) {
        let left = (self.interval / 3).min(Duration::from_secs(32));
        self.due = now + if self.we_refresh { self.interval / 2 } else { self.interval - left };
    }

    pub fn due(&self) -> Time {
        self.due
    }

    /// `None`: nothing is due yet. A refresh that is neither answered nor refused would be due again when the session
    /// ends, so that nothing waits for ever.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Due> {
        if now < self.due {
            return None;
        }
        if self.we_refresh {
            self.due = now + self.interval / 2;
            Some(Due::Refresh)
        } else {
            Some(Due::Expired)
        }
    }

    /// A refresh of ours met an offer under way.
    pub fn wait(&mut self, now: Time) {
        self.due = self.due.min(now + AGAIN);
    }

    /// A refresh of ours was refused for the moment. If the peer has taken over the refreshing meanwhile, its time counts.
    pub fn refused(&mut self, now: Time) {
        if self.we_refresh && self.refused < AGAIN_MAX {
            self.due = self.due.min(now + AGAIN * 2_u32.pow(self.refused));
            self.refused += 1;
        }
    }

    /// The peer's 422 demands sessions of at least this length.
    pub fn lengthen(&mut self, shortest: Duration) {
        self.interval = self.interval.max(shortest);
    }

    /// What a refresh of ours carries. `demanded`: as in [`ask`].
    pub fn write(&self, wish: Wish, demanded: Duration, headers: &mut Headers) {
        let shortest = wish.shortest.max(demanded);
        let session = SessionExpires { interval: self.interval.max(shortest), by_sender: Some(self.we_refresh) };
        headers.set("Session-Expires", session.value());
        headers.set("Min-SE", shortest.as_secs().to_string());
    }
}

/// What our first INVITE asks for. `demanded`: the longest Min-SE of any 422 in this call, which is said again in each request
/// (§7.4); zero: there was none.
pub fn ask(wish: Wish, demanded: Duration, headers: &mut Headers) {
    let shortest = wish.shortest.max(demanded);
    let session = SessionExpires { interval: wish.interval.max(shortest), by_sender: None };
    headers.set("Session-Expires", session.value());
    headers.set("Min-SE", shortest.as_secs().to_string());
}

/// The 422 for a request that asks for too short a session, if it does (§8.1: only to who knows the extension).
pub fn too_short(wish: Wish, request: &Headers) -> Option<Response> {
    let asked = SessionExpires::of(request)?;
    if asked.interval >= wish.shortest || !request.supports(TIMER) {
        return None;
    }
    let mut refusal = Response { code: 422, reason: String::new(), headers: Headers::new(), body: Vec::new() };
    refusal.reason = super::reason_phrase(422).to_string();
    refusal.headers.push("Min-SE", wish.shortest.as_secs().to_string());
    Some(refusal)
}

/// Settles the timer in our 2xx to the peer's INVITE or UPDATE, and writes it there (§9, table 2). `None`: this
/// session has no timer, because the peer does not know them and nobody on the way asked.
pub fn settle(now: Time, wish: Wish, request: &Headers, ok: &mut Headers) -> Option<SessionTimer> {
    let knows = request.supports(TIMER) || request.require().any(|tag| tag.eq_ignore_ascii_case(TIMER));
    let asked = SessionExpires::of(request);
    if !knows && asked.is_none() {
        return None;
    }
    let ours = wish.interval.max(min_se(request));
    // Never longer than was asked for; below our own floor only when who asked cannot understand a 422.
    let interval = asked.map_or(ours, |asked| ours.min(asked.interval).max(SHORTEST));
    // We refresh unless told otherwise: it costs little, and we know that we do it.
    let by_sender = knows && asked.and_then(|asked| asked.by_sender) == Some(true);
    ok.set("Session-Expires", SessionExpires { interval, by_sender: Some(by_sender) }.value());
    // Also who is not to refresh has to end the call when we do not.
    if knows {
        ok.push("Require", TIMER);
    }
    Some(SessionTimer::new(now, interval, !by_sender))
}

/// What the 2xx to our INVITE or refresh settles; `None`: the session has no timer.
pub fn settled(now: Time, ok: &Headers) -> Option<SessionTimer> {
    let session = SessionExpires::of(ok)?;
    let interval = session.interval.max(SHORTEST);
    Some(SessionTimer::new(now, interval, session.by_sender.unwrap_or(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, *value);
        }
        headers
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const NOW: Time = Time::from_secs(1000);

    #[test]
    fn session_expires_is_read_as_peers_write_it() {
        for (value, interval, by_sender) in [
            ("1800", 1800, None),
            ("90;refresher=uac", 90, Some(true)),
            (" 120 ; x=y ; Refresher = UAS ", 120, Some(false)),
            ("300;refresher=nobody", 300, None),
        ] {
            let expected = SessionExpires { interval: secs(interval), by_sender };
            assert_eq!(SessionExpires::of(&headers(&[("Session-Expires", value)])), Some(expected), "{value}");
        }
        for bad in ["", "-1", "soon", "4294967296"] {
            assert_eq!(SessionExpires::of(&headers(&[("Session-Expires", bad)])), None, "{bad}");
        }
    }

    #[test]
    fn the_refresher_sends_at_half_and_the_other_waits_nearly_to_the_end() {
        let mut ours = SessionTimer::new(NOW, secs(1800), true);
        assert_eq!(ours.due(), NOW + secs(900));
        assert_eq!(ours.handle_timeout(NOW + secs(899)), None);
        assert_eq!(ours.handle_timeout(NOW + secs(900)), Some(Due::Refresh));
        assert_eq!(ours.due(), NOW + secs(1800));
        let mut theirs = SessionTimer::new(NOW, secs(1800), false);
        assert_eq!(theirs.due(), NOW + secs(1768));
        assert_eq!(theirs.handle_timeout(theirs.due()), Some(Due::Expired));
        assert_eq!(SessionTimer::new(NOW, secs(90), false).due(), NOW + secs(60));
    }

    #[test]
    fn what_is_refused_is_tried_again_ever_later_and_not_without_end() {
        let mut timer = SessionTimer::new(NOW, secs(1800), true);
        let mut tried = Vec::new();
        while timer.due() < NOW + secs(3600) {
            let now = timer.due();
            assert_eq!(timer.handle_timeout(now), Some(Due::Refresh));
            timer.refused(now);
            tried.push(now.since(NOW).as_secs());
        }
        assert_eq!(tried, [900, 903, 909, 921, 945, 993, 1893, 2793]);
    }

    #[test]
    fn an_answer_settles_what_table_2_says() {
        let wish = Wish::default();
        for (request, session, require, we_refresh) in [
            (&[("Supported", "timer"), ("Session-Expires", "600")][..], Some("600;refresher=uas"), Some("timer"), true),
            (
                &[("Supported", "timer"), ("Session-Expires", "600;refresher=uac")],
                Some("600;refresher=uac"),
                Some("timer"),
                false,
            ),
            (
                &[("Supported", "timer"), ("Session-Expires", "600;refresher=uas")],
                Some("600;refresher=uas"),
                Some("timer"),
                true,
            ),
            // A proxy asked for a phone that does not know timers.
            (&[("Session-Expires", "600;refresher=uac")], Some("600;refresher=uas"), None, true),
            // It knows them and leaves it to us.
            (&[("Supported", "timer")], Some("1800;refresher=uas"), Some("timer"), true),
            (&[("Supported", "timer"), ("Min-SE", "3600")], Some("3600;refresher=uas"), Some("timer"), true),
            (&[("Supported", "timer"), ("Session-Expires", "7200")], Some("1800;refresher=uas"), Some("timer"), true),
        ] {
            let mut ok = Headers::new();
            let timer = settle(NOW, wish, &headers(request), &mut ok).expect("a timer");
            assert_eq!((ok.get("Session-Expires"), ok.get("Require")), (session, require), "{request:?}");
            assert_eq!(timer.we_refresh, we_refresh, "{request:?}");
        }
        let mut ok = Headers::new();
        assert_eq!(settle(NOW, wish, &Headers::new(), &mut ok), None);
        assert!(ok.is_empty());
    }

    #[test]
    fn too_short_a_session_is_refused_to_who_can_understand_it() {
        let wish = Wish { interval: secs(1800), shortest: secs(120) };
        let refusal = too_short(wish, &headers(&[("Supported", "timer"), ("Session-Expires", "119")])).expect("422");
        assert_eq!((refusal.code, refusal.headers.get("Min-SE")), (422, Some("120")));
        assert_eq!(too_short(wish, &headers(&[("Supported", "timer"), ("Session-Expires", "120")])), None);
        assert_eq!(too_short(wish, &headers(&[("Session-Expires", "100")])), None);
        assert_eq!(too_short(wish, &headers(&[("Supported", "timer")])), None);
    }

    #[test]
    fn the_caller_takes_what_the_answer_says() {
        assert_eq!(settled(NOW, &Headers::new()), None);
        let timer = settled(NOW, &headers(&[("Session-Expires", "600;refresher=uas")])).expect("a timer");
        assert_eq!((timer.we_refresh, timer.interval), (false, secs(600)));
        let timer = settled(NOW, &headers(&[("Session-Expires", "5")])).expect("a timer");
        assert_eq!((timer.we_refresh, timer.interval), (true, SHORTEST));
    }

    #[test]
    fn what_a_422_demands_is_asked_for() {
        let mut invite = Headers::new();
        ask(Wish::default(), Duration::ZERO, &mut invite);
        assert_eq!((invite.get("Session-Expires"), invite.get("Min-SE")), (Some("1800"), Some("90")));
        ask(Wish::default(), secs(3600), &mut invite);
        assert_eq!((invite.get("Session-Expires"), invite.get("Min-SE")), (Some("3600"), Some("3600")));
    }
}
