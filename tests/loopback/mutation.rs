//! Damaged messages by the thousand, from a fixed seed. `MUTATIONS=1000000 cargo test --release --test loopback damaged --
//! --nocapture` is the whole of it, on a machine that has nothing else to do, and then no answer may be late; without the variable it
//! is a fiftieth. Its last line has the figures. Over UDP, TCP and WebSocket, and by each of them somebody asks meanwhile; each connection has to end.

#[path = "../fuzz/mutator.rs"]
mod mutator;

use crate::HERE;
use crate::asker::{Ask, Asker, read};
use crate::house::{PATIENCE, carrier, metrics};
use crate::oracle::rsip_agrees;
use crate::person::connect;
use crate::program::Program;
use mutator::{Random, mutate};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaxel::sip::Transport::{Tcp, Udp};
use vaxel::sip::{Message, Response};

/// Strangers are not to be dropped unread here.
const MORE: &str = "\n[limits]\nstrangers = 100000\nstrangers_burst = 1000000\nstrangers_total = 1000000\n[[trunks]]\nname = \"careless\"\nfrom = [\"127.0.0.78\"]\n";
/// Answers go wherever a damaged Via says: to addresses that nobody else has.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 78));
/// Messages between two control requests; as many as surely fit the socket's buffer.
const BATCH: usize = 50;
/// Connections that are let be before their end is looked for: what broke one is answered for half a second.
const ENDING: usize = 150;

fn seeds(asker: &Asker) -> Vec<Vec<u8>> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let plain = |method: &str, more: &str| {
        asker.write(&Ask { more, ..Ask::new(method, "sip:999@vaxel", "anna") }).replace(";rport", ";rport=")
    };
    let mut seeds: Vec<String> = [
        "OPTIONS",
        "REGISTER",
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "PRACK",
        "UPDATE",
        "REFER",
        "SUBSCRIBE",
        "NOTIFY",
        "MESSAGE",
    ]
    .map(|method| plain(method, ""))
    .to_vec();
    seeds.push(
        plain("INVITE", "Content-Type: application/sdp\r\n")
            .replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len())),
    );
    seeds.push(
        plain("BYE", "Reason: SIP;cause=200;text=\"x\"\r\n")
            .replace("To: <sip:anna@vaxel>", "To: <sip:anna@vaxel>;tag=9"),
    );
    let digest = "Authorization: Digest username=\"anna\", realm=\"sip\", nonce=\"00064c1b\", uri=\"sip:vaxel\", response=\"0123456789abcdef\", \
                  algorithm=MD5, qop=auth, cnonce=\"c\", nc=00000001\r\nExpires: 60\r\n";
    seeds.push(plain("REGISTER", digest));
    seeds.push(plain(
        "INVITE",
        "Supported: timer, 100rel\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nRecord-Route: <sip:p;lr>\r\n",
    ));
    seeds.push(plain("OPTIONS", "").replace("OPTIONS sip:999@vaxel SIP/2.0", "SIP/2.0 200 OK"));
    seeds.push(plain("INVITE", "").replace("INVITE sip:999@vaxel SIP/2.0", "SIP/2.0 401 Unauthorized"));
    seeds.into_iter().map(String::into_bytes).collect()
}

/// As a browser would write it.
fn frame(random: &mut Random, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long => [&[0x80 | 126][..], &u16::try_from(long).expect("shorter than a datagram").to_be_bytes()].concat(),
    };
    let mask = (random.next() as u32).to_be_bytes();
    let masked: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    [&[0x80 | kind][..], &length, &mask, &masked].concat()
}

const UPGRADE: &[u8] =
    b"GET /sip HTTP/1.1\r\nHost: vaxel\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// Somebody who asks rightly over WebSocket.
