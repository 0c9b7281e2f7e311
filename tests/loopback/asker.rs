//! Somebody who sends requests written by hand and reads what comes back.

use crate::house::PATIENCE;
use crate::oracle::{Stream, rsip_agrees};
use crate::person::connect;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vaxel::sip::digest::{self, Challenge, Login};
use vaxel::sip::{BadMessage, Message, Method, Request, Response, Transport};

pub struct Asker {
    wire: Wire,
    pub local: SocketAddr,
    pub transport: Transport,
}

enum Wire {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream, Box<Stream>),
}

/// What a request is to differ in from the plain one.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    /// The users of From and To.
    pub from: &'a str,
    pub to: &'a str,
    /// Further header lines, each with its end; a Contact among them takes the place of the usual one.
    pub more: &'a str,
}

impl<'a> Ask<'a> {
    pub fn new(method: &'a str, uri: &'a str, from: &'a str) -> Ask<'a> {
        Ask { method, uri, from, to: from, more: "" }
    }
}

/// A name that was never used.
pub fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("ask{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Asker {
    pub fn new(transport: Transport, home: IpAddr, server: SocketAddr) -> Asker {
        let (wire, local) = if transport == Transport::Udp {
            let socket = UdpSocket::bind((home, 0)).expect("a port");
            let local = socket.local_addr();
            (Wire::Udp(socket, server), local)
        } else {
            let stream = connect(home, server);
            let local = stream.local_addr();
            (Wire::Tcp(stream, Box::default()), local)
        };
        Asker { wire, local: local.expect("a bound socket has an address"), transport }
    }

    pub fn write(&self, ask: &Ask) -> String {
        let (via, at, id) = (self.transport.name(), self.local, fresh());
        let Ask { method, uri, from, to, more } = ask;
        let contact =
            if more.contains("Contact: ") { String::new() } else { format!("Contact: <sip:{from}@{at}>\r\n") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {at};rport;branch=z9hG4bK{id}\r\nFrom: <sip:{from}@vaxel>;tag=1\r\n\
             To: <sip:{to}@vaxel>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n{contact}{more}\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// False: the other side has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.wire {
            Wire::Udp(socket, server) => socket.send_to(bytes, *server).is_ok(),
            Wire::Tcp(stream, _) => stream.write_all(bytes).is_ok(),
        }
    }

    /// The bytes of the next datagram, as they came.
    pub fn next_bytes(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let Wire::Udp(socket, _) = &mut self.wire else { panic!("streams have no datagrams") };
        socket.set_read_timeout(Some(limit)).expect("a time-out can be set");
        let mut buffer = vec![0; 1 << 16];
        let length = socket.recv(&mut buffer).ok()?;
        rsip_agrees(&buffer[..length]);
        Some(buffer[..length].to_vec())
    }

    /// The next message, as it came; `None`: none within `limit`, or the connection is closed.
    pub fn next(&mut self, limit: Duration) -> Option<Message> {
        let end = Instant::now() + limit;
        let mut buffer = [0; 1 << 16];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Wire::Tcp(_, stream) = &mut self.wire
                && let Some(read) = stream.next()
            {
                return Some(read.unwrap_or_else(|bad| as_it_is(&bad, &bad.to_string())));
            }
            if left.is_zero() {
                return None;
            }
            let read = match &mut self.wire {
                Wire::Udp(socket, _) => {
                    socket.set_read_timeout(Some(left)).expect("a time-out can be set");
                    socket.recv(&mut buffer)
                }
                Wire::Tcp(stream, _) => {
                    stream.set_read_timeout(Some(left)).expect("a time-out can be set");
                    stream.read(&mut buffer)
                }
            };
            match (read, &mut self.wire) {
                (Ok(length), Wire::Udp(..)) => {
                    rsip_agrees(&buffer[..length]);
                    let said = String::from_utf8_lossy(&buffer[..length]);
                    return Some(Message::parse(&buffer[..length]).unwrap_or_else(|bad| as_it_is(&bad, &said)));
                }
                (Ok(0), Wire::Tcp(..)) => return None,
                (Ok(length), Wire::Tcp(_, stream)) => stream.push(&buffer[..length]),
                (Err(error), _) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
                (Err(error), _) if error.kind() == ErrorKind::ConnectionReset => return None,
                (Err(error), _) => panic!("the wire broke: {error}"),
            }
        }
    }

    /// Whether the other side has closed the connection; to be asked when nothing more is to be read.
    pub fn is_closed(&mut self) -> bool {
        let Wire::Tcp(stream, _) = &mut self.wire else { return false };
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a time-out can be set");
        match stream.read(&mut [0; 64]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// The final answer to this request. What comes of earlier ones is passed over.
    pub fn ask(&mut self, text: &str) -> Response {
        self.send(text.as_bytes());
        let request = read(text);
        let id = request.headers.get("Call-ID");
        loop {
            match self.next(PATIENCE) {
                Some(Message::Response(r)) if r.is_final() && r.headers.get("Call-ID") == id => return r,
                Some(_) => {}
                None => panic!("no answer came to {text}"),
            }
        }
    }

    /// The first challenge that is given for `ask`.
    pub fn challenge(&mut self, ask: &Ask) -> Challenge {
        let text = self.write(ask);
        let response = self.ask(&text);
        assert_eq!(response.code, 401, "{}", ask.method);
        Challenge::parse(response.headers.get("WWW-Authenticate").expect("401 has it")).expect("we can read it")
    }

    /// Asks as `user`: is challenged and answers.
    pub fn sign(&mut self, ask: &Ask, user: &str, password: &str) -> Response {
        let challenge = self.challenge(ask);
        self.answer(&challenge, ask, user, password)
    }

    /// The same for who is known, and so not challenged by each method.
    pub fn sign_again(&mut self, ask: &Ask, user: &str, password: &str) -> Response {
        let challenge = self.challenge(&Ask { method: "INVITE", ..*ask });
        self.answer(&challenge, ask, user, password)
    }

    fn answer(&mut self, challenge: &Challenge, ask: &Ask, user: &str, password: &str) -> Response {
        let more = format!("{}{}", ask.more, signature(challenge, ask, user, password, 1));
        let text = self.write(&Ask { more: &more, ..*ask });
        self.ask(&text)
    }
}

/// An answer that repeats what was broken in its request, and so cannot be read itself.
fn as_it_is(bad: &BadMessage, said: &str) -> Message {
    let code = said.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
    // Of a stream the start line is lost with the fault; whatever is broken is refused with this.
    Message::Response(Response {
        code: code.unwrap_or(400),
        reason: String::new(),
        headers: bad.headers().clone(),
        body: Vec::new(),
    })
}

/// The header line that answers `challenge`.
pub fn signature(challenge: &Challenge, ask: &Ask, user: &str, password: &str, nc: u32) -> String {
    let method = Method::parse(ask.method).expect("a method");
    let login = Login { user, password, method: &method, uri: ask.uri, cnonce: "c", nc };
    format!("Authorization: {}\r\n", digest::answer(challenge, &login))
}

/// The request that this text is.
pub fn read(text: &str) -> Request {
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}
