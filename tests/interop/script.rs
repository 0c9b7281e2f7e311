//! SIPp scenarios, written step by step: each verb is what the phone does next.

use std::fmt::Write;
use vaxel::media::Codec;

/// A scenario for one phone and one call of it.
///
/// Between two steps it can wait for the test: [`Script::reaches`].
pub struct Script {
    xml: String,
    /// Steps until now: SIPp makes branches of them.
    steps: usize,
    user: String,
    /// Request-URI and To of what it asks for.
    to: String,
    /// CSeq of the last request, and of the last INVITE.
    number: u32,
    invite: u32,
    /// The step of the last INVITE.
    invited: usize,
    waits: bool,
    /// Goes by the proxies that were on the way.
    routed: bool,
    max_forwards: u8,
}

/// What a session description says.
#[derive(Clone, Copy)]
pub struct Offer {
    pub port: u16,
    pub codec: Codec,
    /// `sendrecv`, `sendonly`, `inactive`.
    pub direction: &'static str,
    /// Zeros for the address: on hold in the manner of RFC 2543.
    pub zeros: bool,
    /// Knows telephone-event.
    pub events: bool,
}

impl Offer {
    pub fn at(port: u16) -> Offer {
        Offer { port, codec: Codec::Pcmu, direction: "sendrecv", zeros: false, events: true }
    }

    fn text(self) -> String {
        let (payload, name) = match self.codec {
            Codec::Pcmu => (0, "PCMU"),
            Codec::Pcma => (8, "PCMA"),
        };
        let address = if self.zeros { "0.0.0.0" } else { "[media_ip]" };
        let (number, events) =
            if self.events { (" 101", "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n") } else { ("", "") };
        format!(
            "v=0\no=sipp 1 1 IN IP[media_ip_type] [media_ip]\ns=-\nc=IN IP[media_ip_type] {address}\nt=0 0\n\
             m=audio {} RTP/AVP {payload}{number}\na=rtpmap:{payload} {name}/8000\n{events}a={}\n",
            self.port, self.direction
        )
    }
}

/// Parts of a request that differ.
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    /// Within the dialog: with the peer's tag.
    within: bool,
    number: u32,
    branch: String,
    headers: String,
    body: String,
}

/// Headers that an answer repeats.
const KEPT: [&str; 4] = ["Via", "From", "To", "CSeq"];
const SDP: &str = "Content-Type: application/sdp\n";

impl Script {
    /// A phone of `user`, who wants something of `to`: a number of the server, or a URI.
    pub fn new(user: &str, to: &str) -> Script {
        let to = if to.contains(':') { to.to_owned() } else { format!("sip:{to}@[remote_ip]:[remote_port]") };
        Script {
            xml: String::new(),
            steps: 0,
            user: user.to_owned(),
            to,
            number: 0,
            invite: 0,
            invited: 0,
            waits: false,
            routed: false,
            max_forwards: 70,
        }
    }

    /// What it says in the talk goes by the proxies that said they want to stay in the path.
    pub fn routed(mut self) -> Script {
        self.routed = true;
        self
    }

    /// What it sends may go by so many others.
    pub fn max_forwards(mut self, hops: u8) -> Script {
        self.max_forwards = hops;
        self
    }

