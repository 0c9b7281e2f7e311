//! Who guesses passwords, measured on the wire: how soon it is cut and when it is let go, and that the phone of the very account it
//! guesses, behind the same address, registers and calls all the while.

use crate::asker::{Ask, Asker, signature};
use crate::house::{House, PATIENCE};
use crate::person::{Person, until};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vaxel::sim::PhoneEvent;
use vaxel::sip::Transport::{self, Tcp, Udp};
use vaxel::sip::digest::Challenge;
use vaxel::sip::{Message, Response};

/// Wrong passwords that are looked at.
const ALLOWED: usize = 5;
const PAUSE: Duration = Duration::from_secs(6);
/// Every address of 127/8 is ours, and each is another source.
fn source(n: u8) -> IpAddr {
    Ipv4Addr::new(127, 3, 0, n).into()
}

/// What a guesser met with.
struct Met {
    /// Guesses that were answered.
    answered: usize,
    /// From its first guess to the last one that was answered.
    took: Duration,
    /// From that answer to the one by which it was heard again.
    pause: Duration,
}

/// Sends guesses at this pace until several in a row are not answered, and then the right password until that is taken.
fn guesses(house: &House, transport: Transport, home: IpAddr, user: &str, pace: Duration) -> Met {
    let server = house.sip(transport, true);
    let ask = Ask::new("REGISTER", "sip:vaxel", user);
    let mut thief = Asker::new(transport, home, server);
    let challenge = thief.challenge(&ask);
    let began = Instant::now();
    let (mut answered, mut last, mut in_vain) = (0, began, 0);
    for n in 0.. {
        // As a program does that guesses: at its times, whatever the answers do.
        std::thread::sleep((began + pace * n).saturating_duration_since(Instant::now()));
        match tries(&mut thief, &challenge, &ask, n, "guess") {
            Some(response) => {
                assert_eq!(response.code, 403);
                (answered, last, in_vain) = (answered + 1, Instant::now(), 0);
            }
            None => in_vain += 1,
        }
        if transport == Tcp && thief.is_closed() {
            thief = Asker::new(transport, home, server);
        }
        if in_vain == 3 {
            break;
        }
    }
    let took = last - began;
    let password = &house.password(user);
    loop {
        assert!(last.elapsed() < PAUSE + PATIENCE, "{user}: it is never let go");
        if transport == Tcp {
            // As often as a phone would at most: who connects without end is limited for that.
            std::thread::sleep(Duration::from_millis(200));
            thief = Asker::new(transport, home, server);
        }
        let challenge = thief.challenge(&ask);
        if let Some(response) = tries(&mut thief, &challenge, &ask, 0, password) {
            assert_eq!(response.code, 200, "{user}");
            return Met { answered, took, pause: last.elapsed() };
        }
    }
}

/// One answer to a challenge; `None`: it is not looked at.
fn tries(thief: &mut Asker, challenge: &Challenge, ask: &Ask, n: u32, password: &str) -> Option<Response> {
    let more = signature(challenge, ask, ask.from, password, n + 1);
    let text = thief.write(&Ask { more: &more, ..*ask });
    thief.send(text.as_bytes());
    let call_id = crate::asker::read(&text).headers.call_id().expect("we wrote one").to_owned();
    let end = Instant::now() + Duration::from_secs(1);
    while let Some(message) = thief.next(end.saturating_duration_since(Instant::now())) {
        match message {
            Message::Response(response) if response.headers.get("Call-ID") == Some(&call_id) => return Some(response),
            _ => {}
        }
    }
    None
}

/// Registers anew and calls, again and again until told to stop; how often.
fn rounds(phone: &mut Person, stop: &AtomicBool) -> usize {
    for round in 1.. {
        phone.does(|phone, now| phone.register(now, Duration::from_secs(600)));
        until(&mut [phone], 0, |event| match event {
            PhoneEvent::RegistrationFailed { code } => panic!("not registered: {code}"),
            event => *event == PhoneEvent::Registered,
        });
        // A machine with too much else to do is late, and says so to everybody.
        while !is_connected(phone) {}
        phone.does(|phone, now| phone.hang_up(now));
        // Others want to be served as well.
        (0..10).for_each(|_| phone.turn());
        if stop.load(Ordering::Relaxed) {
            return round;
        }
    }
    unreachable!("it is told to stop");
}

fn is_connected(phone: &mut Person) -> bool {
    phone.does(|phone, now| phone.call(now, "300"));
    let answered =
        until(&mut [phone], 0, |event| matches!(event, PhoneEvent::Connected { .. } | PhoneEvent::Failed { .. }));
    assert!(!matches!(answered, PhoneEvent::Failed { code } if code != 503), "{answered:?}");
    matches!(answered, PhoneEvent::Connected { .. })
}