struct Web {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Web {
    fn open(from: IpAddr, to: SocketAddr) -> Web {
        let mut stream = connect(from, to);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.write_all(UPGRADE).expect("it is taken");
        let mut web = Web { stream, came: Vec::new() };
        let end = loop {
            match web.came.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => web.read(),
            }
        };
        assert!(web.came.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&web.came));
        web.came.drain(..end);
        web
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).expect("an answer comes");
        assert!(length > 0, "the connection is lost");
        self.came.extend_from_slice(&buffer[..length]);
    }

    /// The final answer.
    fn ask(&mut self, random: &mut Random, text: &str) -> Response {
        self.stream.write_all(&frame(random, 1, text.as_bytes())).expect("it is taken");
        let id = read(text).headers.call_id().expect("we wrote one").to_owned();
        loop {
            match Message::parse(&self.next()) {
                Ok(Message::Response(answer)) if answer.headers.get("Call-ID") == Some(&*id) => return answer,
                _ => {}
            }
        }
    }

    /// The payload of the next frame; none of the server's is longer than two bytes can say.
    fn next(&mut self) -> Vec<u8> {
        loop {
            let (head, length) = match self.came[..] {
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
                [_, short @ 0..126, ..] => (2, usize::from(short)),
                _ => (2, usize::MAX - 2),
            };
            if self.came.len() >= head + length {
                let frame: Vec<u8> = self.came.drain(..head + length).collect();
                rsip_agrees(&frame[head..]);
                return frame[head..].to_vec();
            }
            self.read();
        }
    }
}

/// Five messages over one connection: damaged within their frames, or with their frames, or before the upgrade.
fn over_websocket(random: &mut Random, from: IpAddr, to: SocketAddr, seeds: &[Vec<u8>], few: &[Vec<u8>]) -> TcpStream {
    let manner = random.below(5);
    let mut bytes = if manner == 0 { mutate(random, &[UPGRADE.to_vec()]) } else { UPGRADE.to_vec() };
    for message in few {
        let kind = 1 + random.below(2) as u8;
        bytes.extend(match manner {
            1 => {
                let kind = random.below(16) as u8;
                let seed = random.below(seeds.len());
                let sound = frame(random, kind, &seeds[seed]);
                mutate(random, &[sound])
            }
            _ => frame(random, kind, message),
        });
    }
    let mut stream = connect(from, to);
    // It may be cut in the middle.
    drop(stream.write_all(&bytes));
    stream
}

/// The other side has closed it, or does so soon.
fn ends(mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out can be set");
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("a connection does not end: {error}"),
        }
    }
}

