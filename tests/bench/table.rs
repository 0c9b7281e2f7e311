//! What a message costs while the transaction table holds 100 entries, and while it holds 100,000.
//!
//! `cargo bench --bench table`. Each entry has a deadline; requests come 200 µs after each other, as they do where 100,000 are
//! remembered for half a minute. `new` is a request that makes a transaction, is answered and is forgotten again (by TCP, so
//! that the table stays as large as it is); `again` is a retransmission, answered from the table. Beside the reader, so that
//! one sees how much of it is the table.
//!
//! The table does the same steps for a message whatever it holds, but 100 answers are in the processor's cache and 100,000
//! are not. What that alone makes of the difference shows `bare`: a map of boxes that are as large, from which `again` copies
//! an answer, and in which `new` makes an entry and removes it.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use std::collections::HashMap;
use std::hint::black_box;
use vaxel::sip::{Endpoint, Transport};
use vaxel::time::{Duration, Time};

mod peer;

/// Far from the numbers of those that stay.
const STRANGERS: usize = 1 << 32;

/// The `n`th request comes then.
fn at(n: usize) -> Time {
    peer::NOW + Duration::from_micros(200) * n as u32
}

fn holding(entries: usize) -> Endpoint {
    let mut endpoint = peer::endpoint();
    for n in 0..entries {
        peer::ask(&mut endpoint, at(n), Transport::Udp, peer::request("OPTIONS", n, None));
    }
    assert_eq!(endpoint.transactions(), entries);
    endpoint
}

/// Those all over the table, one after the other.
fn all_over(entries: usize) -> impl FnMut() -> usize {
    let mut n = 0;
    move || {
        n += 7919;
        n % entries
    }
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    group.bench_function("read", |b| b.iter(|| black_box(vaxel::sip::Message::parse(peer::INVITE.as_bytes()))));
    for entries in [100, 100_000] {
        let mut endpoint = holding(entries);
        let mut n = 0;
        group.bench_function(BenchmarkId::new("new", entries), |b| {
            let next = || {
                n += 1;
                (at(entries + n), peer::request("OPTIONS", STRANGERS + n, None))
            };
            let ask = |(now, options)| peer::ask(&mut endpoint, now, Transport::Tcp, options);
            b.iter_batched(next, ask, BatchSize::SmallInput);
        });
        let now = at(entries + n);
        group.bench_function(BenchmarkId::new("again", entries), |b| {
            let mut which = all_over(entries);
            b.iter_batched(
                || peer::request("OPTIONS", which(), None),
                |options| {
                    endpoint.handle_message(now, &peer::hop(Transport::Udp), options);
                    peer::drain(&mut endpoint)
                },
                BatchSize::SmallInput,
            );
        });
        assert_eq!(endpoint.transactions(), entries);
    }
    group.finish();
}

/// About what is kept of a transaction beside its answer.
type State = [u64; 44];

fn bare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bare");
    let entry = |n: usize| Box::new(([n as u64; 44], peer::INVITE.as_bytes()[..400].to_vec()));
    for entries in [100, 100_000] {
        let mut map: HashMap<u128, Box<(State, Vec<u8>)>> = (0..entries).map(|n| (n as u128, entry(n))).collect();
        let mut n = STRANGERS;
        group.bench_function(BenchmarkId::new("new", entries), |b| {
            b.iter(|| {
                n += 1;
                map.insert(n as u128, entry(n));
                map.remove(&(n as u128))
            });
        });
        group.bench_function(BenchmarkId::new("again", entries), |b| {
            let mut which = all_over(entries);
            b.iter(|| map.get(&(which() as u128)).map(|entry| (entry.0[0], entry.1.clone())));
        });
    }
    group.finish();
}

criterion_group!(benches, table, bare);
criterion_main!(benches);