    pub fn xml(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"script\">\n{}</scenario>\n", self.xml)
    }

    /// Whether the test has to tell it when to go on.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Whether it begins by being called.
    pub fn is_called(&self) -> bool {
        self.xml.starts_with("<recv request=")
    }

    /// Tells the test that it came to here, and waits until it is told to go on.
    pub fn reaches(mut self, place: &str) -> Script {
        self.waits = true;
        self =
            self.step(&format!("<sendCmd><![CDATA[\nCall-ID: [call_id]\nFrom: sipp\nPlace: {place}\n\n]]></sendCmd>"));
        self.step("<recvCmd/>")
    }

    /// Calls, tells the test when the talk has begun (`talk`), and hangs up when it is told to.
    pub fn talks(self, offer: Offer) -> Script {
        self.invites(offer).gets(200).acknowledges().reaches("talk").hangs_up().gets(200)
    }

    /// Calls. What comes back is up to the next step.
    pub fn invites(self, offer: Offer) -> Script {
        self.sends_invite("", offer)
    }

    /// Calls with a password, which it is asked for.
    pub fn invites_signed(self, password: &str, offer: Offer) -> Script {
        let signed = signed(&self.user, password);
        self.invites(offer).gets_challenge().acknowledges_refusal().sends_invite(&signed, offer)
    }

    /// Calls, and says this about who calls.
    pub fn invites_with(self, headers: &[(&str, &str)], offer: Offer) -> Script {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.sends_invite(&headers, offer)
    }

    fn sends_invite(mut self, headers: &str, offer: Offer) -> Script {
        self.invited = self.steps;
        let to = self.to.clone();
        let headers = self.contact() + headers + SDP;
        self = self.request("INVITE", &to, false, headers, offer.text());
        self.invite = self.number;
        self
    }

    /// In the talk: another description, or none, which asks for an offer.
    pub fn reinvites(mut self, offer: Option<Offer>) -> Script {
        self.invited = self.steps;
        let contact = self.contact();
        let (headers, body) = match offer {
            Some(offer) => (contact + SDP, offer.text()),
            None => (contact, String::new()),
        };
        self = self.request("INVITE", "[next_url]", true, headers, body);
        self.invite = self.number;
        self.gets(200)
    }

    /// In the talk: another description, which is refused with this code.
    pub fn reinvites_in_vain(mut self, offer: Offer, code: u16) -> Script {
        self.invited = self.steps;
        let headers = self.contact() + SDP;
        self = self.request("INVITE", "[next_url]", true, headers, offer.text());
        self.invite = self.number;
        self.may_get(100).gets_at_once(code).acknowledges_refusal()
    }

    /// Any other request outside a dialog.
    pub fn asks(self, method: &str) -> Script {
        let to = self.to.clone();
        self.request(method, &to, false, String::new(), String::new())
    }

    /// Any other request in the talk.
    pub fn asks_within(self, method: &str) -> Script {
        self.request(method, "[next_url]", true, String::new(), String::new())
    }

    pub fn registers(self) -> Script {
        self.sends_register("")
    }

    /// Registers with a password, which it is asked for.
    pub fn registers_signed(self, password: &str) -> Script {
        let signed = signed(&self.user, password);
        self.registers().gets_challenge().sends_register(&signed)
    }

    fn sends_register(self, headers: &str) -> Script {
        let headers = self.contact() + "Expires: 600\n" + headers;
        self.request("REGISTER", "sip:[remote_ip]:[remote_port]", false, headers, String::new())
    }

    fn request(mut self, method: &str, uri: &str, within: bool, headers: String, body: String) -> Script {
        self.number += 1;
        let (number, branch) = (self.number, "[branch]".to_owned());
        self.send(Request { method, uri, within, number, branch, headers, body })
    }

    /// Only provisional answers before it.
    pub fn gets(self, code: u16) -> Script {
        // Only what answers an INVITE says where the other end is.
        let attributes = if self.number == self.invite { "rrs=\"true\"" } else { "" };
        self.may_get(100).may_get(180).may_get(183).receive(code, attributes)
    }

    /// Nothing before it.
    pub fn gets_at_once(self, code: u16) -> Script {
        self.receive(code, "")
    }

    /// Only 100 before it, which may be there or not.
    pub fn gets_ringing(self) -> Script {
        self.may_get(100).receive(180, "")
    }

    /// This answer, in which the text is found; only 100 before it.
    pub fn gets_saying(self, code: u16, text: &str) -> Script {
        let found = format!("<ereg regexp=\"{text}\" search_in=\"msg\" check_it=\"true\" assign_to=\"found\"/>");
        self.may_get(100).step(&format!(
            "<recv response=\"{code}\"><action>{found}</action></recv>\n<Reference variables=\"found\"/>"
        ))
    }

    /// This provisional answer, in which the text is found, and acknowledges it (RFC 3262).
    pub fn gets_reliably(mut self, code: u16, text: &str) -> Script {
        let found = format!("<ereg regexp=\"{text}\" search_in=\"msg\" check_it=\"true\" assign_to=\"found\"/>");
        let number =
            "<ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"RSeq:\" check_it=\"true\" assign_to=\"rseq\"/>";
        self = self.may_get(100).step(&format!(
            "<recv response=\"{code}\" rrs=\"true\"><action>{found}{number}</action></recv>\n<Reference variables=\"found\"/>"
        ));
        let headers = format!("RAck: [$rseq] {} INVITE\n", self.invite);
        self = self.request("PRACK", "[next_url]", true, headers, String::new());
        self.receive(200, "")
    }

    /// Is asked for a password; an INVITE's challenge is to be acknowledged as refused.
    pub fn gets_challenge(self) -> Script {
        self.may_get(100).receive(401, "auth=\"true\"")
    }

    fn may_get(self, code: u16) -> Script {
        self.receive(code, "optional=\"true\"")
    }

    fn receive(self, code: u16, attributes: &str) -> Script {
        self.step(&format!("<recv response=\"{code}\" {attributes}/>"))
    }

    /// Acknowledges that the call was answered.
    pub fn acknowledges(self) -> Script {
        let (number, branch) = (self.invite, "[branch]".to_owned());
        let (headers, body) = (String::new(), String::new());
        self.send(Request { method: "ACK", uri: "[next_url]", within: true, number, branch, headers, body })
    }

    /// The same, with the answer to the offer that the other end made.
    pub fn acknowledges_with(self, answer: Offer) -> Script {
        let (number, branch) = (self.invite, "[branch]".to_owned());
        let (headers, body) = (SDP.to_owned(), answer.text());
        self.send(Request { method: "ACK", uri: "[next_url]", within: true, number, branch, headers, body })
    }

    /// Acknowledges that the call was refused.
    pub fn acknowledges_refusal(self) -> Script {
        let (number, branch, uri) = (self.invite, self.branch_of_invite(), self.to.clone());
        let (headers, body) = (String::new(), String::new());
        self.send(Request { method: "ACK", uri: &uri, within: true, number, branch, headers, body })
    }

    /// Takes its INVITE back.
    pub fn cancels(self) -> Script {
        let (number, branch, uri) = (self.invite, self.branch_of_invite(), self.to.clone());
        let (headers, body) = (String::new(), String::new());
        self.send(Request { method: "CANCEL", uri: &uri, within: false, number, branch, headers, body })
    }

    /// Hangs up; the answer is up to the next step.
    pub fn hangs_up(self) -> Script {
        self.asks_within("BYE")
    }

    /// Until the other end hangs up.
    pub fn waits_for_bye(self) -> Script {
        self.gets_request("BYE").answers("200 OK")
    }

    pub fn gets_request(self, method: &str) -> Script {
        self.step(&format!("<recv request=\"{method}\"/>"))
    }

    /// A request in which each of these headers is as its expression says; one with an empty expression is not there at all.
    pub fn gets_request_saying(self, method: &str, headers: &[(&str, &str)]) -> Script {
        let check = |(n, (name, says)): (usize, &(&str, &str))| {
            let says = says.replace('<', "&lt;");
            let (says, how) = match says.as_str() {
                "" => (".+", "check_it_inverse=\"true\""),
                says => (says, "check_it=\"true\""),
            };
            format!("<ereg regexp=\"{says}\" search_in=\"hdr\" header=\"{name}:\" {how} assign_to=\"said{n}\"/>")
        };
        let checks: String = headers.iter().enumerate().map(check).collect();
        let names: Vec<String> = (0..headers.len()).map(|n| format!("said{n}")).collect();
        self.step(&format!("<recv request=\"{method}\"><action>{checks}</action></recv>"))
            .step(&format!("<Reference variables=\"{}\"/>", names.join(",")))
    }

    /// Keeps what its answer needs, for what comes in between.
    pub fn gets_and_keeps(self, method: &str) -> Script {
        let keep = KEPT.map(|name| {
            format!("<ereg regexp=\".*\" search_in=\"hdr\" header=\"{name}:\" check_it=\"true\" assign_to=\"{name}\"/>")
        });
        self.step(&format!("<recv request=\"{method}\"><action>{}</action></recv>", keep.concat()))
    }

    /// Answers the request that was kept.
    pub fn answers_kept(self, status: &str) -> Script {
        self.send_answer(status, KEPT.map(|name| format!("{name}:[${name}]\n")).concat(), "")
    }

    /// Accepts the INVITE that was kept.
    pub fn accepts_kept(self, answer: Offer) -> Script {
        self.answers_kept_with("200 OK", "b", answer)
    }

    /// Answers the INVITE that was kept; `tag`: which of the phones behind a forking proxy.
    pub fn answers_kept_with(self, status: &str, tag: &str, answer: Offer) -> Script {
        let headers = self.of_kept(tag) + SDP;
        self.send_answer(status, headers, &answer.text())
    }

    fn of_kept(&self, tag: &str) -> String {
        let [via, from, to, cseq] = KEPT.map(|name| format!("{name}:[${name}]"));
        format!("{via}\n{from}\n{to};tag=[pid]{tag}\n{cseq}\n{}", self.contact())
    }

    /// Answers the INVITE that was kept provisionally, with a description, and wants that acknowledged (RFC 3262).
    pub fn describes_kept(self, answer: Offer) -> Script {
        let headers = self.of_kept("b") + "Require: 100rel\nRSeq: 17\n" + SDP;
        self.send_answer("183 Session Progress", headers, &answer.text())
    }

    /// Who called hears from another place, before the INVITE that was kept is answered (UPDATE, RFC 3311).
    pub fn moves_before_it_answers(self, offer: Offer) -> Script {
        let (contact, body) = (self.contact(), offer.text());
        self.step(&format!(
            "<send retrans=\"500\"><![CDATA[\nUPDATE sip:[remote_ip]:[remote_port] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n\
             From:[$To];tag=[pid]b\nTo:[$From]\nCall-ID: [call_id]\nCSeq: 1 UPDATE\n\
             {contact}{SDP}Content-Length: [len]\n\n{body}\n]]></send>"
        ))
        .gets_at_once(200)
    }

    /// Accepts the INVITE that was kept as it was described before, and does not say so again.
    pub fn accepts_kept_as_described(self) -> Script {
        let headers = self.of_kept("b");
        self.send_answer("200 OK", headers, "")
    }

    /// Accepts the last INVITE, and repeats who wants to stay in the path.
    pub fn accepts(self, answer: Offer) -> Script {
        self.accepts_saying("", answer)
    }

    /// The same, with these headers more, each a line.
    pub fn accepts_saying(self, more: &str, answer: Offer) -> Script {
        let contact = self.contact();
        let headers = format!(
            "[last_Via:]\n[last_Record-Route:]\n[last_From:]\n[last_To:];tag=[pid]b\n[last_CSeq:]\n{contact}{more}{SDP}"
        );
        self.send_answer("200 OK", headers, &answer.text())
    }

    /// Accepts the last re-INVITE.
    pub fn accepts_again(self, answer: Offer) -> Script {
        let headers = format!("[last_Via:]\n[last_From:]\n[last_To:]\n[last_CSeq:]\n{}{SDP}", self.contact());
        self.send_answer("200 OK", headers, &answer.text())
    }

    /// Answers the last request.
    pub fn answers(self, status: &str) -> Script {
        self.send_answer(status, "[last_Via:]\n[last_From:]\n[last_To:]\n[last_CSeq:]\n".to_owned(), "")
    }

    /// Answers the last request, which has no tag of ours yet.
    pub fn answers_early(self, status: &str) -> Script {
        self.answers_saying(status, "")
    }

    /// The same, with these headers more, each a line.
    pub fn answers_saying(self, status: &str, more: &str) -> Script {
        let contact = self.contact();
        let headers = format!("[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]b\n[last_CSeq:]\n{contact}{more}");
        self.send_answer(status, headers, "")
    }

    fn send_answer(self, status: &str, headers: String, body: &str) -> Script {
        let headers = headers + "Call-ID: [call_id]\nContent-Length: [len]\n";
        self.step(&format!("<send><![CDATA[\nSIP/2.0 {status}\n{headers}\n{body}\n]]></send>"))
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@[local_ip]:[local_port]>\n", self.user)
    }

    fn branch_of_invite(&self) -> String {
        format!("[branch-{}]", self.steps - self.invited)
    }

    fn send(self, request: Request) -> Script {
        let Request { method, uri, within, number, branch, headers, body } = request;
        let (user, to, hops) = (&self.user, &self.to, self.max_forwards);
        let tag = if within { "[peer_tag_param]" } else { "" };
        let headers = if within && self.routed { format!("[routes]\n{headers}") } else { headers };
        let again = if method == "ACK" { "" } else { " retrans=\"500\"" };
        let mut text = format!("<send{again}><![CDATA[\n{method} {uri} SIP/2.0\n");
        write!(
            text,
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}\nMax-Forwards: {hops}\n\
             From: \"Test Caller\" <sip:{user}@[local_ip]:[local_port]>;tag=[pid]c[call_number]\n\
             To: <{to}>{tag}\nCall-ID: [call_id]\nCSeq: {number} {method}\n\
             {headers}Content-Length: [len]\n\n{body}\n]]></send>"
        )
        .expect("a text grows");
        self.step(&text)
    }

    fn step(mut self, xml: &str) -> Script {
        self.xml.push_str(xml);
        self.xml.push('\n');
        self.steps += 1;
        self
    }
}

fn signed(user: &str, password: &str) -> String {
    format!("[authentication username={user} password={password}]\n")
}
