//! Callers who take 503 for an answer, at a rate that does not depend on what is answered.
//!
//! Each dials, acknowledges the answer, talks for a while without sound, hangs up, and sends again what is not answered (RFC 3261
//! §17.1, over UDP). Times are from just before a request leaves to when the kernel has its answer (`SO_TIMESTAMPNS`), so that
//! they do not depend on how soon this program is woken. One thread, one socket.

use anyhow::{Context, Result, bail};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub struct Callers {
    /// The port of who is called
    #[arg(long)]
    to: u16,
    /// Calls a second
    #[arg(long)]
    rate: f64,
    #[arg(long)]
    seconds: f64,
    /// Milliseconds from answer to BYE
    #[arg(long)]
    talk: u64,
    /// Where sound is to be sent
    #[arg(long)]
    sdp_port: u16,
}

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// What is not over by then has failed.
const PATIENCE: Duration = Duration::from_secs(32);

#[derive(Clone, Copy, PartialEq)]
enum State {
    Dialled,
    /// There was a provisional answer: the INVITE is not sent again.
    Proceeding,
    Talks,
    HangsUp,
    Over,
}

struct Call {
    state: State,
    left: Duration,
    /// To of our requests inside the dialog, and where they go.
    to: String,
    target: String,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// The request of this state was not answered; the next wait.
    Invite(Duration),
    Bye(Duration),
    HangUp,
    GiveUp,
}

#[derive(Default)]
struct Counted {
    completed: u64,
    in_time: u64,
    failed: u64,
    resent: u64,
    /// Refused without Retry-After.
    unspoken: u64,
    /// Microseconds.
    refused: Vec<u64>,
    admitted: Vec<u64>,
    byes: Vec<u64>,
}

struct Run<'a> {
    callers: &'a Callers,
    socket: UdpSocket,
    port: u16,
    /// Of this run, in every Call-ID.
    name: u64,
    calls: Vec<Call>,
    alarms: BinaryHeap<Reverse<(Instant, usize, Alarm)>>,
    over: usize,
    /// Calls that end until then count for the rate.
    until: Duration,
    counted: Counted,
}

impl Callers {
    /// Prints `calls N completed N in_time N …`. `in_time`: those completed in as many seconds as there were calls, which is
    /// from the first possible end to the last that could follow at once.
    pub fn run(&self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, self.to))?;
        SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let port = socket.local_addr()?.port();
        let until = wall()? + Duration::from_secs_f64(self.seconds) + Duration::from_millis(self.talk);
        let mut run = Run {
            callers: self,
            socket,
            port,
            name: u64::try_from(until.as_nanos())?,
            calls: Vec::new(),
            alarms: BinaryHeap::new(),
            over: 0,
            until,
            counted: Counted::default(),
        };
        run.all()?;
        let counted = &mut run.counted;
        print!("calls {} completed {} in_time {} ", run.calls.len(), counted.completed, counted.in_time);
        print!("failed {} resent {} unspoken {}", counted.failed, counted.resent, counted.unspoken);
        for (name, times) in
            [("refused", &mut counted.refused), ("admitted", &mut counted.admitted), ("bye", &mut counted.byes)]
        {
            times.sort_unstable();
            print!(" {name} {}", times.len());
            for (share, part) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                let at = (times.len() as f64 * part).ceil() as usize;
                let micros = times.get(at.max(1) - 1).copied().unwrap_or_default();
                print!(" {name}_{share} {}", micros as f64 / 1000.0);
            }
        }
        println!();
        Ok(())
    }
}

