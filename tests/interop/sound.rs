//! What a phone of the tests says and hears: a socket that speaks a tone and keeps what comes.

use crate::SOON;
use crate::server::wait_for;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use vaxel::audio::{g711, measure, tone};
use vaxel::media::Codec;
use vaxel::rtp::event::{self, DigitSender};
use vaxel::rtp::packet::{Header, Packet};

/// Whoever hears, and can be asked at any time what came until now.
pub trait Ear {
    /// 8 kHz.
    fn heard(&self) -> Vec<i16>;

    /// How much came until now, in samples: what comes later is `since` this.
    fn now(&self) -> usize {
        self.heard().len()
    }

    fn since(&self, moment: usize) -> Vec<i16> {
        self.heard().split_off(moment)
    }

    /// Whether there is more to be heard than the last of the call before, which may still have been on its way.
    fn speaks_since(&self, moment: usize) -> bool {
        self.since(moment).get(2000..).is_some_and(|sound| measure::loudness(sound) > -40.0)
    }

    /// Waits until this tone was heard for so long without a break.
    fn wait_for_tone(&self, frequency: f64, millis: u64) {
        self.wait_for_tone_since(0, frequency, millis);
    }

    fn wait_for_tone_since(&self, moment: usize, frequency: f64, millis: u64) {
        wait_for(&format!("a tone of {frequency} Hz"), Duration::from_secs(20), || {
            (tone_millis(&self.since(moment), frequency) >= millis).then_some(())
        });
    }

    /// Waits until hold music is heard, and goes on for so long without any of the `tones`.
    fn wait_for_music_since(&self, moment: usize, millis: usize, tones: &[f64]) {
        let clean = |piece: &[i16]| tones.iter().all(|tone| tone_millis(piece, *tone) < 40);
        let began = wait_for("hold music", Duration::from_secs(20), || {
            let heard = self.since(moment);
            let piece = heard.len().checked_sub(PIECE).map(|at| &heard[at..])?;
            (clean(piece) && place_in_music(piece, None).is_some()).then_some(moment + heard.len())
        });
        let music = wait_for("hold music to go on", Duration::from_secs(20), || {
            let music = self.since(began);
            (music.len() >= millis * 8).then_some(music)
        });
        assert!(clean(&music), "one of {tones:?} Hz goes on through the music");
        // On a busy machine the music has gaps.
        let mut place = None;
        let good = music.chunks_exact(PIECE).filter(|piece| {
            let found = place_in_music(piece, place.map(|at| at + PIECE));
            place = found.or(place);
            found.is_some()
        });
        let good = good.count();
        assert!(good * 2 > music.len() / PIECE, "{good} of {} pieces are music", music.len() / PIECE);
    }
}

/// The longest time for which the tone was heard without a break.
pub fn tone_millis(samples: &[i16], frequency: f64) -> u64 {
    measure::longest_tone_millis(samples, frequency, -20.0, 8000)
}

/// What is looked at to know the music, in samples.
const PIECE: usize = 1200;
const HEAD: usize = 100;

/// Where in the hold music this piece is; `None`: it is none of it. Looks at `near` first, since the whole of it takes long.
fn place_in_music(piece: &[i16], near: Option<usize>) -> Option<usize> {
    static MUSIC: LazyLock<Vec<f32>> = LazyLock::new(|| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/sounds/music/calm.wav");
        let music = hound::WavReader::open(file).expect("the hold music is there");
        music.into_samples::<i16>().map(|sample| f32::from(sample.expect("16-bit samples"))).collect()
    });
    if !(-40.0..-14.0).contains(&measure::loudness(piece)) {
        return None;
    }
    let piece: Vec<f32> = piece.iter().map(|sample| f32::from(*sample)).collect();
    // The same but for what G.711 takes away.
    let alike = |a: &[f32], b: &[f32], least: f32| {
        let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
        let product: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        product > 0.0 && product * product > least * power(a) * power(b)
    };
    let is_here = |at: &usize| {
        let Some(place) = MUSIC.get(*at..at + piece.len()) else { return false };
        // Most places can be told by their beginning.
        alike(&place[..HEAD], &piece[..HEAD], 0.6) && alike(place, &piece, 0.95)
    };
    let about = |at: usize| at.saturating_sub(2)..at + 3;
    near.and_then(|near| about(near).find(is_here)).or_else(|| (0..MUSIC.len()).find(is_here))
}

