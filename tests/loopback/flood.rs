//! Strangers by the thousand, and a phone and a talk that must not notice. `FLOOD_SECONDS=10 cargo test --release --test
//! loopback flood -- --nocapture` is the whole of it, on a machine that has nothing else to do, and then every bound holds;
//! without the variable it is two seconds, whatever runs beside it, and the bounds are wide. Its last line has the figures.

use crate::HERE;
use crate::asker::{Ask, Asker, fresh, read};
use crate::house::{PATIENCE, metrics};
use crate::oracle::rsip_agrees;
use crate::program::Program;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vaxel::audio::measure;
use vaxel::edge::Clock;
use vaxel::edge::softphone::{Do, SoftPhone};
use vaxel::sim::PhoneEvent;
use vaxel::sip::Message;
use vaxel::sip::Transport::Udp;

const PER_SECOND: usize = 5000;
const SOURCES: u8 = 200;
/// Two more agents.
pub const MORE: &str = r#"
[[agents]]
name = "carla"
number = "203"
password = "carla's secret"
[[agents]]
name = "dora"
number = "204"
password = "dora's secret"
"#;

/// INVITEs of strangers from many addresses at a steady pace, until told to stop; says how many.
fn flood(server: SocketAddr, stop: &AtomicBool) -> usize {
    let socket = |n: u8| UdpSocket::bind((Ipv4Addr::new(127, 1, 0, n), 0)).expect("all of 127/8 is ours");
    let sockets: Vec<_> = (1..=SOURCES).map(socket).collect();
    let began = Instant::now();
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * PER_SECOND as f64) as usize;
        while sent < due {
            let id = fresh();
            // Some pretend to be in a dialog, or to have been challenged.
            let (tag, more) = match sent % 10 {
                0 => (";tag=x", ""),
                1 => (
                    "",
                    "Authorization: Digest username=\"anna\",realm=\"sip\",nonce=\"0\",uri=\"sip:300@vaxel\",response=\"0\"\r\n",
                ),
                _ => ("", ""),
            };
            let text = format!(
                "INVITE sip:300@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK{id}\r\nFrom: <sip:x@vaxel>;tag=1\r\n\
                 To: <sip:300@vaxel>{tag}\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.1>\r\n{more}Content-Length: 0\r\n\r\n"
            );
            // A full buffer of the system's loses it, as a network would.
            drop(sockets[sent % sockets.len()].send_to(text.as_bytes(), server));
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    sent
}

/// Milliseconds of each answer to the OPTIONS of a registered phone, one after the other for so long.
fn asks(phone: &mut Asker, limit: Duration) -> Vec<f64> {
    let end = Instant::now() + limit;
    let mut times = Vec::new();
    while Instant::now() < end {
        times.push(asks_once(phone));
        std::thread::sleep(Duration::from_millis(10));
    }
    times.sort_by(f64::total_cmp);
    times
}

fn asks_once(phone: &mut Asker) -> f64 {
    let text = phone.write(&Ask::new("OPTIONS", "sip:vaxel", "dora"));
    let id = read(&text).headers.call_id().expect("we wrote one").to_owned();
    let began = Instant::now();
    // What the system's buffer has no room for is lost; a phone asks again (Timer E).
    while !is_answered(phone, &text, &id) {
        assert!(began.elapsed() < PATIENCE, "the phone is not answered");
    }
    began.elapsed().as_secs_f64() * 1e3
}

