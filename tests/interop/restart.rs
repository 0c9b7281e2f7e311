//! The service is killed while calls are up, and started again.

use crate::server::{Folder, Server, wait_for};
use crate::sipp::Sipp;
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent, list, outcomes};
use std::time::{Duration, Instant};

/// What the caller after the restart speaks.
const LATER: f64 = 550.0;
/// REGISTERs that came since the start.
const REGISTERS: &str = "vaxel_sip_messages_total{direction=\"received\",kind=\"REGISTER\"}";

#[test]
fn killed_while_calls_are_up_it_is_soon_back_with_all_records_and_its_phones() {
    let folder = Folder::new("restart");
    let mut server = Server::start(&folder);
    let (sip, http) = (server.sip.port(), server.http.port());
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let (talks, waits) = (Sound::new(CALLER), Sound::new(CALLER));
    let talking = Sipp::start(&folder, server.sip, "stays_info", "100", &talks);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    let waiting = Sipp::start(&folder, server.sip, "stays", "101", &waits);
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 1.0, SOON);
    talks.wait_for_tone(ANNA, 2000);
    wait_for("the disk to know of the talk and of the wait", SOON, || {
        let up = server.open_calls();
        (up.len() == 2 && !list(&up[0], "talks").is_empty() && !list(&up[1], "waits").is_empty()).then_some(())
    });

    let killed = Instant::now();
    server.kill();
    let server = Server::restart(&folder, sip, http, &[]);
    let back = killed.elapsed();
    assert!(back < Duration::from_secs(5), "it took {back:?} to be back");
    // Their phones are silent too: the range of ports is small, and what is still sent to a port of before may find a new call.
    drop((talking, waiting, talks, waits));

    let records = server.contacts(2);
    for record in &records {
        assert_eq!(record["ended_by"], "system_fault");
        assert_eq!(record["cause"], "the service stopped while the call was up");
    }
    assert_eq!(outcomes(&records[0]), [("anna".into(), "accepted".into())]);
    assert_eq!(list(&records[0], "waits")[0]["exit"], "answered");
    assert!(list(&records[0], "talks")[0]["talked_ms"].as_u64() >= Some(1000), "{}", records[0]);
    assert_eq!(list(&records[1], "waits")[0]["exit"], "system_fault");
    assert!(list(&records[1], "offers").is_empty());
    assert!(server.open_calls().is_empty());

    // Her registration was kept: she is ready although her phone, which registers once a minute, said nothing yet. It has no
    // way to know that nobody is there any more, so she hangs up.
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    assert_eq!(server.metric(REGISTERS), Some(0.0), "it came back by itself: this run was too slow to show anything");
    anna.command("hangup");
    anna.wait_for("CALL_CLOSED", SOON);
    let later = Sound::new(LATER);
    let caller = Sipp::start(&folder, server.sip, "stays_info", "100", &later);
    anna.wait_for("CALL_ESTABLISHED", SOON);
    later.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(LATER, 1000);
    anna.command("hangup");
    caller.finish(Duration::from_secs(30));
    let record = &server.contacts(3)[2];
    assert_eq!((&record["ended_by"], outcomes(record)), (&"flow".into(), vec![("anna".into(), "accepted".into())]));
}
