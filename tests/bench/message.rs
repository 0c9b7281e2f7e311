//! What reading, routing and writing one INVITE costs, beside rsip on the same bytes in the same run.
//!
//! `cargo bench --bench message`. To route is to learn what decides where a request goes: the branch of its topmost Via,
//! whether it is within a dialog, and who was dialled.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsip::prelude::{HeadersExt, ToTypedHeader};
use std::hint::black_box;
use vaxel::sip::Message;

/// As phones send it: 14 header lines and a session description.
const INVITE: &[u8] = include_bytes!("../data/invite.sip");

type Route = (usize, bool, usize);

fn read() -> Message {
    Message::parse(black_box(INVITE)).expect("a good INVITE")
}

fn route(message: &Message) -> Route {
    let Message::Request(request) = message else { panic!("a request") };
    let via = request.headers.via().expect("a Via");
    let branch = via.branch().expect("a branch").len();
    let in_dialog = request.headers.to().expect("a To").tag().is_some();
    (branch, in_dialog, request.uri.user().expect("a user").len())
}

fn rsip_read() -> rsip::SipMessage {
    rsip::SipMessage::try_from(black_box(INVITE)).expect("a good INVITE")
}

fn rsip_route(message: &rsip::SipMessage) -> Route {
    let rsip::SipMessage::Request(request) = message else { panic!("a request") };
    let via = request.via_header().expect("a Via").typed().expect("a good Via");
    let branch = via.branch().expect("a branch").to_string().len();
    let to = request.to_header().expect("a To").typed().expect("a good To");
    let user = request.uri.user().expect("a user").len();
    (branch, to.params.iter().any(|param| matches!(param, rsip::Param::Tag(_))), user)
}

fn messages(criterion: &mut Criterion) {
    assert_eq!(route(&read()), rsip_route(&rsip_read()), "both do the same work");
    let mut group = criterion.benchmark_group("invite");
    group.throughput(Throughput::Elements(1));
    let (ours, theirs) = (read(), rsip_read());
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
            let message = rsip_read();
            (rsip_route(&message), message.to_string().into_bytes())
        });
    });
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
