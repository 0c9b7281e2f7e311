//! Keys that a peer presses as tones in its sound, because no telephone-event was agreed on with it.

use super::outgoing::Place;
use crate::audio::dtmf::KeyListener;

/// Keys that one packet can bring: it has 187 ms at most, and a key with its pause takes 80.
pub const MOST: usize = 3;

/// A gap in the timestamps without one in the numbers that is longer than this is a pause of the sender, who sends nothing while nothing is
/// heard; a key goes on over less. In samples.
const PAUSE: u32 = 320;

#[derive(Default)]
pub struct Ears {
    listener: KeyListener,
    last: Option<Last>,
}

struct Last {
    epoch: u32,
    sequence: u32,
    /// Of the sample after it.
    timestamp: u32,
}

impl Ears {
    /// A packet of sound. One that comes late, or twice, is not listened to; one that is lost is as if it had never been, so that
    /// a key goes on over it.
    pub fn hear(&mut self, place: Place, samples: impl ExactSizeIterator<Item = i16>) -> [Option<char>; MOST] {
        let mut keys = [None; MOST];
        if let Some(last) = self.last.as_ref().filter(|last| last.epoch == place.epoch) {
            let ahead = place.sequence.wrapping_sub(last.sequence) as i32;
            let gap = place.timestamp.wrapping_sub(last.timestamp) as i32;
            if ahead <= 0 {
                return keys;
            }
            if ahead == 1 && gap > PAUSE as i32 {
                self.listener = KeyListener::default();
            }
        } else {
            self.listener = KeyListener::default();
        }
        let timestamp = place.timestamp.wrapping_add(samples.len() as u32);
        self.last = Some(Last { epoch: place.epoch, sequence: place.sequence, timestamp });
        let mut found = keys.iter_mut();
        for key in samples.filter_map(|sample| self.listener.hear(sample)) {
            match found.next() {
                Some(place) => *place = Some(key),
                None => break,
            }
        }
        keys
    }
}
