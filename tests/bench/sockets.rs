//! Phones that talk and listen, and the bare relay and sender that vaxel is measured beside: one packet for each phone
//! each 20 ms, on plain sockets, with nothing between `recvfrom` and `sendto`.

use anyhow::Result;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, OwnedFd};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// Carries the packets of phone 2n to phone 2n + 1 and back, and does nothing else.
pub struct BareRelay {
    sockets: Vec<UdpSocket>,
    remotes: Vec<SocketAddr>,
    epoll: OwnedFd,
}

impl BareRelay {
    /// A socket for each phone.
    pub fn new(remotes: Vec<SocketAddr>) -> Result<BareRelay> {
        let sockets = remotes.iter().map(|_| local_socket()).collect::<Result<Vec<_>>>()?;
        let epoll = watch(&sockets)?;
        Ok(BareRelay { sockets, remotes, epoll })
    }

    /// Where phone n shall send to.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        addresses(&self.sockets)
    }

    /// Looks at once when a packet comes, or, with a `step`, no more often than that.
    pub fn run(&self, step: Duration, stopped: impl Fn() -> bool) -> Result<()> {
        let mut ready = Vec::with_capacity(1024);
        let mut buffer = [0; 1501];
        while !stopped() {
            wait(&self.epoll, &mut ready, Duration::from_millis(100))?;
            let begun = Instant::now();
            for event in ready.drain(..) {
                let index = usize::try_from(event.data.u64())?;
                if let Ok((length, _)) = self.sockets[index].recv_from(&mut buffer) {
                    let other = index ^ 1;
                    // A packet that cannot be sent is seen as lost.
                    self.sockets[other].send_to(&buffer[..length], self.remotes[other]).ok();
                }
            }
            let rest = step.saturating_sub(begun.elapsed());
            if !rest.is_zero() {
                thread::sleep(rest);
            }
        }
        Ok(())
    }
}

/// Sends what music would be: a socket for each phone, a packet each 20 ms, the phones spread over the milliseconds.
pub struct BareSender {
    sockets: Vec<UdpSocket>,
    remotes: Vec<SocketAddr>,
}

impl BareSender {
    pub fn new(remotes: Vec<SocketAddr>) -> Result<BareSender> {
        let sockets = remotes.iter().map(|_| local_socket()).collect::<Result<Vec<_>>>()?;
        Ok(BareSender { sockets, remotes })
    }

    pub fn run(&self, stopped: impl Fn() -> bool) {
        let begun = Instant::now();
        let packet = [0xff; PACKET];
        for step in 0.. {
            if stopped() {
                break;
            }
            for index in (step % 20..self.sockets.len()).step_by(20) {
                // A packet that cannot be sent is seen as lost.
                self.sockets[index].send_to(&packet, self.remotes[index]).ok();
            }
            thread::sleep((begun + Duration::from_millis(step as u64 + 1)).saturating_duration_since(Instant::now()));
        }
    }
}

/// Every phone sends a packet each 20 ms, evenly spread; one thread for all.
pub struct Phones {
    sockets: Vec<UdpSocket>,
    /// Where each sends to.
    pub targets: Vec<SocketAddr>,
    sequences: Vec<u16>,
    epoll: OwnedFd,
    started: Instant,
}

/// What the phones counted in one run.
#[derive(Default)]
pub struct Heard {
    pub sent: u64,
    pub received: u64,
    /// Microseconds of each packet that carried its time of sending.
    pub delays: Vec<u32>,
}

impl Heard {
    /// Milliseconds; `share` of the packets came sooner. Once the delays are sorted.
    pub fn delay_millis(&self, share: f64) -> f64 {
        let index = (self.delays.len() as f64 * share) as usize;
        self.delays.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Begins the payload of a phone's packet; the microsecond of its sending follows.
const MARK: [u8; 8] = *b"vaxel ->";
const HEADER: usize = 12;
/// 20 ms of G.711.
const PACKET: usize = HEADER + 160;
const PERIOD: Duration = Duration::from_millis(20);

impl Phones {
    pub fn new(count: usize) -> Result<Phones> {
        let sockets = (0..count).map(|_| local_socket()).collect::<Result<Vec<_>>>()?;
        let epoll = watch(&sockets)?;
        let sequences = vec![0; count];
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(Phones { sockets, targets: vec![nobody; count], sequences, epoll, started: Instant::now() })
    }

    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        addresses(&self.sockets)
    }

    /// Talks, or only listens, for so long. What came before is not counted.
    pub fn run(&mut self, length: Duration, talking: bool) -> Result<Heard> {
        self.forget();
        let mut heard = Heard::default();
        let mut ready = Vec::with_capacity(1024);
        let begun = Instant::now();
        // What the phones sent shall still be counted when it comes after the end.
        let until = length + if talking { Duration::from_millis(50) } else { Duration::ZERO };
        let limit = length + Duration::from_millis(500);
        let count = self.sockets.len() as u64;
        let total = length.as_nanos() as u64 * count / PERIOD.as_nanos() as u64;
        while begun.elapsed() < until || (heard.received < heard.sent && begun.elapsed() < limit) {
            let due = begun.elapsed().as_nanos() as u64 * count / PERIOD.as_nanos() as u64;
            while talking && heard.sent < due.min(total) {
                self.send((heard.sent % count) as usize)?;
                heard.sent += 1;
            }
            wait(&self.epoll, &mut ready, Duration::ZERO)?;
            if ready.is_empty() {
                thread::sleep(Duration::from_micros(50));
            }
            for event in ready.drain(..) {
                self.receive(usize::try_from(event.data.u64())?, &mut heard);
            }
        }
        Ok(heard)
    }

    fn forget(&self) {
        for socket in &self.sockets {
            while socket.recv_from(&mut [0; 1501]).is_ok() {}
        }
    }

    fn send(&mut self, phone: usize) -> Result<()> {
        let sequence = self.sequences[phone].wrapping_add(1);
        self.sequences[phone] = sequence;
        let mut packet = [0xff; PACKET];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(phone as u32).to_be_bytes());
        packet[12..20].copy_from_slice(&MARK);
        packet[20..28].copy_from_slice(&(self.started.elapsed().as_micros() as u64).to_be_bytes());
        self.sockets[phone].send_to(&packet, self.targets[phone])?;
        Ok(())
    }

    fn receive(&self, phone: usize, heard: &mut Heard) {
        let mut packet = [0; 1501];
        let Ok((PACKET, _)) = self.sockets[phone].recv_from(&mut packet) else { return };
        heard.received += 1;
        let (mark, rest) = packet[HEADER..].split_at(MARK.len());
        if mark == MARK {
            let sent = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
            let delay = (self.started.elapsed().as_micros() as u64).saturating_sub(sent);
            heard.delays.push(u32::try_from(delay).unwrap_or(u32::MAX));
        }
    }
}

fn addresses(sockets: &[UdpSocket]) -> Result<Vec<SocketAddr>> {
    Ok(sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?)
}

fn local_socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn watch(sockets: &[UdpSocket]) -> Result<OwnedFd> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (n, socket) in sockets.iter().enumerate() {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
    }
    Ok(epoll)
}

fn wait(epoll: impl AsFd, ready: &mut Vec<epoll::Event>, limit: Duration) -> Result<()> {
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.as_nanos().try_into()? };
    match epoll::wait(epoll, spare_capacity(ready), Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A call needs six sockets here, and the usual limit is 1024 files.
pub fn allow_many_files() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