#[test]
fn who_guesses_is_cut_at_every_pace_and_let_go_and_the_accounts_phone_beside_it_is_not_touched() {
    let agent = |n| format!("[[agents]]\nname = \"agent{n}\"\nnumber = \"21{n}\"\npassword = \"right {n}\"\n");
    let agents: String = (0..4).map(agent).collect();
    let limits = format!("wrong_passwords = {ALLOWED}\nwrong_password_pause = \"{}s\"\n", PAUSE.as_secs());
    let house = House::with(&format!("\n[limits]\n{limits}{agents}"));
    // The last is the slowest that counts by far more than a stalled machine takes: a guess each quarter of the pause.
    let paces = [(Udp, 5), (Udp, 250), (Udp, 1500), (Tcp, 50)];
    let met = std::thread::scope(|scope| {
        let house = &house;
        let thieves: Vec<_> = (0..)
            .zip(paces)
            .map(|(n, (transport, millis))| {
                scope.spawn(move || {
                    let (home, user) = (source(n), format!("agent{n}"));
                    let stop = AtomicBool::new(false);
                    let server = house.sip(transport, true);
                    let mut phone = Person::new(transport, home, server, &user, Some(format!("right {n}")));
                    // It is there before the thief.
                    rounds(&mut phone, &AtomicBool::new(true));
                    std::thread::scope(|scope| {
                        let calling = scope.spawn(|| rounds(&mut phone, &stop));
                        let met = {
                            let _stops = Stops(&stop);
                            guesses(house, transport, home, &user, Duration::from_millis(millis))
                        };
                        (met, calling.join().expect("the phone is served"))
                    })
                })
            })
            .collect();
        thieves.into_iter().map(|thief| thief.join().expect("it is let go")).collect::<Vec<_>>()
    });
    for ((transport, millis), (met, rounds)) in paces.into_iter().zip(&met) {
        let Met { answered, took, pause } = met;
        let said = format!(
            "{} each {millis} ms: {answered} answered in {took:?}, heard again after {pause:?}; {rounds} rounds of the phone",
            transport.name()
        );
        println!("{said}");
        // A connection that is cut is followed by another one, from another port: a peer that was not wrong yet is heard once.
        assert!(*answered == ALLOWED || (transport == Tcp && *answered == ALLOWED + 1), "{said}");
        if millis < 500 {
            // By count: within two seconds where the machine does not stand still; the line above says how soon.
            assert!(*took < PAUSE, "{said}");
        }
        assert!(*pause >= PAUSE - Duration::from_secs(1), "{said}");
        assert!(*rounds > 1, "{said}");
    }
    assert!(house.metrics()[r#"vaxel_sip_errors_total{reason="password_guessing"}"#] >= 3.0 * paces.len() as f64);
}

/// Also when the guessing fails: the phone would go on for ever.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_tries_one_password_on_every_account_is_cut_and_the_phone_beside_it_is_not() {
    let house = House::new();
    let mut phone = Person::new(Udp, source(10), house.sip(Udp, true), "bjorn", Some(house.password("bjorn")));
    rounds(&mut phone, &AtomicBool::new(true));
    let mut thief = Asker::new(Udp, source(10), house.sip(Udp, true));
    let challenge = thief.challenge(&Ask::new("REGISTER", "sip:vaxel", "x"));
    let began = Instant::now();
    let (mut answered, mut took, mut in_vain) = (0, Duration::ZERO, 0);
    for n in 0.. {
        let user = format!("user{n}");
        match tries(&mut thief, &challenge, &Ask::new("REGISTER", "sip:vaxel", &user), 0, "1234") {
            Some(response) => {
                assert_eq!(response.code, 403);
                (answered, took, in_vain) = (answered + 1, began.elapsed(), 0);
            }
            None => in_vain += 1,
        }
        if in_vain == 3 {
            break;
        }
    }
    println!("{answered} accounts in {took:?}");
    assert_eq!(answered, vaxel::sip::gate::ACCOUNTS_MAX);
    assert!(took < PAUSE, "{took:?}");
    rounds(&mut phone, &AtomicBool::new(true));
}

#[test]
fn a_nonce_answered_from_elsewhere_is_stale_and_no_guess() {
    let house = House::new();
    let password = house.password("bjorn");
    let failures = || house.metrics()["vaxel_sip_authentication_failures_total"];
    let before = failures();
    let at = |n| Asker::new(Udp, source(n), house.sip(Udp, true));
    let ask = Ask::new("REGISTER", "sip:vaxel", "bjorn");
    let is_stale = |response: &Response| {
        let challenge = response.headers.get("WWW-Authenticate").and_then(Challenge::parse);
        (response.code, challenge.is_some_and(|challenge| challenge.stale)) == (401, true)
    };
    // A forger is challenged where it is heard and writes the phone's address as its own. Here it is really there, so that we see
    // what is said of it.
    let nonce = at(20).challenge(&ask);
    let mut forged = at(21);
    for n in 0..3 * ALLOWED as u32 {
        let response = tries(&mut forged, &nonce, &ask, n, "guess").expect("it is answered");
        assert!(is_stale(&response), "{response:?}");
    }
    assert_eq!(failures(), before, "nobody has guessed");
    // The phone there is heard as ever. Then its router gives it another port, and nothing changes; and another address.
    assert_eq!(at(21).sign(&ask, "bjorn", &password).code, 200);
    let nonce = at(21).challenge(&ask);
    assert_eq!(tries(&mut at(21), &nonce, &ask, 0, &password).expect("it is answered").code, 200);
    let mut moved = at(22);
    let response = tries(&mut moved, &nonce, &ask, 1, &password).expect("it is answered");
    assert!(is_stale(&response), "{response:?}");
    let fresh = Challenge::parse(response.headers.get("WWW-Authenticate").expect("it has one")).expect("readable");
    assert_eq!(tries(&mut moved, &fresh, &ask, 0, &password).expect("it is answered").code, 200);
    assert_eq!(failures(), before);
}
