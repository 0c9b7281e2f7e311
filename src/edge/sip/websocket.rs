//! SIP over WebSocket (RFC 7118): the HTTP upgrade, and one SIP message in each WebSocket message.
//!
//! A browser cannot be connected to, so it is reached by the connection that it opened or not at all.

mod frames;

use super::stream::{End, LINGER, Streams};
use super::{PING, PONG};
use crate::edge::metrics::SipFault;
use crate::sip::{Hop, MAX_MESSAGE, Message as SipMessage};
use crate::time::Duration;
pub use frames::Frames;
use frames::{Watch, Watched};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection that was upgraded.
pub(super) struct Web<S> {
    socket: WebSocketStream<Watched<S>>,
    watch: Arc<Watch>,
}

impl<S> Web<S> {
    pub fn get_ref(&self) -> &S
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.socket.get_ref().get_ref()
    }
}

/// Longest request for an upgrade.
const HEAD_MAX: usize = 8192;

/// What a connection at rest keeps to read into.
const READ_BUFFER: usize = 4096;

/// The subprotocol (RFC 7118 §4).
const SIP: &str = "sip";

/// Answers the request for an upgrade. `origins`: the pages from which it may come; empty: from anywhere. Whoever names no
/// origin is no browser and could name any.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    origins: &[String],
) -> Result<Web<S>, (SipFault, String)> {
    let lost = |error: std::io::Error| (SipFault::NotWebSocket, error.to_string());
    let mut head = Vec::new();
    let (length, request) = loop {
        match Request::try_parse(&head) {
            Ok(Some(found)) => break found,
            Ok(None) if head.len() < HEAD_MAX => {}
            Ok(None) => return Err(refuse(stream, "431 Request Header Fields Too Large", SipFault::NotWebSocket).await),
            Err(_) => return Err(refuse(stream, "400 Bad Request", SipFault::NotWebSocket).await),
        }
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await.map_err(lost)? {
            0 => return Err((SipFault::NotWebSocket, "it ended".into())),
            length => head.extend_from_slice(&bytes[..length]),
        }
    };
    let Ok(mut response) = create_response(&request) else {
        return Err(refuse(stream, "426 Upgrade Required", SipFault::NotWebSocket).await);
    };
    let protocols = request.headers().get_all("Sec-WebSocket-Protocol");
    let mut protocols = protocols.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if !protocols.any(|protocol| protocol.trim().eq_ignore_ascii_case(SIP)) {
        return Err(refuse(stream, "400 Bad Request", SipFault::NoSubprotocol).await);
    }
    let origin = request.headers().get("Origin");
    let known =
        |origin: &HeaderValue| origins.iter().any(|known| origin.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    if !origins.is_empty() && origin.is_some_and(|origin| !known(origin)) {
        return Err(refuse(stream, "403 Forbidden", SipFault::WrongOrigin).await);
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SIP));
    let mut answer = Vec::new();
    write_response(&mut answer, &response).map_err(|error| (SipFault::NotWebSocket, error.to_string()))?;
    stream.write_all(&answer).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let watch = Arc::new(Watch::default());
    let early = head.split_off(length);
    let watched = Watched::new(stream, watch.clone(), &early);
    // Nothing is gathered before it is written; what waits is bounded by the table.
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket = WebSocketStream::from_partially_read(watched, early, Role::Server, Some(config)).await;
    Ok(Web { socket, watch })
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, status: &str, fault: SipFault) -> (SipFault, String) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {SIP}\r\nContent-Length: 0\r\n\r\n"
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // Whoever does not take the answer does without.
    if matches!(timeout(LINGER, said).await, Ok(Ok(()))) {
        discard(stream).await;
    }
    (fault, status.to_owned())
}

/// Bytes that were not read when a connection is closed would make the peer's system drop what we said last.
async fn discard<S: AsyncRead + Unpin>(mut stream: S) {
    let all = async { while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {} };
    tokio::select! {
        () = sleep(LINGER) => {}
        () = all => {}
    }
}

type Writes = mpsc::Receiver<Vec<u8>>;