/// The sound of a phone: speaks a tone to whoever spoke to it first, and keeps what it hears.
pub struct Sound {
    socket: UdpSocket,
    heard: Arc<Mutex<Vec<i16>>>,
    key: Arc<Mutex<Option<DigitSender>>>,
    /// What is said instead of the tone, until it is over.
    said: Arc<Mutex<VecDeque<i16>>>,
    peer: Arc<Mutex<Option<SocketAddr>>>,
    muted: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sound {
    /// µ-law over IPv4.
    pub fn new(frequency: f64) -> Sound {
        Sound::with(frequency, Codec::Pcmu, Ipv4Addr::LOCALHOST.into())
    }

    /// Other codecs than this one are not heard.
    pub fn with(frequency: f64, codec: Codec, home: IpAddr) -> Sound {
        let socket = UdpSocket::bind((home, 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket option");
        let payload_type = match codec {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        };
        let encode = move |sample| match codec {
            Codec::Pcmu => g711::ulaw_encode(sample),
            Codec::Pcma => g711::alaw_encode(sample),
        };
        let decode = move |code| match codec {
            Codec::Pcmu => g711::ulaw_decode(code),
            Codec::Pcma => g711::alaw_decode(code),
        };
        let mut sound = Sound {
            socket,
            heard: Arc::default(),
            key: Arc::default(),
            said: Arc::default(),
            peer: Arc::default(),
            muted: Arc::default(),
            stop: Arc::default(),
            thread: None,
        };
        let socket = sound.socket.try_clone().expect("a socket can be shared");
        let (heard, key, stop) = (sound.heard.clone(), sound.key.clone(), sound.stop.clone());
        let (peer_of, muted, said) = (sound.peer.clone(), sound.muted.clone(), sound.said.clone());
        sound.thread = Some(std::thread::spawn(move || {
            let tone = tone::sine(frequency, -12.0, Duration::from_secs(1), 8000);
            let (mut sequence, mut began) = (0u16, None);
            let mut next = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let mut buffer = [0; 2048];
                if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                    *peer_of.lock().unwrap() = Some(from);
                    if let Ok(packet) = Packet::read(&buffer[..n])
                        && packet.payload_type == payload_type
                    {
                        heard.lock().unwrap().extend(buffer[packet.payload].iter().map(|code| decode(*code)));
                    }
                }
                let Some(peer) = *peer_of.lock().unwrap() else { continue };
                if Instant::now() < next || muted.load(Ordering::Relaxed) {
                    continue;
                }
                next = next.max(Instant::now() - Duration::from_millis(100)) + Duration::from_millis(20);
                let timestamp = u32::from(sequence) * 160;
                let mut header = Header { marker: sequence == 0, payload_type, sequence, timestamp, ssrc: 0x5150 };
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
                        let mut said = said.lock().unwrap();
                        let mut sample = |i| said.pop_front().unwrap_or(tone[(at + i) % tone.len()]);
                        bytes.extend((0..160).map(|i| encode(sample(i))));
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

    /// Speaks to there, also if nothing came from there yet.
    pub fn speaks_to(&self, peer: SocketAddr) {
        *self.peer.lock().unwrap() = Some(peer);
    }

    /// Presses a key by RFC 4733.
    pub fn press(&self, key: char) {
        *self.key.lock().unwrap() = Some(DigitSender::new(event::code(key).expect("a key"), 160, 800));
    }

    /// Presses keys as tones, each with a pause before and after it.
    pub fn press_tones(&self, keys: &str) {
        let mut said = self.said.lock().unwrap();
        for key in keys.chars() {
            said.extend([0; 800]);
            said.extend(tone::dtmf(key, -13.0, Duration::from_millis(100)).expect("a key"));
        }
        said.extend([0; 800]);
    }

    /// Sends nothing at all, until it is told otherwise.
    pub fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Waits until somebody spoke to it: from now on it speaks, too.
    pub fn wait_for_sound(&self) {
        wait_for("any sound", SOON, || *self.peer.lock().unwrap());
    }

    /// Waits until something was heard at all: the menu speaks.
    pub fn wait_for_voice(&self) {
        wait_for("the menu to speak", SOON, || {
            let heard = self.heard();
            (measure::loudness(heard.get(heard.len().saturating_sub(4000)..)?) > -40.0).then_some(())
        });
    }
}

impl Ear for Sound {
    fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
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
