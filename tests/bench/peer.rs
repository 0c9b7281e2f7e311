//! A phone that asks for things as often as it is told to: for what is counted and timed.

use std::net::SocketAddr;
use vaxel::sip::{Endpoint, Event, Hop, Message, Response, Settings, Transport};
use vaxel::time::Time;

/// As phones send it: 14 header lines and a session description.
pub const INVITE: &str = include_str!("../data/invite.sip");

/// When it begins.
pub const NOW: Time = Time::from_secs(1_795_424_400);

/// By which the requests come: from the address in their Via.
pub fn hop(transport: Transport) -> Hop {
    let local = SocketAddr::from(([198, 51, 100, 20], 5060));
    let connection = transport.is_reliable().then_some(1);
    Hop { transport, local, remote: SocketAddr::from(([192, 0, 2, 7], 5060)), connection }
}

pub fn endpoint() -> Endpoint {
    Endpoint::new(Settings::default(), 1)
}

/// The request with this method that the `n`th caller sends; `to_tag`: inside the dialog.
pub fn request(method: &str, n: usize, to_tag: Option<&str>) -> Message {
    let mut text = INVITE
        .replace("INVITE sip", &format!("{method} sip"))
        .replace("20 INVITE", &format!("20 {method}"))
        .replace("4f1d3bc5a0e91d2277", &format!("{method}{n:016x}"))
        .replace("0f21d9b74c", &format!("{n:010x}"))
        .replace("6bd5a93c1f7e4f52b1a0", &format!("{n:020x}"));
    if let Some(tag) = to_tag {
        text = text.replace("To: <sip:600@acme.example>", &format!("To: <sip:600@acme.example>;tag={tag}"));
    }
    Message::parse(text.as_bytes()).expect("a good request")
}

/// Takes out what the endpoint sends, and gives the last of it.
pub fn drain(endpoint: &mut Endpoint) -> Vec<u8> {
    let mut last = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        last = transmit.bytes;
    }
    last
}

/// The `n`th caller's OPTIONS comes by this transport and is answered. By UDP its transaction stays for 32 s, by TCP it is
/// over at once.
pub fn ask(endpoint: &mut Endpoint, now: Time, transport: Transport, options: Message) {
    endpoint.handle_message(now, &hop(transport), options);
    let Some(Event::Request { id, request, .. }) = endpoint.poll_event() else { panic!("a new request") };
    endpoint.respond(now, id, Response::to(&request, 200, None));
    assert!(!drain(endpoint).is_empty(), "answered");
}
