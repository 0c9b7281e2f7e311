//! Flow files: those of the program, or those of the operator's folder.

use super::sounds::Report;
use crate::config::Config;
use crate::engine::directory::Pattern;
use crate::flow::{self, Flow, Problem, World};
use crate::need::Skill;
use anyhow::Context;
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/ivr-flows");

/// A flow file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// As it is shown in messages: the path, or `built-in` and the name of a file that came with the program.
    pub name: String,
    pub text: String,
    /// It came with the program, so that nobody can mend it.
    pub built_in: bool,
}

/// What to do when a flow of the program that callers come to does not fit the settings.
const NOT_YOURS: &str = "this flow comes with vaxel and needs what vaxel's own settings have: the queues `sales` and \
                         `support`, and flow `desk` also the agents anna and 202; to use your own flows instead, name \
                         their folder: `folder = \"flows\"` in [flows]";

/// All `*.yaml` files of `folder`, by name; without a folder, those of the program.
///
/// # Errors
///
/// The folder or a file in it cannot be read; the folder has no flow.
pub fn read(folder: Option<&Path>) -> anyhow::Result<Vec<File>> {
    let Some(folder) = folder else {
        let files = EMBEDDED.files().filter(|file| is_flow(file.path()));
        return Ok(files
            .map(|file| File {
                name: format!("built-in {}", file.path().display()),
                text: file.contents_utf8().expect("the flows of the program are UTF-8").to_owned(),
                built_in: true,
            })
            .collect());
    };
    let named = || format!("cannot read the flows in {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(named)? {
        let path = entry.with_context(named)?.path();
        if is_flow(&path) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(File { name: path.display().to_string(), text, built_in: false });
        }
    }
    anyhow::ensure!(!files.is_empty(), "there is no flow (*.yaml) in {}", folder.display());
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The files in the repository's `ivr-flows`, by name: flows, their schema, and how to write them.
pub fn shipped() -> impl Iterator<Item = (&'static Path, &'static str)> {
    EMBEDDED.files().map(|file| (file.path(), file.contents_utf8().expect("the files of the program are UTF-8")))
}