impl Run<'_> {
    fn all(&mut self) -> Result<()> {
        let count = (self.callers.rate * self.callers.seconds) as usize;
        let begun = Instant::now();
        let mut buffer = vec![0; 65_536];
        while self.over < count {
            let due = ((begun.elapsed().as_secs_f64() * self.callers.rate) as usize).min(count);
            while self.calls.len() < due {
                self.dial()?;
            }
            let now = Instant::now();
            while let Some(Reverse((at, ..))) = self.alarms.peek()
                && *at <= now
            {
                if let Some(Reverse((_, call, alarm))) = self.alarms.pop() {
                    self.alarm(now, call, alarm)?;
                }
            }
            while let Some((length, came)) = self.receive(&mut buffer)? {
                self.answer(&buffer[..length], came)?;
            }
            let limit = Timespec { tv_sec: 0, tv_nsec: 300_000 };
            poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&limit))?;
        }
        Ok(())
    }

    fn dial(&mut self) -> Result<()> {
        let call = self.calls.len();
        let now = Instant::now();
        self.calls.push(Call { state: State::Dialled, left: wall()?, to: String::new(), target: String::new() });
        self.send_invite(call)?;
        self.alarms.push(Reverse((now + T1, call, Alarm::Invite(2 * T1))));
        self.alarms.push(Reverse((now + PATIENCE, call, Alarm::GiveUp)));
        Ok(())
    }

    fn alarm(&mut self, now: Instant, at: usize, alarm: Alarm) -> Result<()> {
        let call = &mut self.calls[at];
        match (alarm, call.state) {
            (Alarm::Invite(wait), State::Dialled) => {
                self.counted.resent += 1;
                self.alarms.push(Reverse((now + wait, at, Alarm::Invite(2 * wait))));
                self.send_invite(at)
            }
            (Alarm::HangUp, State::Talks) => {
                call.state = State::HangsUp;
                call.left = wall()?;
                self.alarms.push(Reverse((now + T1, at, Alarm::Bye(2 * T1))));
                self.send_inside(at, "BYE")
            }
            (Alarm::Bye(wait), State::HangsUp) => {
                self.counted.resent += 1;
                self.alarms.push(Reverse((now + wait, at, Alarm::Bye((2 * wait).min(T2)))));
                self.send_inside(at, "BYE")
            }
            (Alarm::GiveUp, State::Dialled | State::Proceeding | State::Talks | State::HangsUp) => {
                self.counted.failed += 1;
                self.end(at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, at: usize) {
        self.calls[at].state = State::Over;
        self.over += 1;
    }

    fn answer(&mut self, bytes: &[u8], came: Duration) -> Result<()> {
        let text = std::str::from_utf8(bytes)?;
        let code: u16 = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).context("no response")?.parse()?;
        let id = header(text, "Call-ID").context("no Call-ID")?;
        let Some(at) = id.strip_prefix(&format!("{}-", self.name)).and_then(|at| at.parse::<usize>().ok()) else {
            return Ok(());
        };
        let is_invite = header(text, "CSeq").context("no CSeq")?.ends_with("INVITE");
        let call = self.calls.get_mut(at).context("an answer to nothing")?;
        let took = u64::try_from(came.saturating_sub(call.left).as_micros())?;
        match (is_invite, code, call.state) {
            (true, 100..200, State::Dialled) => call.state = State::Proceeding,
            (true, 200, State::Dialled | State::Proceeding) => {
                call.state = State::Talks;
                call.to = header(text, "To").context("no To")?.to_owned();
                let contact = header(text, "Contact").context("no Contact")?;
                call.target = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
                self.counted.admitted.push(took);
                let talk = Duration::from_millis(self.callers.talk);
                self.alarms.push(Reverse((Instant::now() + talk, at, Alarm::HangUp)));
                self.send_inside(at, "ACK")?;
            }
            // Its ACK was lost.
            (true, 200, State::Talks | State::HangsUp) => self.send_inside(at, "ACK")?,
            (true, 503, State::Dialled | State::Proceeding) => {
                self.counted.unspoken += u64::from(header(text, "Retry-After").is_none());
                self.counted.refused.push(took);
                self.end(at);
                self.send_refused_ack(at, header(text, "To").context("no To")?)?;
            }
            (true, 300.., State::Dialled | State::Proceeding) => {
                self.counted.failed += 1;
                self.end(at);
                self.send_refused_ack(at, header(text, "To").context("no To")?)?;
            }
            (true, 300.., State::Over) => self.send_refused_ack(at, header(text, "To").context("no To")?)?,
            (false, 200, State::HangsUp) => {
                self.counted.completed += 1;
                self.counted.in_time += u64::from(came <= self.until);
                self.counted.byes.push(took);
                self.end(at);
            }
            (false, 300.., State::HangsUp) => {
                self.counted.failed += 1;
                self.end(at);
            }
            _ => {}
        }
        Ok(())
    }

    fn send_invite(&self, at: usize) -> Result<()> {
        let sdp = format!(
            "v=0\r\no=load 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
            self.callers.sdp_port
        );
        let (target, to) = (format!("sip:101@127.0.0.1:{}", self.callers.to), "<sip:101@127.0.0.1>");
        let more = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        self.send(at, ("INVITE", 1, "i"), &target, to, &more)
    }

    /// Belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
    fn send_refused_ack(&self, at: usize, to: &str) -> Result<()> {
        let target = format!("sip:101@127.0.0.1:{}", self.callers.to);
        self.send(at, ("ACK", 1, "i"), &target, to, "Content-Length: 0\r\n\r\n")
    }

    fn send_inside(&self, at: usize, method: &str) -> Result<()> {
        let call = &self.calls[at];
        let (cseq, branch) = if method == "ACK" { (1, "a") } else { (2, "b") };
        self.send(at, (method, cseq, branch), &call.target, &call.to, "Content-Length: 0\r\n\r\n")
    }

    fn send(&self, at: usize, what: (&str, u32, &str), target: &str, to: &str, more: &str) -> Result<()> {
        let ((method, cseq, branch), name, port) = (what, self.name, self.port);
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{name}{branch}{at}\r\n\
             From: <sip:+4670{at}@127.0.0.1>;tag=c{at}\r\nTo: {to}\r\nCall-ID: {name}-{at}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\nContact: <sip:c@127.0.0.1:{port}>\r\n{more}"
        );
        self.socket.send(text.as_bytes())?;
        Ok(())
    }

    /// A datagram's length, and when the kernel had it; `None`: there is none.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, Duration)>> {
        let mut control = cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        match recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags) {
            Ok(message) => {
                let came = message.cmsgs()?.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                    _ => None,
                });
                Ok(Some((message.bytes, came.context("the kernel does not say when a datagram came")?)))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => bail!(error),
        }
    }
}

/// The clock of the kernel's stamps.
fn wall() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
