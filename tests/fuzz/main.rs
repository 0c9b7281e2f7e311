//! Readers of what peers send, on a corpus and on what a seeded mutator makes of it. It needs nothing but cargo:
//!
//! ```text
//! cargo test --test fuzz                                                           the corpus, and 2,000 inputs for each target
//! FUZZ=1000000 FUZZ_SEED=7 cargo test --release --test fuzz -- --nocapture     a million for each, other ones
//! FUZZ=1000000 cargo test --release --test fuzz sdp                          one target
//! ```
//!
//! The corpus is `tests/fuzz/corpus/TARGET/*`. An input that fails is left as `target/fuzz-TARGET`; what it shows is mended,
//! and the input goes into the corpus.

mod mutator;

use mutator::{Random, mutate};
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::{self, WebSocket, protocol::Role};
use vaxel::edge::sip::Frames;
use vaxel::engine::identity::{ENTRIES_MAX, VALUE_MAX, WORD_MAX};
use vaxel::engine::{self, Codes, Engine, Input, Limits, Network, Number, Output, Trunk};
use vaxel::flow;
use vaxel::media::Codec;
use vaxel::record::{Caller, What};
use vaxel::rtp::event::{DigitReader, Event};
use vaxel::rtp::{packet, rtcp};
use vaxel::sdp::{Capabilities, Negotiator, Session};
use vaxel::sip::body::{Body, DEPTH_MAX, Enclosed, PARTS_MAX, Part, compose};
use vaxel::sip::digest::{Algorithm, Challenge, Credentials};
use vaxel::sip::gate::{self, Gate};
use vaxel::sip::headers::Headers;
use vaxel::sip::reliable::{RAck, rseq};
use vaxel::sip::stream::{Frame, Framer};
use vaxel::sip::{
    Authenticator, Endpoint, Hop, Message, NameAddr, Reason, Replaces, Settings, Transport, Uri, Via, session_timer,
};
use vaxel::stun;
use vaxel::time::{Duration, Time};

fn run(target: &str, mut check: impl FnMut(&[u8])) {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("the corpus is there").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("a file")).collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    let mut random = Random(number("FUZZ_SEED", 1));
    let rounds = number("FUZZ", 2000) as usize;
    let mutants = (0..rounds).map(|_| mutate(&mut random, &corpus));
    for bytes in corpus.clone().into_iter().chain(mutants) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            let left = root.join("target").join(format!("fuzz-{target}"));
            std::fs::write(&left, &bytes).expect("the input can be kept");
            eprintln!("left to be looked at: {}\n{}", left.display(), String::from_utf8_lossy(&bytes));
            resume_unwind(panic);
        }
    }
    println!("{target}: {} of the corpus and {rounds} mutants", corpus.len());
}

/// What is read is written so that it is read again, to the same bytes.
fn settles(message: &Message) {
    let bytes = message.to_bytes();
    match Message::parse(&bytes) {
        Ok(again) => assert_eq!(String::from_utf8_lossy(&again.to_bytes()), String::from_utf8_lossy(&bytes)),
        Err(bad) => panic!("what we write cannot be read: {bad}: {}", String::from_utf8_lossy(&bytes)),
    }
}

#[test]
fn message() {
    run("message", |bytes| match Message::parse(bytes) {
        Ok(message) => settles(&message),
        Err(bad) => {
            if let Some(response) = bad.response() {
                assert!((400..600).contains(&response.code));
                response.to_bytes();
                response.to_compact_bytes();
            }
        }
    });
}

#[test]
fn uri() {
    run("uri", |bytes| {
        let Ok(uri) = String::from_utf8_lossy(bytes).parse::<Uri>() else { return };
        let text = uri.to_string();
        let again: Uri = text.parse().unwrap_or_else(|bad| panic!("{bad}: {text}"));
        assert_eq!(again.to_string(), text);
        assert!(uri.equivalent(&uri) && uri.user() == again.user());
    });
}

/// The first line is the Content-Type. What is found stands in the body as it is, and is found again in one that we make of it.
#[test]
fn body() {
    const { assert!(DEPTH_MAX < PARTS_MAX) };
    let mut found = 0;
    run("body", |bytes| {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let content = bytes.get(line + 1..).unwrap_or_default();
        let mut headers = Headers::new();
        headers.push("Content-Type", String::from_utf8_lossy(&bytes[..line]).trim_end());
        let body = Body::of(&headers, content);
        let locations: Vec<Enclosed> = body.locations.iter().map(Part::enclosed).collect();
        found += usize::from(!body.description.is_empty() && !locations.is_empty());
        assert!(locations.len() <= PARTS_MAX && locations.iter().all(|one| one.bytes.len() <= content.len()));
        assert!(!content.is_empty() || body == Body::default());
        // As many as we would read again, and without what cannot stand in a header line.
        let can_be_read = |one: &&Enclosed| !one.content_type.contains(['\r', '\n']) && !one.id.contains(['\r', '\n']);
        let locations: Vec<Enclosed> = locations.iter().filter(can_be_read).take(PARTS_MAX - 1).cloned().collect();
        let (kind, written) = compose(body.description, &locations);
        let mut headers = Headers::new();
        headers.push("Content-Type", &kind);
        let again = Body::of(&headers, &written);
        assert_eq!(again.description, body.description);
        assert_eq!(again.locations.iter().map(Part::enclosed).collect::<Vec<_>>(), locations);
    });
    assert!(found > 0, "no location was found beside a description");
}

