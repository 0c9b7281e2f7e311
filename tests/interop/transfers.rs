//! Agents' phones transfer callers: who hears whom afterwards, and what the record says. And the whole service pauses.

use crate::pjsua::Pjsua;
use crate::server::{self, Folder, Server};
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound, tone_millis};
use crate::{ANNA, BJORN, CALLER, SOON, agent, list};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message, WebSocket, client};

fn names(record: &Value) -> Vec<&str> {
    list(record, "talks").iter().filter_map(|talk| talk["with"].as_str()).collect()
}

#[test]
fn baresip_sends_a_caller_to_a_colleague_and_one_whom_nobody_takes_comes_back_to_the_queue() {
    let folder = Folder::new("blind");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "manual", "tcp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    anna.transfer(&format!("sip:202@{}", server.sip));
    bjorn.wait_for("CALL_INCOMING", SOON);
    let before = sound.heard().len();
    bjorn.command("hangup");
    // Version 1.0 hangs up by itself when it hears of the failure, and says nothing of that.
    server.wait_for_metric("vaxel_transfers_total{kind=\"blind\",result=\"failed\"}", 1.0, SOON);
    // The caller is next in the queue, and anna is still in wrap-up.
    bjorn.wait_for("CALL_INCOMING", SOON);
    bjorn.command("accept");
    server::wait_for("the caller to hear bjorn", SOON, || {
        (tone_millis(&sound.heard()[before..], BJORN) >= 1500).then_some(())
    });
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let before = sound.heard().len();
    bjorn.transfer(&format!("sip:201@{}", server.sip));
    anna.wait_for("CALL_ESTABLISHED", SOON);
    bjorn.wait_for("CALL_CLOSED", SOON);
    server::wait_for("the caller to hear anna again", SOON, || {
        (tone_millis(&sound.heard()[before..], ANNA) >= 1500).then_some(())
    });
    server.wait_for_metric("vaxel_agents{state=\"busy\"}", 1.0, SOON);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    assert!(tone_millis(&bjorn.heard(), CALLER) >= 1000);
    anna.command("hangup");
    caller.finish(Duration::from_secs(30));
    let record = &server.contacts(1)[0];
    assert_eq!(names(record), ["anna", "anna", "bjorn", "anna"], "anna had the caller back for a moment");
    let codes: Vec<_> = list(record, "segments").iter().map(|segment| segment["code"].as_u64()).collect();
    assert_eq!(codes, [None, Some(486), Some(200)]);
    assert_eq!(list(record, "waits").len(), 2);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
}

#[test]
fn pjsua_asks_a_colleague_and_joins_the_two() {
    let folder = Folder::new("attended");
    let server = Server::start(&folder);
    let mut anna = Pjsua::start(&folder, server.sip, "anna", "anna-secret", ANNA);
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let mut bjorn = agent(&folder, &server, "bjorn", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    let sound = Sound::new(CALLER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &sound);
    anna.wait_for("call 0 CONFIRMED");
    sound.wait_for_tone(ANNA, 1000);
    anna.does("dial 202");
    bjorn.wait_for("CALL_ESTABLISHED", SOON);
    server::wait_for("bjorn to hear anna", SOON, || (tone_millis(&bjorn.heard(), ANNA) >= 500).then_some(()));
    anna.does("attend");
    anna.wait_for("transfer 200");
    sound.wait_for_tone(BJORN, 1500);
    server::wait_for("bjorn to hear the caller", SOON, || (tone_millis(&bjorn.heard(), CALLER) >= 1000).then_some(()));
    anna.wait_for("call 0 DISCONNECTED");
    anna.wait_for("call 1 DISCONNECTED");
    server.wait_for_metric("vaxel_calls", 1.0, SOON);
    server.wait_for_metric("vaxel_transfers_total{kind=\"attended\",result=\"connected\"}", 1.0, SOON);
    bjorn.command("hangup");
    caller.finish(Duration::from_secs(30));
    let records = server.contacts(2);
    let record = records.iter().find(|record| record["from"] == "+46701234567").expect("the caller's record");
    assert_eq!(names(record), ["anna", "bjorn"]);
    let joined = &list(record, "segments")[1];
    assert_eq!((&joined["kind"], &joined["by"], &joined["code"]), (&"attended".into(), &"anna".into(), &200.into()));
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
}

#[test]
fn after_a_pause_of_the_whole_process_nothing_is_lost_and_nothing_is_done_twice() {
    let folder = Folder::new("pause");
    let server = Server::start(&folder);
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let (talks, dials) = (Sound::new(CALLER), Sound::new(CALLER));
    let talking = Sipp::start(&folder, server.sip, "stays_info", "100", &talks);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    talks.wait_for_tone(ANNA, 1000);
    // Where SIPp speaks TCP, pages speak beside it.
    let mut page = Page::open((Ipv4Addr::new(127, 0, 0, 2), server.sip.port()).into());
    page.asks(1);
    server.pause();
    // Its INVITE is sent again and again meanwhile.
    let dialling = Sipp::start_for(&folder, server.sip, "hangs_up_info", "100", &dials, Duration::from_secs(6));
    // Longer than a WebSocket may be silent.
    std::thread::sleep(Duration::from_secs(5));
    server.go_on();
    page.asks(2);
    drop(page);
    let before = talks.heard().len();
    server::wait_for("the talk to go on", SOON, || (tone_millis(&talks.heard()[before..], ANNA) >= 2000).then_some(()));
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 1.0, SOON);
    dialling.finish(Duration::from_secs(30));
    anna.command("hangup");
    talking.finish(Duration::from_secs(30));
    let records = server.contacts(2);
    assert_eq!(records.len(), 2, "each call came once: {records:#?}");
    assert!(records.iter().all(|record| record["ended_by"] != "system"), "{records:#?}");
    assert_eq!(server.metric("vaxel_calls_total{trunk=\"local\"}"), Some(2.0));
    assert_eq!(server.metric("vaxel_calls"), Some(0.0));
    assert_eq!(server.metric("vaxel_sip_errors_total{reason=\"no_pong\"}"), Some(0.0));
}

/// A phone in a page, as far as its connection goes.
struct Page(WebSocket<TcpStream>);

impl Page {
    fn open(at: SocketAddr) -> Page {
        let stream = TcpStream::connect(at).expect("the service listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
        let request = ClientRequestBuilder::new("ws://vaxel/sip".parse().expect("a URI")).with_sub_protocol("sip");
        Page(client(request, stream).expect("the service speaks WebSocket").0)
    }

    /// Asks whether the service is there, and answers its pings until it says so.
    fn asks(&mut self, number: u32) {
        let options = format!(
            "OPTIONS sip:vaxel SIP/2.0\r\nVia: SIP/2.0/WS page.invalid;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:page@vaxel>;tag=1\r\nTo: <sip:vaxel>\r\nCall-ID: page\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        self.0.send(Message::text(options)).expect("the connection is open");
        loop {
            match self.0.read().expect("the connection is open") {
                Message::Ping(_) => {}
                Message::Text(answer) => {
                    assert!(
                        answer.starts_with("SIP/2.0 200 ") && answer.contains(&format!("CSeq: {number} ")),
                        "{answer}"
                    );
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