/// Compiles all flows, each knowing the names of the others, and the queues, agents, skills and sounds that there are.
/// Flows of the program that do not fit the settings are left out when no number leads to them: who has no use for them
/// needs none of what they need.
///
/// # Errors
///
/// Everything that is wrong in any of them; and a name that two have.
pub fn compile(files: &[File], config: &Config, sounds: &Report) -> Result<BTreeMap<String, Arc<Flow>>, Vec<Problem>> {
    let mut fitting: Vec<&File> = files.iter().collect();
    let (mut misfits, mut unfitting, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let flows = loop {
        let world = world(&fitting, config, sounds);
        let (mut flows, before) = (Vec::new(), fitting.len());
        problems.clear();
        fitting.retain(|file| match flow::compile(&file.name, &file.text, &world) {
            Ok(flow) => {
                flows.push(flow);
                true
            }
            Err(found) if file.built_in => {
                misfits.extend(flow::name_of(&file.text));
                unfitting.extend(found.into_iter().map(|problem| Problem { help: Some(NOT_YOURS.into()), ..problem }));
                false
            }
            Err(found) => {
                problems.extend(found);
                true
            }
        });
        // One that led to what is left out does not fit either.
        if fitting.len() == before {
            break flows;
        }
    };
    if config.numbers.iter().any(|number| misfits.contains(&number.flow)) {
        problems.extend(unfitting);
    }
    if problems.is_empty() { flow::link(flows) } else { Err(problems) }
}

fn world(files: &[&File], config: &Config, sounds: &Report) -> World {
    let mut world = World {
        queues: config.queues.iter().map(|queue| queue.name.clone()).collect(),
        agents: config.agents.iter().map(|agent| agent.settings.name.clone()).collect(),
        flows: files.iter().filter_map(|file| flow::name_of(&file.text)).collect(),
        ..World::default()
    };
    // A flow may write numbers as people dial them.
    let spellings = |inner: String| config.numbering.spellings(&inner);
    let of_flows =
        config.numbers.iter().filter(|number| number.trunk.is_none()).map(|n| n.number.inner(&config.numbering));
    for pattern in of_flows {
        match pattern {
            Pattern::One(number) => world.numbers.extend(spellings(number)),
            Pattern::Range { .. } => world.outside.extend(spellings(pattern.stem())),
            Pattern::Beginning(beginning) => world.outside.extend(spellings(beginning)),
        }
    }
    let of_agents = config.agents.iter().filter_map(|agent| agent.number.as_ref());
    world.numbers.extend(of_agents.flat_map(|number| spellings(config.numbering.inner(number))));
    if config.emergency.by_flow {
        world.numbers.extend(config.emergency.numbers.iter().cloned());
    }
    let takes = config.trunks.iter().filter(|trunk| trunk.to.is_some()).flat_map(|trunk| &trunk.takes);
    world.outside.extend(takes.flat_map(|beginning| spellings(config.numbering.beginning(beginning))));
    let of_agents = config.agents.iter().flat_map(|agent| agent.settings.skills.keys());
    let of_queues = config.queues.iter().flat_map(|queue| queue.needs.skills.skills());
    let of_queues = of_queues.filter_map(|(skill, _)| match skill {
        Skill::Named(name) => Some(name),
        Skill::By { .. } => None,
    });
    world.teams = config.agents.iter().flat_map(|agent| agent.settings.teams.iter().cloned()).collect();
    world.skills = of_agents.chain(of_queues).cloned().collect();
    for loaded in &sounds.sounds {
        let sound = &loaded.sound;
        if sound.language.is_empty() {
            let name = sound.name.strip_prefix("music/").unwrap_or(&sound.name);
            world.music.insert(name.to_owned());
        } else {
            world.prompts.entry(sound.language.clone()).or_default().insert(sound.name.clone());
        }
    }
    world
}

fn is_flow(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::edge::{sounds, testing::Folder};

    fn sample() -> Config {
        config::load(None, [], &|_| Ok(String::new())).expect("the sample is good").config
    }

    #[test]
    fn the_program_s_flows_compile_with_its_sounds_and_sample_settings() {
        let (_, report) = sounds::load(None).unwrap();
        let flows = compile(&read(None).unwrap(), &sample(), &report);
        let flows = flows.unwrap_or_else(|problems| panic!("{}", problems[0]));
        assert!(sample().check_flows(flows.keys().map(String::as_str)).is_empty());
    }

    #[test]
    fn a_flow_of_the_program_that_does_not_fit_says_whose_it_is_and_what_it_needs() {
        let (_, report) = sounds::load(None).unwrap();
        let mut config = sample();
        config.queues.clear();
        config.agents.clear();
        let problems = compile(&read(None).unwrap(), &config, &report).unwrap_err();
        let lacking: std::collections::BTreeSet<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        let needs = [
            "nobody has the number 202, and no trunk takes it",
            "there is no agent `anna`",
            "there is no queue `sales`",
            "there is no queue `support`",
        ];
        assert_eq!(lacking, needs.into());
        for problem in &problems {
            let text = problem.to_string();
            assert!(text.contains("--> built-in ") && text.contains("in [flows]"), "{text}");
        }
    }

    #[test]
    fn a_flow_of_the_program_that_no_number_leads_to_asks_for_nothing() {
        let (_, report) = sounds::load(None).unwrap();
        let mut config = sample();
        config.agents.clear();
        config.numbers.retain(|number| number.flow == "main");
        let flows = compile(&read(None).unwrap(), &config, &report).expect("what main needs is there");
        assert_eq!(flows.keys().collect::<Vec<_>>(), ["main", "sales"], "desk lacks its agents");
        config.queues.retain(|queue| queue.name == "sales");
        config.numbers[0].flow = "sales".into();
        let flows = compile(&read(None).unwrap(), &config, &report).expect("what sales needs is there");
        assert_eq!(flows.keys().collect::<Vec<_>>(), ["sales"], "desk leads to main, which lacks a queue");
    }

    #[test]
    fn transfers_go_where_the_settings_lead() {
        let trunk = r#"[{ name = "carrier", to = "udp:203.0.113.1:5060", takes = ["+"] }]"#;
        let variables = [("VAXEL_TRUNKS".to_owned(), trunk.to_owned())];
        let config = config::load(None, variables, &|_| Ok(String::new())).expect("the sample with a trunk").config;
        let (_, report) = sounds::load(None).unwrap();
        let good = |to: &str| {
            let step = format!("a: {{ transfer: {{ to: '{to}', failed: hangup }} }}");
            let text = format!("flow: t\nlanguages: [en]\nstart: a\nsteps:\n  {step}\n");
            compile(&[File { name: "t.yaml".into(), text, built_in: false }], &config, &report).is_ok()
        };
        for to in ["100", "201", "anna", "+46701234567", "0046701234567"] {
            assert!(good(to), "{to}");
        }
        for to in ["101", "0701234567", "*1"] {
            assert!(!good(to), "{to}");
        }
    }

    #[test]
    fn two_flows_of_one_name_are_an_error_that_names_both_files() {
        let (_, report) = sounds::load(None).unwrap();
        let mut files = read(None).unwrap();
        let sales = files.iter().find(|file| file.name == "built-in sales.yaml").expect("it is shipped").clone();
        files.push(File { name: "flows/sales-old.yaml".into(), built_in: false, ..sales });
        let problems = compile(&files, &sample(), &report).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        let text = problem.to_string();
        assert!(text.contains("`sales` is the name of the flow in built-in sales.yaml already"), "{text}");
        let line = problem.source.strip_prefix("flow: ");
        assert_eq!((line, problem.column, problem.length), (Some("sales"), 7, 5), "{text}");
        assert!(text.contains(&format!("--> flows/sales-old.yaml:{}:7", problem.line)), "{text}");
    }

    #[test]
    fn the_operator_s_folder_takes_the_place_of_the_program_s_flows() {
        let folder = Folder::new();
        assert!(read(Some(folder.path())).unwrap_err().to_string().contains("no flow"));
        std::fs::write(folder.path().join("b.yaml"), "flow: b").unwrap();
        std::fs::write(folder.path().join("a.yaml"), "flow: a").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "flow: c").unwrap();
        let files = read(Some(folder.path())).unwrap();
        let texts: Vec<_> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["flow: a", "flow: b"]);
        let problems = compile(&files, &sample(), &Report::default()).unwrap_err();
        assert!(problems.iter().any(|problem| problem.to_string().contains("a.yaml")));
        assert!(problems.iter().any(|problem| problem.to_string().contains("b.yaml")));
        assert!(read(Some(&folder.path().join("away"))).is_err());
    }
}
