//! What a message costs while the transaction table holds 100 entries, and while it holds 100,000.
//!
//! `cargo bench --bench table`. Each entry has a deadline. `new` is a request that makes a transaction, is answered and is
//! forgotten again (by TCP, so that the table stays as large as it is); `again` is a retransmission, answered from the table.
//! Beside the reader, so that one sees how much of it is the table.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use vaxel::sip::{Endpoint, Transport};

mod peer;

/// Far from the numbers of those that stay.
const STRANGERS: usize = 1 << 32;

fn holding(entries: usize) -> Endpoint {
    let mut endpoint = peer::endpoint();
    for n in 0..entries {
        peer::ask(&mut endpoint, Transport::Udp, peer::request("OPTIONS", n, None));
    }
    assert_eq!(endpoint.transactions(), entries);
    endpoint
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    group.bench_function("read", |b| b.iter(|| black_box(vaxel::sip::Message::parse(peer::INVITE.as_bytes()))));
    for entries in [100, 100_000] {
        let mut endpoint = holding(entries);
        let mut n = STRANGERS;
        group.bench_function(BenchmarkId::new("new", entries), |b| {
            let next = || {
                n += 1;
                peer::request("OPTIONS", n, None)
            };
            b.iter_batched(next, |options| peer::ask(&mut endpoint, Transport::Tcp, options), BatchSize::SmallInput);
        });
        group.bench_function(BenchmarkId::new("again", entries), |b| {
            // All over the table.
            let next = || {
                n += 7919;
                peer::request("OPTIONS", n % entries, None)
            };
            b.iter_batched(
                next,
                |options| {
                    endpoint.handle_message(peer::NOW, &peer::hop(Transport::Udp), options);
                    peer::drain(&mut endpoint)
                },
                BatchSize::SmallInput,
            );
        });
        assert_eq!(endpoint.transactions(), entries);
    }
    group.finish();
}

criterion_group!(benches, table);
criterion_main!(benches);
