//! House rules that a compiler does not keep. Each is a test; its text says what the rule is and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which room may use which, and why. Everybody may use `ids`, `time`,
/// `need` and `hours`. What is not here is forbidden: a new arrow is
/// a commit of its own that says why.
const ARROWS: &[(&str, &[&str], &str)] = &[
    ("sip", &[], "protocols know nobody: bytes and states"),
    ("stun", &[], "protocols know nobody"),
    ("rtp", &[], "protocols know nobody"),
    ("sdp", &["media"], "offer and answer agree on a media::Stream"),
    ("audio", &[], "samples only"),
    ("media", &["rtp", "audio"], "packets and samples are its material"),
    ("flow", &[], "says what the caller is told; knows neither calls nor queues"),
    ("acd", &[], "says who gets the call; media-agnostic"),
    ("call", &["sip", "sdp", "media"], "turns leg verbs into SIP and media commands; knows neither flows nor queues"),
    ("record", &["acd", "media"], "states facts in the words of those two: exits, outcomes, quality"),
    ("engine", &["call", "flow", "acd", "record", "sip", "media"], "the switchboard: the only room that knows these"),
    (
        "config",
        &["sip", "media", "flow", "acd", "engine", "sim"],
        "fills the settings structs that those rooms own; a day to be simulated has queues in the words of settings",
    ),
    (
        "sim",
        &["sip", "sdp", "rtp", "audio", "media", "flow", "acd", "call", "record", "engine"],
        "plays the world round the engine",
    ),
    (
        "edge",
        &["sip", "sdp", "rtp", "audio", "media", "flow", "acd", "call", "record", "engine", "config", "sim", "stun"],
        "drives everything; sim's phones are the people of the demo",
    ),
];

/// Rooms that everybody may use.
const SHARED: [&str; 4] = ["ids", "time", "need", "hours"];

/// Longest file, in lines before its tests. One file holds one state machine or one idea, in about 600 lines; what is
/// longer hides two.
const LINES_MAX: usize = 650;

/// Longer files, each with its limit and the reason.
const LONGER: &[(&str, usize, &str)] = &[
    ("src/flow/yaml.rs", 760, "one deserializer, which serde wants to have a method for every kind of value"),
    ("src/sip/endpoint.rs", 670, "the front door of a room: every verb and event with its contract"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("an entry").path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && path != root().join("target") {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// All files with this extension below `folder`, by their path from the root, with their text.
fn files(folder: &str, extension: &str) -> BTreeMap<String, String> {
    let mut found = Vec::new();
    collect(&root().join(folder), extension, &mut found);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    found.into_iter().map(read).collect()
}

/// Rust without its comments, texts and characters, which become spaces; line breaks stay.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let blank = |out: &mut String, part: &str| out.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while let Some(c) = rest.chars().next() {
        let before = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            quoted(rest, 1)
        } else if !before && (rest.starts_with("r\"") || rest.starts_with("r#")) {
            raw(rest, 1)
        } else if !before && (rest.starts_with("br\"") || rest.starts_with("br#")) {
            raw(rest, 2)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            blank(&mut out, &rest[..length]);
            rest = &rest[length..];
        }
    }
    out
}

/// Length of the comment that `text` begins with; comments nest.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    loop {
        match text[at..].find(['*', '/']).map(|found| at + found) {
            None => return text.len(),
            Some(found) if text[found..].starts_with("/*") => (at, depth) = (found + 2, depth + 1),
            Some(found) if text[found..].starts_with("*/") => {
                (at, depth) = (found + 2, depth - 1);
                if depth == 0 {
                    return at;
                }
            }
            Some(found) => at = found + 1,
        }
    }
}

