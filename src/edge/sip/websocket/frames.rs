//! Where in its frames (RFC 6455 §5.2) a peer is: the library that reads them does not tell that half of something came.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is known of what was read.
#[derive(Debug, Default)]
pub struct Watch {
    half: AtomicBool,
    over: AtomicBool,
    bytes: AtomicU64,
}

impl Watch {
    /// A frame or a message has begun that is not complete.
    pub fn is_half(&self) -> bool {
        self.half.load(Ordering::Relaxed)
    }

    /// The peer will send no more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All that came.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A stream of frames that is looked at while it is read.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    frames: Frames,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    /// `early`: what was read before.
    pub fn new(stream: S, watch: Arc<Watch>, early: &[u8]) -> Watched<S> {
        let mut watched = Watched { stream, frames: Frames::default(), watch };
        watched.look(early);
        watched
    }

    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    fn look(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
        self.watch.half.store(self.frames.is_half(), Ordering::Relaxed);
        self.watch.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let watched = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut watched.stream).poll_read(context, buffer));
        watched.look(&buffer.filled()[before..]);
        if read.is_err() || buffer.filled().len() == before {
            watched.watch.over.store(true, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Longest head of a frame.
const HEAD_MAX: usize = 14;

/// Where in its frames a stream of bytes is. Nothing of it grows with what comes.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD_MAX],
    /// Bytes of `head` that came.
    have: usize,
    /// Bytes of the payload that are to come.
    left: u64,
    /// A message is to be continued by a further frame.
    fragments: bool,
}

impl Frames {
    /// Takes what came next, however it is cut.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let passed = self.left.min(bytes.len() as u64);
                self.left -= passed;
                // No more than there is, so it fits.
                bytes = &bytes[passed as usize..];
                continue;
            }
            self.head[self.have] = *first;
            self.have += 1;
            bytes = rest;
            if self.have == self.head_length() {
                self.begin();
            }
        }
    }

    /// A frame or a message has begun that is not complete.
    pub fn is_half(&self) -> bool {
        self.have > 0 || self.left > 0 || self.fragments
    }

    /// As far as is known by what came.
    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    fn begin(&mut self) {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        self.left = match self.head[1] & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            short => short.into(),
        };
        // Control frames may stand between the fragments of a message (§5.4).
        if self.head[0] & 0x08 == 0 {
            self.fragments = self.head[0] & 0x80 == 0;
        }
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame with a payload of this length.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.resize(frame.len() + length, 0x81);
        frame
    }

    #[test]
    fn only_the_end_of_a_message_is_between_two() {
        const TEXT: u8 = 0x81;
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let bytes = frame(TEXT, length);
            let mut frames = Frames::default();
            for (n, byte) in bytes.iter().enumerate() {
                assert_eq!(frames.is_half(), n > 0, "{length}: {n}");
                frames.push(&[*byte]);
            }
            assert!(!frames.is_half(), "{length}");
            frames.push(&[bytes.clone(), bytes].concat());
            assert!(!frames.is_half(), "{length}, two at once");
        }
    }

    #[test]
    fn fragments_are_half_a_message_until_the_last_and_pings_between_them_change_nothing() {
        let mut frames = Frames::default();
        for (first, half) in [(0x01, true), (0x89, true), (0x00, true), (0x8a, true), (0x80, false), (0x89, false)] {
            frames.push(&frame(first, 5));
            assert_eq!(frames.is_half(), half, "{first:02x}");
        }
    }
}
