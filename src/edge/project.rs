//! The operator's files as a whole: where the settings are, whether everything in them fits together, and a folder to
//! begin with.

use super::flows::{self, File};
use super::sip::{Tls, TlsSettings, would_send_from};
use super::{log, sounds};
use crate::config::{self, Config, Loaded, Place, Problem};
use crate::flow::problem::shortened;
use crate::flow::{self, Flow};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// The settings file that is taken when none is named and it is in the current folder.
pub const SETTINGS: &str = "vaxel.toml";

const README: &str = include_str!("project_readme.md");
const SOUNDS: &str = include_str!("../../sounds/README.md");

/// The file that was named, or [`SETTINGS`] if that is here; `None`: the built-in settings are to be used.
pub fn settings_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(SETTINGS)).filter(|path| path.exists()))
}

/// The settings from `file` (`None`: the built-in ones) and the environment; `instead` stands in for variables that are
/// not set.
///
/// # Errors
///
/// As [`config::load`]; also a variable of ours that is no UTF-8.
pub fn settings(file: Option<&Path>, instead: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut broken = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => variables.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with("VAXEL_") => {
                broken.push(Problem::error(Place::Variable(name), "the value is no UTF-8 text"));
            }
            _ => {}
        }
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    for (name, value) in instead {
        if !variables.iter().any(|(set, _)| set == name) {
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    config::load(file, variables, &|path| fs::read_to_string(path))
}

/// What was checked and what was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Every problem as it is shown, in the order it was found.
    pub problems: Vec<String>,
    pub errors: usize,
    pub warnings: usize,
    /// Flows that were compiled, and their tests that were run.
    pub flows: usize,
    pub tests: usize,
    /// From where each trunk with an address is called, where several listeners could do that. As this machine's routes are now. And
    /// which steps of flows would call where no trunk leads.
    pub ways: Vec<String>,
}

impl Findings {
    fn settings(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            if problem.is_error() {
                self.errors += 1
            } else {
                self.warnings += 1
            }
            self.problems.push(problem.to_string());
        }
    }

    fn flows<'p>(&mut self, problems: impl IntoIterator<Item = &'p flow::Problem>) {
        for problem in problems {
            self.errors += 1;
            self.problems.push(problem.to_string());
        }
    }

    fn error(&mut self, message: impl Display) {
        self.errors += 1;
        self.problems.push(format!("error: {}\n", shortened(&message.to_string())));
    }
}

/// Checks the settings of `file` (`None`: the built-in ones), the sounds and flows they lead to, and the flow files
/// `also`; runs the flows' tests. Gives the flows if nothing stands in the way of them.
pub fn check(file: Option<&Path>, also: &[PathBuf]) -> (Findings, Option<BTreeMap<String, Arc<Flow>>>) {
    let mut findings = Findings::default();
    let config = match settings(file, &[]) {
        Ok(Loaded { config, warnings }) => {
            findings.settings(warnings);
            config
        }
        Err(problems) => {
            findings.settings(problems);
            return (findings, None);
        }
    };
    findings.settings(log::filter(&config.log).err().map(|problem| *problem));
    if let Err(error) = Tls::check(&TlsSettings::of(&config)) {
        findings.error(format!("{error:#}"));
    }
    findings.ways = ways(&config);
    let flows = check_flows(&config, also, &mut findings);
    findings.ways.extend(flows.iter().flat_map(|flows| no_ways(&config, flows)));
    (findings, flows)
}

fn ways(config: &Config) -> Vec<String> {
    let listen: Vec<_> = config.sip.listen.iter().map(|listen| (listen.transport, listen.address)).collect();
    let way = |trunk: &config::Trunk| {
        let to = trunk.to.as_ref()?.at()?;
        let fits =
            |(transport, at): &&(_, SocketAddr)| *transport == to.transport && at.is_ipv4() == to.address.is_ipv4();
        if listen.iter().filter(fits).count() < 2 {
            return None;
        }
        let from = would_send_from(&listen, to.transport, to.address, trunk.by.map(|by| by.address))?;
        Some(format!("trunk {}: {to} is called from {from}", trunk.name))
    };
    config.trunks.iter().filter_map(way).collect()
}

