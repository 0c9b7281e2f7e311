//! Who calls, as the headers of an INVITE say it, and what others are told of it.
//!
//! The number is that of P-Asserted-Identity (RFC 3325) if the trunk is trusted, else that of From. Who wants to stay unknown
//! (RFC 3323) is `anonymous` to agents, flows and the record's `from`; only a trusted trunk is told more. Diversion (RFC 5806),
//! History-Info (RFC 7044) and User-to-User (RFC 7433) are kept in the record and passed on to whom the settings name.
//!
//! What cannot be read, or is more than is kept, is left out and told; the call goes on.

use super::settings::Trunk;
use super::{Call, Engine};
use crate::ids::AgentId;
use crate::record::{Caller, caller};
use crate::sip::{Headers, Hop, Host, NameAddr, SipUri, Uri, keys};
use std::collections::BTreeSet;

/// Longest value of one entry that is kept or passed on, in bytes.
pub const VALUE_MAX: usize = 512;
/// Most entries of one header.
pub const ENTRIES_MAX: usize = 10;
/// Longest number, name or word that is kept, in bytes.
pub const WORD_MAX: usize = 128;

/// Who stays unknown.
pub(super) const ANONYMOUS: &str = "anonymous";

/// What can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passed {
    Diversion,
    HistoryInfo,
    UserToUser,
}

impl Passed {
    pub const ALL: [Passed; 3] = [Passed::Diversion, Passed::HistoryInfo, Passed::UserToUser];

    pub fn header(self) -> &'static str {
        match self {
            Passed::Diversion => "Diversion",
            Passed::HistoryInfo => "History-Info",
            Passed::UserToUser => "User-to-User",
        }
    }
}

/// What the switchboard does with what it knows of callers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What agents' phones are passed on.
    pub to_agents: Vec<Passed>,
    /// Numbers of those who want to stay unknown are kept in records.
    pub keep_withheld: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { to_agents: Passed::ALL.to_vec(), keep_withheld: false }
    }
}

/// Why a header, or a part of it, was left out; with its name a label of `vaxel_caller_headers_ignored_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ignored {
    Unreadable,
    TooLong,
    TooMany,
}

impl Ignored {
    pub fn name(self) -> &'static str {
        match self {
            Ignored::Unreadable => "unreadable",
            Ignored::TooLong => "too_long",
            Ignored::TooMany => "too_many",
        }
    }
}

/// What is known of a caller besides number and name, while the call is up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Identity {
    pub withheld: bool,
    /// What else is to be private (RFC 3323 §4.2, RFC 7044 §10.1), for trusted trunks; in the order in which it was asked for.
    privacy: Vec<&'static str>,
    /// The number of one who stays unknown, for trusted trunks.
    pub number: Option<String>,
    pub diverted_from: String,
    pub user_to_user: String,
    passed: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    kind: Passed,
    value: String,
    /// Names somebody who wants to stay unknown.
    private: bool,
}

/// What an INVITE says of who calls.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    /// In its one form, or `anonymous`.
    pub from: String,
    pub name: String,
    pub identity: Identity,
    pub caller: Caller,
    pub ignored: BTreeSet<(&'static str, Ignored)>,
}

/// How an INVITE is read.
pub(super) struct Reading<'a> {
    pub headers: &'a Headers,
    /// The trunk it came by is believed.
    pub trusted: bool,
    pub keep_withheld: bool,
    /// A number in its one form.
    pub number: &'a dyn Fn(&str) -> String,
}

