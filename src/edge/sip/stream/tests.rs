//! Streams on loopback.

use super::super::TlsSettings;
use super::super::tests::{Bench, bench, bench_of_strangers, bench_with};
use super::super::tls::tests::Authority;
use super::*;
use crate::engine::Input;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream as Peer;

pub const OPTIONS: &[u8] = b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

fn read_some(peer: &mut Peer) -> Vec<u8> {
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 1000];
    let length = peer.read(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// True: the connection was ended by the other side.
fn is_cut(peer: &mut Peer) -> bool {
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    match peer.read(&mut [0; 1000]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn tcp(limits: StreamLimits) -> Bench {
    bench_with(&[(Transport::Tcp, "127.0.0.1:0", None)], 100, limits).unwrap()
}

#[test]
fn messages_come_with_their_connection_and_answers_go_back_on_it() {
    for bind in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let Bench { sip, entrance, _runtime, .. } = bench(&[(Transport::Tcp, bind, None)], 10);
        let bound = sip.bound()[0].1;
        let host = if bound.is_ipv4() { "127.0.0.1" } else { "::1" };
        let mut peer = Peer::connect((host, bound.port())).unwrap();
        // Two messages, cut in the middle of the first.
        peer.write_all(&OPTIONS[..50]).unwrap();
        peer.write_all(&[&OPTIONS[50..], OPTIONS].concat()).unwrap();
        for _ in 0..2 {
            let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
            assert_eq!(hop.remote, peer.local_addr().unwrap());
            assert_eq!(hop.local, peer.peer_addr().unwrap(), "a wildcard is no address");
            assert!(hop.connection.is_some());
            sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
            assert_eq!(read_some(&mut peer), b"SIP/2.0 200 OK\r\n\r\n");
        }
    }
}

#[test]
fn the_loss_of_a_connection_is_told() {
    let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    peer.write_all(OPTIONS).unwrap();
    let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
    drop(peer);
    let Input::HopFailed { hop: failed } = entrance.input() else { panic!("nothing was said") };
    assert_eq!(failed, hop);
    // What comes too late is told again, so that nobody waits for it.
    sip.send(Transmit::new(hop, OPTIONS.to_vec()));
    assert!(matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}

#[test]
fn a_connection_is_opened_where_there_is_none_and_used_again() {
    let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
    let phone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = sip.bound()[0].1;
    let hop = Hop { transport: Transport::Tcp, local, remote: phone.local_addr().unwrap(), connection: None };
    sip.send(Transmit::new(hop, b"first ".to_vec()));
    let (mut peer, from) = phone.accept().unwrap();
    assert_eq!(from.ip(), local.ip());
    sip.send(Transmit::new(hop, b"second".to_vec()));
    let mut both = [0; 12];
    peer.read_exact(&mut both).unwrap();
    assert_eq!(&both, b"first second");
    // What the phone says on it names the connection and our listening address.
    peer.write_all(OPTIONS).unwrap();
    let Input::Sip { hop: named, .. } = entrance.input() else { panic!("no message") };
    assert_eq!(Hop { connection: None, ..named }, hop);
    assert!(named.connection.is_some());
    drop(peer);
    assert!(matches!(entrance.input(), Input::HopFailed { hop } if hop == named));
    assert!(matches!(entrance.input(), Input::HopFailed { hop: wanted } if wanted == hop));
}

#[test]
fn a_phone_that_cannot_be_connected_is_reported() {
    let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hop = Hop { transport: Transport::Tcp, local: sip.bound()[0].1, remote: gone, connection: None };
    sip.send(Transmit::new(hop, OPTIONS.to_vec()));
    assert!(matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}

#[test]
fn a_ping_is_answered_by_a_pong() {
    let Bench { sip, entrance, metrics, _runtime, .. } = tcp(StreamLimits::default());
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    peer.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(read_some(&mut peer), b"\r\n");
    metrics.wait_for(r#"vaxel_sip_keep_alives_total{kind="of_peer",result="answered"} 1"#);
    assert!(entrance.quiet());
}

#[test]
fn a_strangers_pings_are_requests_like_others_and_a_phones_are_not() {
    let Bench { sip, metrics, _runtime, .. } =
        bench_of_strangers(Transport::Tcp, StreamLimits::default(), TlsSettings::default());
    let bound = SocketAddr::from(([127, 0, 0, 1], sip.bound()[0].1.port()));
    let (mut stranger, mut phone) = (Peer::connect(bound).unwrap(), Peer::connect(bound).unwrap());
    sip.vouch(phone.local_addr().unwrap());
    let answered = |peer: &mut Peer| {
        peer.write_all(b"\r\n\r\n").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The end of the connection otherwise.
        peer.read_exact(&mut [0; 2]).is_ok()
    };
    let burst = gate::Settings::default().burst as usize;
    let most = 20 * burst;
    let n = (0..most).take_while(|_| answered(&mut stranger)).count();
    assert!((burst..most).contains(&n), "{n}");
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="too_many_requests"} 1"#);
    assert!((0..burst + 100).all(|_| answered(&mut phone)));
}

#[test]
fn a_slow_sender_is_cut_and_a_silent_one_too() {
    let limits = StreamLimits { message: Duration::from_millis(200), ..StreamLimits::default() };
    let Bench { sip, metrics, _runtime, .. } = tcp(limits);
    // Line breaks say nothing, unless they are a ping.
    for breaks in ["", "\r", "\n", "\r\n"] {
        let mut silent = Peer::connect(sip.bound()[0].1).unwrap();
        silent.write_all(breaks.as_bytes()).unwrap();
        assert!(is_cut(&mut silent), "{breaks:?}");
    }
    // A byte now and then does not help.
    let mut slow = Peer::connect(sip.bound()[0].1).unwrap();
    let mut drip = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        for byte in OPTIONS {
            std::thread::sleep(Duration::from_millis(20));
            if drip.write_all(&[*byte]).is_err() {
                break;
            }
        }
    });
    assert!(is_cut(&mut slow));
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="slow_sender"} 5"#);
    dripping.join().unwrap();
}

#[test]
fn whose_body_does_not_come_is_told_before_the_connection_is_closed() {
    let limits = StreamLimits { message: Duration::from_millis(200), ..StreamLimits::default() };
    let Bench { sip, entrance, metrics, _runtime, .. } =
        bench_of_strangers(Transport::Tcp, limits, TlsSettings::default());
    let mut peer = Peer::connect(("127.0.0.1", sip.bound()[0].1.port())).unwrap();
    let half = String::from_utf8(OPTIONS.to_vec())
        .unwrap()
        .replace("Content-Length: 0\r\n\r\n", "Content-Length: 9\r\n\r\nhalf");
    peer.write_all(half.as_bytes()).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("SIP/2.0 400 ") && !answer.starts_with("SIP/2.0 400 \r"), "what is wrong: {answer}");
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="slow_sender"} 1"#);
    assert!(entrance.quiet());
}