/// Steps that promise what no trunk can keep. Good for all that: their `failed` is taken.
fn no_ways(config: &Config, flows: &BTreeMap<String, Arc<Flow>>) -> Vec<String> {
    if config.trunks.iter().any(|trunk| !trunk.takes.is_empty()) {
        return Vec::new();
    }
    let why = "nobody can be called back: no trunk leads out (`to` and `takes` of [[trunks]])";
    flows.values().flat_map(|flow| flow.calls_back()).map(|(file, line)| format!("{file}:{line}: {why}")).collect()
}

fn check_flows(config: &Config, also: &[PathBuf], findings: &mut Findings) -> Option<BTreeMap<String, Arc<Flow>>> {
    let sounds = match sounds::load(config.sounds.folder.as_deref()) {
        Ok((_, report)) => report,
        Err(error) => {
            findings.error(error);
            return None;
        }
    };
    for file in &sounds.skipped {
        let place = Place::File(file.clone());
        findings.settings([Problem::warning(place, "this is no WAV file, and is not played")]);
    }
    let music = sounds.sounds.iter().filter_map(|loaded| loaded.sound.name.strip_prefix("music/"));
    findings.settings(config.check_music(music));
    let spoken = |loaded: &&sounds::Loaded| loaded.sound.language == config.sounds.language;
    let prompts = sounds.sounds.iter().filter(spoken).map(|loaded| loaded.sound.name.as_str());
    findings.settings(config.check_announcements(prompts));
    let files = match files(config, also) {
        Ok(files) => files,
        Err(error) => {
            findings.error(format!("{error:#}"));
            return None;
        }
    };
    let names: Vec<String> = files.iter().filter_map(|file| flow::name_of(&file.text)).collect();
    findings.settings(config.check_flows(names.iter().map(String::as_str)));
    let flows = match flows::compile(&files, config, &sounds) {
        Ok(flows) => flows,
        Err(problems) => {
            findings.flows(&problems);
            return None;
        }
    };
    findings.flows = flows.len();
    for result in flows.values().flat_map(flow::test::run) {
        findings.tests += 1;
        findings.flows(&result.failures);
    }
    Some(flows)
}

/// The flow files of the settings and `also`, each once.
fn files(config: &Config, also: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    use anyhow::Context;
    let mut files = flows::read(config.flows.folder.as_deref())?;
    for path in also {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // The same file by another way, or another with the flow of that name: the one that was asked for counts.
        let name = flow::name_of(&text);
        let same = |file: &File| {
            !file.built_in
                && fs::canonicalize(&file.name)
                    .is_ok_and(|known| fs::canonicalize(path).is_ok_and(|asked| known == asked))
        };
        files.retain(|file| !same(file) && (name.is_none() || flow::name_of(&file.text) != name));
        files.push(File { name: path.display().to_string(), text, built_in: false });
    }
    Ok(files)
}

/// Writes a project to begin with into `folder`, which is made if it is not there, and says what it wrote.
///
/// # Errors
///
/// One of the files is there already: then nothing is written. Or a file cannot be written.
pub fn init(folder: &Path) -> Result<Vec<PathBuf>, InitError> {
    let mut files = vec![
        (PathBuf::from(SETTINGS), config::starter()),
        (PathBuf::from("README.md"), README.to_owned()),
        (PathBuf::from("sounds/README.md"), SOUNDS.to_owned()),
    ];
    files.extend(flows::shipped().map(|(name, text)| (Path::new("flows").join(name), text.to_owned())));
    let there: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).filter(|path| path.exists()).collect();
    if !there.is_empty() {
        return Err(InitError::Exists(there));
    }
    for (name, text) in &files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder"))
            .and_then(|()| fs::write(&path, text))
            .map_err(|cause| InitError::Write { path: path.clone(), cause })?;
    }
    Ok(files.into_iter().map(|(name, _)| folder.join(name)).collect())
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("nothing was written, because this is there already: {}", list(.0))]
    Exists(Vec<PathBuf>),
    #[error("{} cannot be written: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