impl Reading<'_> {
    pub fn read(&self) -> Read {
        let mut read = Read::default();
        read.identity.privacy = asked_privacy(self.headers);
        let from = self.headers.from_().ok();
        let asserted = self.asserted(&mut read);
        read.caller.asserted = asserted.is_some();
        // Who hides in From hides from us too, whatever the carrier vouches for.
        read.identity.withheld =
            wants_privacy(self.headers, &["id", "user"]) || from.as_ref().is_some_and(is_anonymous);
        let shown = from.as_ref().filter(|from| !is_anonymous(from));
        let best = asserted.as_ref().or(shown);
        let number = best.and_then(|best| best.uri.number()).map(|user| self.number_of(&user, "From", &mut read));
        if read.identity.withheld {
            read.from = ANONYMOUS.to_owned();
            read.caller.number = number.clone().filter(|_| self.keep_withheld);
            read.identity.number = number;
        } else {
            read.from = number.unwrap_or_default();
            let of_from = || shown.and_then(|from| from.display.as_deref());
            let name = asserted.as_ref().and_then(|asserted| asserted.display.as_deref()).or_else(of_from);
            read.name = cut(name.unwrap_or_default(), WORD_MAX).to_owned();
        }
        read.caller.name.clone_from(&read.name);
        read.caller.withheld = read.identity.withheld;
        self.diversions(&mut read);
        self.history(&mut read);
        self.user_to_user(&mut read);
        read
    }

    /// Of several the telephone number (RFC 3325 §9.1: one SIP URI and one of TEL at most).
    fn asserted(&self, read: &mut Read) -> Option<NameAddr> {
        const NAME: &str = "P-Asserted-Identity";
        let mut first: Option<NameAddr> = None;
        for item in self.headers.items(NAME).take(ENTRIES_MAX).filter(|_| self.trusted) {
            match NameAddr::parse(item) {
                Ok(one) if one.uri.user().is_some_and(|user| keys(user).is_some()) => return Some(one),
                Ok(one) => first = first.or(Some(one).filter(|one| one.uri.user().is_some())),
                Err(_) => _ = read.ignored.insert((NAME, Ignored::Unreadable)),
            }
        }
        first
    }

    fn number_of(&self, user: &str, header: &'static str, read: &mut Read) -> String {
        if user.len() > WORD_MAX {
            read.ignored.insert((header, Ignored::TooLong));
        }
        (self.number)(cut(user, WORD_MAX))
    }

    /// The entries of a header that are not too many and not too long.
    fn entries<'h>(&'h self, kind: Passed, read: &mut Read) -> Vec<&'h str> {
        let mut entries = Vec::new();
        for (n, item) in self.headers.items(kind.header()).enumerate() {
            let why = if n >= ENTRIES_MAX { Some(Ignored::TooMany) } else { None };
            let why = why.or((item.len() > VALUE_MAX).then_some(Ignored::TooLong));
            match why {
                Some(why) => _ = read.ignored.insert((kind.header(), why)),
                None => entries.push(item),
            }
            if why == Some(Ignored::TooMany) {
                break;
            }
        }
        entries
    }

    /// The number of an entry: for records, and for everybody else.
    fn told(&self, one: &NameAddr, private: bool, kind: Passed, read: &mut Read) -> (String, String) {
        let number = self.number_of(&one.uri.number().unwrap_or_default(), kind.header(), read);
        match private {
            true if self.keep_withheld => (number, ANONYMOUS.to_owned()),
            true => (ANONYMOUS.to_owned(), ANONYMOUS.to_owned()),
            false => (number.clone(), number),
        }
    }

    fn diversions(&self, read: &mut Read) {
        let kind = Passed::Diversion;
        for item in self.entries(kind, read) {
            let Ok(one) = NameAddr::parse(item) else {
                read.ignored.insert((kind.header(), Ignored::Unreadable));
                continue;
            };
            let private = one.params.get("privacy").is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
            let (number, told) = self.told(&one, private, kind, read);
            if read.caller.diversions.is_empty() {
                read.identity.diverted_from = told;
            }
            read.caller.diversions.push(caller::Diversion {
                number,
                reason: cut(one.params.get("reason").unwrap_or_default(), WORD_MAX).to_owned(),
                counter: one.params.get("counter").and_then(|counter| counter.parse().ok()),
            });
            read.identity.passed.push(Entry { kind, value: item.to_owned(), private });
        }
    }

    fn history(&self, read: &mut Read) {
        let kind = Passed::HistoryInfo;
        // RFC 7044 §10.1: also when all headers, or the whole session, are to be private (RFC 3323 §4.2).
        let hides = ["history", "header", "session"];
        let all_private = wants_privacy(self.headers, &hides);
        // Who stood before the one that the call was sent on to.
        let (mut before, mut diverted_from) = (String::new(), None);
        for item in self.entries(kind, read) {
            let Ok(one) = NameAddr::parse(item) else {
                read.ignored.insert((kind.header(), Ignored::Unreadable));
                continue;
            };
            let sip = one.uri.as_sip();
            let behind = |name: &str| sip.and_then(|uri| uri.header(name));
            let private = all_private || behind("Privacy").is_some_and(|privacy| has_token(privacy, &hides));
            let of_target = sip.and_then(|uri| uri.params.get("cause")).and_then(|cause| cause.parse().ok());
            let cause = of_target.or_else(|| behind("Reason").and_then(cause_of));
            if (of_target.is_some() || one.params.has("mp")) && !before.is_empty() {
                diverted_from = Some(before.clone());
            }
            let (number, told) = self.told(&one, private, kind, read);
            before = told;
            let index = cut(one.params.get("index").unwrap_or_default(), WORD_MAX).to_owned();
            read.caller.history.push(caller::Target { index, number, cause });
            read.identity.passed.push(Entry { kind, value: item.to_owned(), private });
        }
        if read.identity.diverted_from.is_empty() {
            read.identity.diverted_from = diverted_from.unwrap_or_default();
        }
    }

    fn user_to_user(&self, read: &mut Read) {
        let kind = Passed::UserToUser;
        for item in self.entries(kind, read) {
            let content = item.split(';').next().unwrap_or_default().trim().trim_matches('"');
            if content.is_empty() || item.contains(|c: char| c.is_control()) {
                read.ignored.insert((kind.header(), Ignored::Unreadable));
                continue;
            }
            if read.caller.user_to_user.is_empty() {
                read.identity.user_to_user = content.to_owned();
            }
            read.caller.user_to_user.push(item.to_owned());
            read.identity.passed.push(Entry { kind, value: item.to_owned(), private: false });
        }
    }
}

