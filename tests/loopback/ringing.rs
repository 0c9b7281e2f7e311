//! What is heard while it rings.

use crate::house::{Folder, House, PATIENCE};
use crate::oracle::rsip_agrees;
use std::time::{Duration, Instant};
use vaxel::audio::measure;
use vaxel::edge::Clock;
use vaxel::edge::softphone::{Do, SoftPhone};
use vaxel::sim::PhoneEvent;
use vaxel::sip::Transport::Udp;

const FLOW: &str = "
flow: sales
languages: [en]
start: anna
steps:
  anna: { transfer: { agent: anna, next: end, failed: end } }
  end: { hangup: {} }
";

/// What Anna's phone speaks, in hertz.
const ANNA: f64 = 1000.0;

/// Waits until this tone was heard for so long without a hole.
fn hears(phone: &SoftPhone, frequency: f64, millis: u64) {
    let began = Instant::now();
    loop {
        let heard = measure::longest_tone_millis(&phone.heard(), frequency, -30.0, 8000);
        if heard >= millis {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{} heard {frequency} Hz for {heard} ms", phone.name);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_is_transferred_hears_ringing_and_then_the_agent() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("our own folder");
    let house = House::with(&format!("[flows]\nfolder = \"{}\"\n", flows.0.display()));
    let clock = Clock::start();
    let password = house.password("anna");
    let anna = SoftPhone::start(house.sip(Udp, true), "anna", Some(&password), ANNA, clock, 1).expect("a phone");
    anna.act(Do::Register);
    anna.until("being registered", PATIENCE, |event| *event == PhoneEvent::Registered).expect("it is");
    let caller = SoftPhone::start(house.sip(Udp, false), "+46701", None, 700.0, clock, 2).expect("a phone");
    caller.act(Do::Call("300".into()));
    caller.until("an answer", PATIENCE, |event| matches!(event, PhoneEvent::Connected { .. })).expect("it comes");
    anna.until("being rung", PATIENCE, |event| matches!(event, PhoneEvent::Rings { .. })).expect("she is");
    hears(&caller, 425.0, 900);
    anna.act(Do::Answer);
    hears(&caller, ANNA, 1500);
    let heard = caller.heard();
    let talk = &heard[heard.len() - 8000..];
    assert!(measure::level(talk, 425.0, 8000) < -50.0, "it rings no more");
    assert!(measure::longest_tone_millis(&heard, 425.0, -30.0, 8000) < 1200, "one second of five");
    // The answers to INVITE and REGISTER, the INVITE and the ACK at least.
    for (phone, least) in [(&anna, 4), (&caller, 2)] {
        assert!(phone.came().iter().filter(|bytes| rsip_agrees(bytes)).count() >= least);
    }
}
