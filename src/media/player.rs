//! One `Play`: sounds one after the other without a gap, once or for ever.

use super::library::Encoded;
use super::{Codec, Library, PlayId, Sound};
use crate::audio::g711;

pub struct Player {
    pub play: PlayId,
    sounds: Vec<Encoded>,
    pub missing: Vec<Sound>,
    repeat: bool,
    /// The sound that plays, and how many samples of it were heard.
    current: usize,
    heard: usize,
}

impl Player {
    /// Sounds that the library does not have are left out and kept by name.
    pub fn new(library: &Library, play: PlayId, sounds: Vec<Sound>, repeat: bool) -> Player {
        let mut found = Vec::with_capacity(sounds.len());
        let mut missing = Vec::new();
        for sound in sounds {
            match library.find(&sound) {
                // Empty sounds are over before they begin; without them a repeated list always gets on.
                Some(encoded) if encoded.is_empty() => {}
                Some(encoded) => found.push(encoded.clone()),
                None => missing.push(sound),
            }
        }
        Player { play, sounds: found, missing, repeat, current: 0, heard: 0 }
    }

    /// Everything was heard.
    pub fn is_over(&self) -> bool {
        self.current >= self.sounds.len()
    }

    /// The next samples. What is left after the last sound is filled with silence.
    pub fn fill(&mut self, codec: Codec, mut out: &mut [u8]) {
        while let Some(sound) = self.sounds.get(self.current) {
            let rest = &sound.bytes(codec)[self.heard..];
            let count = rest.len().min(out.len());
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            out = later;
            self.advance(count);
            if out.is_empty() {
                return;
            }
        }
        out.fill(match codec {
            Codec::Pcmu => g711::ULAW_SILENCE,
            Codec::Pcma => g711::ALAW_SILENCE,
        });
    }

    /// Time passes without anybody listening.
    pub fn skip(&mut self, mut samples: usize) {
        if self.repeat && !self.is_over() {
            samples %= self.sounds.iter().map(Encoded::len).sum::<usize>();
        }
        while let Some(sound) = self.sounds.get(self.current) {
            let count = (sound.len() - self.heard).min(samples);
            samples -= count;
            self.advance(count);
            if samples == 0 {
                return;
            }
        }
    }

    fn advance(&mut self, samples: usize) {
        self.heard += samples;
        if self.heard == self.sounds[self.current].len() {
            self.heard = 0;
            self.current += 1;
            if self.repeat && self.is_over() {
                self.current = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(name: &str) -> Sound {
        Sound { name: name.into(), language: String::new() }
    }

    fn library() -> Library {
        let mut library = Library::new();
        for (name, level, samples) in [("a", 8, 5), ("b", 16, 3), ("empty", 0, 0)] {
            library.insert(sound(name), &vec![level; samples]);
        }
        library
    }

    fn player(names: &[&str], repeat: bool) -> Player {
        Player::new(&library(), PlayId(1), names.iter().map(|name| sound(name)).collect(), repeat)
    }

    fn heard(player: &mut Player, samples: usize) -> Vec<i16> {
        let mut bytes = vec![0; samples];
        player.fill(Codec::Pcmu, &mut bytes);
        bytes.into_iter().map(g711::ulaw_decode).collect()
    }

    #[test]
    fn sounds_follow_without_a_gap_and_the_end_is_silence() {
        let mut player = player(&["a", "gone", "empty", "b"], false);
        assert_eq!(player.missing, [sound("gone")]);
        assert_eq!(heard(&mut player, 4), [8; 4]);
        assert_eq!(heard(&mut player, 4), [8, 16, 16, 16]);
        assert!(player.is_over());
        assert_eq!(heard(&mut player, 2), [0, 0]);
    }

    #[test]
    fn a_repeated_list_has_no_end() {
        let mut player = player(&["b", "a"], true);
        let all = heard(&mut player, 19);
        assert_eq!(all, [[16; 3].as_slice(), &[8; 5], &[16; 3], &[8; 5], &[16; 3]].concat());
        assert!(!player.is_over());
    }

    #[test]
    fn nothing_to_play_is_over_at_once_also_when_repeated() {
        for names in [&[][..], &["gone"], &["empty"]] {
            let mut player = player(names, true);
            assert!(player.is_over());
            player.skip(1000);
            assert_eq!(heard(&mut player, 1), [0]);
        }
    }

    #[test]
    fn skipping_is_hearing_without_listening() {
        for repeat in [false, true] {
            for skipped in [0, 1, 4, 5, 7, 8, 9, 16, 1000] {
                let (mut one, mut other) = (player(&["a", "b"], repeat), player(&["a", "b"], repeat));
                one.skip(skipped);
                heard(&mut other, skipped);
                assert_eq!(heard(&mut one, 10), heard(&mut other, 10), "{repeat} {skipped}");
                assert_eq!(one.is_over(), other.is_over());
            }
        }
    }
}
