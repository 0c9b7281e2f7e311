//! Offer and answer (RFC 3264) for one audio stream of one leg, from its first description to its last.
//!
//! What both sides have agreed on changes only when an answer is given or taken; a refused or withdrawn offer leaves it
//! as it was (§8). Sections once there never vanish (§8.2): what we do not want is answered and offered with port 0.

use super::refusal::Refusal;
use super::session::{Address, Attribute, Media, Origin, Session};
use crate::media::{Codec, Direction, Stream};
use crate::time::Duration;
use std::net::{IpAddr, SocketAddr};

/// What we can do on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// In the order we offer them. In an answer the peer's order counts.
    pub codecs: Vec<Codec>,
    /// telephone-event (RFC 4733).
    pub digits: bool,
    /// Where we receive RTP; RTCP is one port higher.
    pub address: SocketAddr,
}

/// Our answer to an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub body: Vec<u8>,
    pub stream: Stream,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Negotiator {
    capabilities: Capabilities,
    id: u64,
    version: u64,
    /// The last description we sent.
    local: Option<String>,
    /// The sections agreed on, ours and the refused ones, in their order; empty before the first answer.
    sections: Vec<Section>,
    stream: Option<Stream>,
    /// The offer of ours that waits for its answer, with what it offered.
    offered: Option<(Vec<Section>, Direction)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Section {
    Ours,
    /// Of a kind, protocol and formats that we do not want.
    Refused(String, String, Vec<String>),
}

/// Our payload number for telephone-event, unless the peer named another one first.
const DIGITS_PAYLOAD: u8 = 101;
/// Ours, and that of a peer who names none (RFC 3551 §4.5).
const PTIME: Duration = Duration::from_millis(20);

impl Negotiator {
    /// `id` is the session id of `o=`: different for each leg.
    pub fn new(capabilities: Capabilities, id: u64) -> Negotiator {
        let (local, sections, stream, offered) = (None, Vec::new(), None, None);
        Negotiator { capabilities, id, version: 0, local, sections, stream, offered }
    }

    /// What is agreed on now.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// An offer of ours waits for its answer.
    pub fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// The last description we sent, offer or answer.
    pub fn local(&self) -> Option<&[u8]> {
        self.local.as_deref().map(str::as_bytes)
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Our offer: the first one, a late one (the peer's INVITE had none), or one that changes the direction.
    ///
    /// `direction` is ours: `SendOnly` puts the peer on hold. After an agreement its codec and numbers come first again.
    pub fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let sections = if self.sections.is_empty() { vec![Section::Ours] } else { self.sections.clone() };
        let mut formats = Vec::new();
        if let Some(stream) = &self.stream {
            formats.push((stream.payload, stream.codec));
        }
        for &codec in &self.capabilities.codecs {
            if !formats.iter().any(|(_, c)| *c == codec) {
                formats.push((static_payload(codec), codec));
            }
        }
        let agreed = self.stream.as_ref().and_then(|s| s.digits).unwrap_or(DIGITS_PAYLOAD);
        let digits = self.capabilities.digits.then_some(agreed);
        let audio = self.describe(&formats, digits, PTIME, direction);
        let body = self.write(&sections, audio, vec!["0 0".into()]);
        self.offered = Some((sections, direction));
        body
    }

    /// Our offer was refused or withdrawn: what was agreed before holds on.
    pub fn withdraw(&mut self) {
        self.offered = None;
    }

    /// What the peer's answer to our offer means, while another may follow: of an answer before the call is answered, each
    /// fork has its own. Changes nothing.
    pub fn preview(&self, answer: &[u8]) -> Result<Stream, Refusal> {
        let (sections, direction) = self.offered.as_ref().ok_or(Refusal::Mismatch)?;
        self.meant(answer, sections, *direction)
    }

    fn meant(&self, answer: &[u8], sections: &[Section], direction: Direction) -> Result<Stream, Refusal> {
        let session = Session::parse(answer)?;
        if session.media.len() != sections.len() {
            return Err(Refusal::Mismatch);
        }
        let ours = sections.iter().position(|section| *section == Section::Ours).ok_or(Refusal::Mismatch)?;
        self.agree(&session, &session.media[ours], direction)
    }

    /// The peer's answer to our offer. Refused, it leaves everything as it was, and the offer is over.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Stream, Refusal> {
        let (sections, direction) = self.offered.take().ok_or(Refusal::Mismatch)?;
        let stream = self.meant(answer, &sections, direction)?;
        self.sections = sections;
        self.stream = Some(stream.clone());
        Ok(stream)
    }

    /// Answers the peer's offer. `direction` is what we wish; the answer never goes beyond what the offer allows.
    pub fn answer(&mut self, offer: &[u8], direction: Direction) -> Result<Answer, Refusal> {
        let session = Session::parse(offer)?;
        let mut refusal = Refusal::NoAudio;
        let mut chosen = None;
        for (at, media) in session.media.iter().enumerate() {
            match self.agree(&session, media, direction) {
                Ok(stream) => {
                    chosen = Some((at, stream));
                    break;
                }
                // The reason that came nearest to an agreement says most.
                Err(Refusal::NoAudio) => {}
                Err(Refusal::Protocol) if refusal != Refusal::NoAudio => {}
                Err(other) => refusal = other,
            }
        }
        let (ours, stream) = chosen.ok_or(refusal)?;
        let section = |(at, media): (usize, &Media)| {
            if at == ours {
                Section::Ours
            } else {
                Section::Refused(media.kind.clone(), media.protocol.clone(), media.formats.clone())
            }
        };
        let sections: Vec<Section> = session.media.iter().enumerate().map(section).collect();
        let formats = [(stream.payload, stream.codec)];
        let audio = self.describe(&formats, stream.digits, stream.ptime, stream.direction);
        let body = self.write(&sections, audio, session.times.clone());
        // Offers cross only where ours was answered before the call was (RFC 3311 §5.1): what ends the call's answering is of this form.
        if let Some((offered, _)) = &mut self.offered {
            offered.clone_from(&sections);
        }
        self.sections = sections;
        self.stream = Some(stream.clone());
        Ok(Answer { body, stream })
    }

    /// What this section of the peer's description and our capabilities have in common.
    fn agree(&self, session: &Session, media: &Media, wish: Direction) -> Result<Stream, Refusal> {
        if !media.kind.eq_ignore_ascii_case("audio") || media.port == 0 {
            return Err(Refusal::NoAudio);
        }
        if !media.protocol.eq_ignore_ascii_case("RTP/AVP") {
            return Err(Refusal::Protocol);
        }
        let (payload, codec) = (media.formats.iter())
            .find_map(|format| {
                let (payload, codec) = (payload_number(format)?, codec_of(media, format)?);
                self.capabilities.codecs.contains(&codec).then_some((payload, codec))
            })
            .ok_or(Refusal::NoCodec)?;
        let is_digits = |format: &&String| {
            media
                .rtpmap(format)
                .is_some_and(|(name, rate)| name.eq_ignore_ascii_case("telephone-event") && rate == 8000)
        };
        let digits = media.formats.iter().find(is_digits).and_then(|format| payload_number(format));
        let ip = self.usable(media.connection.as_ref().or(session.connection.as_ref()))?;
        let remote = SocketAddr::new(ip, media.port);
        Ok(Stream {
            remote,
            remote_rtcp: self.rtcp(media, remote),
            codec,
            payload,
            digits: digits.filter(|_| self.capabilities.digits),
            ptime: ptime(session, media),
            direction: meet(wish, peer_direction(session, media, ip)),
        })
    }

    fn usable(&self, address: Option<&Address>) -> Result<IpAddr, Refusal> {
        let Some(Address::Ip(ip)) = address else { return Err(Refusal::Address) };
        let ip = ip.to_canonical();
        if ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255]) {
            return Err(Refusal::Address);
        }
        if ip.is_ipv4() != self.capabilities.address.ip().to_canonical().is_ipv4() {
            return Err(Refusal::AddressFamily);
        }
        Ok(ip)
    }

    /// RFC 3605; without it one port above RTP. A peer on hold by address has none.
    fn rtcp(&self, media: &Media, rtp: SocketAddr) -> Option<SocketAddr> {
        let Some(value) = media.attribute("rtcp") else {
            return (!rtp.ip().is_unspecified()).then_some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
        };
        let mut words = value.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
        let ip = match words.nth(2) {
            Some(address) => self.usable(Some(&Address::Ip(address.parse().ok()?))).ok()?,
            None => rtp.ip(),
        };
        (!ip.is_unspecified()).then_some(SocketAddr::new(ip, port))
    }

    fn describe(&self, formats: &[(u8, Codec)], digits: Option<u8>, ptime: Duration, direction: Direction) -> Media {
        let mut attributes = Vec::new();
        let mut attribute = |name, value: String| attributes.push(Attribute::new(name, Some(&value)));
        for (payload, codec) in formats {
            attribute("rtpmap", format!("{payload} {}/8000", name(*codec)));
        }
        if let Some(digits) = digits {
            attribute("rtpmap", format!("{digits} telephone-event/8000"));
            attribute("fmtp", format!("{digits} 0-15"));
        }
        attribute("ptime", ptime.as_millis().to_string());
        attributes.push(Attribute::new(direction_name(direction), None));
        Media {
            kind: "audio".into(),
            port: self.capabilities.address.port(),
            protocol: "RTP/AVP".into(),
            formats: formats.iter().map(|(payload, _)| *payload).chain(digits).map(|n| n.to_string()).collect(),
            connection: None,
            attributes,
        }
    }

    /// The version is raised when the description differs from the last one (RFC 3264 §5, §8).
    fn write(&mut self, sections: &[Section], audio: Media, times: Vec<String>) -> Vec<u8> {
        let address = Address::Ip(self.capabilities.address.ip().to_canonical());
        let media = sections.iter().map(|section| match section {
            Section::Ours => audio.clone(),
            Section::Refused(kind, protocol, formats) => Media {
                kind: kind.clone(),
                port: 0,
                protocol: protocol.clone(),
                formats: formats.clone(),
                connection: None,
                attributes: Vec::new(),
            },
        });
        let origin = |version: u64| Origin {
            user: "vaxel".into(),
            id: self.id.to_string(),
            version: version.to_string(),
            address: address.clone(),
        };
        let mut session = Session {
            origin: origin(self.version),
            name: "vaxel".into(),
            connection: Some(address.clone()),
            times,
            attributes: Vec::new(),
            media: media.collect(),
        };
        let mut text = session.to_string();
        if self.local.as_ref() != Some(&text) {
            session.origin = origin(self.version + 1);
            self.version += 1;
            text = session.to_string();
        }
        self.local = Some(text.clone());
        text.into_bytes()
    }
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
    }
}