#[test]
fn a_connection_at_rest_lives_until_its_idle_time_is_over() {
    let limits =
        StreamLimits { message: Duration::from_millis(300), idle: Duration::from_secs(2), ..StreamLimits::default() };
    let Bench { sip, entrance, metrics, _runtime, .. } = tcp(limits);
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    let began = std::time::Instant::now();
    // The lone CRLF behind it is half a ping, not half a message.
    peer.write_all(&[OPTIONS, b"\r\n"].concat()).unwrap();
    assert!(matches!(entrance.input(), Input::Sip { .. }));
    assert!(is_cut(&mut peer));
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="slow_sender"} 0"#);
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="idle"} 1"#);
    assert!(matches!(entrance.input(), Input::HopFailed { .. }));
}

#[test]
fn what_cannot_be_cut_into_messages_is_answered_and_then_cut() {
    let Bench { sip, entrance, _runtime, .. } = tcp(StreamLimits::default());
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    let text = String::from_utf8_lossy(OPTIONS).replace("Content-Length: 0", "Content-Length: many");
    peer.write_all(text.as_bytes()).unwrap();
    peer.write_all(&[b'x'; 5000]).unwrap();
    let Input::Malformed { hop, .. } = entrance.input() else { panic!("nothing was said") };
    sip.send(Transmit::new(hop, b"SIP/2.0 400 Bad\r\n\r\n".to_vec()));
    assert_eq!(read_some(&mut peer), b"SIP/2.0 400 Bad\r\n\r\n");
    assert!(is_cut(&mut peer));
}

#[test]
fn connections_are_bounded_in_all_and_per_source() {
    let limits = StreamLimits { total: 3, per_source: 2, ..StreamLimits::default() };
    let Bench { sip, metrics, _runtime, .. } = tcp(limits);
    let bound = sip.bound()[0].1;
    let _two = [Peer::connect(bound).unwrap(), Peer::connect(bound).unwrap()];
    metrics.wait_for("vaxel_sip_connections 2");
    assert!(is_cut(&mut Peer::connect(bound).unwrap()));
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="too_many_from_one"} 1"#);
}

/// A connection from this address of the machine's own.
fn from(host: u8, to: SocketAddr) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], to.port())).into()).unwrap();
    socket.into()
}

