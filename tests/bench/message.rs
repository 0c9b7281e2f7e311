//! What reading, routing and writing one INVITE costs, beside rsip on the same bytes in the same run.
//!
//! `cargo bench --bench message`. To read is to know that the message can be acted on, so both look into Via, From, To, CSeq
//! and Max-Forwards: our reader refuses a message in which one of them is bad, for rsip they are typed. Ours also looks into
//! Call-ID and Contact; rsip cannot type this Contact, so the same work is done by both only in the last lines, without its
//! instance. `split` is what rsip does before any header is looked into. To route is to learn what decides where a request goes:
//! the branch of its topmost Via, whether it is within a dialog, and who was dialled.

// The ratios are taken here, by turns.
#![allow(clippy::disallowed_methods)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsip::prelude::{HeadersExt, ToTypedHeader};
use std::hint::black_box;
use std::time::Instant;
use vaxel::sip::Message;

/// As phones send it: 14 header lines and a session description.
const INVITE: &[u8] = include_bytes!("../data/invite.sip");

/// In its Contact, which rsip therefore cannot type.
const INSTANCE: &str = r#";+sip.instance="<urn:uuid:3a1f3a6c-0b1d-4a52-8df1-5b1f0c9f2b11>""#;

type Route = (usize, bool, usize);

fn read() -> Message {
    Message::parse(black_box(INVITE)).expect("a good INVITE")
}

fn route(message: &Message) -> Route {
    let Message::Request(request) = message else { panic!("a request") };
    let branch = request.headers.top_via().expect("a Via").branch().expect("a branch").len();
    (branch, request.headers.to_tag().is_some(), request.uri.user().expect("a user").len())
}

/// What rsip knows of a message that can be acted on.
struct Theirs {
    message: rsip::SipMessage,
    via: rsip::typed::Via,
    to: rsip::typed::To,
    _others: (rsip::typed::From, rsip::typed::CSeq, u32),
}

fn rsip_split() -> rsip::SipMessage {
    rsip::SipMessage::try_from(black_box(INVITE)).expect("a good INVITE")
}

fn rsip_read() -> Theirs {
    typed(rsip_split())
}

fn typed(message: rsip::SipMessage) -> Theirs {
    let via = message.via_header().expect("a Via").typed().expect("a good Via");
    let from = message.from_header().expect("a From").typed().expect("a good From");
    let to = message.to_header().expect("a To").typed().expect("a good To");
    let cseq = message.cseq_header().expect("a CSeq").typed().expect("a good CSeq");
    let hops = message.max_forwards_header().expect("a Max-Forwards").num().expect("a number");
    Theirs { message, via, to, _others: (from, cseq, hops) }
}

/// Of a message whose headers were typed before.
fn rsip_route_typed(theirs: &Theirs) -> Route {
    rsip_route_of(&theirs.message, &theirs.via, &theirs.to)
}

/// Of one whose headers were not.
fn rsip_route(message: &rsip::SipMessage) -> Route {
    let via = message.via_header().expect("a Via").typed().expect("a good Via");
    let to = message.to_header().expect("a To").typed().expect("a good To");
    rsip_route_of(message, &via, &to)
}

fn rsip_route_of(message: &rsip::SipMessage, via: &rsip::typed::Via, to: &rsip::typed::To) -> Route {
    let rsip::SipMessage::Request(request) = message else { panic!("a request") };
    let branch = via.branch().expect("a branch").value().len();
    let in_dialog = to.params.iter().any(|param| matches!(param, rsip::Param::Tag(_)));
    (branch, in_dialog, request.uri.user().expect("a user").len())
}

fn messages(criterion: &mut Criterion) {
    assert_eq!(route(&read()), rsip_route_typed(&rsip_read()), "both do the same work");
    assert_eq!(route(&read()), rsip_route(&rsip_split()), "both do the same work");
    let mut group = criterion.benchmark_group("invite");
    group.throughput(Throughput::Elements(1));
    let (ours, theirs) = (read(), rsip_split());
    group.bench_function("split/rsip", |b| b.iter(rsip_split));
    group.bench_function("read/vaxel", |b| b.iter(read));
    group.bench_function("read/rsip", |b| b.iter(rsip_read));
    group.bench_function("route/vaxel", |b| b.iter(|| route(black_box(&ours))));
    group.bench_function("route/rsip", |b| b.iter(|| rsip_route(black_box(&theirs))));
    group.bench_function("write/vaxel", |b| b.iter(|| black_box(&ours).to_bytes()));
    group.bench_function("write/rsip", |b| b.iter(|| black_box(&theirs).to_string().into_bytes()));
    group.bench_function("all/vaxel", |b| {
        b.iter(|| {
            let message = read();
            (route(&message), message.to_bytes())
        });
    });
    group.bench_function("all/rsip", |b| {
        b.iter(|| {
            let theirs = rsip_read();
            (rsip_route_typed(&theirs), theirs.message.to_string().into_bytes())
        });
    });
    group.finish();
    by_turns();
}

type Work<'a> = &'a dyn Fn();

/// Reads, routes and writes by turns, so that a machine that is slow for a while is slow for both: the median of the ratios. Also
/// of the message with a Contact that rsip can type, as ours always is.
fn by_turns() {
    const TURNS: usize = 2000;
    const MESSAGES: u32 = 50;
    let plain = String::from_utf8(INVITE.to_vec()).expect("text").replacen(INSTANCE, "", 1).into_bytes();
    assert!(plain.len() < INVITE.len(), "it has an instance");
    let time = |work: Work| {
        let began = Instant::now();
        (0..MESSAGES).for_each(|_| work());
        began.elapsed().as_secs_f64() / f64::from(MESSAGES)
    };
    let median = |times: &mut dyn Iterator<Item = f64>| {
        let mut times: Vec<_> = times.collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    for (name, invite) in [("invite", INVITE), ("invite, Contact typed by both", &plain)] {
        let types_contact = invite.len() < INVITE.len();
        let read_ours = || Message::parse(black_box(invite)).expect("a good INVITE");
        let read_theirs = || {
            let theirs = typed(rsip::SipMessage::try_from(black_box(invite)).expect("a good INVITE"));
            if types_contact {
                black_box(theirs.message.contact_header().expect("a Contact").typed().expect("a good Contact"));
            }
            theirs
        };
        let all_ours = || {
            let message = read_ours();
            black_box((route(&message), message.to_bytes()));
        };
        let all_theirs = || {
            let theirs = read_theirs();
            black_box((rsip_route_typed(&theirs), theirs.message.to_string().into_bytes()));
        };
        let (only_ours, only_theirs) = (|| drop(black_box(read_ours())), || drop(black_box(read_theirs())));
        let works: [(&str, Work, Work); 2] =
            [("read", &only_ours, &only_theirs), ("read, route, write", &all_ours, &all_theirs)];
        for (what, ours, theirs) in works {
            let pairs: Vec<_> = (0..TURNS).map(|_| (time(ours), time(theirs))).collect();
            println!(
                "{name}: {what}, by turns: vaxel {:.2} µs, rsip {:.2} µs, ratio {:.2}",
                1e6 * median(&mut pairs.iter().map(|pair| pair.0)),
                1e6 * median(&mut pairs.iter().map(|pair| pair.1)),
                median(&mut pairs.iter().map(|(ours, theirs)| theirs / ours)),
            );
        }
    }
}

criterion_group!(benches, messages);
criterion_main!(benches);
