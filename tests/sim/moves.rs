//! A phone whose connection breaks while a queue call rings there: what becomes of the offer, the agent and the caller.

use crate::carriers::{House, Manner, address, trunk};
use crate::compiled;
use vaxel::acd::Outcome;
use vaxel::engine::{Input, Network, Number, Trunk};
use vaxel::record::{AgentPhase, What};
use vaxel::sim::media::switchboard;
use vaxel::sip::digest::{self, Challenge, Login};
use vaxel::sip::{Hop, Message, Method, Request, Response, Transport};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const LINE: &str = "flow: line
languages: [en]
start: on
steps:
  on:
    queue: { name: sales, while_waiting: { music: calm }, next: hangup, timed_out: hangup }
";

/// The phone of the one agent who sells, by connections of our choice.
struct Phone {
    house: House,
    number: u32,
}

impl Phone {
    /// It is registered by connection 1, and rung for a caller.
    fn rung() -> (Phone, Request) {
        let from = Network { address: address(1).ip(), prefix: 32 };
        let carrier = Trunk { from: vec![from], ..trunk(1) };
        let house = House::with(vec![carrier], &[Manner::Answers], |settings| {
            settings.flows.insert("line".into(), compiled("line", LINE));
            let number = "401".parse().expect("a number");
            settings.numbers.push(Number { number, flow: "line".into(), trunk: None });
        });
        let mut phone = Phone { house, number: 0 };
        phone.registers(1);
        phone.house.calls(1, "401");
        phone.house.pass(SECOND);
        let mut sent = phone.gets(1);
        assert_eq!(sent.len(), 1, "{sent:?}");
        (phone, sent.remove(0))
    }

    fn hop(connection: u16) -> Hop {
        let remote = ([198, 51, 100, 7], 40_000 + connection).into();
        Hop { transport: Transport::Tcp, local: switchboard(), remote, connection: Some(connection.into()) }
    }

    fn says(&mut self, connection: u16, message: Message) {
        self.house.tell(Input::Sip { hop: Phone::hop(connection), message: Box::new(message) });
        self.house.pass(SECOND / 10);
    }

    fn answers(&mut self, connection: u16, request: &Request, code: u16) {
        let mut answer = Response::to(request, code, None);
        answer.set_to_tag("phone");
        answer.headers.push("Contact", "<sip:agent0@page.invalid;transport=tcp>");
        self.says(connection, Message::Response(answer));
    }

    fn loses(&mut self, connection: u16) {
        self.house.tell(Input::HopFailed { hop: Phone::hop(connection) });
    }

    fn registers(&mut self, connection: u16) {
        let mut credentials = None;
        for _ in 0..2 {
            self.number += 1;
            let mut register = Request::new(Method::Register, "sip:vaxel".parse().expect("a URI"));
            let number = self.number;
            for (name, value) in [
                ("Via", format!("SIP/2.0/TCP 198.51.100.7;branch=z9hG4bKr{number}")),
                ("From", "<sip:agent0@vaxel>;tag=1".into()),
                ("To", "<sip:agent0@vaxel>".into()),
                ("Call-ID", "registers".into()),
                ("CSeq", format!("{number} REGISTER")),
                ("Contact", "<sip:agent0@page.invalid;transport=tcp>".into()),
            ] {
                register.headers.push(name, value);
            }
            credentials.into_iter().for_each(|value: String| register.headers.push("Authorization", value));
            self.says(connection, Message::Request(register));
            let (_, answer) = self.house.astray.remove(0);
            let Message::Response(answer) = answer else { panic!("{answer:?}") };
            if answer.code == 200 {
                return;
            }
            let challenge = answer.headers.get("WWW-Authenticate").and_then(Challenge::parse).expect("a challenge");
            let (user, password, method) = ("agent0", "secret0", &Method::Register);
            let login = Login { user, password, method, uri: "sip:vaxel", cnonce: "c", nc: 1 };
            credentials = Some(digest::answer(&challenge, &login));
        }
        panic!("it is taken");
    }

    /// The requests that came by this connection, and nothing by another.
    fn gets(&mut self, connection: u16) -> Vec<Request> {
        let all = std::mem::take(&mut self.house.astray).into_iter();
        let all = all.map(|(hop, message)| match message {
            Message::Request(request) if hop == Phone::hop(connection) => request,
            other => panic!("{other:?} by {hop:?}"),
        });
        all.collect()
    }