#[test]
fn headers() {
    const NAMES: [&str; 28] = [
        "Via",
        "From",
        "To",
        "Contact",
        "Route",
        "Record-Route",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Expires",
        "Require",
        "Supported",
        "Proxy-Require",
        "Content-Type",
        "Reason",
        "Session-Expires",
        "Min-SE",
        "Refer-To",
        "Referred-By",
        "P-Asserted-Identity",
        "Replaces",
        "RAck",
        "RSeq",
        "Retry-After",
        "Path",
        "Event",
        "Accept",
        "Min-Expires",
    ];
    run("headers", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(via) = Via::parse(&text) {
            let (written, again) = (via.to_string(), Via::parse(&via.to_string()));
            assert_eq!(again.map(|via| via.to_string()), Ok(written));
        }
        if let Ok(address) = NameAddr::parse(&text) {
            let (written, again) = (address.to_string(), NameAddr::parse(&address.to_string()));
            assert_eq!(again.map(|address| address.to_string()), Ok(written));
        }
        if let Some(reason) = Reason::parse(&text) {
            assert_eq!(Reason::parse(&reason.to_string()).map(|reason| reason.to_string()), Some(reason.to_string()));
        }
        if let Some(replaces) = Replaces::parse(&text) {
            let written = replaces.to_string();
            assert_eq!(Replaces::parse(&written), Some(replaces), "{written}");
        }
        let mut headers = Headers::new();
        NAMES.iter().for_each(|name| headers.push(name, text.as_ref()));
        drop((
            headers.vias(),
            headers.from_(),
            headers.to(),
            headers.contacts(),
            headers.routes(),
            headers.record_routes(),
        ));
        drop((headers.call_id(), headers.cseq(), headers.max_forwards(), headers.expires(), headers.contact_star()));
        assert!(headers.require().count() >= headers.proxy_require().count().min(1));
        drop((
            headers.content_type(),
            headers.reason(),
            headers.replaces(),
            session_timer::SessionExpires::of(&headers),
            session_timer::min_se(&headers),
        ));
        if let Some(ack) = RAck::of(&headers) {
            let mut again = Headers::new();
            again.push("RAck", format!("{} {} {}", ack.rseq, ack.cseq, ack.method));
            assert_eq!(RAck::of(&again), Some(ack));
        }
        assert_ne!(rseq(&headers), Some(0));
        // More is a fault of who says it; whoever honours it has a bound of its own.
        assert!(headers.retry_after().is_none_or(|wait| wait <= Duration::from_secs(u32::MAX.into())));
        for name in ["Refer-To", "Referred-By", "P-Asserted-Identity"] {
            drop((headers.address(name), headers.addresses(name)));
        }
        headers.remove_first_item("Via");
    });
}

