//! WebSockets on loopback.

use super::super::stream::tests::OPTIONS;
use super::super::tests::{Bench, bench_of_strangers, bench_tls};
use super::super::tls::tests::Authority;
use super::super::{StreamLimits, TlsSettings};
use super::*;
use crate::engine::Input;
use crate::sip::{Transmit, Transport, gate};
use crate::time::Duration;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, WebSocket, client};

const LISTEN: [(Transport, &str, Option<SocketAddr>); 1] = [(Transport::Ws, "127.0.0.1:0", None)];

type Page = WebSocket<TcpStream>;

fn server(limits: StreamLimits) -> Bench {
    bench_tls(&LISTEN, 10, limits, TlsSettings::default()).unwrap()
}

fn stream(bench: &Bench) -> TcpStream {
    let stream = TcpStream::connect(bench.sip.bound()[0].1).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn request(scheme: &str) -> ClientRequestBuilder {
    ClientRequestBuilder::new(format!("{scheme}://127.0.0.1/sip").parse().unwrap()).with_sub_protocol("sip")
}

fn page(bench: &Bench) -> Page {
    let (page, response) = client(request("ws"), stream(bench)).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
    page
}

/// One message and its answer.
fn talks<S: Read + Write>(page: &mut WebSocket<S>, bench: &Bench) -> Hop {
    page.send(Message::text(String::from_utf8(OPTIONS.to_vec()).unwrap())).unwrap();
    let hop = loop {
        match bench.entrance.input() {
            Input::Sip { hop, .. } => break hop,
            // Of a connection that was dropped before.
            Input::HopFailed { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    bench.sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
    assert_eq!(said(page), Message::text("SIP/2.0 200 OK\r\n\r\n"));
    hop
}

/// What is said next, pings aside.
fn said<S: Read + Write>(page: &mut WebSocket<S>) -> Message {
    loop {
        match page.read().unwrap() {
            Message::Ping(_) => {}
            other => return other,
        }
    }
}

/// The code of the goodbye.
fn goodbye<S: Read + Write>(page: &mut WebSocket<S>) -> CloseCode {
    match said(page) {
        Message::Close(Some(frame)) => frame.code,
        other => panic!("{other:?}"),
    }
}

fn fault(bench: &Bench, fault: SipFault, count: u64) {
    bench.metrics.wait_for(&format!("vaxel_sip_errors_total{{reason=\"{}\"}} {count}", fault.name()));
}

#[test]
fn each_message_is_one_of_sip_and_answers_go_by_the_same_connection() {
    let bench = server(StreamLimits::default());
    let mut page = page(&bench);
    let hop = talks(&mut page, &bench);
    assert_eq!((hop.transport, hop.remote), (Transport::Ws, page.get_ref().local_addr().unwrap()));
    page.send(Message::binary(OPTIONS.to_vec())).unwrap();
    assert!(matches!(bench.entrance.input(), Input::Sip { hop: by, .. } if by == hop));
    bench.sip.send(Transmit::new(hop, b"SIP/2.0 200 \xff\r\n\r\n".to_vec()));
    assert_eq!(said(&mut page), Message::binary(b"SIP/2.0 200 \xff\r\n\r\n".to_vec()), "what is no text");
    page.send(Message::text("\r\n\r\n")).unwrap();
    assert_eq!(said(&mut page), Message::text("\r\n"), "a ping of SIP's own");
    page.send(Message::Ping(b"there?".to_vec().into())).unwrap();
    assert_eq!(said(&mut page), Message::Pong(b"there?".to_vec().into()));
    page.send(Message::text("OPTIONS sip:a SIP/2.0\r\nVia: nonsense\r\n\r\n")).unwrap();
    assert!(matches!(bench.entrance.input(), Input::Malformed { .. }));
    talks(&mut page, &bench);
    page.close(None).unwrap();
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
    bench.metrics.wait_for("vaxel_sip_connections 0");
}

#[test]
fn a_strangers_pings_are_requests_like_others_and_a_phones_are_not() {
    let bench = bench_of_strangers(Transport::Ws, StreamLimits::default(), TlsSettings::default());
    let open = || {
        let stream = TcpStream::connect(("127.0.0.1", bench.sip.bound()[0].1.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client(request("ws"), stream).unwrap().0
    };
    let burst = gate::Settings::default().burst as usize;
    let most = 20 * burst;
    let mut pings = [Message::Ping(Vec::new().into()), Message::text("\r\n\r\n")].into_iter().cycle();
    let (mut stranger, mut answered) = (open(), 0);
    loop {
        stranger.send(pings.next().unwrap()).unwrap();
        match said(&mut stranger) {
            Message::Close(Some(frame)) => break assert_eq!(frame.code, CloseCode::Policy),
            _ => answered += 1,
        }
        assert!(answered < most);
    }
    assert!(answered >= burst, "{answered}");
    fault(&bench, SipFault::TooManyRequests, 1);
    let mut phone = open();
    bench.sip.vouch(phone.get_ref().local_addr().unwrap());
    for ping in pings.take(burst + 100) {
        phone.send(ping).unwrap();
        assert!(!matches!(said(&mut phone), Message::Close(_)));
    }
}

#[test]
fn a_message_in_fragments_is_one_message() {
    let bench = server(StreamLimits::default());
    let mut page = page(&bench);
    let parts: Vec<_> = OPTIONS.chunks(40).collect();
    for (n, part) in parts.iter().enumerate() {
        let kind = OpCode::Data(if n == 0 { Data::Text } else { Data::Continue });
        page.send(Message::Frame(Frame::message(part.to_vec(), kind, n + 1 == parts.len()))).unwrap();
    }
    assert!(matches!(bench.entrance.input(), Input::Sip { .. }));
}

#[test]
fn what_asks_for_something_else_is_told_so_and_cut() {
    let bench = server(StreamLimits::default());
    let answer = |bytes: &[u8]| {
        let mut stream = stream(&bench);
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let get = |more: &str| answer(format!("GET /sip HTTP/1.1\r\nHost: x\r\n{more}\r\n").as_bytes());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let sip = format!("{upgrade}Sec-WebSocket-Protocol: chat, sip\r\n");

    assert!(get("").starts_with("HTTP/1.1 426 "));
    assert!(get(&sip.replace("13", "8")).contains("Sec-WebSocket-Version: 13\r\n"));
    assert!(answer(OPTIONS).starts_with("HTTP/1.1 400 "));
    assert!(get(&format!("X: {}\r\n", "x".repeat(2 * HEAD_MAX))).starts_with("HTTP/1.1 431 "));
    fault(&bench, SipFault::NotWebSocket, 4);

    assert!(get(upgrade).starts_with("HTTP/1.1 400 "));
    assert!(get(&format!("{upgrade}Sec-WebSocket-Protocol: sipx\r\n")).starts_with("HTTP/1.1 400 "));
    fault(&bench, SipFault::NoSubprotocol, 2);

    // The bench lets in https://desk.example.
    assert!(get(&format!("{sip}Origin: https://evil.example\r\n")).starts_with("HTTP/1.1 403 "));
    assert!(get(&format!("{sip}Origin: null\r\n")).starts_with("HTTP/1.1 403 "));
    fault(&bench, SipFault::WrongOrigin, 2);
    let (mut page, _) = client(request("ws").with_header("Origin", "https://desk.example"), stream(&bench)).unwrap();
    talks(&mut page, &bench);
}

#[test]
fn messages_that_are_too_large_or_no_frames_end_the_connection_with_the_reason() {
    let bench = server(StreamLimits::default());
    let mut large = page(&bench);
    // Our system may refuse the rest once the other side has closed.
    drop(large.send(Message::binary(vec![b'x'; MAX_MESSAGE + 1])));
    assert_eq!(goodbye(&mut large), CloseCode::Size);
    fault(&bench, SipFault::TooLarge, 1);
    // In pieces each of which is small enough.
    let mut pieces = page(&bench);
    for n in 0..3 {
        let kind = OpCode::Data(if n == 0 { Data::Binary } else { Data::Continue });
        drop(pieces.send(Message::Frame(Frame::message(vec![b'x'; MAX_MESSAGE / 2], kind, false))));
    }
    assert_eq!(goodbye(&mut pieces), CloseCode::Size);
    fault(&bench, SipFault::TooLarge, 2);
    let mut unmasked = page(&bench);
    unmasked.get_mut().write_all(&[0x81, 2, b'h', b'i']).unwrap();
    assert_eq!(goodbye(&mut unmasked), CloseCode::Protocol);
    fault(&bench, SipFault::BadFraming, 1);
    bench.metrics.wait_for("vaxel_sip_connections 0");
}

#[test]
fn handshakes_and_messages_have_their_time() {
    let limits = StreamLimits {
        handshake: Duration::from_millis(300),
        message: Duration::from_millis(300),
        ..StreamLimits::default()
    };
    let bench = server(limits);
    let mut half = stream(&bench);
    half.write_all(b"GET /sip HTTP/1.1\r\nHost:").unwrap();
    assert!(matches!(half.read(&mut [0; 10]), Ok(0)));
    fault(&bench, SipFault::HandshakeTimeout, 1);
    let mut silent = page(&bench);
    assert_eq!(goodbye(&mut silent), CloseCode::Policy);
    fault(&bench, SipFault::SlowSender, 1);
    // Half a message, from one who answers pings.
    let mut slow = page(&bench);
    talks(&mut slow, &bench);
    let first = Frame::message(OPTIONS[..50].to_vec(), OpCode::Data(Data::Text), false);
    slow.send(Message::Frame(first)).unwrap();
    assert_eq!(goodbye(&mut slow), CloseCode::Policy);
    fault(&bench, SipFault::SlowSender, 2);
    // Messages in which nothing is said.
    let mut empty = page(&bench);
    ["", "\r\n"].into_iter().for_each(|nothing| empty.send(Message::Text(nothing.into())).unwrap());
    assert_eq!(goodbye(&mut empty), CloseCode::Policy);
    fault(&bench, SipFault::SlowSender, 3);
}

#[test]
fn a_page_that_is_gone_without_a_word_is_missed_and_one_at_rest_is_not() {
    let limits = StreamLimits { loss: Duration::from_secs(1), ..StreamLimits::default() };
    let bench = server(limits);
    let mut gone = page(&bench);
    let gone_hop = talks(&mut gone, &bench);
    let mut rests = page(&bench);
    let rests_hop = talks(&mut rests, &bench);
    // It reads, and so answers pings; the other one does not.
    let resting = std::thread::spawn(move || {
        rests.get_mut().set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let ended = loop {
            match rests.read() {
                Ok(Message::Ping(_)) => {}
                Ok(other) => break format!("{other:?}"),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break "silence".into(),
                Err(error) => break error.to_string(),
            }
        };
        (rests, ended)
    });
    let began = std::time::Instant::now();
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop } if hop == gone_hop));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    fault(&bench, SipFault::NoPong, 1);
    bench.metrics.wait_for(r#"vaxel_sip_keep_alives_total{kind="websocket",result="lost"} 1"#);
    let text = bench.metrics.text();
    for result in ["sent", "answered"] {
        assert!(!text.contains(&format!("{{kind=\"websocket\",result=\"{result}\"}} 0")), "{text}");
    }
    drop(gone);
    // For as long again, and it can still be reached.
    assert!(matches!(bench.entrance.wait(2 * limits.loss), Ok(None)), "the other one lives");
    bench.sip.send(Transmit::new(rests_hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
    let (_page, ended) = resting.join().unwrap();
    assert!(ended.starts_with("Text("), "{ended}");
}

#[test]
fn a_page_is_not_missed_for_the_time_in_which_nobody_listened_to_it() {
    let limits = StreamLimits { loss: Duration::from_millis(400), ..StreamLimits::default() };
    // The bench has room for ten messages before its door.
    let bench = server(limits);
    let mut page = page(&bench);
    for _ in 0..12 {
        page.send(Message::binary(OPTIONS.to_vec())).unwrap();
    }
    bench.metrics.wait_for(r#"vaxel_sip_messages_total{direction="received",kind="OPTIONS"} 11"#);
    let engine_stood_still = std::time::Instant::now();
    while engine_stood_still.elapsed() < 2 * limits.loss {
        // The page sees our pings, and answers them.
        assert!(matches!(page.read(), Ok(Message::Ping(_))));
    }
    for _ in 0..12 {
        assert!(matches!(bench.entrance.input(), Input::Sip { .. }));
    }
    talks(&mut page, &bench);
    fault(&bench, SipFault::NoPong, 0);
}

#[test]
fn a_page_that_does_not_read_is_cut_and_nobody_connects_to_one() {
    let limits = StreamLimits { write: Duration::from_millis(300), queued: 4, ..StreamLimits::default() };
    let bench = server(limits);
    let mut page = page(&bench);
    let hop = talks(&mut page, &bench);
    let elsewhere = Hop { connection: None, ..hop };
    bench.sip.send(Transmit::new(elsewhere, OPTIONS.to_vec()));
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop } if hop == elsewhere));
    // More than the system's buffers hold.
    for _ in 0..200 {
        bench.sip.send(Transmit::new(hop, vec![b'x'; 60_000]));
    }
    while !matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop) {}
    let text = bench.metrics.text();
    assert!(!text.contains(r#"vaxel_sip_errors_total{reason="slow_reader"} 0"#), "{text}");
}

#[test]
fn the_same_goes_over_tls() {
    let authority = Authority::new();
    let listen = [(Transport::Wss, "127.0.0.1:0", None)];
    let tls = TlsSettings { own: Some(authority.signs(&["127.0.0.1"], 2100)), ..TlsSettings::default() };
    let bench = bench_tls(&listen, 10, StreamLimits::default(), tls).unwrap();
    let name = ServerName::IpAddress(bench.sip.bound()[0].1.ip().into());
    let secured = ClientConnection::new(authority.client(None), name).unwrap();
    let (mut page, _) = client(request("wss"), StreamOwned::new(secured, stream(&bench))).unwrap();
    let hop = talks(&mut page, &bench);
    assert_eq!(hop.transport, Transport::Wss);
    // Without TLS it is none.
    let mut plain = stream(&bench);
    plain.write_all(b"GET /sip HTTP/1.1\r\n\r\n").unwrap();
    drop(plain.read(&mut [0; 100]));
    fault(&bench, SipFault::NotTls, 1);
    drop(page);
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}
