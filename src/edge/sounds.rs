//! Prompts and music from WAV files into a [`Library`].
//!
//! `LANGUAGE/NAME.wav` is a prompt, `music/NAME.wav` is music; `NAME` may have folders of its own (`en/digits/7.wav` is
//! `digits/7` in `en`, `music/calm.wav` is `music/calm`). The sounds of the repository's `sounds/` are part of the program;
//! a folder of the operator's adds to them and replaces single ones.

use crate::audio::resample;
use crate::media::{Library, Sound};
use crate::time::Duration;
use hound::{SampleFormat, WavReader, WavSpec};
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// One sound is not longer than this.
pub const LENGTH_MAX: Duration = Duration::from_secs(10 * 60);

/// All sounds together are not longer than this; some 230 MB of memory, in two codecs.
pub const TOTAL_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// `sounds`, its language, the name and a few folders for order; deeper is a loop of links.
const DEPTH_MAX: usize = 8;

/// The folder for what has no language.
const MUSIC: &str = "music";

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sounds");

/// What was loaded, sorted by language and name.
#[derive(Debug, Default)]
pub struct Report {
    pub sounds: Vec<Loaded>,
    /// Files in the operator's folder that are no WAV files, so that a forgotten `.mp3` is seen.
    pub skipped: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub sound: Sound,
    pub duration: Duration,
    /// The operator's file; `None`: it came with the program.
    pub file: Option<PathBuf>,
}

/// A sound that cannot be used, or a folder that cannot be read. Names the file, what it is, and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", file.display())]
pub struct SoundError {
    pub file: PathBuf,
    pub fault: Fault,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Io(io::Error),
    #[error("is cut short: it ends before its header says so")]
    CutShort,
    #[error("is no WAV file with PCM samples ({0}); {EXPECTED}")]
    NotPcm(hound::Error),
    #[error("has {}; {EXPECTED}", Shown(.0))]
    Format(WavSpec),
    #[error("has no samples")]
    Empty,
    #[error("is {} s long; one sound is at most {} s long", .0.as_secs(), LENGTH_MAX.as_secs())]
    TooLong(Duration),
    #[error("with this file all sounds are longer than {} min together", TOTAL_MAX.as_secs() / 60)]
    TooMuch,
    #[error("lies in no folder; expected LANGUAGE/NAME.wav (such as en/welcome.wav) or music/NAME.wav")]
    NoLanguage,
    #[error("has a name that is not UTF-8")]
    Name,
    #[error("lies more than {DEPTH_MAX} folders deep; is there a loop of links?")]
    TooDeep,
}

const EXPECTED: &str = "expected 8000 or 16000 Hz, mono, 16-bit PCM (`sox IN -r 16000 -c 1 -b 16 OUT.wav` makes it so)";

struct Shown<'a>(&'a WavSpec);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = self.0;
        let plural = if *channels == 1 { "" } else { "s" };
        let kind = if *sample_format == SampleFormat::Float { "floating point" } else { "PCM" };
        write!(f, "{sample_rate} Hz, {channels} channel{plural}, {bits_per_sample}-bit {kind}")
    }
}

/// Loads the sounds of the program, then those of `folder` over them. Stops at the first one that cannot be used: a prompt
/// that is not heard is found by a caller otherwise.
pub fn load(folder: Option<&Path>) -> Result<(Library, Report), SoundError> {
    let mut loader = Loader::default();
    loader.embedded(&EMBEDDED)?;
    if let Some(folder) = folder {
        loader.folder(folder, folder, 0)?;
    }
    Ok(loader.finish())
}

#[derive(Default)]
struct Loader {
    library: Library,
    /// By language and name.
    loaded: BTreeMap<(String, String), Loaded>,
    skipped: Vec<PathBuf>,
    total: Duration,
}

impl Loader {
    fn finish(self) -> (Library, Report) {
        (self.library, Report { sounds: self.loaded.into_values().collect(), skipped: self.skipped })
    }

