//! Callers who wait in line before the answer: what they hear and are told, who answers them, and how they give up.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server};
use crate::sipp::{Play, Sipp};
use crate::sound::{Ear, Sound};
use crate::{ANNA, CALLER, SOON, agent, list};
use std::time::Duration;

const END: Duration = Duration::from_secs(30);

const FLOW: &str = "flow: line
languages: [en]
start: line
steps:
  line:
    queue: { name: sales, answer: false, while_waiting: { music: calm }, failed: nobody-free }
  nobody-free:
    hangup: { prompt: nobody-free, answer: false, code: unavailable }
";

/// A switchboard whose number 303 leads into a line that does not answer.
fn house(name: &str) -> (Folder, Server) {
    let folder = Folder::new(name);
    let flows = folder.path().join("flows");
    std::fs::create_dir(&flows).expect("our own folder");
    std::fs::write(flows.join("line.yaml"), FLOW).expect("our own folder");
    let numbers = "[{ number = \"303\", flow = \"line\" }]";
    let server =
        Server::start_with(&folder, &[("VAXEL_FLOWS__FOLDER", &flows.to_string_lossy()), ("VAXEL_NUMBERS", numbers)]);
    (folder, server)
}

#[test]
fn a_caller_in_line_hears_music_by_acknowledged_answers_until_the_agent_answers() {
    let (folder, server) = house("unanswered");
    let sound = Sound::new(CALLER);
    let script = Script::new("+46701234567", "303")
        .invites_with(&[("Require", "100rel")], Offer::at(sound.port()))
        .gets_reliably(182, "182 Queued, number 1 in line")
        .gets_reliably(183, "m=audio")
        .reaches("in line")
        .gets(200)
        .acknowledges()
        .waits_for_bye();
    let mut caller = Sipp::play(&folder, &Play::new("caller", server.sip), &script);
    caller.wait_until("in line", SOON);
    sound.wait_for_music_since(sound.now(), 500, &[ANNA]);
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 1.0, SOON);
    caller.go_on();
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    sound.wait_for_tone(ANNA, 1000);
    anna.wait_for_tone(CALLER, 1000);
    anna.command("hangup");
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!(list(record, "waits")[0]["exit"], "answered");
    let (joined, answered) = (&list(record, "waits")[0]["since"], &record["answered"]);
    assert!(answered.as_u64() > joined.as_u64().map(|joined| joined + 500_000), "answered by the agent: {record}");
    server.wait_for_metric("vaxel_queue_exits_total{exit=\"answered\",queue=\"sales\"}", 1.0, SOON);
}

#[test]
fn a_caller_in_line_who_cancels_has_abandoned_and_was_never_answered() {
    let (folder, server) = house("unanswered-cancel");
    let sound = Sound::new(CALLER);
    let script = Script::new("+46701234567", "303")
        .invites(Offer::at(sound.port()))
        .gets_saying(182, "182 Queued, number 1 in line")
        .gets_saying(183, "m=audio")
        .reaches("in line")
        .cancels()
        .gets(200)
        .gets(487)
        .acknowledges_refusal();
    let mut caller = Sipp::play(&folder, &Play::new("caller", server.sip), &script);
    caller.wait_until("in line", SOON);
    sound.wait_for_music_since(sound.now(), 1500, &[ANNA]);
    caller.go_on();
    caller.finish(END);
    let record = &server.contacts(1)[0];
    assert_eq!((&list(record, "waits")[0]["exit"], &record["ended_by"]), (&"abandoned".into(), &"caller".into()));
    assert!(record["answered"].is_null(), "{record}");
    server.wait_for_metric("vaxel_queue_waiting{queue=\"sales\"}", 0.0, SOON);
}