fn wants_privacy(headers: &Headers, wanted: &[&str]) -> bool {
    headers.get_all("Privacy").any(|value| has_token(value, wanted))
}

fn has_token(value: &str, wanted: &[&str]) -> bool {
    tokens(value).any(|token| wanted.iter().any(|wanted| token.eq_ignore_ascii_case(wanted)))
}

fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split([';', ',']).map(str::trim)
}

/// What a carrier that is trusted has to know of the caller's wishes. `user` is not among it: that is what we do ourselves.
fn asked_privacy(headers: &Headers) -> Vec<&'static str> {
    const PASSED: [&str; 5] = ["id", "header", "session", "history", "critical"];
    let mut asked = Vec::new();
    for token in headers.get_all("Privacy").flat_map(tokens) {
        let known = PASSED.iter().find(|known| token.eq_ignore_ascii_case(known));
        asked.extend(known.filter(|known| !asked.contains(*known)));
    }
    // Alone it asks for nothing.
    if asked == ["critical"] { Vec::new() } else { asked }
}

/// RFC 3323 §4.1.1.3.
fn is_anonymous(one: &NameAddr) -> bool {
    let of_nobody = |host: &Host| matches!(host, Host::Name(name) if name == "anonymous.invalid");
    one.uri.user().is_some_and(|user| user.eq_ignore_ascii_case(ANONYMOUS))
        || one.uri.as_sip().is_some_and(|uri| of_nobody(&uri.host))
}

/// `SIP;cause=302;text="Moved"`.
fn cause_of(reason: &str) -> Option<u16> {
    let value = reason.split(';').find_map(|part| part.trim().strip_prefix("cause="))?;
    value.trim().parse().ok()
}

/// The first `max` bytes, or some fewer so as to end with a whole character.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Who stays unknown, as RFC 3323 writes it.
fn anonymous() -> (Option<String>, Uri) {
    let nobody = SipUri::new(Some(ANONYMOUS), Host::Name("anonymous.invalid".into()), None);
    (Some("Anonymous".to_owned()), Uri::Sip(nobody))
}

impl Identity {
    /// The identity of an agent, whose request may ask for privacy towards those outside.
    pub fn of_agent(number: &str, headers: &Headers) -> Identity {
        let hides = headers.from_().is_ok_and(|from| is_anonymous(&from)) || wants_privacy(headers, &["id", "user"]);
        Identity {
            withheld: hides,
            privacy: asked_privacy(headers),
            number: Some(number.to_owned()).filter(|_| hides),
            ..Identity::default()
        }
    }