/// What a trusted carrier says of who calls: the corpus holds header lines. No account of it is long, and the call goes on.
#[test]
fn identity() {
    let menu = "flow: main\nlanguages: [en]\nstart: bye\nsteps:\n  bye:\n    hangup: { code: 486 }\n";
    let prompts = BTreeMap::from([("en".to_owned(), ["goodbye".to_owned()].into())]);
    let world = flow::World { prompts, ..flow::World::default() };
    let main = Arc::new(flow::compile("main.yaml", menu, &world).unwrap_or_else(|problems| panic!("{problems:?}")));
    let from = vec![Network { address: [0, 0, 0, 0].into(), prefix: 0 }];
    let mut settings = engine::Settings {
        flows: BTreeMap::from([("main".to_owned(), main)]),
        numbers: vec![Number { number: "100".parse().expect("a number"), flow: "main".into(), trunk: None }],
        trunks: vec![Trunk { name: "carrier".into(), from, trusted: true, ..Trunk::default() }],
        ..engine_settings()
    };
    let now = Time::from_secs(1_800_000_000);
    let hop = hop("192.0.2.7:5060".parse().expect("an address"));
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let mut told = 0;
    run("identity", |bytes| {
        let lines = String::from_utf8_lossy(bytes);
        let text = format!(
            "INVITE sip:100@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nFrom: <sip:+46701@c>;tag=1\r\nTo: <sip:100@vaxel>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:c@192.0.2.7>\r\n{}\r\nContent-Type: application/sdp\r\n\r\n{sdp}",
            lines.trim_end()
        );
        let Ok(message @ Message::Request(_)) = Message::parse(text.as_bytes()) else { return };
        settings.identity.keep_withheld = !settings.identity.keep_withheld;
        let mut engine = Engine::new(settings.clone(), 1, now);
        engine.handle(now, Input::Sip { hop, message: Box::new(message) });
        while let Some(output) = engine.poll_output() {
            let Output::Event(event) = output else { continue };
            let What::CallerKnown { caller, .. } = event.what else { continue };
            told += 1;
            let Caller { name, number, diversions, history, user_to_user, .. } = *caller;
            let short = |word: &str| assert!(word.len() <= WORD_MAX, "{word}");
            short(&name);
            number.iter().for_each(|number| short(number));
            diversions.iter().for_each(|one| [&one.number, &one.reason].into_iter().for_each(|word| short(word)));
            history.iter().for_each(|one| [&one.index, &one.number].into_iter().for_each(|word| short(word)));
            assert!(user_to_user.iter().all(|value| value.len() <= VALUE_MAX));
            assert!([diversions.len(), history.len(), user_to_user.len()].into_iter().all(|n| n <= ENTRIES_MAX));
        }
    });
    assert!(told > 0, "no caller became known");
}

fn engine_settings() -> engine::Settings {
    engine::Settings {
        realm: "sip".into(),
        digest: vec![Algorithm::Md5],
        auth_key: [7; 32],
        sip: Settings::default(),
        registrar: Default::default(),
        flows: BTreeMap::new(),
        numbering: Default::default(),
        identity: Default::default(),
        redirects: Default::default(),
        numbers: Vec::new(),
        queues: Vec::new(),
        hours: BTreeMap::new(),
        estimate: Default::default(),
        agents: Vec::new(),
        trunks: Vec::new(),
        emergency: Vec::new(),
        emergency_by_flow: false,
        codes: Codes {
            ready: "*1".into(),
            pauses: BTreeMap::new(),
            wrap_up_done: "*3".into(),
            wrap_up_more: "*4".into(),
        },
        limits: Limits::default(),
        language: "en".into(),
        hold_music: "calm".into(),
        announcements: BTreeMap::new(),
    }
}