impl Streams {
    /// SIP as WebSocket messages, both ways at once.
    pub(super) async fn chat<S>(&self, web: Web<S>, writes: &mut Writes, hop: Hop) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut outgoing, mut incoming) = web.socket.split();
        let end = tokio::select! {
            end = self.hear(&mut incoming, &web.watch, hop) => end,
            end = self.say(&mut outgoing, writes) => end,
        };
        let code = match end {
            End::Closed | End::Stopped => CloseCode::Away,
            End::Fault(SipFault::BadFraming) => CloseCode::Protocol,
            End::Fault(SipFault::TooLarge) => CloseCode::Size,
            End::Refused | End::Fault(SipFault::SlowSender | SipFault::SlowReader) => CloseCode::Policy,
            // Nobody is there who could be told.
            End::Fault(_) => return end,
        };
        let Ok(mut socket) = outgoing.reunite(incoming) else { return end };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        // The peer may have closed first, and be gone.
        if matches!(timeout(LINGER, socket.send(goodbye)).await, Ok(Ok(()))) {
            discard(socket.into_inner()).await;
        }
        end
    }

    async fn hear<S>(&self, incoming: &mut SplitStream<WebSocketStream<Watched<S>>>, watch: &Watch, hop: Hop) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = self.limits();
        let keep_alives = &self.outside().traffic.keep_alives.websocket;
        let began = Instant::now();
        let mut idle_until = began + limits.message;
        let mut spoke = false;
        let mut half_until = None;
        // For how long we listened and nothing came.
        let (mut heard, mut silence) = (watch.bytes(), Duration::ZERO);
        loop {
            let now = Instant::now();
            if heard != watch.bytes() {
                (heard, silence) = (watch.bytes(), Duration::ZERO);
            }
            half_until = watch.is_half().then(|| half_until.unwrap_or(now + limits.message));
            if half_until.is_some_and(|until| until <= now) || (!spoke && idle_until <= now) {
                return End::Fault(SipFault::SlowSender);
            }
            if idle_until <= now {
                return self.idle(hop);
            }
            if silence >= limits.loss {
                keep_alives.lost.inc();
                return End::Fault(SipFault::NoPong);
            }
            // Bytes that make nothing whole wake nobody, so it is looked now and then.
            let next = (now + (limits.loss / 4).min(limits.loss - silence))
                .min(idle_until)
                .min(half_until.unwrap_or(idle_until));
            let read = timeout_at(next, incoming.next()).await;
            // This machine stood still if it woke late, and the peer could not be heard; nor can it while the engine is waited for.
            let woke = Instant::now();
            let late = woke.saturating_duration_since(next);
            silence += woke.min(next).saturating_duration_since(now);
            idle_until += late;
            half_until = half_until.map(|until| until + late);
            let bytes = match read {
                Err(_) => continue,
                Ok(None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed))) => return End::Closed,
                Ok(Some(Err(Error::Io(_)))) => return End::Fault(SipFault::ConnectionLost),
                Ok(Some(Err(Error::Capacity(_)))) => return End::Fault(SipFault::TooLarge),
                // A browser that was closed in a hurry.
                Ok(Some(Err(_))) if watch.is_over() && !watch.is_half() => return End::Closed,
                Ok(Some(Err(_))) if watch.is_over() => return End::Fault(SipFault::ConnectionLost),
                Ok(Some(Err(_))) => return End::Fault(SipFault::BadFraming),
                Ok(Some(Ok(Message::Text(text)))) => text.as_bytes().to_vec(),
                Ok(Some(Ok(Message::Binary(bytes)))) => bytes.to_vec(),
                // Each is answered at once by the WebSocket itself, and so costs what a request does.
                Ok(Some(Ok(Message::Ping(_))))
                    if !self.outside().may_ask(hop.transport, hop.remote, hop.connection) =>
                {
                    return End::Refused;
                }
                // A goodbye is answered as well.
                Ok(Some(Ok(other))) => {
                    if matches!(other, Message::Pong(_)) {
                        keep_alives.answered.inc();
                    }
                    continue;
                }
            };
            half_until = None;
            spoke |= bytes == PING || bytes.iter().any(|b| !matches!(b, b'\r' | b'\n'));
            if spoke {
                idle_until = Instant::now() + limits.idle;
            }
            // RFC 5626 §4.4.1, which some speak here as well.
            if bytes == PING {
                if !self.outside().may_ask(hop.transport, hop.remote, hop.connection) {
                    return End::Refused;
                }
                self.write_now(hop, PONG.to_vec());
                continue;
            }
            let passage = self.outside().receive(hop, bytes.len(), SipMessage::parse(&bytes));
            if let Some(end) = self.pass(hop, passage).await {
                return end;
            }
        }
    }

    async fn say<S>(&self, outgoing: &mut SplitSink<WebSocketStream<Watched<S>>, Message>, writes: &mut Writes) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (limits, keep_alives) = (self.limits(), &self.outside().traffic.keep_alives);
        let mut pings = interval_at(Instant::now() + limits.loss / 2, limits.loss / 2);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let bytes = tokio::select! {
                bytes = writes.recv() => bytes,
                _ = pings.tick() => Some(Vec::new()),
            };
            // The table forgot us because the queue was full, and counted it.
            let Some(bytes) = bytes else { return End::Closed };
            // As much as tells what it is.
            let start: Vec<u8> = bytes.iter().take(32).copied().collect();
            let message = match String::from_utf8(bytes) {
                Ok(nothing) if nothing.is_empty() => Message::Ping(Vec::new().into()),
                Ok(text) => Message::text(text),
                Err(other) => Message::binary(other.into_bytes()),
            };
            match timeout(limits.write, outgoing.send(message)).await {
                Ok(Ok(())) if start.is_empty() => keep_alives.websocket.sent.inc(),
                Ok(Ok(())) if start == PONG => keep_alives.of_peers.inc(),
                Ok(Ok(())) => self.outside().traffic.sent(&start),
                Ok(Err(Error::WriteBufferFull(_))) | Err(_) => return End::Fault(SipFault::SlowReader),
                // It is closing; the reader sees the end.
                Ok(Err(Error::Protocol(_) | Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    std::future::pending::<()>().await;
                }
                Ok(Err(_)) => return End::Fault(SipFault::ConnectionLost),
            }
        }
    }
}

#[cfg(test)]
mod tests;