    /// What a trusted trunk is asked to keep private; empty: nothing.
    fn wishes(&self) -> String {
        let id = (self.withheld && !self.privacy.contains(&"id")).then_some("id");
        id.into_iter().chain(self.privacy.iter().copied()).collect::<Vec<_>>().join(";")
    }

    /// Adds what of these may be passed on to `headers`.
    fn pass_on(&self, kinds: &[Passed], trusted: bool, headers: &mut Headers) {
        for Entry { kind, value, .. } in self.passed.iter().filter(|entry| trusted || !entry.private) {
            if kinds.contains(kind) {
                headers.push(kind.header(), value.as_str());
            }
        }
    }
}

impl Engine {
    /// What a phone of an agent is told: From, and what is passed on.
    pub(super) fn shown_to_agent(
        &self,
        call: &Call,
        display: String,
        hop: &Hop,
        headers: &mut Headers,
    ) -> (Option<String>, Uri) {
        call.identity.pass_on(&self.settings.identity.to_agents, false, headers);
        match call.from.as_str() {
            "" | ANONYMOUS => (Some(display), anonymous().1),
            from => (Some(display), Uri::sip(Some(from), hop.local)),
        }
    }

    /// What a trunk is told: From, and into `headers` who we vouch for and what is passed on.
    pub(super) fn shown_outside(
        &self,
        call: &Call,
        trunk: &Trunk,
        hop: &Hop,
        emergency: bool,
        headers: &mut Headers,
    ) -> (Option<String>, Uri) {
        let house = &self.settings.numbering;
        let uri = |number: &str| {
            let user = trunk.dialect.caller(house, number);
            match trunk.domain {
                Some(_) => trunk.uri(Some(&user), hop.remote),
                None => Uri::sip(Some(&user), hop.local),
            }
        };
        let is_agent = call.caller_agent.is_some();
        let own = trunk.shows.as_deref().filter(|_| is_agent || !trunk.shows_callers);
        // Who helps must be able to call back.
        let withheld = call.identity.withheld && !emergency;
        let real = call.identity.number.as_deref().unwrap_or(&call.from);
        let number = own.unwrap_or(real);
        let name = (!call.name.is_empty() && own.is_none()).then(|| call.name.clone());
        if trunk.trusted && !matches!(number, "" | ANONYMOUS) {
            let asserted = NameAddr::new(name.as_deref().filter(|_| !withheld), uri(number));
            headers.push("P-Asserted-Identity", asserted.to_string());
        }
        let wishes = call.identity.wishes();
        if trunk.trusted && !emergency && !wishes.is_empty() {
            headers.push("Privacy", wishes);
        }
        let has_number = |agent: &AgentId| !self.agents.seat(*agent).number.is_empty();
        if let Some(agent) = call.redirected_by.filter(has_number).filter(|_| trunk.passes.contains(&Passed::Diversion))
        {
            // A phone that sends its calls elsewhere does not say why.
            let by = NameAddr::new(None, uri(&self.agents.seat(agent).number));
            headers.push("Diversion", format!("{by};reason=unknown;counter=1"));
        }
        if !is_agent && trunk.passes.contains(&Passed::Diversion) {
            // It is we who send the caller on.
            let by = NameAddr::new(None, uri(&call.to));
            headers.push("Diversion", format!("{by};reason=unconditional;counter=1"));
        }
        // What the phone itself says of who transfers is proof of nothing, and names what is inside.
        if trunk.trusted
            && !emergency
            && let Some(referrer) = call.transferring_agent()
        {
            let number = trunk.shows.as_deref().unwrap_or(&self.agents.seat(referrer).number);
            if !number.is_empty() {
                headers.push("Referred-By", NameAddr::new(None, uri(number)).to_string());
            }
        }
        call.identity.pass_on(&trunk.passes, trunk.trusted, headers);
        match number {
            "" | ANONYMOUS => anonymous(),
            // Our own number is nobody's secret.
            _ if withheld && own.is_none() => anonymous(),
            number => (name, uri(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        lines.iter().for_each(|(name, value)| headers.push(name, *value));
        headers
    }

    fn read_as(lines: &[(&str, &str)], trusted: bool, keep_withheld: bool) -> Read {
        let headers = headers(lines);
        let number = |written: &str| written.replace("0046", "+46");
        Reading { headers: &headers, trusted, keep_withheld, number: &number }.read()
    }

    const FROM: (&str, &str) = ("From", "\"Karin\" <sip:004670@a>;tag=1");
    const HIDDEN: (&str, &str) = ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1");
    const ASSERTED: (&str, &str) = ("P-Asserted-Identity", "\"Kåre\" <sip:kare@a>, <tel:+46-8-123>");

    #[test]
    fn a_trusted_trunk_is_believed_and_another_is_not() {
        let read = read_as(&[FROM, ASSERTED], true, false);
        assert_eq!((read.from.as_str(), read.name.as_str()), ("+468123", "Karin"));
        assert!(read.caller.asserted && !read.caller.withheld);
        let read = read_as(&[FROM, ASSERTED], false, false);
        assert_eq!((read.from.as_str(), read.name.as_str(), read.caller.asserted), ("+4670", "Karin", false));
        let read = read_as(&[FROM, ("P-Asserted-Identity", "\"Kåre\" <sip:kare@a>")], true, false);
        assert_eq!((read.from.as_str(), read.name.as_str()), ("kare", "Kåre"));
    }

    #[test]
    fn what_is_to_be_private_a_trusted_carrier_is_told_as_it_was_asked_for() {
        for (asked, told) in [
            (vec!["id"], "id"),
            (vec!["user"], "id"),
            (vec!["history"], "history"),
            (vec!["header;id", "Session"], "header;id;session"),
            (vec!["user;history;critical"], "id;history;critical"),
            (vec!["critical"], ""),
            (vec!["none"], ""),
            (vec!["id;id,x"], "id"),
        ] {
            let lines: Vec<_> = asked.iter().map(|asked| ("Privacy", *asked)).chain([FROM]).collect();
            assert_eq!(read_as(&lines, true, false).identity.wishes(), told, "{asked:?}");
            assert_eq!(Identity::of_agent("201", &headers(&lines)).wishes(), told, "{asked:?}");
        }
        assert_eq!(read_as(&[HIDDEN, ("Privacy", "history")], true, false).identity.wishes(), "id;history");
    }

    #[test]
    fn who_wants_to_stay_unknown_does() {
        for privacy in ["id", "header;id", "user", "critical; ID"] {
            let read = read_as(&[FROM, ASSERTED, ("Privacy", privacy)], true, false);
            assert_eq!((read.from.as_str(), read.name.as_str()), (ANONYMOUS, ""), "{privacy}");
            assert_eq!((read.identity.number.as_deref(), read.caller.number.as_deref()), (Some("+468123"), None));
        }
        let read = read_as(&[HIDDEN, ASSERTED], true, true);
        assert_eq!((read.from.as_str(), read.caller.number.as_deref()), (ANONYMOUS, Some("+468123")));
        let read = read_as(&[HIDDEN, ASSERTED], false, true);
        assert_eq!((read.from.as_str(), read.caller.number), (ANONYMOUS, None));
        for privacy in ["none", "session", "history", "ideal"] {
            assert!(!read_as(&[FROM, ("Privacy", privacy)], true, false).caller.withheld, "{privacy}");
        }
    }

    #[test]
    fn diversions_are_kept_the_latest_is_named_and_private_ones_are_not_told() {
        let lines = [
            FROM,
            ("Diversion", "<sip:00468200@a>;reason=user-busy;counter=2;privacy=off, <tel:+46300>;reason=\"no-answer\""),
            ("Diversion", "<sip:00468400@a>;privacy=full"),
        ];
        let read = read_as(&lines, false, false);
        assert_eq!(read.identity.diverted_from, "+468200");
        let kept: Vec<_> = read.caller.diversions.iter().map(|d| (&*d.number, &*d.reason, d.counter)).collect();
        assert_eq!(kept, [("+468200", "user-busy", Some(2)), ("+46300", "no-answer", None), (ANONYMOUS, "", None)]);
        let passed = |kinds: &[Passed], trusted| {
            let mut headers = Headers::new();
            read.identity.pass_on(kinds, trusted, &mut headers);
            headers.iter().map(|header| header.value.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(passed(&[Passed::Diversion], true).len(), 3);
        assert!(passed(&[Passed::Diversion], false).iter().all(|value| !value.contains("400")));
        assert_eq!(passed(&[Passed::UserToUser], true), [""; 0]);
        assert_eq!(read_as(&lines, false, true).caller.diversions[2].number, "+468400");
    }

    #[test]
    fn history_names_who_sent_the_call_on_if_no_diversion_does() {
        let history = (
            "History-Info",
            "<sip:00468200@a?Reason=SIP%3Bcause%3D302>;index=1, <sip:100@b;cause=302>;index=1.1;mp=1, <sip:101@c>;index=1.1.1;np=1.1",
        );
        let read = read_as(&[FROM, history], false, false);
        assert_eq!(read.identity.diverted_from, "+468200");
        let kept: Vec<_> = read.caller.history.iter().map(|t| (&*t.index, &*t.number, t.cause)).collect();
        assert_eq!(kept, [("1", "+468200", Some(302)), ("1.1", "100", Some(302)), ("1.1.1", "101", None)]);
        assert_eq!(read_as(&[FROM, history, ("Diversion", "<sip:7@a>")], false, false).identity.diverted_from, "7");
        let hidden = read_as(&[FROM, history, ("Privacy", "history")], false, false);
        assert_eq!(hidden.identity.diverted_from, ANONYMOUS);
        assert!(hidden.caller.history.iter().all(|target| target.number == ANONYMOUS) && !hidden.caller.withheld);
    }

    #[test]
    fn user_to_user_is_kept_as_it_came() {
        let uui = ("User-to-User", "56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui, \"a;b\"");
        let read = read_as(&[FROM, uui], false, false);
        assert_eq!(read.identity.user_to_user, "56a390f3d2b7310023a2");
        assert_eq!(read.caller.user_to_user[0], "56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui");
    }

    #[test]
    fn what_is_too_much_or_unreadable_is_left_out_and_told() {
        let many = vec!["<sip:1@a>"; ENTRIES_MAX + 5].join(", ");
        let long = format!("<sip:{}@a>", "1".repeat(VALUE_MAX));
        let lines = [
            ("From", "<sip:a@a>"),
            ("P-Asserted-Identity", "<nobody"),
            ("Diversion", &many),
            ("History-Info", &long),
            ("History-Info", "\"no end"),
            ("User-to-User", ";purpose=nothing"),
        ];
        let read = read_as(&lines, true, false);
        assert_eq!((read.caller.diversions.len(), read.caller.history.len()), (ENTRIES_MAX, 0));
        let ignored: Vec<_> = read.ignored.into_iter().collect();
        assert_eq!(
            ignored,
            [
                ("Diversion", Ignored::TooMany),
                ("History-Info", Ignored::Unreadable),
                ("History-Info", Ignored::TooLong),
                ("P-Asserted-Identity", Ignored::Unreadable),
                ("User-to-User", Ignored::Unreadable),
            ]
        );
        let long = format!("<sip:{}@a>", "é".repeat(WORD_MAX));
        assert!(read_as(&[("From", &long)], false, false).from.len() <= WORD_MAX);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_hides_who_wants_to_be_hidden(
            values in proptest::collection::vec(("P-Asserted-Identity|Diversion|History-Info|User-to-User|From", "\\PC{0,80}|<sip:[0-9]{1,9}@a>;[a-z]{0,9}=[a-z\"]{0,9}"), 0..30),
            trusted in any::<bool>(),
        ) {
            let mut lines: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            lines.push(("Privacy", "id"));
            let read = read_as(&lines, trusted, false);
            prop_assert_eq!((read.from.as_str(), read.name.as_str(), read.caller.number), (ANONYMOUS, "", None));
            for n in [read.caller.diversions.len(), read.caller.history.len(), read.caller.user_to_user.len()] {
                prop_assert!(n <= ENTRIES_MAX);
            }
            prop_assert!(read.identity.passed.iter().all(|entry| entry.value.len() <= VALUE_MAX));
        }
    }
}
