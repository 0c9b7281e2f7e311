//! What a phone of the tests says and hears: a socket that speaks a tone and keeps what comes.

use crate::server::wait_for;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vaxel::audio::{g711, tone};
use vaxel::rtp::event::{self, DigitSender};
use vaxel::rtp::packet::{Header, Packet};

/// The sound of a caller: speaks a tone to whoever spoke to it first, and keeps what it hears. PCMU.
pub struct Sound {
    socket: UdpSocket,
    heard: Arc<Mutex<Vec<i16>>>,
    key: Arc<Mutex<Option<DigitSender>>>,
    peer: Arc<Mutex<Option<SocketAddr>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sound {
    pub fn new(frequency: f64) -> Sound {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket option");
        let mut sound = Sound {
            socket,
            heard: Arc::default(),
            key: Arc::default(),
            peer: Arc::default(),
            stop: Arc::default(),
            thread: None,
        };
        let socket = sound.socket.try_clone().expect("a socket can be shared");
        let (heard, key, stop) = (sound.heard.clone(), sound.key.clone(), sound.stop.clone());
        let peer_of = sound.peer.clone();
        sound.thread = Some(std::thread::spawn(move || {
            let tone = tone::sine(frequency, -12.0, Duration::from_secs(1), 8000);
            let (mut sequence, mut began) = (0u16, None);
            let mut next = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let mut buffer = [0; 2048];
                if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                    *peer_of.lock().unwrap() = Some(from);
                    if let Ok(packet) = Packet::read(&buffer[..n])
                        && packet.payload_type == 0
                    {
                        let samples = buffer[packet.payload].iter().map(|code| g711::ulaw_decode(*code));
                        heard.lock().unwrap().extend(samples);
                    }
                }
                let Some(peer) = *peer_of.lock().unwrap() else { continue };
                if Instant::now() < next {
                    continue;
                }
                next = next.max(Instant::now() - Duration::from_millis(100)) + Duration::from_millis(20);
                let timestamp = u32::from(sequence) * 160;
                let mut header = Header { marker: sequence == 0, payload_type: 0, sequence, timestamp, ssrc: 0x5150 };
                let mut bytes;
                let mut key = key.lock().unwrap();
                match key.as_mut().map(DigitSender::next) {
                    Some(Some((event, marker))) => {
                        let began = *began.get_or_insert(timestamp);
                        header = Header { marker, payload_type: 101, timestamp: began, ..header };
                        bytes = header.bytes().to_vec();
                        bytes.extend(event.bytes());
                    }
                    over => {
                        if over.is_some() {
                            (*key, began) = (None, None);
                        }
                        bytes = header.bytes().to_vec();
                        let at = usize::from(sequence) * 160;
                        bytes.extend((0..160).map(|i| g711::ulaw_encode(tone[(at + i) % tone.len()])));
                    }
                }
                sequence = sequence.wrapping_add(1);
                socket.send_to(&bytes, peer).expect("loopback takes it");
            }
        }));
        sound
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket").port()
    }

    /// Presses a key by RFC 4733.
    pub fn press(&self, key: char) {
        *self.key.lock().unwrap() = Some(DigitSender::new(event::code(key).expect("a key"), 160, 800));
    }

    pub fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until something was heard at all: the menu speaks.
    pub fn wait_for_voice(&self) {
        wait_for("the menu to speak", Duration::from_secs(10), || {
            let heard = self.heard();
            (vaxel::audio::measure::loudness(heard.get(heard.len().saturating_sub(4000)..)?) > -40.0).then_some(())
        });
    }

    /// Waits until this tone was heard for so long without a break.
    pub fn wait_for_tone(&self, frequency: f64, millis: u64) {
        wait_for(&format!("a tone of {frequency} Hz"), Duration::from_secs(15), || {
            (vaxel::audio::measure::longest_tone_millis(&self.heard(), frequency, -20.0, 8000) >= millis).then_some(())
        });
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