    fn methods(&mut self, connection: u16) -> Vec<Method> {
        self.gets(connection).into_iter().map(|request| request.method).collect()
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let all = self.house.told.iter().filter_map(|what| match what {
            What::OfferEnded { outcome, .. } => Some(*outcome),
            _ => None,
        });
        all.collect()
    }

    fn phases(&self) -> Vec<AgentPhase> {
        let all = self.house.told.iter().filter_map(|what| match what {
            What::Agent { agent, phase, .. } if **agent == *"agent0" => Some(*phase),
            _ => None,
        });
        all.collect()
    }
}

use AgentPhase::{Offered, Offline, Ready};

#[test]
fn an_agent_whose_phone_comes_back_in_time_is_offered_the_call_all_the_while() {
    for register_first in [false, true] {
        let (mut phone, invite) = Phone::rung();
        phone.answers(1, &invite, 180);
        if register_first {
            phone.registers(2);
            phone.loses(1);
        } else {
            phone.loses(1);
            phone.house.pass(3 * SECOND);
            phone.registers(2);
        }
        assert_eq!(phone.methods(2), [Method::Options]);
        phone.house.pass(10 * SECOND);
        assert_eq!((phone.outcomes(), phone.phases(), phone.methods(2)), (vec![], vec![Ready, Offered], vec![]));
        // Nobody picks up.
        phone.house.pass(10 * SECOND);
        assert_eq!((phone.outcomes(), phone.methods(2)[0].clone()), (vec![Outcome::NoAnswer], Method::Cancel));
    }
}

#[test]
fn an_agent_whose_phone_does_not_come_back_in_time_is_offline_and_rung_anew_when_it_does() {
    let (mut phone, invite) = Phone::rung();
    phone.answers(1, &invite, 180);
    phone.loses(1);
    phone.house.pass(4 * SECOND);
    assert_eq!((phone.outcomes(), phone.phases()), (vec![Outcome::Unreachable], vec![Ready, Offered, Offline]));
    phone.house.pass(5 * SECOND);
    phone.registers(2);
    let sent = phone.gets(2);
    let [cancel, bye, anew] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((&cancel.method, cancel.headers.call_id()), (&Method::Cancel, invite.headers.call_id()));
    assert_eq!((&bye.method, &anew.method), (&Method::Bye, &Method::Invite));
    assert_ne!(anew.headers.call_id(), invite.headers.call_id());
    assert_eq!(phone.phases(), [Ready, Offered, Offline, Ready, Offered], "without a pause");
}

#[test]
fn a_phone_that_has_forgotten_what_rang_is_rung_anew_for_the_same_offer() {
    let (mut phone, invite) = Phone::rung();
    phone.answers(1, &invite, 180);
    phone.loses(1);
    phone.house.pass(SECOND);
    phone.registers(2);
    let options = phone.gets(2).remove(0);
    phone.answers(2, &options, 481);
    let sent = phone.gets(2);
    let [cancel, anew] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((&cancel.method, &anew.method), (&Method::Cancel, &Method::Invite));
    assert_eq!((phone.outcomes(), phone.phases()), (vec![], vec![Ready, Offered]));
}

#[test]
fn a_phone_that_had_moved_before_it_was_heard_is_rung_where_it_is() {
    let (mut phone, invite) = Phone::rung();
    // It goes by the way that is about to be lost.
    phone.registers(2);
    phone.loses(1);
    phone.house.pass(SECOND);
    let anew = phone.gets(2).remove(0);
    assert_eq!(anew.method, Method::Invite);
    assert_ne!(anew.headers.call_id(), invite.headers.call_id());
    assert_eq!((phone.outcomes(), phone.phases()), (vec![], vec![Ready, Offered]));
}

#[test]
fn a_caller_who_gives_up_meanwhile_leaves_nobody_waiting() {
    let (mut phone, invite) = Phone::rung();
    phone.answers(1, &invite, 180);
    phone.loses(1);
    phone.house.pass(SECOND);
    phone.house.hangs_up(1);
    phone.house.pass(SECOND);
    assert_eq!((phone.outcomes(), phone.phases().last()), (vec![Outcome::CallerGone], Some(&Offline)));
    phone.registers(2);
    assert_eq!(phone.methods(2), [Method::Cancel, Method::Bye]);
    phone.house.over();
}
