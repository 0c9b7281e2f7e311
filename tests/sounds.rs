//! Every prompt that is listed is there, in a form that the program plays, and about equally loud.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use vaxel::audio::dtmf::KeyListener;
use vaxel::audio::{g711, resample};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sounds")
}

/// Language and name of every row of prompts.tsv.
fn listed() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("prompts.tsv")).expect("sounds/prompts.tsv");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name\tlanguage\ttext"));
    lines
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, language, text] if !text.trim().is_empty() => (language.to_owned(), name.to_owned()),
            _ => panic!("not name, language and text: {line:?}"),
        })
        .collect()
}

fn recordings(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sounds") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            recordings(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            found.insert(path);
        }
    }
}

#[test]
fn every_listed_prompt_has_its_file_and_every_file_is_listed() {
    let mut expected = BTreeSet::from([folder().join("music/calm.wav")]);
    for (language, name) in listed() {
        assert!(
            expected.insert(folder().join(format!("{language}/{name}.wav"))),
            "{name} in {language} is there twice"
        );
    }
    let mut found = BTreeSet::new();
    recordings(&folder(), &mut found);
    let missing: Vec<_> = expected.difference(&found).collect();
    let stray: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && stray.is_empty(), "run sounds/make; missing {missing:?}, not listed {stray:?}");
}

#[test]
fn contents_lists_every_file_with_its_text() {
    let contents = std::fs::read_to_string(folder().join("CONTENTS.md")).expect("sounds/CONTENTS.md");
    let text = std::fs::read_to_string(folder().join("prompts.tsv")).expect("sounds/prompts.tsv");
    for line in text.lines().skip(1) {
        let [name, language, text] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let row = contents.lines().find(|row| row.starts_with(&format!("| {language}/{name}.wav |")));
        assert!(row.is_some_and(|row| row.ends_with(&format!("| {text} |"))), "run sounds/make: {line}");
    }
}

#[test]
fn every_file_is_mono_16_bit_at_8_or_16_khz_and_neither_silent_nor_clipped() {
    let mut files = BTreeSet::new();
    recordings(&folder(), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let mut reader = hound::WavReader::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let spec = reader.spec();
        let form = (spec.channels, spec.bits_per_sample, spec.sample_format);
        assert_eq!(form, (1, 16, hound::SampleFormat::Int), "{}", file.display());
        assert!([8000, 16000].contains(&spec.sample_rate), "{}: {} Hz", file.display(), spec.sample_rate);
        let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().expect("whole samples");
        // The loudest tenth of a second tells the level of speech whatever the pauses are.
        let loudest = samples
            .chunks(spec.sample_rate as usize / 10)
            .map(|part| part.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / part.len() as f64)
            .fold(0.0, f64::max);
        let level = 10.0 * (loudest / 32768f64.powi(2)).log10();
        assert!((-26.0..=-8.0).contains(&level), "{}: {level:.1} dBFS", file.display());
        let clipped = samples.iter().filter(|s| s.unsigned_abs() >= 32700).count();
        assert_eq!(clipped, 0, "{}: clipped", file.display());
        let seconds = samples.len() as f64 / f64::from(spec.sample_rate);
        assert!((0.15..=90.0).contains(&seconds), "{}: {seconds} s", file.display());
    }
}

/// At five speeds, which moves voices by an octave in all: a hundred minutes of speech and music, through the codec of the line.
#[test]
fn nothing_that_is_said_or_played_sounds_like_a_key() {
    let mut files = BTreeSet::new();
    recordings(&folder(), &mut files);
    let mut heard = 0;
    for file in files {
        let mut reader = hound::WavReader::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let rate = reader.spec().sample_rate;
        let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().expect("whole samples");
        for percent in [70, 85, 100, 120, 140] {
            let mut listener = KeyListener::default();
            let sound = resample::to_8k(&samples, rate * percent / 100);
            heard += sound.len();
            let line = sound.into_iter().map(|sample| g711::alaw_decode(g711::alaw_encode(sample)));
            let keys: Vec<char> = line.filter_map(|sample| listener.hear(sample)).collect();
            assert!(keys.is_empty(), "{} at {percent} %: {keys:?}", file.display());
        }
    }
    assert!(heard > 90 * 60 * 8000, "{} min", heard / 60 / 8000);
}

#[test]
fn hold_music_has_no_seam() {
    let file = folder().join("music/calm.wav");
    let samples: Vec<i32> = hound::WavReader::open(file)
        .expect("music")
        .samples::<i16>()
        .map(|s| i32::from(s.expect("a sample")))
        .collect();
    let largest_step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().expect("samples");
    let seam = (samples[0] - samples[samples.len() - 1]).abs();
    assert!(seam <= largest_step, "{seam} at the seam, {largest_step} elsewhere");
}

/// Prompts of every language, and the music, by `sounds/make`. Another version of the synthesiser may speak a little differently.
#[test]
fn make_makes_what_is_there() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sounds");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).expect("an old folder of this test");
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output =
            Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    };
    let (from, to) = (folder(), scratch.to_str().expect("UTF-8"));
    run(Path::new("cp"), &["-r", from.to_str().expect("UTF-8"), to]);
    let mut made = vec![PathBuf::from("music/calm.wav")];
    made.extend(["en", "sv", "nb", "pl", "nl"].map(|language| PathBuf::from(format!("{language}/goodbye.wav"))));
    for file in &made {
        std::fs::remove_file(scratch.join(file)).expect("it was copied");
    }
    run(&scratch.join("make"), &["--music", "goodbye"]);
    let samples = |file: PathBuf| -> Vec<i16> {
        let mut reader = hound::WavReader::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        reader.samples().collect::<Result<_, _>>().expect("whole samples")
    };
    let energy = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    for file in made {
        let (there, now) = (samples(folder().join(&file)), samples(scratch.join(&file)));
        for (of, ratio) in
            [("length", now.len() as f64 / there.len() as f64), ("loudness", energy(&now) / energy(&there))]
        {
            assert!((0.9..1.1).contains(&ratio), "{}: {ratio} of the {of} of what is there", file.display());
        }
    }
    let contents = |folder: &Path| std::fs::read_to_string(folder.join("CONTENTS.md")).expect("a list").lines().count();
    assert_eq!(contents(&scratch), contents(&folder()));
}