/// Another reader, which holds what came until a message is whole, must be at the end of one exactly where ours is.
#[test]
fn websocket() {
    run("websocket", |bytes| {
        let half_after = |step: usize| {
            let mut frames = Frames::default();
            bytes.chunks(step).for_each(|piece| frames.push(piece));
            frames.is_half()
        };
        let half = half_after(bytes.len().max(1));
        assert_eq!((half_after(1), half_after(7)), (half, half), "however it arrives");
        // What follows a whole message is read as it is meant.
        let further = [0x81, 0x82, 0, 0, 0, 0, b'o', b'k'];
        let mut stream = Wire(bytes.iter().chain(&further).copied().collect());
        let mut reader = WebSocket::from_raw_socket(&mut stream, Role::Server, None);
        let (mut last, mut broken) = (None, false);
        for _ in 0..=bytes.len() {
            match reader.read() {
                Ok(frame) => last = Some(frame),
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let is_read = matches!(&last, Some(tungstenite::Message::Text(text)) if text.as_str() == "ok");
        assert!(broken || half || is_read, "{last:?} after what is whole");
        assert!(broken || !half || !is_read || bytes.ends_with(b"ok"), "{last:?} within what is half");
    });
}

/// Gives what it holds, then nothing more for now; takes everything.
struct Wire(VecDeque<u8>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn capabilities() -> Capabilities {
    let address = "192.0.2.1:20000".parse().expect("an address");
    Capabilities { codecs: vec![Codec::Pcmu, Codec::Pcma], digits: true, address }
}

#[test]
fn sdp() {
    run("sdp", |bytes| {
        drop(Session::parse(bytes));
        let mut answerer = Negotiator::new(capabilities(), 1);
        if let Ok(answer) = answerer.answer(bytes, vaxel::media::Direction::SendRecv) {
            Session::parse(&answer.body).expect("what we answer can be read");
        }
        let mut offerer = Negotiator::new(capabilities(), 2);
        offerer.offer(vaxel::media::Direction::SendRecv);
        drop(offerer.accept(bytes));
    });
}

#[test]
fn digest() {
    let mut auth = Authenticator::new("sip", [1; 32], Duration::from_secs(300));
    let now = Time::from_secs(1_800_000_000);
    run("digest", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(challenge) = Challenge::parse(&text) {
            // A control character is written as a space, so it is the text that settles.
            let written = challenge.to_string();
            assert_eq!(Challenge::parse(&written).map(|challenge| challenge.to_string()), Some(written));
        }
        let Some(credentials) = Credentials::parse(&text) else { return };
        let written = credentials.to_string();
        assert_eq!(Credentials::parse(&written).map(|credentials| credentials.to_string()), Some(written));
        let request = "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n";
        let Ok(Message::Request(mut request)) = Message::parse(request.as_bytes()) else { panic!("it is sound") };
        request.headers.push("Authorization", text);
        let verdict = auth
            .check(now, hop("192.0.2.7:5060".parse().expect("an address")).remote, &request, |_| Some("secret".into()));
        assert!(!matches!(verdict, vaxel::sip::Verdict::Accepted { .. }), "nobody guesses it");
    });
}

#[test]
fn stream() {
    run("stream", |bytes| {
        let cut = |step: usize| {
            let (mut framer, mut frames) = (Framer::new(), Vec::new());
            for piece in bytes.chunks(step.max(1)) {
                framer.push(piece);
                while let Some(frame) = framer.next() {
                    frames.push(match frame {
                        Frame::Message(message) => message.to_bytes(),
                        Frame::Bad(bad) => bad.to_string().into_bytes(),
                        Frame::Ping => b"ping".to_vec(),
                    });
                }
            }
            (frames, framer.is_broken())
        };
        assert_eq!(cut(bytes.len()), cut(7), "however it arrives");
    });
}

fn hop(remote: SocketAddr) -> Hop {
    Hop { transport: Transport::Udp, local: "192.0.2.1:5060".parse().expect("an address"), remote, connection: None }
}

/// A peer that sends these one after the other, each a second later.
#[test]
fn endpoint() {
    let settings = Settings { transactions_max: 50, usages_max: 20, ..Settings::default() };
    let mut endpoint = Endpoint::new(settings, 1);
    let hop = hop("192.0.2.7:5060".parse().expect("an address"));
    let mut now = Time::from_secs(1_800_000_000);
    run("message", |bytes| {
        now += Duration::from_secs(1);
        match Message::parse(bytes) {
            Ok(message) => endpoint.handle_message(now, &hop, message),
            Err(bad) => endpoint.handle_malformed(now, &hop, &bad),
        }
        while let Some(event) = endpoint.poll_event() {
            if let vaxel::sip::Event::Invite { id, .. } = event {
                endpoint.accept(now, id, b"v=0\r\n".to_vec());
            }
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            assert!(!transmit.bytes.is_empty());
        }
        endpoint.handle_timeout(now);
        while endpoint.poll_transmit().is_some() {}
        assert!(endpoint.transactions() <= 60 && endpoint.usages() <= 20, "tables are bounded");
    });
}

#[test]
fn strangers() {
    let auth = Authenticator::new("sip", [1; 32], Duration::from_secs(300));
    let mut gate = Gate::new(gate::Settings::default(), auth);
    let mut now = Time::from_secs(1_800_000_000);
    run("message", |bytes| {
        now += Duration::from_millis(20);
        let hop = hop("192.0.2.7:5060".parse().expect("an address"));
        let answer = match Message::parse(bytes) {
            Err(bad) => gate.answer_unread(&hop, &bad, bytes.len()),
            Ok(message) => match (gate.judge(now, &hop, false, &message), &message) {
                (gate::Ruling::Challenge { stale }, Message::Request(r)) => {
                    gate.challenge(now, &hop, r, bytes.len(), stale)
                }
                _ => None,
            },
        };
        if let Some(answer) = answer {
            assert!(answer.bytes.len() <= gate::AMPLIFICATION_MAX * bytes.len());
            assert_eq!(answer.hop.remote.ip(), hop.remote.ip(), "nobody else is answered");
        }
    });
}

#[test]
fn stun() {
    let from: SocketAddr = "192.0.2.7:5060".parse().expect("an address");
    run("stun", |bytes| {
        if stun::is_stun(bytes)
            && let Ok(request) = stun::BindingRequest::parse(bytes)
        {
            assert!(request.answer(from).len() <= 3 * bytes.len());
        }
    });
}

#[test]
fn media() {
    let mut digits = DigitReader::default();
    run("media", |bytes| {
        if let Some(event) = Event::read(bytes) {
            assert_eq!(Event::read(&event.bytes()), Some(event));
            let timestamp = bytes.last_chunk().map_or(0, |last| u32::from_be_bytes(*last));
            assert!(digits.read(timestamp, event).is_none_or(|code| code == event.code));
            assert_eq!(digits.read(timestamp, event), None, "once");
        }
        if let Ok(packet) = packet::Packet::read(bytes) {
            assert!(bytes.get(packet.payload).is_some(), "the payload lies within");
        }
        if let Ok(packets) = rtcp::read(bytes) {
            packets.count();
        }
    });
}
