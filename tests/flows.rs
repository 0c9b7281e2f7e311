//! Every shipped flow compiles without a complaint, its own tests pass, and what is published about the language is up
//! to date.
//!
//! `REWRITE=1 cargo test --test flows` writes the published files anew; read the difference before committing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vaxel::flow::{self, Flow, World};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The shipped flow files: path from the root, and text.
fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(root().join("ivr-flows"))
        .expect("the folder of the flows")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (format!("ivr-flows/{name}"), fs::read_to_string(&path).expect("a readable flow"))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

/// What a fresh installation has: the shipped sounds, and the queues and people of the starter configuration.
fn world(files: &[(String, String)]) -> World {
    let table = fs::read_to_string(root().join("sounds/prompts.tsv")).expect("the table of prompts");
    let mut prompts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t');
        let (name, language) = (columns.next().expect("a name"), columns.next().expect("a language"));
        prompts.entry(language.to_string()).or_default().insert(name.to_string());
    }
    World {
        queues: ["sales", "support"].map(String::from).into(),
        agents: ["anna", "bjorn"].map(String::from).into(),
        numbers: ["100", "150", "201", "202"].map(String::from).into(),
        prompts,
        music: ["calm"].map(String::from).into(),
        flows: files.iter().filter_map(|(_, text)| flow::name_of(text)).collect(),
        ..World::default()
    }
}

fn shipped() -> BTreeMap<String, Arc<Flow>> {
    let files = files();
    let world = world(&files);
    let mut flows = Vec::new();
    let mut problems = String::new();
    for (name, text) in &files {
        match flow::compile(name, text, &world) {
            Ok(flow) => flows.push(flow),
            Err(all) => all.iter().for_each(|problem| problems.push_str(&format!("{problem}\n"))),
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
    flow::link(flows).expect("each has a name of its own")
}

#[test]
fn shipped_flows_compile_and_their_tests_pass() {
    let mut failures = String::new();
    for (name, flow) in shipped() {
        let results = flow::test::run(&flow);
        assert!(!results.is_empty(), "flow {name} carries no tests");
        for result in results {
            for failure in result.failures {
                failures.push_str(&format!("{}: {}\n{failure}\n", name, result.name));
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// All names of keys in a YAML file.
fn keys_of(value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            into.extend(map.keys().cloned());
            map.values().for_each(|value| keys_of(value, into));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| keys_of(value, into)),
        _ => {}
    }
}

/// The samples are what people learn the language from: `main` shows every verb, and an agent and a number are rung.
#[test]
fn shipped_flows_use_the_whole_language() {
    let read = |name: &str| -> serde_json::Value {
        let text = fs::read_to_string(root().join("ivr-flows").join(name)).expect("a readable flow");
        serde_saphyr::from_str(&text).expect("YAML")
    };
    let (main, desk) = (read("main.yaml"), read("desk.yaml"));
    let mut used = BTreeSet::new();
    keys_of(&main["steps"], &mut used);
    let schema: serde_json::Value = serde_json::from_str(&flow::schema()).expect("JSON");
    let verbs = schema["$defs"]["Step"]["oneOf"].as_array().expect("a schema for each verb");
    let verbs: BTreeSet<&str> = verbs.iter().map(|verb| verb["required"][0].as_str().expect("its name")).collect();
    assert_eq!(verbs.len(), 11, "{verbs:?}");
    let missing: Vec<_> = verbs.iter().filter(|verb| !used.contains(**verb)).collect();
    assert!(missing.is_empty(), "main.yaml does not show {missing:?}");
    let calendar = |file: &serde_json::Value, name: &str| file["calendars"][name]["week"].to_string();
    assert!(calendar(&main, "night").contains("22:00-06:00"), "a window past midnight");
    assert!(main["calendars"]["office"]["holidays"].as_object().is_some_and(|days| !days.is_empty()));
    assert_eq!(desk["steps"]["anna"]["transfer"]["agent"], "anna");
    assert_eq!(desk["steps"]["bjorn"]["transfer"]["to"], "202");
}

#[test]
fn schema_is_up_to_date_and_every_flow_points_to_it() {
    published("ivr-flows/flow.schema.json", &flow::schema());
    for (name, text) in files() {
        let first = text.lines().next();
        assert_eq!(first, Some("# yaml-language-server: $schema=flow.schema.json"), "{name}");
    }
}

#[test]
fn pictures_in_the_readmes_are_the_sample_flow() {
    let picture = flow::graph(&shipped()["main"]);
    for path in ["README.md", "ivr-flows/README.md"] {
        let text = fs::read_to_string(root().join(path)).expect("a page with the picture");
        let begin = "```mermaid\nflowchart TD\n";
        let (start, end) = (text.find(begin).expect("a picture") + "```mermaid\n".len(), "```\n");
        let stop = start + text[start..].find(end).expect("the end of the picture");
        published(path, &format!("{}{picture}{}", &text[..start], &text[stop..]));
    }
}

/// Every whole flow in the README compiles and passes its tests, so nobody learns from a mistake of ours.
#[test]
fn examples_in_the_readme_compile() {
    let text = fs::read_to_string(root().join("ivr-flows/README.md")).expect("the README of the flows");
    let mut world = world(&files());
    world.skills = ["billing", "lang_en", "lang_sv"].map(String::from).into();
    world.queues.insert("billing".into());
    let mut count = 0;
    let mut line = 1;
    for (index, block) in text.split("```").enumerate() {
        if index % 2 == 1 && block.starts_with("yaml\nflow:") {
            count += 1;
            let example = block.trim_start_matches("yaml\n");
            let flow = flow::compile("ivr-flows/README.md", example, &world).unwrap_or_else(|problems| {
                let problems: String = problems.iter().map(|p| format!("{p}\n")).collect();
                panic!("in the example at line {line}:\n{problems}")
            });
            let name = flow.name().to_string();
            let others = shipped().into_values().filter(|other| other.name() != name);
            let flows = flow::link(others.map(|flow| Flow::clone(&flow)).chain([flow])).expect("one of each name");
            for result in flow::test::run(&flows[&name]) {
                let failures: String = result.failures.iter().map(|p| format!("{p}\n")).collect();
                assert!(failures.is_empty(), "in the example at line {line}: {}\n{failures}", result.name);
            }
        }
        line += block.matches('\n').count();
    }
    assert!(count >= 6, "{count} examples");
}

fn published(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("REWRITE").is_some() {
        fs::write(&path, text).expect("a writable checkout");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{} is not up to date: run `REWRITE=1 cargo test --test flows`", shown(&path));
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