    fn embedded(&mut self, dir: &Dir<'static>) -> Result<(), SoundError> {
        for file in dir.files().filter(|file| is_wav(file.path())) {
            self.file(file.path(), None, Cursor::new(file.contents()))
                .map_err(|fault| SoundError { file: Path::new("sounds").join(file.path()), fault })?;
        }
        dir.dirs().try_for_each(|dir| self.embedded(dir))
    }

    fn folder(&mut self, root: &Path, dir: &Path, depth: usize) -> Result<(), SoundError> {
        let error = |fault| SoundError { file: dir.to_path_buf(), fault };
        if depth > DEPTH_MAX {
            return Err(error(Fault::TooDeep));
        }
        let mut paths = fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>())
            .map_err(|cause| error(cause.into()))?;
        // The order of a folder is anything; the same files shall give the same first error.
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.folder(root, &path, depth + 1)?;
            } else if is_wav(&path) {
                let relative = path.strip_prefix(root).expect("found below the root");
                fs::File::open(&path)
                    .map_err(Fault::from)
                    .and_then(|file| self.file(relative, Some(&path), BufReader::new(file)))
                    .map_err(|fault| SoundError { file: path, fault })?;
            } else if !is_documentation(&path) {
                self.skipped.push(path);
            }
        }
        Ok(())
    }

    fn file(&mut self, relative: &Path, file: Option<&Path>, reader: impl Read) -> Result<(), Fault> {
        let sound = sound_of(relative)?;
        let (samples, duration) = read(reader)?;
        self.library.insert(sound.clone(), &samples);
        let key = (sound.language.clone(), sound.name.clone());
        let loaded = Loaded { sound, duration, file: file.map(Path::to_path_buf) };
        let replaced = self.loaded.insert(key, loaded).map_or(Duration::ZERO, |loaded| loaded.duration);
        self.total = self.total + duration - replaced;
        if self.total > TOTAL_MAX {
            return Err(Fault::TooMuch);
        }
        Ok(())
    }
}

fn is_wav(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
}

