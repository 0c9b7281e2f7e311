//! The real program on real sockets; in this process, or in its own where that matters.

// These tests live in the world: they need its time and its chance.
#![allow(clippy::disallowed_methods)]

mod asker;
mod bodies;
mod callbacks;
mod caps;
mod carriers;
mod contact;
mod dialogs;
mod emergency;
mod flood;
mod full;
mod guess;
mod house;
mod journal;
mod large;
mod log;
mod moves;
mod mutation;
mod nat;
mod oracle;
mod overload;
mod paused;
mod person;
mod program;
mod report;
mod ringing;
mod stalled;
mod tasks;
mod told;
mod torture;
mod trust;

use asker::{Ask, Asker};
use house::{Folder, House, PATIENCE, carrier, settings};
use oracle::rsip_agrees;
use person::{Person, connect, until};
use program::Program;
use rustix::process::Signal;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vaxel::acd::{Exit, Outcome};
use vaxel::edge::Service;
use vaxel::record::EndedBy;
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::{self, Tcp, Udp};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Gives what comes next, and its length.
type Read = Box<dyn FnMut(&mut [u8]) -> usize>;

/// Sends these bytes and gives the first answer that is not provisional.
fn exchange(transport: Transport, home: IpAddr, server: SocketAddr, bytes: &[u8]) -> String {
    let mut read: Read = match transport {
        Udp => {
            let socket = UdpSocket::bind((home, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(bytes, server).unwrap();
            Box::new(move |buffer| socket.recv(buffer).expect("an answer comes"))
        }
        Tcp => {
            let mut stream = connect(home, server);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(bytes).unwrap();
            Box::new(move |buffer| stream.read(buffer).expect("an answer comes"))
        }
        other => panic!("these tests do not speak {}", other.word()),
    };
    loop {
        let mut buffer = [0; 4096];
        let length = read(&mut buffer);
        assert!(length > 0, "it was cut without an answer");
        let mut answer = &buffer[..length];
        // By a connection more than one may come at a time. Provisional ones have no body here.
        while answer.starts_with(b"SIP/2.0 1") {
            let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole answer");
            answer = &answer[end + 4..];
        }
        if !answer.is_empty() {
            rsip_agrees(answer);
            return String::from_utf8_lossy(answer).into_owned();
        }
    }
}

/// Outside any dialog, of a transaction of its own.
fn request(method: &str, transport: Transport) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let via = if transport == Udp { "UDP" } else { "TCP" };
    format!(
        "{method} sip:300@vaxel SIP/2.0\r\nVia: SIP/2.0/{via} 192.0.2.1:5060;rport;branch=z9hG4bK{n}\r\n\
         From: <sip:+46701@carrier>;tag=1\r\nTo: <sip:300@vaxel>\r\nCall-ID: {n}\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\nContact: <sip:+46701@127.0.0.2:5060>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn every_request_gets_its_answer_over_every_way() {
    let house = House::new();
    for (transport, ipv4) in [(Udp, true), (Udp, false), (Tcp, true), (Tcp, false)] {
        let server = house.sip(transport, ipv4);
        let say = |text: &str| exchange(transport, carrier(ipv4), server, text.as_bytes());
        let options = say(&request("OPTIONS", transport));
        assert!(options.starts_with("SIP/2.0 200 ") && options.contains("\r\nAllow: "), "{options}");
        assert!(say(&request("SUBSCRIBE", transport)).starts_with("SIP/2.0 405 "));
        assert!(say(&request("DANCE", transport)).starts_with("SIP/2.0 405 "));
        let broken = say(&request("MESSAGE", transport).replace("CSeq: 1 MESSAGE", "CSeq: one"));
        assert!(broken.starts_with("SIP/2.0 400 "), "{broken}");
        let future = say(&request("INFO", transport).replace(" SIP/2.0\r\nVia", " SIP/7.0\r\nVia"));
        assert!(future.starts_with("SIP/2.0 505 "), "{future}");
    }
    // Who is neither a trunk nor an agent is asked for a password.
    let stranger = exchange(Udp, HERE, house.sip(Udp, true), request("OPTIONS", Udp).as_bytes());
    assert!(stranger.starts_with("SIP/2.0 401 "), "{stranger}");
    house.wait_for_metric(r#"vaxel_sip_messages_total{direction="received",kind="OPTIONS"}"#, 5.0);
    house.wait_for_metric(r#"vaxel_sip_messages_total{direction="sent",kind="2xx"}"#, 4.0);
}

#[test]
fn strange_bytes_harm_nobody() {
    let house = House::new();
    let noise: Vec<u8> = (0..5000_u32).map(|n| ((n * 7919) >> 3) as u8).collect();
    for ipv4 in [true, false] {
        let socket = UdpSocket::bind((carrier(ipv4), 0)).unwrap();
        for bytes in [&noise[..], b"", b"\r\n\r\n", b"INVITE", &[0; 1000], b"SIP/2.0 200 OK\r\n\r\n", &noise[..1]] {
            socket.send_to(bytes, house.sip(Udp, ipv4)).unwrap();
        }
        let mut stream = connect(carrier(ipv4), house.sip(Tcp, ipv4));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&noise).unwrap();
        // It is no SIP, so it is cut without an answer.
        match stream.read(&mut [0; 100]) {
            Ok(length) => assert_eq!(length, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    assert!(exchange(Udp, carrier(true), house.sip(Udp, true), request("OPTIONS", Udp).as_bytes()).contains(" 200 "));
    assert_eq!(house.get("/healthz").0, 200);
}

#[test]
fn agents_register_with_their_passwords_and_no_other() {
    let house = House::new();
    for (transport, agent) in [(Udp, "anna"), (Tcp, "bjorn")] {
        let server = house.sip(transport, true);
        let before = house.metrics()["vaxel_sip_authentication_failures_total"];
        let mut thief = Person::new(transport, HERE, server, agent, Some("wrong".into()));
        thief.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        let failed = until(&mut [&mut thief], 0, |event| !matches!(event, PhoneEvent::Registered));
        assert!(matches!(failed, PhoneEvent::RegistrationFailed { code: 401 | 403 }), "{failed:?}");
        house.wait_until("vaxel_sip_authentication_failures_total", |failures| failures > before, || thief.turn());
        let mut phone = Person::new(transport, HERE, server, agent, Some(house.password(agent)));
        phone.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        until(&mut [&mut phone], 0, |event| *event == PhoneEvent::Registered);
        house.wait_for_metric(r#"vaxel_agents{state="ready"}"#, 1.0);
        phone.does(|phone, now| phone.unregister(now));
        house.wait_until(r#"vaxel_agents{state="offline"}"#, |offline| offline == 2.0, || phone.turn());
    }
}

#[test]
fn a_phone_that_moves_in_a_talk_and_registers_again_hears_the_end_where_it_is_now() {
    for transport in [Udp, Tcp] {
        let house = House::new();
        let mut caller = Person::new(Udp, carrier(true), house.sip(Udp, true), "+46701234567", None);
        let server = house.sip(transport, true);
        let mut anna = Person::new(transport, HERE, server, "anna", Some(house.password("anna")));
        anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
        caller.does(|phone, now| phone.call(now, "300"));
        until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
        anna.does(|phone, now| phone.answer(now));
        until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        anna.moves();
        anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::Registered);
        caller.does(|phone, now| phone.hang_up(now));
        until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::Ended);
    }
}

#[test]
fn a_phone_whose_connection_is_lost_is_offline_at_once() {
    let house = House::new();
    let mut phone = Person::new(Tcp, HERE, house.sip(Tcp, true), "anna", Some(house.password("anna")));
    phone.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut phone], 0, |event| *event == PhoneEvent::Registered);
    house.wait_for_metric(r#"vaxel_agents{state="ready"}"#, 1.0);
    drop(phone);
    house.wait_for_metric(r#"vaxel_agents{state="offline"}"#, 2.0);
}

/// Queue counts as scraped: entries, exits, waiting.
fn line(house: &House, queue: &str) -> (f64, f64, f64) {
    let scraped = house.metrics();
    let of_queue = format!("queue=\"{queue}\"");
    let sum = |family: &str| {
        let series = scraped.iter().filter(|(name, _)| name.starts_with(family) && name.contains(&of_queue));
        series.map(|(_, value)| value).sum::<f64>()
    };
    (sum("vaxel_queue_entries_total{"), sum("vaxel_queue_exits_total{"), sum("vaxel_queue_waiting{"))
}

#[test]
fn a_caller_waits_and_talks_and_it_is_counted_and_recorded() {
    for transport in [Udp, Tcp] {
        let mut house = House::new();
        let server = house.sip(transport, true);
        let mut caller = Person::new(transport, carrier(true), server, "+46701234567", None);
        caller.does(|phone, now| phone.call(now, "300"));
        until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
        house.wait_for_metric(r#"vaxel_queue_waiting{queue="sales"}"#, 1.0);
        assert_eq!(line(&house, "sales"), (1.0, 0.0, 1.0));
        // Music.
        house.wait_until(r#"vaxel_rtp_packets_total{direction="sent"}"#, |sent| sent > 0.0, || caller.turn());
        house.wait_for_metric("vaxel_media_legs", 1.0);
        let mut anna = Person::new(transport, HERE, server, "anna", Some(house.password("anna")));
        anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
        house.wait_for_metric(r#"vaxel_agents{state="offered"}"#, 1.0);
        anna.does(|phone, now| phone.answer(now));
        house.wait_for_metric(r#"vaxel_agents{state="talking"}"#, 1.0);
        house.wait_for_metric(r#"vaxel_queue_exits_total{exit="answered",queue="sales"}"#, 1.0);
        assert_eq!(line(&house, "sales"), (1.0, 1.0, 0.0));
        let board = house.service().board();
        let call = board.calls().values().next().expect("a call is up");
        assert_eq!((call.from.as_str(), call.with.as_deref()), ("+46701234567", Some("anna")));
        caller.does(|phone, now| phone.hang_up(now));
        until(&mut [&mut anna, &mut caller], 0, |event| *event == PhoneEvent::Ended);
        // Of a call's messages rsip reads at least the challenge, INVITE, ACK, BYE and every answer.
        assert!(anna.agreed >= 5 && caller.agreed >= 3, "{} {}", anna.agreed, caller.agreed);
        house.wait_for_metric(r#"vaxel_calls_ended_total{by="caller"}"#, 1.0);
        house.wait_for_metric("vaxel_store_records_total", 1.0);
        let scraped = house.metrics();
        assert_eq!(scraped[r#"vaxel_calls_total{trunk="carrier"}"#], 1.0);
        assert_eq!(scraped[r#"vaxel_offers_total{outcome="accepted",queue="sales"}"#], 1.0);
        assert_eq!(scraped[r#"vaxel_queue_answered_in_service_level_total{queue="sales"}"#], 1.0);
        let in_target = r#"vaxel_queue_wait_seconds_bucket{outcome="answered",queue="sales",le="17"}"#;
        assert_eq!(scraped[in_target], 1.0);
        house.wait_for_metric("vaxel_media_legs", 0.0);
        house.close();
        let records = house.records();
        let [record] = &records[..] else { panic!("one call, one record") };
        assert_eq!((record.from.as_str(), record.to.as_str(), &*record.trunk), ("+46701234567", "300", "carrier"));
        assert_eq!(record.ended_by, EndedBy::Caller);
        assert_eq!(record.waits.iter().map(|wait| wait.exit).collect::<Vec<_>>(), [Some(Exit::Answered)]);
        let offers: Vec<_> = record.offers.iter().map(|offer| (&*offer.agent, offer.outcome)).collect();
        assert_eq!(offers, [("anna", Some(Outcome::Accepted))]);
        assert_eq!(record.talks.iter().map(|talk| &*talk.with).collect::<Vec<_>>(), ["anna"]);
        assert_eq!(record.media.len(), 2);
        assert!(record.answered.is_some() && record.ended > record.started && !record.truncated);
    }
}

#[test]
fn a_phone_that_is_gone_costs_no_ring_time() {
    let house = House::new();
    let server = house.sip(Udp, true);
    let mut anna = Person::new(Udp, HERE, server, "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(600)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    drop(anna);
    let began = Instant::now();
    let _caller = caller_in_line(server);
    house.wait_for_metric(r#"vaxel_offers_total{outcome="unreachable",queue="sales"}"#, 1.0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn draining_refuses_new_calls_and_ends_when_the_last_one_does() {
    let mut house = House::new();
    assert_eq!(house.get("/readyz").0, 200);
    let mut caller = caller_in_line(house.sip(Udp, true));
    house.service().drain();
    let (status, body) = house.get("/readyz");
    assert_eq!((status, body.as_str()), (503, "draining\n"));
    assert_eq!(house.get("/healthz").0, 200);
    let refused = exchange(Udp, carrier(true), house.sip(Udp, true), request("INVITE", Udp).as_bytes());
    assert!(refused.starts_with("SIP/2.0 503 ") && refused.contains("\r\nRetry-After: "), "{refused}");
    house.wait_for_metric(r#"vaxel_calls_refused_total{reason="draining"}"#, 1.0);
    // Who signs junk is not told of it.
    let mut stranger = Asker::new(Udp, HERE, house.sip(Udp, true));
    let refused = stranger.sign(&Ask::new("INVITE", "sip:300@vaxel", "anna"), "anna", "junk");
    assert_eq!((refused.code, refused.headers.has("Retry-After")), (403, false));
    caller.does(|phone, now| phone.hang_up(now));
    let waited = std::thread::spawn(move || {
        house.close();
        house
    });
    let began = Instant::now();
    while !waited.is_finished() {
        assert!(began.elapsed() < PATIENCE, "the service did not end");
        caller.turn();
    }
    let house = waited.join().unwrap();
    assert_eq!(house.records().len(), 1);
}

#[test]
fn a_drain_ends_calls_at_its_limit() {
    let mut house = House::with("\n[limits]\ndrain = \"1s\"\n");
    let mut caller = caller_in_line(house.sip(Udp, true));
    house.service().drain();
    until(&mut [&mut caller], 0, |event| *event == PhoneEvent::Ended);
    house.close();
    let records = house.records();
    assert_eq!((records.len(), records[0].ended_by), (1, EndedBy::System));
}

#[test]
fn a_slow_sender_is_cut_and_others_are_not() {
    let house = House::new();
    let mut slow = connect(carrier(true), house.sip(Tcp, true));
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nVia: ").unwrap();
    let mut good = connect(carrier(true), house.sip(Tcp, true));
    good.set_read_timeout(Some(PATIENCE)).unwrap();
    good.write_all(request("OPTIONS", Tcp).as_bytes()).unwrap();
    assert!(good.read(&mut [0; 4096]).unwrap() > 0);
    assert_eq!(slow.read(&mut [0; 100]).unwrap(), 0);
    house.wait_for_metric(r#"vaxel_sip_errors_total{reason="slow_sender"}"#, 1.0);
    good.write_all(request("OPTIONS", Tcp).as_bytes()).unwrap();
    assert!(good.read(&mut [0; 4096]).unwrap() > 0);
}

#[test]
fn two_services_do_not_share_a_data_folder() {
    let house = House::new();
    let error = Service::start(&settings(house.folder(), "")).err().expect("the second is refused").to_string();
    assert!(error.contains("in use by another vaxel"), "{error}");
}

#[test]
fn the_start_says_what_a_newcomer_needs_and_no_password_that_was_not_asked_for() {
    let house = House::new();
    let made_up = house.password("anna");
    let shown = house.service().announcement(true);
    for part in [
        format!("udp {}", house.sip(Udp, true)),
        format!("tcp {}", house.sip(Tcp, false)),
        "300 (flow sales)".into(),
        format!("anna, password {made_up}"),
        "bjorn, password as in the settings".into(),
        format!("http://{}/metrics", house.service().http()),
    ] {
        assert!(shown.contains(&part), "{part} is not in\n{shown}");
    }
    let hidden = house.service().announcement(false);
    assert!(!hidden.contains(&made_up) && hidden.contains("agents.toml"), "{hidden}");
    assert!(!shown.contains("correct horse"), "{shown}");
}

#[test]
fn a_flow_that_is_wrong_stops_the_start_with_its_place() {
    let (data, flows) = (Folder::new(), Folder::new());
    std::fs::write(flows.0.join("sales.yaml"), "flow: sales\nlanguages: [en]\nstart: nowhere\nsteps: {}\n").unwrap();
    let more = format!("\n[flows]\nfolder = \"{}\"\n", flows.0.display());
    let error = Service::start(&settings(&data.0, &more)).err().expect("it does not start").to_string();
    assert!(error.contains("sales.yaml:"), "{error}");
}

fn caller_in_line(server: SocketAddr) -> Person {
    let mut caller = Person::new(Udp, carrier(true), server, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut caller], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    caller
}

#[test]
fn sigterm_lets_calls_end_and_then_the_process() {
    let mut program = Program::start(Stdio::inherit(), "warn");
    let mut caller = caller_in_line(program.sip);
    program.signal(Signal::TERM);
    let began = Instant::now();
    while house::get(program.http, "/readyz").0 != 503 {
        assert!(began.elapsed() < PATIENCE);
    }
    assert!(program.process.try_wait().unwrap().is_none(), "a call is up");
    caller.does(|phone, now| phone.hang_up(now));
    assert_eq!(program.end(|| caller.turn()), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut program = Program::start(Stdio::inherit(), "warn");
    let _caller = caller_in_line(program.sip);
    program.signal(Signal::INT);
    let began = Instant::now();
    while house::get(program.http, "/readyz").0 != 503 {
        assert!(began.elapsed() < PATIENCE);
    }
    program.signal(Signal::TERM);
    assert_eq!(program.end(|| std::thread::sleep(Duration::from_millis(5))), Some(0));
}