/// The longest time, in milliseconds, in which nothing was heard, until told to stop.
pub fn silence(phone: &SoftPhone, stop: &AtomicBool) -> f64 {
    let (mut heard, mut since, mut longest) = (phone.heard_samples(), Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let now = phone.heard_samples();
        longest = longest.max(since.elapsed());
        if now != heard {
            (heard, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    longest.as_secs_f64() * 1e3
}

fn is_answered(phone: &mut Asker, text: &str, id: &str) -> bool {
    phone.send(text.as_bytes());
    let is_it = |message: &Message| message.headers().get("Call-ID") == Some(id);
    std::iter::from_fn(|| phone.next(Duration::from_millis(500))).any(|message| is_it(&message))
}

fn shown(times: &[f64]) -> String {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    format!("{} answers, median {:.2} ms, 99 % {:.2} ms, longest {:.2} ms", times.len(), at(0.5), at(0.99), at(1.0))
}

/// Bjorn and Carla talk; he hears 1000 Hz.
pub fn talk(program: &Program) -> (SoftPhone, SoftPhone) {
    let clock = Clock::start();
    let phone = |user: &str, password: &str, tone, seed| {
        let phone = SoftPhone::start(program.sip, user, Some(password), tone, clock, seed).expect("a phone");
        phone.act(Do::Register);
        phone.until("being registered", PATIENCE, |event| *event == PhoneEvent::Registered).expect("it is");
        phone
    };
    let (bjorn, carla) = (phone("bjorn", "correct horse", 700.0, 1), phone("carla", "carla's secret", 1000.0, 2));
    bjorn.act(Do::Call("203".into()));
    carla.until("being rung", PATIENCE, |event| matches!(event, PhoneEvent::Rings { .. })).expect("she is");
    carla.act(Do::Answer);
    bjorn.until("an answer", PATIENCE, |event| matches!(event, PhoneEvent::Connected { .. })).expect("it comes");
    let began = Instant::now();
    while measure::longest_tone_millis(&bjorn.heard(), 1000.0, -30.0, 8000) < 500 {
        assert!(began.elapsed() < PATIENCE, "they hear each other");
        std::thread::sleep(Duration::from_millis(20));
    }
    (bjorn, carla)
}

#[test]
fn a_flood_of_strangers_is_noticed_by_no_phone_and_no_talk() {
    let wanted: Option<u64> = std::env::var("FLOOD_SECONDS").ok().and_then(|s| s.parse().ok());
    let (seconds, is_whole) = (wanted.unwrap_or(2), wanted.is_some());
    let mut program = Program::start_with(Stdio::inherit(), "error", MORE);
    let (bjorn, carla) = talk(&program);
    let mut dora = Asker::new(Udp, HERE, program.sip);
    assert_eq!(dora.sign(&Ask::new("REGISTER", "sip:vaxel", "dora"), "dora", "dora's secret").code, 200);
    let quiet = asks(&mut dora, Duration::from_millis(500));
    println!("quiet   {}", shown(&quiet));

    let (heard_before, memory_before) = (bjorn.heard().len(), program.kilobytes());
    let talk = Instant::now();
    let stop = AtomicBool::new(false);
    let (during, sent, flooded, silence, first) = std::thread::scope(|scope| {
        let began = Instant::now();
        let flooding = scope.spawn(|| flood(program.sip, &stop));
        let asking = scope.spawn(|| {
            let over = Over(&stop);
            let times = asks(&mut dora, Duration::from_secs(seconds));
            drop(over);
            (times, asks_once(&mut dora))
        });
        let silence = silence(&bjorn, &stop);
        let sent = flooding.join().expect("it stops");
        let flooded = began.elapsed().as_secs_f64();
        let (times, first) = asking.join().expect("it is answered");
        (times, sent, flooded, silence, first)
    });
    println!("flooded {} by {sent} INVITEs in {flooded:.2} s", shown(&during));
    let after = asks(&mut dora, Duration::from_secs(1));
    println!("after   {}", shown(&after));
    let talked = talk.elapsed();
    let heard = bjorn.heard();
    let percent = 100.0 * (heard.len() - heard_before) as f64 / (talked.as_secs_f64() * 8000.0);
    let longest = measure::longest_tone_millis(&heard[heard_before..], 1000.0, -30.0, 8000);
    let scraped = metrics(program.http);
    let errors: Vec<_> = scraped.iter().filter(|(name, n)| name.starts_with("vaxel_sip_errors") && **n > 0.0).collect();
    println!("engine  {} transactions, {errors:?}", scraped["vaxel_sip_transactions"]);

    let at = |times: &[f64], part: f64| times[((times.len() - 1) as f64 * part) as usize];
    // A panic anywhere ends the process.
    let panics = usize::from(program.process.try_wait().expect("it can be asked").is_some());
    println!(
        "flood: {sent} INVITEs sent in {flooded:.1} s ({:.0} a second); {} OPTIONS answered, slowest {:.1} ms (bound 50), 99 % {:.2}; talk: \
         {percent:.1} % of the sound came, tone without a gap for {longest} of {} ms, nothing heard for {silence:.0} ms at most (bound 100); \
         first answer after the flood {first:.1} ms (bound 1000), slowest {:.1}; memory +{:.1} MB; panics {panics}",
        sent as f64 / flooded,
        during.len(),
        at(&during, 1.0),
        at(&during, 0.99),
        talked.as_millis(),
        at(&after, 1.0),
        program.kilobytes().saturating_sub(memory_before) as f64 / 1024.0
    );
    assert_eq!(panics, 0);
    for phone in [&bjorn, &carla] {
        assert!(phone.came().iter().filter(|bytes| rsip_agrees(bytes)).count() >= 4);
    }
    if is_whole {
        assert!(sent as f64 >= 0.98 * PER_SECOND as f64 * flooded, "{sent} in {flooded} s: not all of the flood");
        assert!(at(&during, 1.0) < 50.0, "the phone waits: {}", shown(&during));
        assert!(silence < 100.0 && percent > 99.0, "the talk has a gap of {silence} ms, {percent} % came");
        assert!(first < 1000.0 && at(&after, 1.0) < 50.0, "{first} ms until all is well; then {}", shown(&after));
    }
    // What must hold beside whatever else runs, unoptimised.
    assert!(sent >= PER_SECOND * seconds as usize / 2, "{sent}: it was no flood");
    assert!(at(&during, 0.5) < 500.0 && at(&after, 0.5) < 50.0);
    assert!(percent > 95.0 && u128::from(longest) * 2 > talked.as_millis(), "the talk has gaps");
    // Each of the phone's own is remembered for half a minute (Timer J).
    let own = (quiet.len() + during.len() + after.len()) as f64;
    assert!(scraped["vaxel_sip_transactions"] < own + 50.0, "strangers leave nothing behind");
    assert_eq!(scraped["vaxel_events_lost_total"], 0.0);
}

/// Ends the flood, also when the asking fails: the others would go on for ever.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