#[test]
fn thousands_of_idle_connections_keep_no_phone_out_and_the_engine_hears_nothing_of_them() {
    let limits = StreamLimits { total: 200, per_source: 60, ..StreamLimits::default() };
    let Bench { sip, entrance, metrics, _runtime, .. } =
        bench_of_strangers(Transport::Tcp, limits, TlsSettings::default());
    let at = sip.bound()[0].1;
    let idle = |host: u8| {
        let mut peer = from(host, at);
        // With a whole message it may rest for hours.
        peer.write_all(OPTIONS).unwrap();
        assert!(read_some(&mut peer).starts_with(b"SIP/2.0 401 "));
        peer
    };
    let mut crowd: Vec<Peer> = (0..100).flat_map(|_| [10, 11, 12, 13].map(idle)).collect();
    metrics.wait_for("vaxel_sip_connections 200");
    // As many as are open made room, a few of them twice.
    assert!(is_cut(&mut crowd[0]) && is_cut(&mut crowd[1]));
    let mut phone = idle(2);
    // It has answered the challenge.
    sip.vouch(phone.local_addr().unwrap());
    crowd.extend((0..100).flat_map(|_| [10, 11, 12, 13].map(idle)));
    phone.write_all(OPTIONS).unwrap();
    let Input::Sip { hop, .. } = entrance.input() else { panic!("it is heard before all others") };
    assert_eq!(hop.remote, phone.local_addr().unwrap());
    assert!(!metrics.text().contains(r#"vaxel_sip_errors_total{reason="made_room"} 0"#));
    drop(crowd);
    metrics.wait_for("vaxel_sip_connections 1");
    assert!(entrance.quiet(), "nobody else was ever heard of");
    drop(phone);
    assert!(matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}

#[test]
fn one_source_has_its_share_of_the_handshakes_and_makes_room_while_it_has_not_said_who_it_is() {
    let authority = Authority::new();
    let tls = TlsSettings { own: Some(authority.signs(&["127.0.0.1"], 2100)), ..TlsSettings::default() };
    // No time of theirs runs out here, however slow the machine is.
    let (handshake, handshake_turn) = (Duration::from_secs(60), Duration::from_secs(60));
    let limits =
        StreamLimits { total: 6, handshakes_per_source: 2, handshake, handshake_turn, ..StreamLimits::default() };
    let Bench { sip, metrics, _runtime, .. } = bench_of_strangers(Transport::Tls, limits, tls);
    let at = sip.bound()[0].1;
    let half = |host: u8| {
        let mut half = from(host, at);
        half.write_all(&[22, 3, 1, 1, 0]).unwrap();
        half
    };
    // The third is refused at once, the others have their time.
    let mut crowd = [half(10), half(10), half(10)];
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="too_many_handshakes_from_one"} 1"#);
    metrics.wait_for("vaxel_sip_connections 2");
    let beside = half(11);
    metrics.wait_for("vaxel_sip_connections 3");
    // Silent ones take no place in a handshake, but one in the table.
    let _silent: Vec<Peer> = (20..26).map(|host| from(host, at)).collect();
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="made_room"} 3"#);
    assert!(crowd.iter_mut().all(is_cut));
    drop(beside);
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="handshake_timeout"} 0"#);
}