/// RFC 3551 §6.
fn static_payload(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// 0–127.
fn payload_number(format: &str) -> Option<u8> {
    format.parse().ok().filter(|n| *n < 128)
}

/// By `a=rtpmap`, or without it by the fixed number.
fn codec_of(media: &Media, format: &str) -> Option<Codec> {
    let mut codecs = [Codec::Pcmu, Codec::Pcma].into_iter();
    match media.rtpmap(format) {
        Some((encoding, rate)) => codecs.find(|c| encoding.eq_ignore_ascii_case(name(*c)) && rate == 8000),
        None => codecs.find(|c| payload_number(format) == Some(static_payload(*c))),
    }
}

/// What the peer wishes to hear, within 10–60 ms and its own limit.
fn ptime(session: &Session, media: &Media) -> Duration {
    let millis = |name| session.attribute_for(media, name).and_then(|v| v.parse::<f32>().ok()).filter(|v| *v >= 1.0);
    let wish = millis("ptime").unwrap_or(PTIME.as_millis() as f32).min(millis("maxptime").unwrap_or(f32::MAX));
    // Whole frames of 10 ms: nothing else can be cut out of our 20 ms ticks.
    Duration::from_millis((wish.clamp(10.0, 60.0) / 10.0) as u64 * 10)
}

/// From the peer's side. An address of zeros is the hold of RFC 2543: it will not hear anything.
fn peer_direction(session: &Session, media: &Media, ip: IpAddr) -> Direction {
    let said = |attributes: &[Attribute]| {
        attributes
            .iter()
            .rev()
            .find_map(|a| DIRECTIONS.into_iter().find(|d| a.name.eq_ignore_ascii_case(direction_name(*d))))
    };
    let said = said(&media.attributes).or_else(|| said(&session.attributes)).unwrap_or(Direction::SendRecv);
    if ip.is_unspecified() { from_flags(sends(said), false) } else { said }
}

const DIRECTIONS: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// Our direction: we send what the peer will hear, and hear what it will send (RFC 3264 §6.1).
fn meet(wish: Direction, peer: Direction) -> Direction {
    from_flags(sends(wish) && receives(peer), receives(wish) && sends(peer))
}

fn sends(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::SendOnly)
}

fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::RecvOnly)
}

fn from_flags(send: bool, receive: bool) -> Direction {
    match (send, receive) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::*;

    fn leg(address: &str) -> Negotiator {
        let codecs = vec![Codec::Pcma, Codec::Pcmu];
        Negotiator::new(Capabilities { codecs, digits: true, address: address.parse().unwrap() }, 7)
    }

    fn ours() -> Negotiator {
        leg("192.0.2.1:20000")
    }

    /// A phone's description: address, then the lines from the first `m=`.
    fn sdp(address: &str, media: &str) -> Vec<u8> {
        let kind = if address.contains(':') { "IP6" } else { "IP4" };
        format!("v=0\r\no=- 1 1 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n{media}\r\n")
            .into_bytes()
    }

    fn text(body: &[u8]) -> &str {
        std::str::from_utf8(body).unwrap()
    }

    #[test]
    fn first_offer_names_all_we_can() {
        assert_eq!(
            text(&ours().offer(SendRecv)),
            "v=0\r\no=vaxel 7 1 IN IP4 192.0.2.1\r\ns=vaxel\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
    }

    #[test]
    fn what_comes_before_the_answer_binds_nobody() {
        let mut ours = ours();
        assert_eq!(
            ours.preview(&sdp("192.0.2.7", "m=audio 40000 RTP/AVP 0")),
            Err(Refusal::Mismatch),
            "nothing is offered"
        );
        ours.offer(SendRecv);
        for (address, codec) in [("192.0.2.7", 0), ("192.0.2.8", 8)] {
            let stream = ours.preview(&sdp(address, &format!("m=audio 40000 RTP/AVP {codec}"))).unwrap();
            assert_eq!(stream.remote.ip().to_string(), address, "each phone has its own");
        }
        assert!(ours.preview(b"nonsense").is_err());
        let agreed = ours.accept(&sdp("192.0.2.9", "m=audio 40000 RTP/AVP 0")).unwrap();
        assert_eq!(agreed.remote.ip().to_string(), "192.0.2.9");
    }

    #[test]
    fn answer_keeps_the_offered_order_and_numbers_and_refuses_other_sections() {
        let offer = sdp(
            "192.0.2.7",
            "m=video 40002 RTP/AVP 96 97\r\nm=audio 40000 RTP/AVP 9 0 8 96\r\na=rtpmap:96 TELEPHONE-EVENT/8000\r\na=ptime:30\r\n\
             a=rtcp:40010 IN IP4 192.0.2.8\r\nm=audio 40004 RTP/AVP 8",
        );
        let answer = ours().answer(&offer, SendRecv).unwrap();
        assert_eq!(
            text(&answer.body).split_once("t=0 0\r\n").unwrap().1,
            "m=video 0 RTP/AVP 96 97\r\nm=audio 20000 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
             a=fmtp:96 0-15\r\na=ptime:30\r\na=sendrecv\r\nm=audio 0 RTP/AVP 8\r\n"
        );
        assert_eq!(
            answer.stream,
            Stream {
                remote: "192.0.2.7:40000".parse().unwrap(),
                remote_rtcp: Some("192.0.2.8:40010".parse().unwrap()),
                codec: Codec::Pcmu,
                payload: 0,
                digits: Some(96),
                ptime: Duration::from_millis(30),
                direction: SendRecv,
            }
        );
    }

    #[test]
    fn dynamic_numbers_and_fixed_ones_without_rtpmap_are_understood() {
        let mut leg = ours();
        let mut codec =
            |media: &str| leg.answer(&sdp("192.0.2.7", media), SendRecv).map(|a| (a.stream.codec, a.stream.payload));
        assert_eq!(codec("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 pcma/8000/1"), Ok((Codec::Pcma, 98)));
        assert_eq!(codec("m=audio 4000 RTP/AVP 0"), Ok((Codec::Pcmu, 0)));
        assert_eq!(codec("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 G726-32/8000"), Err(Refusal::NoCodec));
        assert_eq!(codec("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 PCMA/16000"), Err(Refusal::NoCodec));
    }

    #[test]
    fn refusal_names_the_reason() {
        for (address, media, refusal) in [
            ("192.0.2.7", "", Refusal::NoAudio),
            ("192.0.2.7", "m=video 4000 RTP/AVP 0", Refusal::NoAudio),
            ("192.0.2.7", "m=audio 0 RTP/AVP 0", Refusal::NoAudio),
            ("192.0.2.7", "m=audio 4000 RTP/SAVP 0", Refusal::Protocol),
            ("192.0.2.7", "m=audio 4000 RTP/SAVP 0\r\nm=audio 4000 RTP/AVP 9", Refusal::NoCodec),
            ("192.0.2.7", "m=audio 4000 RTP/AVP 9\r\nm=audio 4000 RTP/SAVP 0", Refusal::NoCodec),
            ("224.2.1.1", "m=audio 4000 RTP/AVP 0", Refusal::Address),
            ("phone.example", "m=audio 4000 RTP/AVP 0", Refusal::Address),
            ("2001:db8::7", "m=audio 4000 RTP/AVP 0", Refusal::AddressFamily),
        ] {
            let mut leg = ours();
            let error = leg.answer(&sdp(address, media), SendRecv).unwrap_err();
            assert_eq!((error, error.code()), (refusal, 488), "{media}");
            assert!(leg.stream().is_none() && leg.local().is_none());
        }
        assert_eq!(ours().answer(b"nonsense", SendRecv).unwrap_err().code(), 400);
    }

    #[test]
    fn best_effort_srtp_is_answered_on_its_plain_section() {
        let offer = sdp("192.0.2.7", "m=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0");
        let answer = ours().answer(&offer, SendRecv).unwrap();
        assert_eq!(answer.stream.remote.port(), 4002);
        assert!(text(&answer.body).contains("m=audio 0 RTP/SAVP 0\r\nm=audio 20000 RTP/AVP 0\r\n"));
    }

    #[test]
    fn direction_is_from_our_side_and_never_beyond_the_offer() {
        for (said, wish, ours_is) in [
            ("a=sendrecv", SendRecv, SendRecv),
            ("", SendRecv, SendRecv),
            ("a=sendonly", SendRecv, RecvOnly),
            ("a=recvonly", SendRecv, SendOnly),
            ("a=inactive", SendRecv, Inactive),
            ("a=sendrecv", SendOnly, SendOnly),
            ("a=sendonly", SendOnly, Inactive),
            ("a=recvonly", SendOnly, SendOnly),
        ] {
            let offer = sdp("192.0.2.7", &format!("m=audio 4000 RTP/AVP 0\r\n{said}"));
            let answer = ours().answer(&offer, wish).unwrap();
            assert_eq!(answer.stream.direction, ours_is, "{said}");
            assert!(text(&answer.body).ends_with(&format!("a={}\r\n", direction_name(ours_is))));
        }
        let session_wide =
            text(&sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0")).replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
        assert_eq!(ours().answer(session_wide.as_bytes(), SendRecv).unwrap().stream.direction, RecvOnly);
        let stronger = session_wide + "a=recvonly\r\n";
        assert_eq!(ours().answer(stronger.as_bytes(), SendRecv).unwrap().stream.direction, SendOnly);
    }

    #[test]
    fn address_of_zeros_is_hold() {
        let stream = ours().answer(&sdp("0.0.0.0", "m=audio 4000 RTP/AVP 0"), SendRecv).unwrap().stream;
        assert_eq!((stream.direction, stream.remote_rtcp), (RecvOnly, None));
        let stream = ours().answer(&sdp("0.0.0.0", "m=audio 4000 RTP/AVP 0\r\na=inactive"), SendRecv).unwrap().stream;
        assert_eq!(stream.direction, Inactive);
    }

    #[test]
    fn two_of_us_agree() {
        for (a, b) in [("192.0.2.1:20000", "192.0.2.2:30000"), ("[2001:db8::1]:20000", "[2001:db8::2]:30000")] {
            let (mut caller, mut callee) = (leg(a), leg(b));
            let answer = callee.answer(&caller.offer(SendRecv), SendRecv).unwrap();
            let stream = caller.accept(&answer.body).unwrap();
            assert_eq!((stream.codec, stream.digits, stream.direction), (Codec::Pcma, Some(101), SendRecv));
            assert_eq!(stream.remote.to_string(), b);
            assert_eq!(answer.stream.remote.to_string(), a);
            assert_eq!(answer.stream.remote_rtcp.unwrap().port(), 20001);
        }
    }

    #[test]
    fn version_rises_only_when_something_changed() {
        let mut leg = ours();
        let version = |body: &[u8]| text(body).split(' ').nth(2).unwrap().to_string();
        let offer = sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000");
        let hold = text(&offer).to_string() + "a=sendonly\r\n";
        assert_eq!(version(&leg.answer(&offer, SendRecv).unwrap().body), "1");
        assert_eq!(version(&leg.answer(&offer, SendRecv).unwrap().body), "1");
        assert_eq!(version(&leg.answer(hold.as_bytes(), SendRecv).unwrap().body), "2");
        assert_eq!(version(&leg.answer(&offer, SendRecv).unwrap().body), "3");
        assert_eq!(version(&leg.offer(SendOnly)), "4");
    }

    #[test]
    fn later_offer_keeps_sections_codec_and_numbers() {
        let mut leg = ours();
        let first = "m=video 4002 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000";
        leg.answer(&sdp("192.0.2.7", first), SendRecv).unwrap();
        let offer = leg.offer(SendOnly);
        assert!(text(&offer).contains("m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 0 8 96\r\n"), "{}", text(&offer));
        assert!(text(&offer).ends_with("a=sendonly\r\n"));
        let answer = sdp("192.0.2.7", "m=video 0 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\na=recvonly");
        let stream = leg.accept(&answer).unwrap();
        assert_eq!((stream.direction, stream.digits), (SendOnly, None));
    }

    #[test]
    fn refused_or_withdrawn_offer_leaves_the_agreement() {
        let mut leg = ours();
        leg.answer(&sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0"), SendRecv).unwrap();
        let agreed = leg.stream().cloned();
        leg.offer(SendOnly);
        leg.withdraw();
        assert_eq!(leg.accept(&sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0")), Err(Refusal::Mismatch));
        leg.offer(SendOnly);
        let two = sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31");
        assert_eq!(leg.accept(&two), Err(Refusal::Mismatch));
        leg.offer(SendOnly);
        assert_eq!(leg.accept(&sdp("192.0.2.7", "m=audio 0 RTP/AVP 0")), Err(Refusal::NoAudio));
        assert_eq!(leg.answer(&sdp("192.0.2.7", "m=audio 4000 RTP/AVP 9"), SendRecv), Err(Refusal::NoCodec));
        assert_eq!(leg.stream().cloned(), agreed);
    }

    #[test]
    fn packet_length_is_whole_frames_within_bounds() {
        for (lines, millis) in [
            ("", 20),
            ("a=ptime:10", 10),
            ("a=ptime:5", 10),
            ("a=ptime:25", 20),
            ("a=ptime:200", 60),
            ("a=ptime:0", 20),
            ("a=ptime:x", 20),
            ("a=ptime:40\r\na=maxptime:30", 30),
        ] {
            let offer = sdp("192.0.2.7", &format!("m=audio 4000 RTP/AVP 0\r\n{lines}"));
            assert_eq!(ours().answer(&offer, SendRecv).unwrap().stream.ptime, Duration::from_millis(millis), "{lines}");
        }
    }

    #[test]
    fn answer_repeats_the_times_of_the_offer() {
        let offer = text(&sdp("192.0.2.7", "m=audio 4000 RTP/AVP 0")).replace("t=0 0", "t=2873397496 2873404696");
        let answer = ours().answer(offer.as_bytes(), SendRecv).unwrap();
        assert!(text(&answer.body).contains("\r\nt=2873397496 2873404696\r\n"));
    }
}
