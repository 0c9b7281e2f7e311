//! Phones behind a router that forgets, and phones that a restart does not forget.

use crate::house::{House, PATIENCE, carrier};
use crate::person::{Person, until};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::{Tcp, Udp};

/// A home router with one phone behind it. What comes from outside is let in for [`Router::MEMORY`] after the last
/// datagram from inside (RFC 4787 §4.3).
struct Router {
    /// What the phone takes for the server.
    inside: SocketAddr,
    /// Datagrams that were let in, and that were not.
    let_in: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    const MEMORY: Duration = Duration::from_secs(3);

    fn new(server: SocketAddr) -> Router {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a time-out can be set");
            socket
        };
        let (inner, outer) = (bind(), bind());
        let inside = inner.local_addr().expect("a bound socket has an address");
        let (let_in, dropped, ends) = (Arc::default(), Arc::default(), Arc::default());
        let (counts, lost, told) = (Arc::clone(&let_in), Arc::clone(&dropped), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            let mut phone: Option<(SocketAddr, Instant)> = None;
            while !AtomicBool::load(&told, Ordering::Relaxed) {
                if let Ok((length, from)) = inner.recv_from(&mut buffer) {
                    phone = Some((from, Instant::now()));
                    outer.send_to(&buffer[..length], server).expect("loopback takes it");
                }
                if let Ok((length, _)) = outer.recv_from(&mut buffer) {
                    match phone.filter(|(_, last)| last.elapsed() < Router::MEMORY) {
                        Some((phone, _)) => {
                            AtomicU64::fetch_add(&counts, 1, Ordering::Relaxed);
                            inner.send_to(&buffer[..length], phone).expect("loopback takes it");
                        }
                        None => {
                            AtomicU64::fetch_add(&lost, 1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
        Router { inside, let_in, dropped, ends, thread: Some(thread) }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the router worked");
        }
    }
}

#[test]
fn a_phone_behind_nat_is_rung_when_its_router_would_have_forgotten_it() {
    let house = House::new();
    let server = house.sip(Udp, true);
    let router = Router::new(server);
    let mut anna = Person::new(Udp, crate::HERE, router.inside, "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.register(now, Duration::from_secs(300)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    let (registered, answers) = (Instant::now(), router.let_in.load(Ordering::Relaxed));
    // She does nothing by herself; only what she is asked keeps the way open.
    while registered.elapsed() < Router::MEMORY * 2 || router.let_in.load(Ordering::Relaxed) < answers + 3 {
        assert!(registered.elapsed() < PATIENCE, "she is not asked");
        anna.turn();
    }
    let mut caller = Person::new(Udp, carrier(true), server, "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    assert_eq!(router.dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn phones_are_rung_after_a_restart_before_they_register_again() {
    let mut house = House::new();
    let phone = |house: &House, transport, agent: &str| {
        let mut phone =
            Person::new(transport, crate::HERE, house.sip(transport, true), agent, Some(house.password(agent)));
        phone.does(|phone, now| phone.register(now, Duration::from_secs(300)));
        until(&mut [&mut phone], 0, |event| *event == PhoneEvent::Registered);
        phone
    };
    let mut anna = phone(&house, Udp, "anna");
    // His connection does not live on, so he cannot be reached.
    let bjorn = phone(&house, Tcp, "bjorn");
    house.wait_for_metric(r#"vaxel_agents{state="ready"}"#, 2.0);
    house.restart();
    house.wait_for_metric(r#"vaxel_agents{state="ready"}"#, 1.0);
    house.wait_for_metric(r#"vaxel_agents{state="offline"}"#, 1.0);
    let mut caller = Person::new(Udp, carrier(true), house.sip(Udp, true), "+46701234567", None);
    caller.does(|phone, now| phone.call(now, "300"));
    until(&mut [&mut anna, &mut caller], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
    drop(bjorn);
}