#[test]
fn sources_that_hold_all_handshakes_keep_no_phone_out() {
    let authority = Authority::new();
    let tls = TlsSettings { own: Some(authority.signs(&["127.0.0.1"], 2100)), ..TlsSettings::default() };
    let limits = StreamLimits {
        handshake: Duration::from_secs(60),
        handshake_turn: Duration::from_secs(60),
        handshakes: 6,
        handshakes_per_source: 4,
        ..StreamLimits::default()
    };
    let Bench { sip, metrics, _runtime, .. } = bench_of_strangers(Transport::Tls, limits, tls);
    let at = sip.bound()[0].1;
    let mut crowd: Vec<Peer> = [10, 11, 12, 10, 11, 12, 10].map(|host| from(host, at)).into();
    crowd.iter_mut().for_each(|peer| peer.write_all(&[22]).unwrap());
    // All are taken when one is refused, or when another source had more and lost one to it: as they happened to be read.
    let began = std::time::Instant::now();
    let count = |reason: &str| {
        let (text, series) = (metrics.text(), format!("vaxel_sip_errors_total{{reason=\"{reason}\"}} "));
        let line = text.lines().find_map(|line| line.strip_prefix(&series)).map(str::parse);
        line.expect("it is counted").unwrap_or(0_u32)
    };
    while count("too_many_handshakes") + count("made_room") == 0 {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    let made_room = count("made_room");
    for host in 2..8 {
        let stream = from(host, at);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = rustls::ClientConnection::new(authority.client(None), name).unwrap();
        let mut phone = rustls::StreamOwned::new(connection, stream);
        phone.write_all(OPTIONS).unwrap();
        let mut answer = [0; 12];
        phone.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"SIP/2.0 401 ");
    }
    // The place that the first has left is free for the next.
    metrics.wait_for(&format!(r#"vaxel_sip_errors_total{{reason="made_room"}} {}"#, made_room + 1));
}

#[test]
fn a_connection_that_did_not_come_about_is_not_counted() {
    let Bench { sip, entrance, metrics, _runtime, .. } = tcp(StreamLimits::default());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hop = Hop { transport: Transport::Tcp, local: sip.bound()[0].1, remote: gone, connection: None };
    sip.send(Transmit::new(hop, OPTIONS.to_vec()));
    assert!(matches!(entrance.input(), Input::HopFailed { .. }));
    metrics.wait_for("vaxel_sip_connections 0");
}

#[test]
fn a_busy_engine_makes_streams_wait_and_loses_nothing() {
    let Bench { sip, entrance, metrics, _runtime, .. } =
        bench_with(&[(Transport::Tcp, "127.0.0.1:0", None)], 2, StreamLimits::default()).unwrap();
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    for _ in 0..50 {
        peer.write_all(OPTIONS).unwrap();
    }
    for _ in 0..50 {
        assert!(matches!(entrance.input(), Input::Sip { .. }));
    }
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="overload"} 0"#);
}

#[test]
fn a_peer_that_does_not_read_is_cut() {
    let limits = StreamLimits { write: Duration::from_millis(200), queued: 4, ..StreamLimits::default() };
    let Bench { sip, entrance, metrics, _runtime, .. } = tcp(limits);
    let mut peer = Peer::connect(sip.bound()[0].1).unwrap();
    peer.write_all(OPTIONS).unwrap();
    let Input::Sip { hop, .. } = entrance.input() else { panic!("no message") };
    // More than the system's buffers hold.
    for _ in 0..200 {
        sip.send(Transmit::new(hop, vec![b'x'; 60_000]));
    }
    while !matches!(entrance.input(), Input::HopFailed { hop: failed } if failed == hop) {}
    let text = metrics.text();
    assert!(!text.contains(r#"vaxel_sip_errors_total{reason="slow_reader"} 0"#), "{text}");
}

#[test]
fn a_connection_of_ours_is_kept_alive_and_one_that_stops_answering_is_lost() {
    let limits =
        StreamLimits { ping: Some(Duration::from_millis(50)), pong: Duration::from_secs(1), ..StreamLimits::default() };
    let Bench { sip, entrance, metrics, _runtime, .. } =
        bench_with(&[(Transport::Tcp, "127.0.0.1:0", None)], 10, limits).unwrap();
    let opened = || {
        let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hop = sip.towards(Transport::Tcp, peer.local_addr().unwrap(), None).unwrap();
        sip.send(Transmit::new(hop, b"OPTIONS".to_vec()));
        let (mut stream, _) = peer.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.read_exact(&mut [0; 7]).unwrap();
        stream
    };
    let pinged = |stream: &mut std::net::TcpStream| {
        let mut ping = [0; 4];
        stream.read_exact(&mut ping).unwrap();
        assert_eq!(&ping, b"\r\n\r\n");
    };
    // One that never answers is only pinged.
    let mut silent = opened();
    (0..3).for_each(|_| pinged(&mut silent));
    drop(silent);
    assert!(matches!(entrance.input(), Input::HopFailed { .. }));
    assert!(matches!(entrance.input(), Input::HopFailed { .. }));
    let mut answers = opened();
    for _ in 0..3 {
        pinged(&mut answers);
        answers.write_all(b"\r\n").unwrap();
    }
    pinged(&mut answers);
    assert_eq!(answers.read(&mut [0; 10]).unwrap(), 0, "it is closed");
    assert!(matches!(entrance.input(), Input::HopFailed { .. }));
    metrics.wait_for(r#"vaxel_sip_errors_total{reason="connection_lost"} 1"#);
    metrics.wait_for(r#"vaxel_sip_keep_alives_total{kind="crlf",result="answered"} 3"#);
    metrics.wait_for(r#"vaxel_sip_keep_alives_total{kind="crlf",result="lost"} 1"#);
    let sent = r#"vaxel_sip_keep_alives_total{kind="crlf",result="sent"} "#;
    let sent = metrics.text().lines().find_map(|line| line.strip_prefix(sent)?.parse::<u32>().ok());
    assert!(sent.is_some_and(|sent| sent >= 7), "{sent:?}");
}
