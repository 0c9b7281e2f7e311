//! Every sound that can be played, encoded once per codec and shared by all who hear it.

use super::{Codec, Sound};
use crate::audio::g711;
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
        let pcmu = samples.iter().map(|&sample| g711::ulaw_encode(sample)).collect();
        let pcma = samples.iter().map(|&sample| g711::alaw_encode(sample)).collect();
        self.sounds.insert(sound, Encoded { pcmu, pcma });
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

    /// Samples, the same in every codec.
    pub fn len(&self) -> usize {
        self.pcmu.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pcmu.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(name: &str, language: &str) -> Sound {
        Sound { name: name.into(), language: language.into() }
    }

    #[test]
    fn a_sound_is_kept_in_every_codec_and_shared() {
        let mut library = Library::new();
        library.insert(sound("welcome", "en"), &[0, 32124, -32124]);
        let found = library.find(&sound("welcome", "en")).unwrap();
        assert_eq!(found.bytes(Codec::Pcmu)[..], [0xff, 0x80, 0x00]);
        assert_eq!(found.bytes(Codec::Pcma)[..], [0xd5, 0xaa, 0x2a]);
        assert!(Arc::ptr_eq(found.bytes(Codec::Pcmu), found.clone().bytes(Codec::Pcmu)));
    }

    #[test]
    fn no_other_language_stands_in_for_a_missing_one() {
        let mut library = Library::new();
        library.insert(sound("welcome", "en"), &[0]);
        library.insert(sound("music/calm", ""), &[0]);
        assert!(library.find(&sound("welcome", "sv")).is_none());
        assert!(library.find(&sound("welcome", "")).is_none());
        assert!(library.find(&sound("music/calm", "")).is_some());
        assert_eq!((library.len(), library.is_empty(), library.sounds().count()), (2, false, 2));
    }

    #[test]
    fn the_same_name_again_replaces_the_sound() {
        let mut library = Library::new();
        library.insert(sound("welcome", "en"), &[0]);
        library.insert(sound("welcome", "en"), &[0, 0]);
        assert_eq!(library.find(&sound("welcome", "en")).unwrap().bytes(Codec::Pcma).len(), 2);
        assert_eq!(library.len(), 1);
    }
}