#[test]
fn damaged_messages_harm_nobody_and_leave_nothing() {
    let whole: Option<usize> = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok());
    let wanted = whole.unwrap_or(20_000);
    let mut program = Program::start_with(Stdio::inherit(), "error", MORE);
    let mut control = Asker::new(Udp, carrier(true), program.sip);
    let mut by_stream = Asker::new(Tcp, carrier(true), program.tcp);
    let mut by_web = Web::open(carrier(true), program.ws);
    let seeds = seeds(&control);
    let mut random = Random(4475);
    let stranger = UdpSocket::bind((STRANGER, 0)).expect("a port");
    let trunk = UdpSocket::bind((TRUNK, 0)).expect("a port");
    // Nobody reads the answers; the system drops what is too much.
    let (mut times, mut before, mut sent) = (Vec::new(), 0, 0);
    let (mut ending, mut ended) = (VecDeque::new(), 0);
    let [mut by_udp, mut by_tcp, mut by_ws] = [0; 3];
    let began = Instant::now();
    while sent < wanted {
        // The kinds of senders: over UDP a stranger mostly, a trunk now and then (what it sends the switchboard keeps for half a
        // minute), over TCP and WebSocket both.
        let kinds = random.below(20);
        let mut bytes: Vec<_> = (0..BATCH).map(|_| mutate(&mut random, &seeds)).collect();
        match kinds {
            0 => bytes.iter().for_each(|bytes| drop(trunk.send_to(bytes, program.sip))),
            1..5 => {
                let home = if kinds % 2 == 1 { TRUNK } else { STRANGER };
                // Most break the stream, so each connection carries a few.
                for few in bytes.chunks_mut(5) {
                    let stream = if kinds > 2 {
                        over_websocket(&mut random, home, program.ws, &seeds, few)
                    } else {
                        let mut stream = connect(home, program.tcp);
                        // It may be cut in the middle.
                        drop(stream.write_all(&few.concat()));
                        stream
                    };
                    // It may have been closed already.
                    drop(stream.shutdown(Shutdown::Write));
                    ending.push_back(stream);
                }
                while ending.len() > ENDING {
                    ending.pop_front().into_iter().for_each(ends);
                    ended += 1;
                }
            }
            _ => bytes.iter().for_each(|bytes| drop(stranger.send_to(bytes, program.sip))),
        }
        sent += BATCH;
        *(match kinds {
            1..3 => &mut by_tcp,
            3..5 => &mut by_ws,
            _ => &mut by_udp,
        }) += BATCH;
        let text = control.write(&Ask::new("OPTIONS", "sip:vaxel", "caller"));
        let asked = Instant::now();
        assert_eq!(control.ask(&text).code, 200);
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        let text = by_stream.write(&Ask::new("OPTIONS", "sip:vaxel", "caller"));
        let asked = Instant::now();
        assert_eq!(by_stream.ask(&text).code, 200);
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        let text = text.replace("SIP/2.0/TCP", "SIP/2.0/WS").replace("branch=z9hG4bK", "branch=z9hG4bKweb");
        let text = text.replace("Call-ID: ", "Call-ID: web");
        let asked = Instant::now();
        assert_eq!(by_web.ask(&mut random, &text).code, 200);
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        assert_eq!(program.process.try_wait().expect("it can be asked"), None, "it lives");
        // Buffers, tables and threads have their size by then.
        if before == 0 && sent >= wanted.min(2000) {
            before = program.kilobytes();
        }
    }
    ended += ending.len();
    ending.into_iter().for_each(ends);
    let took = began.elapsed();
    let grown = program.kilobytes().saturating_sub(before);
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    drop((by_stream, by_web));
    let mut scraped = metrics(program.http);
    let closing = Instant::now();
    while scraped["vaxel_sip_connections"] > 0.0 && closing.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        scraped = metrics(program.http);
    }
    let errors: Vec<_> = scraped.iter().filter(|(name, n)| name.starts_with("vaxel_sip_errors") && **n > 0.0).collect();
    println!("{errors:?}");
    let answered = |class: &str| scraped[&format!("vaxel_sip_messages_total{{direction=\"sent\",kind=\"{class}\"}}")];
    let answered: f64 = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"].map(answered).iter().sum();
    // A panic anywhere ends the process.
    let panics = usize::from(program.process.try_wait().expect("it can be asked").is_some());
    println!(
        "damaged: {sent} sent ({by_udp} UDP, {by_tcp} TCP, {by_ws} WebSocket) in {:.0} s, {answered} answers; {} control requests, slowest \
         answer {:.1} ms (bound 100), median {:.2}, 99 % {:.2}; memory +{:.1} MB (bound 30) on {:.1}; {ended} connections ended; panics {panics}",
        took.as_secs_f64(),
        times.len(),
        at(1.0),
        at(0.5),
        at(0.99),
        grown as f64 / 1024.0,
        before as f64 / 1024.0
    );
    assert_eq!(panics, 0);
    assert!(scraped[r#"vaxel_sip_errors_total{reason="malformed"}"#] > 0.1 * sent as f64, "they arrived");
    assert!(at(0.95) < 100.0);
    assert!(whole.is_none() || at(1.0) < 100.0, "somebody waited for {} ms", at(1.0));
    assert!(grown < 30 * 1024, "{grown} kB more than before");
    assert!(ended > wanted / 100 && scraped["vaxel_sip_connections"] == 0.0, "{ended} ended");
    // The connections are gone, and who is right is served.
    let mut phone = Asker::new(Tcp, HERE, program.tcp);
    assert_eq!(phone.sign(&Ask::new("REGISTER", "sip:vaxel", "bjorn"), "bjorn", "correct horse").code, 200);
    assert!(began.elapsed() < Duration::from_secs(3600));
}
