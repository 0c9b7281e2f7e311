//! Requests that are too large for a datagram, towards carriers whose firewall drops TCP without a word (RFC 3261 §18.1.1).

use crate::house::{Folder, House, PATIENCE};
use crate::oracle::rsip_agrees;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use vaxel::sip::Transport::Udp;

/// Speaks UDP and never accepts a connection: whoever asks for one hears nothing.
struct Carrier {
    udp: UdpSocket,
    _tcp: socket2::Socket,
    _waiting: Vec<socket2::Socket>,
}

impl Carrier {
    fn new(ip: [u8; 4]) -> Carrier {
        use socket2::{Domain, Socket, Type};
        let udp = UdpSocket::bind(SocketAddr::from((ip, 0))).expect("a port");
        let at = udp.local_addr().expect("a bound socket");
        let tcp = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        tcp.bind(&at.into()).expect("nobody else has this address");
        tcp.listen(0).expect("it listens");
        // Its queue is full from now on, so the system drops what comes.
        let waiting: Vec<Socket> = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("it need not wait");
                // It is under way, or done.
                drop(socket.connect(&at.into()));
                socket
            })
            .collect();
        let refused = TcpStream::connect_timeout(&at, Duration::from_millis(300)).expect_err("nobody is let in");
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut);
        Carrier { udp, _tcp: tcp, _waiting: waiting }
    }

    fn trunk(&self, name: &str, priority: u8) -> String {
        let at = self.udp.local_addr().expect("a bound socket");
        format!(
            "\n[[trunks]]\nname = \"{name}\"\nto = \"udp:{at}\"\ntakes = [\"+\"]\npriority = {priority}\n\
             passes = [\"user-to-user\"]\n"
        )
    }

    /// The next INVITE, and who sent it.
    fn invited(&self, patience: Duration) -> Option<(String, SocketAddr)> {
        self.udp.set_read_timeout(Some(patience)).expect("a time-out can be set");
        let mut buffer = [0; 8192];
        let (length, from) = self.udp.recv_from(&mut buffer).ok()?;
        rsip_agrees(&buffer[..length]);
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(text.starts_with("INVITE "), "{text}");
        Some((text, from))
    }

    fn rings(&self, invite: &str, to: SocketAddr) {
        let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let kept = invite.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let kept: String = kept
            .map(|line| if line.starts_with("To:") { format!("{line};tag=c\r\n") } else { format!("{line}\r\n") })
            .collect();
        let answer = format!("SIP/2.0 180 Ringing\r\n{kept}Contact: <sip:c@192.0.2.1>\r\nContent-Length: 0\r\n\r\n");
        self.udp.send_to(answer.as_bytes(), to).expect("loopback takes it");
    }
}

/// A trunk whose calls a flow sends on to a number outside.
pub const FLOW: &str = "flow: sales\nlanguages: [en]\nstart: on\nsteps:\n  on:\n    \
    transfer: { to: '+4790000000', next: hangup, failed: hangup }\n";

fn caller(server: SocketAddr, call: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.4:0").expect("a port");
    let at = socket.local_addr().expect("a bound socket");
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.4\r\ns=-\r\nc=IN IP4 127.0.0.4\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let data = "ab".repeat(240);
    let invite = format!(
        "INVITE sip:300@vaxel SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:+46701234567@c>;tag=1\r\nTo: <sip:300@vaxel>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@{at}>\r\nUser-to-User: {data};encoding=hex\r\nUser-to-User: {data};encoding=hex\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    socket.send_to(invite.as_bytes(), server).expect("loopback takes it");
    socket
}

#[test]
fn where_tcp_is_dropped_in_silence_a_large_invite_comes_by_udp_in_time_and_to_nobody_else() {
    let flows = Folder::new();
    std::fs::write(flows.0.join("sales.yaml"), FLOW).expect("a flow is written");
    let (first, second) = (Carrier::new([127, 0, 0, 75]), Carrier::new([127, 0, 0, 76]));
    let more = format!(
        "\n[flows]\nfolder = \"{}\"\n[[trunks]]\nname = \"in\"\nfrom = [\"127.0.0.4\"]\ntrusted = true\n{}{}",
        flows.0.display(),
        first.trunk("first", 1),
        second.trunk("second", 2)
    );
    let house = House::with(&more);
    let began = Instant::now();
    let _caller = caller(house.sip(Udp, true), "large");
    let (invite, from) = first.invited(PATIENCE).expect("it comes by UDP");
    assert!(invite.len() > 1300 && invite.contains("Via: SIP/2.0/UDP "), "{invite}");
    first.rings(&invite, from);
    let after = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&after), "{after:?}");
    // From here on it is known; each time it were not would take that second. Three times, as a machine may stand still once.
    let at_once = ["again", "anew", "once-more"].iter().any(|call| {
        let again = Instant::now();
        let _other = caller(house.sip(Udp, true), call);
        let (invite, from) = first.invited(PATIENCE).expect("it comes by UDP");
        first.rings(&invite, from);
        again.elapsed() < Duration::from_millis(700)
    });
    assert!(at_once, "TCP is tried again each time");
    assert_eq!(second.invited(Duration::from_secs(5)), None, "the first one rings");
}