/// What explains a folder of sounds is not a sound that was forgotten to be converted.
fn is_documentation(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn sound_of(relative: &Path) -> Result<Sound, Fault> {
    let stem = relative.with_extension("");
    let parts: Vec<&str> = stem.iter().map(|part| part.to_str()).collect::<Option<_>>().ok_or(Fault::Name)?;
    match parts.as_slice() {
        [] | [_] => Err(Fault::NoLanguage),
        [MUSIC, ..] => Ok(Sound { name: parts.join("/"), language: String::new() }),
        [language, name @ ..] => Ok(Sound { name: name.join("/"), language: (*language).to_string() }),
    }
}

/// The samples at 8000 per second, and how long they last.
fn read(reader: impl Read) -> Result<(Vec<i16>, Duration), Fault> {
    let wav = WavReader::new(reader).map_err(fault)?;
    let spec = wav.spec();
    let expected = spec.channels == 1 && spec.bits_per_sample == 16 && spec.sample_format == SampleFormat::Int;
    if !expected || !matches!(spec.sample_rate, 8_000 | 16_000) {
        return Err(Fault::Format(spec));
    }
    let duration = Duration::from_secs_f64(f64::from(wav.duration()) / f64::from(spec.sample_rate));
    if wav.duration() == 0 {
        return Err(Fault::Empty);
    }
    if duration > LENGTH_MAX {
        return Err(Fault::TooLong(duration));
    }
    // What follows the header are the samples. Taken in one piece: there are some hundred sounds to load at each start.
    let mut bytes = vec![0; wav.len() as usize * 2];
    wav.into_inner().read_exact(&mut bytes)?;
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok((resample::to_8k(&samples, spec.sample_rate), duration))
}

fn fault(error: hound::Error) -> Fault {
    match error {
        hound::Error::IoError(error) => error.into(),
        other => Fault::NotPcm(other),
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        if error.kind() == io::ErrorKind::UnexpectedEof { Fault::CutShort } else { Fault::Io(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{measure, tone};
    use crate::media::Codec;

    /// A folder that is gone with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).expect("the system has randomness");
            let path = std::env::temp_dir().join(format!("vaxel-sounds-{:016x}", u64::from_ne_bytes(bytes)));
            fs::create_dir(&path).expect("a new name");
            Folder(path)
        }

        fn path(&self, name: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("our own folder");
            path
        }

        fn put(&self, name: &str, content: &[u8]) {
            fs::write(self.path(name), content).expect("our own folder");
        }

        fn put_wav(&self, name: &str, spec: WavSpec, samples: &[i16]) {
            let mut wav = hound::WavWriter::create(self.path(name), spec).expect("our own folder");
            for sample in samples {
                match spec.sample_format {
                    SampleFormat::Int => wav.write_sample(*sample).expect("our own file"),
                    SampleFormat::Float => wav.write_sample(f32::from(*sample)).expect("our own file"),
                }
            }
            wav.finalize().expect("our own file");
        }

        /// This folder alone.
        fn load(&self) -> Result<(Library, Report), SoundError> {
            let mut loader = Loader::default();
            loader.folder(&self.0, &self.0, 0)?;
            Ok(loader.finish())
        }

        fn refusal(&self) -> String {
            self.load().expect_err("it cannot be used").to_string()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("our own folder");
        }
    }

    const GOOD: WavSpec =
        WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

    fn sound(language: &str, name: &str) -> Sound {
        Sound { name: name.into(), language: language.into() }
    }

    #[test]
    fn folders_are_languages_and_music_has_none() {
        let folder = Folder::new();
        folder.put_wav("xx/hello.wav", GOOD, &[1; 800]);
        folder.put_wav("xx/digits/7.WAV", GOOD, &[1; 1600]);
        folder.put_wav("music/test/slow.wav", WavSpec { sample_rate: 16_000, ..GOOD }, &[1; 8000]);
        folder.put("xx/notes.txt", b"read by nobody");
        let (library, report) = folder.load().expect("all good");
        let found = |language, name| {
            let loaded = report.sounds.iter().find(|loaded| loaded.sound == sound(language, name)).expect("listed");
            (library.find(&loaded.sound).expect("in the library").bytes(Codec::Pcma).len(), loaded.duration)
        };
        assert_eq!(found("xx", "hello"), (800, Duration::from_millis(100)));
        assert_eq!(found("xx", "digits/7"), (1600, Duration::from_millis(200)));
        assert_eq!(found("", "music/test/slow"), (4000, Duration::from_millis(500)));
        assert_eq!(report.skipped, [folder.0.join("xx/notes.txt")]);
    }

    #[test]
    fn a_tone_at_16_khz_is_the_same_tone_in_the_library() {
        let folder = Folder::new();
        let tone = tone::sine(440.0, -6.0, Duration::from_secs(1), 16_000);
        folder.put_wav("xx/tone.wav", WavSpec { sample_rate: 16_000, ..GOOD }, &tone);
        let (library, _) = folder.load().expect("a good file");
        let codes = library.find(&sound("xx", "tone")).expect("loaded").bytes(Codec::Pcmu);
        let heard: Vec<i16> = codes.iter().map(|code| crate::audio::g711::ulaw_decode(*code)).collect();
        let level = measure::level(&heard, 440.0, 8_000);
        assert!((level + 6.0).abs() < 0.2, "-6 dBFS became {level}");
    }

    #[test]
    fn refusals_name_the_file_what_it_is_and_what_is_expected() {
        let cases = [
            (
                WavSpec { sample_rate: 44_100, ..GOOD },
                "has 44100 Hz, 1 channel, 16-bit PCM; expected 8000 or 16000 Hz, mono",
            ),
            (WavSpec { channels: 2, ..GOOD }, "has 8000 Hz, 2 channels, 16-bit PCM; expected"),
            (WavSpec { bits_per_sample: 24, ..GOOD }, "has 8000 Hz, 1 channel, 24-bit PCM; expected"),
            (
                WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..GOOD },
                "has 8000 Hz, 1 channel, 32-bit floating point; expected",
            ),
        ];
        for (spec, expected) in cases {
            let folder = Folder::new();
            folder.put_wav("xx/bad.wav", spec, &[0; 16]);
            let refusal = folder.refusal();
            assert!(refusal.contains("xx/bad.wav: ") && refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn files_that_are_no_sound_are_refused() {
        let cases: [(&[u8], &str); 3] = [
            (b"", "xx/bad.wav: "),
            (b"ID3 this is no RIFF file at all, whatever its name says", "is no WAV file with PCM samples"),
            // A header that promises more than there is.
            (b"RIFF\x00\x10\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00", "xx/bad.wav: "),
        ];
        for (content, expected) in cases {
            let folder = Folder::new();
            folder.put("xx/bad.wav", content);
            let refusal = folder.refusal();
            assert!(refusal.contains(expected), "{refusal}");
        }
        let folder = Folder::new();
        folder.put_wav("xx/empty.wav", GOOD, &[]);
        assert!(folder.refusal().contains("empty.wav: has no samples"));
        let folder = Folder::new();
        folder.put_wav("lost.wav", GOOD, &[0; 8]);
        assert!(folder.refusal().contains("lost.wav: lies in no folder; expected LANGUAGE/NAME.wav"));
        let folder = Folder::new();
        let missing = folder.0.join("none");
        let refusal = Loader::default().folder(&missing, &missing, 0).expect_err("no such folder").to_string();
        assert!(refusal.contains("none: cannot be read"), "{refusal}");
    }

    #[test]
    fn a_file_cut_short_is_refused() {
        let folder = Folder::new();
        folder.put_wav("xx/cut.wav", GOOD, &[3; 100]);
        let whole = fs::read(folder.path("xx/cut.wav")).expect("written just now");
        folder.put("xx/cut.wav", &whole[..whole.len() - 51]);
        assert!(folder.refusal().ends_with("xx/cut.wav: is cut short: it ends before its header says so"));
    }

    #[test]
    fn length_is_bounded_before_it_is_read() {
        let folder = Folder::new();
        folder.put_wav("xx/long.wav", GOOD, &[0; 8]);
        let mut bytes = fs::read(folder.path("xx/long.wav")).expect("written just now");
        let data = bytes.windows(4).position(|window| window == b"data").expect("a WAV file") + 4;
        bytes[data..data + 4].copy_from_slice(&(8_000u32 * 2 * 601).to_le_bytes());
        folder.put("xx/long.wav", &bytes);
        assert!(folder.refusal().contains("is 601 s long; one sound is at most 600 s long"), "{}", folder.refusal());
    }

    #[test]
    fn the_total_is_bounded_and_a_replaced_sound_counts_once() {
        let mut loader = Loader { total: TOTAL_MAX - Duration::from_millis(1500), ..Loader::default() };
        let folder = Folder::new();
        folder.put_wav("xx/second.wav", GOOD, &[0; 8000]);
        loader.folder(&folder.0, &folder.0, 0).expect("it fits");
        loader.folder(&folder.0, &folder.0, 0).expect("the same again still fits");
        folder.put_wav("xx/third.wav", GOOD, &[0; 8000]);
        let refusal = loader.folder(&folder.0, &folder.0, 0).expect_err("too much").to_string();
        assert!(refusal.contains("third.wav: with this file all sounds are longer than 240 min"), "{refusal}");
    }

    #[test]
    fn what_is_in_the_repository_is_in_the_program_and_can_be_replaced() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("sounds");
        let (_, embedded) = load(None).expect("the shipped sounds are good");
        let (_, replaced) = load(Some(&repository)).expect("the same files");
        assert!(embedded.sounds.iter().all(|loaded| loaded.file.is_none()));
        assert!(replaced.sounds.iter().all(|loaded| loaded.file.is_some()));
        let names = |report: Report| -> Vec<(Sound, Duration)> {
            report.sounds.into_iter().map(|loaded| (loaded.sound, loaded.duration)).collect()
        };
        // They differ when a file came or went after this file was last compiled.
        assert_eq!(names(embedded), names(replaced), "touch src/edge/sounds.rs and compile again");
    }
}