/// Length of the text in quotes that begins at `open - 1`.
fn quoted(text: &str, open: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(open) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw text whose `r` ends at `prefix`; 0 if it is a raw identifier.
fn raw(text: &str, prefix: usize) -> usize {
    let hashes = text[prefix..].chars().take_while(|c| *c == '#').count();
    if !text[prefix + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = prefix + hashes + 1;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// Length of the character that `text` begins with; 0 if it is a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(text.len(), |at| escaped + 1 + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The first names behind each `crate::`, also inside braces.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            used.insert(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut start = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = true,
                c if start && !c.is_whitespace() => {
                    used.insert(name(&list[i..]));
                    start = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The part before the file's own tests.
fn without_tests(code: &str) -> &str {
    let is_module = |at: &usize| code[*at..].lines().nth(1).is_some_and(|line| line.contains("mod "));
    let tests = code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(is_module);
    &code[..tests.unwrap_or(code.len())]
}

/// The files of `src` that are compiled for tests alone: those that a `#[cfg(test)] mod name;` leads to.
fn test_files(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources {
        // `src/a/mod.rs` and `src/lib.rs` have their modules beside them, `src/a/b.rs` in `src/a/b/`.
        let folder = path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs"));
        let folder = folder.or(path.strip_suffix(".rs")).expect("a Rust file");
        for (at, _) in text.match_indices("#[cfg(test)]") {
            let line = text[at..].lines().nth(1).unwrap_or("");
            let module = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
            let Some(module) = module else { continue };
            let (file, below) = (format!("{folder}/{module}.rs"), format!("{folder}/{module}/"));
            found.extend(sources.keys().filter(|path| **path == file || path.starts_with(&below)).cloned());
        }
    }
    found
}

fn room(path: &str) -> &str {
    path.strip_prefix("src/").and_then(|path| path.split(['/', '.']).next()).expect("below src")
}

/// Arrows between rooms point one way, as drawn in the documentation of `src/lib.rs`: else "who may call whom" is
/// answered by nobody, and a change in one room breaks another.
#[test]
fn rooms_use_only_the_rooms_they_may() {
    let mut wrong = Vec::new();
    for (path, text) in files("src", "rs") {
        let room = room(&path);
        if ["lib", "main"].contains(&room) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(name, ..)| *name == room).map_or(&[][..], |(_, allowed, _)| allowed);
        for used in rooms_used(&code(&text)) {
            let fine = used == room || SHARED.contains(&used.as_str()) || allowed.contains(&used.as_str());
            // Macros of the crate and the like begin otherwise than a room.
            let is_room = ARROWS.iter().any(|(name, ..)| *name == used);
            if is_room && !fine {
                wrong.push(format!("{path}: `{room}` may not use `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARROWS in tests/tidy.rs does not allow:\n{}", wrong.join("\n"));
}

/// No room is used by one that it uses, however long the way round.
#[test]
fn arrows_make_no_circle() {
    fn reaches(from: &str, to: &str, seen: &mut BTreeSet<String>) -> bool {
        let next = ARROWS.iter().find(|(name, ..)| *name == from).map_or(&[][..], |(_, next, _)| next);
        next.iter().any(|n| *n == to || seen.insert((*n).into()) && reaches(n, to, seen))
    }
    for (room, ..) in ARROWS {
        assert!(!reaches(room, room, &mut BTreeSet::new()), "{room} is reached from itself");
    }
}

/// The map in `src/lib.rs` is the first thing that a newcomer reads: it names every room, and so does ARROWS.
#[test]
fn the_map_names_every_room() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let map: String = lib.lines().filter(|line| line.starts_with("//! |")).collect();
    for room in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(map.contains(&format!("[`{room}`]")), "the map in src/lib.rs does not name `{room}`");
        let listed = ARROWS.iter().any(|(name, ..)| *name == room) || SHARED.contains(&room);
        assert!(listed, "ARROWS does not say whom `{room}` may use");
        let folder = root().join("src").join(room);
        if folder.is_dir() {
            let text = std::fs::read_to_string(folder.join("mod.rs")).expect("mod.rs");
            assert!(text.starts_with("//! "), "src/{room}/mod.rs does not say what the room is for");
        }
    }
}

/// Only `edge` (and `main`, which calls it) touches the world: so everything else can be tested with a clock and a
/// network that are numbers. clippy.toml bans the clock, sleeping and spawning; this bans the rest.
#[test]
fn only_edge_touches_the_world() {
    let world =
        ["std::fs", "std::env", "std::process", "std::thread", "UdpSocket", "TcpStream", "tokio::", "sqlx::", "axum::"];
    let mut wrong = Vec::new();
    let sources = files("src", "rs");
    let tests = test_files(&sources);
    for (path, text) in &sources {
        if ["edge", "main"].contains(&room(path)) || tests.contains(path) {
            continue;
        }
        let code = code(text);
        let code = without_tests(&code);
        wrong.extend(world.iter().filter(|name| code.contains(*name)).map(|name| format!("{path}: {name}")));
    }
    assert!(wrong.is_empty(), "only src/edge opens files and sockets:\n{}", wrong.join("\n"));
}

/// Nothing lands half done: no `todo!`, no `unimplemented!`, no test that is switched off. `.unwrap()` stands in tests
/// alone: elsewhere `expect` says why it cannot happen.
#[test]
fn nothing_is_left_undone() {
    let mut wrong = Vec::new();
    let sources = files("src", "rs");
    let tests = test_files(&sources);
    for (path, text) in sources.iter().chain(&files("tests", "rs")) {
        let code = code(text);
        for banned in ["todo!", "unimplemented!", "#[ignore", "dbg!"] {
            wrong.extend(code.contains(banned).then(|| format!("{path}: {banned}")));
        }
        if path.starts_with("src/") && !tests.contains(path) {
            let lines = without_tests(&code).lines().enumerate();
            wrong.extend(
                lines
                    .filter(|(_, line)| line.contains(".unwrap()"))
                    .map(|(i, _)| format!("{path}:{}: .unwrap()", i + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// See [`LINES_MAX`].
#[test]
fn files_hold_one_idea() {
    let mut wrong = Vec::new();
    let sources = files("src", "rs");
    let tests = test_files(&sources);
    for (path, text) in sources.iter().filter(|(path, _)| !tests.contains(*path)) {
        let lines = without_tests(text).lines().count();
        let limit = LONGER.iter().find(|(name, ..)| name == path).map_or(LINES_MAX, |(_, limit, _)| *limit);
        if lines > limit {
            wrong.push(format!("{path}: {lines} lines, at most {limit}"));
        }
    }
    assert!(wrong.is_empty(), "split these, or say in LONGER why not:\n{}", wrong.join("\n"));
}

/// Where answers are made, and numbers there that look like a status and are none that we send.
const ANSWERS: [&str; 5] = ["src/sip/", "src/call/", "src/engine/", "src/flow/nodes/hangup.rs", "src/flow/run.rs"];
const NOT_SENT: &[(&str, &str)] = &[
    ("402", "only read"),
    ("407", "proxies ask so; it is only answered"),
    ("413", "a carrier may say it of an emergency call with its place"),
    ("417", "only read"),
    ("424", "only read"),
    ("428", "only read"),
    ("429", "only read"),
    ("430", "edge proxies say so; who called hears 480"),
    ("440", "only read"),
    ("443", "the port of secure WebSockets"),
    ("469", "only read"),
    ("470", "only read"),
    ("493", "only read"),
    ("494", "only read"),
    ("501", "only read"),
    ("512", "bytes"),
    ("600", "only read; seconds"),
    ("699", "the end of a range"),
];

/// Whoever is refused can look up why: every status that stands in the code stands in the table of deploy/TRUNKS.md, and no
/// other. Those that a carrier, a phone or a flow chooses are nobody's to list.
#[test]
fn every_refusal_is_explained() {
    let sources = files("src", "rs");
    let tests = test_files(&sources);
    // The phrases of all statuses, and another library's words for them.
    let lists = ["src/sip/message.rs", "src/sip/vocabulary.rs"];
    let mut sent = BTreeSet::new();
    for (path, text) in &sources {
        let answers = ANSWERS.iter().any(|place| path.starts_with(place));
        if !answers || tests.contains(path) || lists.contains(&path.as_str()) {
            continue;
        }
        let code = code(text);
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let words = without_tests(&code).split(|c| !part(c)).map(|word| word.trim_end_matches("_u16"));
        let is_status = |word: &&str| word.parse().is_ok_and(|n: u16| (400..700).contains(&n));
        sent.extend(words.filter(is_status).map(str::to_owned));
    }
    for (number, _) in NOT_SENT {
        assert!(sent.remove(*number), "{number} is in NOT_SENT and nowhere in the code");
    }
    let page = std::fs::read_to_string(root().join("deploy/TRUNKS.md")).expect("deploy/TRUNKS.md");
    let row =
        |line: &str| line.strip_prefix("| ")?.get(..3).filter(|code| code.parse::<u16>().is_ok()).map(str::to_owned);
    let explained: BTreeSet<String> = page.lines().filter_map(row).collect();
    let missing: Vec<_> = sent.difference(&explained).collect();
    let superfluous: Vec<_> = explained.difference(&sent).collect();
    assert!(missing.is_empty() && superfluous.is_empty(), "not explained: {missing:?}; never sent: {superfluous:?}");
}

/// Links in documents lead somewhere.
#[test]
fn links_in_documents_exist() {
    let mut wrong = Vec::new();
    for (path, text) in files(".", "md") {
        let folder = root().join(&path).parent().expect("a file is in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            if !elsewhere && !folder.join(file).exists() {
                wrong.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "links to what is not there:\n{}", wrong.join("\n"));
}

#[test]
fn comments_and_texts_are_not_code() {
    let text =
        "a /* crate::x /* y */ */ b // crate::z\n\"crate::\\\"w\" 'c' '\\'' r#\"crate::\"v\"# &'a str r#type b'\"' end";
    let stripped = code(text);
    assert!(!stripped.contains("crate"), "{stripped}");
    assert!(stripped.contains("&'a str r#type") && stripped.ends_with("end"), "{stripped}");
    assert_eq!(stripped.lines().count(), text.lines().count());
}

#[test]
fn rooms_are_found_in_every_kind_of_use() {
    let code = "use crate::sip::{self, Hop}; use crate::{acd::{Exit, Acd}, media, time::Time}; crate::edge::run(); mycrate::flow";
    let used: Vec<_> = rooms_used(code).into_iter().collect();
    assert_eq!(used, ["acd", "edge", "media", "sip", "time"]);
}
