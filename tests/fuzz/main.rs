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
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use vaxel::media::Codec;
use vaxel::rtp::event::{DigitReader, Event};
use vaxel::rtp::{packet, rtcp};
use vaxel::sdp::{Capabilities, Negotiator, Session};
use vaxel::sip::digest::{Challenge, Credentials};
use vaxel::sip::gate::{self, Gate};
use vaxel::sip::headers::Headers;
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

#[test]
fn headers() {
    const NAMES: [&str; 21] = [
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
        for name in ["Refer-To", "Referred-By", "P-Asserted-Identity"] {
            drop((headers.address(name), headers.addresses(name)));
        }
        headers.remove_first_item("Via");
    });
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
        let verdict = auth.check(now, &request, |_| Some("secret".into()));
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
