//! What vaxel is measured beside, as programs of their own, so that `tests/bench/load` can give each of them the same core
//! and read its CPU time in the same way:
//!
//!     bare phones COUNT         who talks and listens; told what to do on standard input
//!     bare relay [--step-ms N]  carries packets between two phones each
//!     bare sender               sends a packet to each phone each 20 ms
//!     bare echo --answers A,B   answers datagrams with as many, of these sizes
//!     bare ask --to PORT …      asks an echo at a steady rate
//!     bare callers --to PORT …  calls vaxel at a steady rate, whatever it answers
//!
//! Ports are told in one line each way, as the first line of output and of input. All but `ask` and `callers` end with their
//! input.

#![allow(clippy::disallowed_methods)]

mod callers;
mod sockets;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use sockets::{BareRelay, BareSender, Phones, allow_many_files};
use std::io::{ErrorKind, Lines, StdinLock};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(name = "bare")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Prints their ports. Then, on standard input: `to PORT…`, one for each phone; `run SECONDS talk|listen`, answered by
    /// `sent N received N p50 MS p99 MS`.
    Phones {
        count: usize,
    },
    /// Is told the phones' ports; prints where each shall send to.
    Relay {
        /// Looks no more often than this; 0: at once
        #[arg(long, default_value_t = 0)]
        step_ms: u64,
    },
    /// Is told the phones' ports; prints nothing.
    Sender,
    /// Prints its port.
    Echo {
        /// Bytes of each answer, in turn; 0: none
        #[arg(long, value_delimiter = ',', required = true)]
        answers: Vec<usize>,
    },
    /// Prints `sent N received N`.
    Ask {
        #[arg(long)]
        to: u16,
        /// Bytes of each datagram, in turn
        #[arg(long, value_delimiter = ',', required = true)]
        sizes: Vec<usize>,
        /// Datagrams a second
        #[arg(long)]
        rate: f64,
        #[arg(long)]
        seconds: f64,
    },
    Callers(callers::Callers),
}

fn main() -> Result<()> {
    let mut input = std::io::stdin().lines();
    allow_many_files()?;
    match Args::parse().what {
        What::Phones { count } => phones(count, input),
        What::Relay { step_ms } => {
            let relay = BareRelay::new(addresses(&next(&mut input)?)?)?;
            tell_ports(&relay.addresses()?);
            drop(input);
            end_with_input();
            relay.run(Duration::from_millis(step_ms), || false)
        }
        What::Sender => {
            let sender = BareSender::new(addresses(&next(&mut input)?)?)?;
            drop(input);
            end_with_input();
            sender.run(|| false);
            Ok(())
        }
        What::Echo { answers } => {
            drop(input);
            end_with_input();
            echo(&answers)
        }
        What::Ask { to, sizes, rate, seconds } => ask(to, &sizes, rate, seconds),
        What::Callers(callers) => callers.run(),
    }
}

fn phones(count: usize, input: Lines<StdinLock>) -> Result<()> {
    let mut phones = Phones::new(count)?;
    tell_ports(&phones.addresses()?);
    for line in input {
        let line = line?;
        match line.split_once(' ').with_context(|| format!("not understood: {line}"))? {
            ("to", ports) => {
                let targets = addresses(ports)?;
                if targets.len() != count {
                    bail!("{} ports for {count} phones", targets.len());
                }
                phones.targets = targets;
            }
            ("run", how) => {
                let (seconds, what) = how.split_once(' ').context("run SECONDS talk|listen")?;
                let mut heard = phones.run(Duration::from_secs_f64(seconds.parse()?), what == "talk")?;
                heard.delays.sort_unstable();
                let [p50, p99] = [0.5, 0.99].map(|share| heard.delay_millis(share));
                println!("sent {} received {} p50 {p50} p99 {p99}", heard.sent, heard.received);
            }
            _ => bail!("not understood: {line}"),
        }
    }
    Ok(())
}

fn echo(answers: &[usize]) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", socket.local_addr()?.port());
    let mut buffer = [0; 65_536];
    for size in answers.iter().cycle() {
        let (_, from) = socket.recv_from(&mut buffer)?;
        if *size > 0 {
            socket.send_to(&buffer[..*size], from)?;
        }
    }
    Ok(())
}

fn ask(to: u16, sizes: &[usize], rate: f64, seconds: f64) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, to))?;
    socket.set_nonblocking(true)?;
    let mut buffer = [0; 65_536];
    let (mut sent, mut received) = (0, 0_u64);
    let begun = Instant::now();
    // What is under way at the end shall still be counted.
    while begun.elapsed().as_secs_f64() < seconds + 0.05 {
        let due = (begun.elapsed().as_secs_f64().min(seconds) * rate) as usize;
        while sent < due {
            socket.send(&buffer[..sizes[sent % sizes.len()]])?;
            sent += 1;
        }
        loop {
            match socket.recv(&mut buffer) {
                Ok(_) => received += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(Duration::from_micros(50));
    }
    println!("sent {sent} received {received}");
    Ok(())
}

fn next(input: &mut Lines<StdinLock>) -> Result<String> {
    Ok(input.next().context("no ports on standard input")??)
}

fn addresses(ports: &str) -> Result<Vec<SocketAddr>> {
    ports.split_whitespace().map(|port| Ok((Ipv4Addr::LOCALHOST, port.parse::<u16>()?).into())).collect()
}

fn tell_ports(addresses: &[SocketAddr]) {
    let ports: Vec<_> = addresses.iter().map(|address| address.port().to_string()).collect();
    println!("{}", ports.join(" "));
}

/// Who started us may be gone without having ended us.
fn end_with_input() {
    thread::spawn(|| {
        std::io::stdin().lines().for_each(drop);
        std::process::exit(0);
    });
}
