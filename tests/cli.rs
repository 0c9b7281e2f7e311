//! The command line as an operator meets it.

// These tests live in the world: they need its time.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder of this test, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("an old folder of this test");
    }
    std::fs::create_dir_all(&folder).expect("a folder for this test");
    folder
}

/// `vaxel` in `folder`, without the variables of whoever runs the tests.
fn vaxel(folder: &Path, arguments: &[&str]) -> Command {
    own(Command::new(env!("CARGO_BIN_EXE_vaxel")), folder, arguments)
}

/// The same on a machine of its own, which has no IPv6 and no network but loopback.
/// What `unshare` needs to make a network: nothing for root; others do it in a user namespace. `None`, which is said where no
/// test harness hides it: this machine does not let them.
fn namespace(what: &str) -> Option<&'static [&'static str]> {
    const OWN: &[&str] = &["--user", "--map-root-user"];
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let tried = Command::new("unshare").args(OWN).args(["--net", "true"]).stderr(Stdio::null()).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        let said = format!("NOT TESTED: {what} (only root can make a network on this machine)\n");
        std::io::stderr().write_all(said.as_bytes()).expect("stderr is there");
    }
    works.then_some(OWN)
}

fn vaxel_without_ipv6(namespace: &[&str], folder: &Path, arguments: &[&str]) -> Command {
    let prepare = "ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(namespace).args(["--net", "sh", "-c", prepare, env!("CARGO_BIN_EXE_vaxel")]);
    own(command, folder, arguments)
}

fn own(mut command: Command, folder: &Path, arguments: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VAXEL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let Output { status, stdout, stderr } = vaxel(folder, arguments).output().expect("vaxel runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.success(), text(stdout), text(stderr))
}

#[test]
fn the_version_is_that_of_the_package() {
    let (good, out, _) = run(&scratch("version"), &["--version"]);
    assert!(good);
    assert_eq!(out, format!("vaxel {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_of_every_command_has_an_example() {
    let folder = scratch("help");
    let (good, out, _) = run(&folder, &["--help"]);
    assert!(good && out.contains("Example"), "{out}");
    let commands = out.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("commands");
    let commands: Vec<_> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let (good, out, _) = run(&folder, &[command, "--help"]);
        assert!(good && out.contains(&format!("  vaxel {command}")), "{command}: {out}");
    }
}

/// What its help says of each argument, by how the argument is written; also of the commands inside it.
fn arguments(folder: &Path, command: &[&str], found: &mut Vec<(String, String)>) {
    let (good, help, _) = run(folder, &[command, &["--help"]].concat());
    assert!(good, "{command:?}");
    let part =
        |name: &str| help.split(&format!("\n{name}:\n")).nth(1).map(|rest| rest.split("\nExample").next().unwrap());
    for block in ["Arguments", "Options"].into_iter().filter_map(part) {
        let block = block.split("\nOptions:\n").next().expect("a part");
        for line in block.lines() {
            let begins = line.trim_start().starts_with(['<', '[', '-']) && line.starts_with("  ");
            let deep = line.starts_with("          ");
            let (name, text) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
            match found.last_mut() {
                Some((_, said)) if deep || !begins => said.push_str(line.trim()),
                _ => found.push((format!("{} {name}", command.join(" ")), text.trim().to_owned())),
            }
        }
    }
    let inside = part("Commands").unwrap_or_default().split("\n\n").next().expect("a part");
    for name in inside.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = name.split_whitespace().next().expect("a name");
        // What is said of an agent stands behind the name.
        let more = if command.is_empty() && name == "agent" { &["agent", "anna"][..] } else { &[name] };
        if name != "help" {
            arguments(folder, &[command, more].concat(), found);
        }
    }
}

#[test]
fn help_says_of_every_argument_what_it_is() {
    let mut found = Vec::new();
    arguments(&scratch("arguments"), &[], &mut found);
    for part in ["task add <QUEUE>", "task add --prefer <AGENT[@TIME]>", "agent anna pause <REASON>", "why <CALL>"] {
        assert!(found.iter().any(|(name, _)| name == part), "{part} is not in {found:?}");
    }
    let silent: Vec<_> = found.iter().filter(|(_, text)| text.is_empty()).map(|(name, _)| name).collect();
    assert!(silent.is_empty() && found.len() > 60, "{silent:?} of {}", found.len());
}

#[test]
fn what_cannot_be_had_is_said_with_the_setting_that_asks_for_it() {
    let folder = scratch("taken");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let sip = format!("udp:{}", udp.local_addr().expect("an address"));
    let http = tcp.local_addr().expect("an address").to_string();
    let taken = "another program has it, perhaps another vaxel): Address already in use";
    for (sip, http, data, wanted) in [
        (&*sip, "127.0.0.1:0", "data", format!("(`listen` in `[sip]`: {taken}")),
        ("udp:127.0.0.1:0", &*http, "data", format!("(`listen` in `[http]`: {taken}")),
        ("udp:127.0.0.1:0", "127.0.0.1:0", "/proc/nope", "/proc/nope (`folder` in `[data]`): ".to_owned()),
    ] {
        let mut command = vaxel(&folder, &[]);
        let set = [("VAXEL_SIP__LISTEN", sip), ("VAXEL_HTTP__LISTEN", http), ("VAXEL_DATA__FOLDER", data)];
        let output = command.envs(set).output().expect("vaxel runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!output.status.success() && said.contains(&wanted), "{wanted}: {said}");
    }
}

#[test]
fn of_a_value_without_end_a_check_prints_no_line_without_end() {
    let folder = scratch("endless");
    let endless = "x".repeat(2_000_000);
    for (before, after) in [
        ("[sip]\nrealm = \"", "\n"),
        ("[sip]\nlisten = [\"", "\"]\n"),
        ("[[agents]]\nname = \"anna\"\nshift = \"", "\"\n"),
        ("[sounds]\nfolder = \"", "\"\n"),
        ("[flows]\nfolder = \"", "\"\n"),
        ("", " = 1\n"),
    ] {
        std::fs::write(folder.join("vaxel.toml"), format!("{before}{endless}{after}")).expect("a file");
        let (good, out, err) = run(&folder, &["check"]);
        assert!(!good && err.contains("xxx"), "{before}");
        let longest = [&out, &err].into_iter().flat_map(|said| said.lines()).map(str::len).max();
        assert!(longest < Some(1_000), "{before}: {longest:?}");
    }
}

#[test]
fn a_new_project_is_good_and_has_everything_in_it() {
    let folder = scratch("init");
    let (good, out, err) = run(&folder, &["init", "centre"]);
    assert!(good, "{err}");
    assert!(out.contains("vaxel check") && out.contains("cd centre"), "what to do next: {out}");
    let centre = folder.join("centre");
    for file in ["vaxel.toml", "README.md", "flows/main.yaml", "flows/flow.schema.json", "sounds/README.md"] {
        assert!(centre.join(file).is_file(), "{file}");
    }
    let (good, out, err) = run(&centre, &["check"]);
    assert!(good && err.is_empty(), "{err}");
    assert!(out.starts_with("vaxel.toml: good (") && !out.contains("(0 flows") && !out.contains(" 0 tests"), "{out}");
}

#[test]
fn init_overwrites_nothing() {
    let folder = scratch("init-again");
    std::fs::create_dir(folder.join("flows")).expect("a folder");
    std::fs::write(folder.join("flows/main.yaml"), "mine").expect("a file");
    let (good, _, err) = run(&folder, &["init", "."]);
    assert!(!good && err.contains("main.yaml"), "{err}");
    assert_eq!(std::fs::read_to_string(folder.join("flows/main.yaml")).expect("still there"), "mine");
    assert!(!folder.join("vaxel.toml").exists(), "half a project was written");
}

/// The text of the one block of `README.md` in this language that contains `mark`.
fn readme_block(language: &str, mark: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    let mut blocks = blocks.filter(|block| block.contains(mark));
    let block = blocks.next().unwrap_or_else(|| panic!("README.md has no {language} block with `{mark}`"));
    assert_eq!(blocks.next(), None, "more than one has `{mark}`");
    block.to_owned()
}

#[test]
fn the_shortest_useful_file_of_the_readme_is_good() {
    let folder = scratch("readme");
    std::fs::write(folder.join("vaxel.toml"), readme_block("toml", "# an address of your machine")).expect("a file");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("secrets/anna cannot be read"), "the secret is not made yet: {err}");
    let made = Command::new("sh").current_dir(&folder).args(["-c", &readme_block("sh", "secrets/anna")]).status();
    assert!(made.expect("a shell").success());
    let (good, out, err) = run(&folder, &["check"]);
    assert!(good && err.is_empty() && out.starts_with("vaxel.toml: good ("), "{out}{err}");
}

#[test]
fn a_built_in_flow_that_lacks_its_queue_says_what_to_do() {
    let folder = scratch("built-in-flow");
    let file = readme_block("toml", "# an address of your machine").replace("\"support\"", "\"help\"");
    std::fs::write(folder.join("vaxel.toml"), file.replace("password_file", "# ")).expect("a file");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("there is no queue `support`") && err.contains("--> built-in main.yaml:"), "{err}");
    assert!(err.contains("`sales` and `support`") && err.contains("in [flows]"), "{err}");
}

#[test]
fn the_built_in_settings_are_good() {
    let (good, out, err) = run(&scratch("built-in"), &["check"]);
    assert!(good && err.is_empty(), "{err}");
    assert!(out.starts_with("the built-in settings: good ("), "{out}");
}

/// A project whose `file` has `from` replaced by `to`.
fn changed(name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let folder = scratch(name);
    let (good, _, err) = run(&folder, &["init", "."]);
    assert!(good, "{err}");
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).expect("it was just written");
    assert!(text.contains(from), "{file} has no `{from}`");
    std::fs::write(path, text.replacen(from, to, 1)).expect("it can be written");
    folder
}

#[test]
fn wrong_settings_are_shown_with_their_place_and_stop_the_start() {
    let folder = changed("wrong-settings", "vaxel.toml", "service_level = \"20s\"", "service_levle = \"20s\"");
    let (good, out, err) = run(&folder, &["check"]);
    assert!(!good && out.contains("1 error, 0 warnings"), "{out}");
    assert!(err.contains("--> vaxel.toml:") && err.contains("did you mean `service_level`?"), "{err}");
    let (good, _, err) = run(&folder, &["serve"]);
    assert!(!good && err.contains("did you mean `service_level`?") && err.contains("vaxel check"), "{err}");
}

#[test]
fn a_check_says_from_where_each_carrier_is_called() {
    let listen = "listen = [\"udp:127.0.0.1:5060\", \"udp:127.0.0.2:5060\"]";
    let trunk = |by: &str| format!("[[trunks]]\nname = \"carrier\"\nto = \"udp:127.0.0.9:5060\"\n{by}\n");
    for (by, from) in [("", "127.0.0.1:5060"), ("by = \"udp:127.0.0.2:5060\"", "127.0.0.2:5060")] {
        let folder = scratch("ways");
        std::fs::write(folder.join("vaxel.toml"), format!("[sip]\n{listen}\n{}", trunk(by))).expect("a file");
        let (_, out, err) = run(&folder, &["check"]);
        assert!(out.contains(&format!("trunk carrier: udp:127.0.0.9:5060 is called from {from}")), "{out}{err}");
    }
}

#[test]
fn a_check_says_which_steps_promise_calls_that_no_trunk_takes() {
    let folder = scratch("no-way-back");
    std::fs::create_dir(folder.join("flows")).expect("a folder");
    let flow = "flow: main\nlanguages: [en]\nstart: line\nsteps:\n  line: { queue: { name: sales, failed: back, next: end } }\n  \
                back: { callback: { failed: end } }\n  end: { hangup: {} }\n";
    std::fs::write(folder.join("flows/main.yaml"), flow).expect("a file");
    let settings =
        "[flows]\nfolder = \"flows\"\n[[numbers]]\nnumber = \"100\"\nflow = \"main\"\n[[queues]]\nname = \"sales\"\n";
    let trunk = "[[trunks]]\nname = \"carrier\"\nto = \"udp:127.0.0.9:5060\"\ntakes = [\"+\"]\n";
    for (trunk, is_said) in [("", true), (trunk, false)] {
        std::fs::write(folder.join("vaxel.toml"), format!("{settings}{trunk}")).expect("a file");
        let (good, out, err) = run(&folder, &["check"]);
        assert!(good, "{out}{err}");
        assert_eq!(out.contains("main.yaml:6: nobody can be called back: no trunk leads out"), is_said, "{out}{err}");
    }
}

#[test]
fn a_log_filter_that_says_nothing_is_shown_with_its_place() {
    for (wrong, told) in
        [("inof", "`inof` is none of error, warn, info"), ("info,vaxel::sip=loud", "`vaxel::sip=loud`: ")]
    {
        let folder = changed("wrong-filter", "vaxel.toml", "# filter = \"info\"", &format!("filter = \"{wrong}\""));
        for command in ["check", "serve"] {
            let (good, _, err) = run(&folder, &[command]);
            assert!(!good && err.contains(told) && err.contains("--> vaxel.toml:"), "{command} {wrong}: {err}");
            assert!(err.contains("\"info,vaxel::sip=debug\""), "an example: {err}");
        }
    }
}

#[test]
fn two_flows_of_one_name_are_shown_with_both_files() {
    let folder = changed("same-name", "flows/sales.yaml", "flow: sales", "flow: main");
    for command in ["check", "serve"] {
        let (good, _, err) = run(&folder, &[command]);
        assert!(!good && err.contains("`main` is the name of the flow in flows/main.yaml already"), "{command}: {err}");
        assert!(err.contains("--> flows/sales.yaml:"), "{command}: {err}");
    }
}

#[test]
fn wrong_flows_are_shown_with_their_place() {
    let folder = changed("wrong-flow", "flows/sales.yaml", "name: sales\n", "name: slaes\n");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("sales.yaml:") && err.contains("`slaes`") && err.contains("`sales`?"), "{err}");
}

#[test]
fn a_number_without_its_flow_and_missing_music_are_errors() {
    let folder = changed("wrong-number", "vaxel.toml", "flow = \"main\"", "flow = \"mian\"");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("there is no flow `mian`") && err.contains("did you mean `main`?"), "{err}");
    let folder = changed("wrong-music", "vaxel.toml", "# hold_music = \"calm\"", "hold_music = \"clam\"");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("there is no music `clam`") && err.contains("did you mean `calm`?"), "{err}");
}

#[test]
fn a_sound_that_cannot_be_played_is_found() {
    let folder = changed("wrong-sound", "README.md", "", "");
    std::fs::create_dir(folder.join("sounds/en")).expect("a folder");
    std::fs::write(folder.join("sounds/en/welcome.mp3"), "").expect("a file");
    let (good, out, err) = run(&folder, &["check"]);
    assert!(good && out.contains("0 errors, 1 warning") && err.contains("welcome.mp3"), "{out}{err}");
    std::fs::write(folder.join("sounds/en/welcome.wav"), "not sound").expect("a file");
    let (good, _, err) = run(&folder, &["check"]);
    assert!(!good && err.contains("welcome.wav"), "{err}");
}

#[test]
fn one_flow_is_checked_and_drawn_with_the_others() {
    let folder = changed("one-flow", "README.md", "", "");
    let text = std::fs::read_to_string(folder.join("flows/sales.yaml")).expect("a flow");
    std::fs::write(folder.join("night.yaml"), text.replacen("flow: sales", "flow: night", 1)).expect("a file");
    let (good, out, err) = run(&folder, &["check", "night.yaml"]);
    assert!(good && out.contains("4 flows"), "{out}{err}");
    let (good, out, err) = run(&folder, &["graph", "night.yaml"]);
    assert!(good && out.contains("flowchart"), "{out}{err}");
    let (good, by_name, _) = run(&folder, &["graph", "sales"]);
    assert!(good && by_name.contains("flowchart"), "{by_name}");
    let (good, _, err) = run(&folder, &["graph", "slaes"]);
    assert!(!good && err.contains("desk, main, sales"), "{err}");
}

#[test]
fn settings_that_are_not_there_are_an_error() {
    let (good, _, err) = run(&scratch("missing"), &["serve", "--config", "gone.toml"]);
    assert!(!good && err.contains("gone.toml") && err.contains("vaxel init"), "{err}");
}

/// On ports that are free.
fn demo(folder: &Path) -> Child {
    let mut command = vaxel(folder, &["demo"]);
    command.env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0").env("VAXEL_HTTP__LISTEN", "127.0.0.1:0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("vaxel starts")
}

#[test]
fn a_demonstration_whose_reader_is_gone_is_played_to_its_end() {
    let folder = scratch("demo-unread");
    let mut child = demo(&folder);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for _ in 0..3 {
        lines.next().expect("it says more than that").expect("UTF-8");
    }
    drop(lines);
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success() && !err.contains("panicked"), "{:?}: {err}", output.status);
    assert!(folder.join("data/demo-caller.wav").is_file(), "what the caller heard is there");
}

#[test]
fn a_demonstration_that_fails_ends_at_once_and_says_what_did_not_happen() {
    let folder = changed("demo-fails", "flows/main.yaml", "\"1\": sales", "\"7\": sales");
    let mut child = demo(&folder);
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut lines = lines.map(|line| line.expect("UTF-8"));
    let begun: Vec<String> = lines.by_ref().take_while(|line| !line.contains("records")).collect();
    assert!(begun.iter().any(|line| line.contains("anna, password in ")), "no password goes into a pipe: {begun:?}");
    let said = lines.find(|line| line.starts_with("Not everything happened"));
    let failed = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    assert!(failed.elapsed() < Duration::from_secs(3), "it ended only after {:?}", failed.elapsed());
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{err}");
    let said = said.expect("it says so");
    assert!(said.contains("no agent was rung") && err.contains("no agent was rung"), "{said}\n{err}");
}

#[test]
fn commands_that_nobody_reads_do_their_work_and_give_their_exit_code() {
    let folder = changed("unread", "vaxel.toml", "service_level = \"20s\"", "service_levle = \"20s\"");
    std::fs::create_dir(folder.join("good")).expect("a folder");
    for (arguments, code) in [
        (&["check"][..], 1),
        (&["serve"], 1),
        (&["graph", "main"], 1),
        (&["init", "."], 1),
        (&["init", "good"], 0),
        (&["check", "good/vaxel.toml"], 0),
        (&["graph", "main", "--config", "good/vaxel.toml"], 0),
        (&["--help"], 0),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = vaxel(&folder, arguments);
        command.stdout(writer.try_clone().expect("a descriptor")).stderr(writer);
        assert_eq!(command.status().expect("vaxel runs").code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn output_that_a_full_disk_does_not_take_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let output = vaxel(&scratch("full"), &["graph", "main"]).stdout(full).output().expect("vaxel runs");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.code() == Some(1) && err.contains("cannot write the output"), "{err}");
}

/// What it says until it takes calls.
fn announcement(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut said = String::new();
    while !said.contains("records") {
        // Ends with an error, not in a wait for ever, if the program ends.
        let line = lines.next().unwrap_or_else(|| panic!("it ended after saying:\n{said}"));
        said += &(line.expect("UTF-8") + "\n");
    }
    said
}

fn terminate(child: &Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
}

#[test]
fn a_machine_without_ipv6_serves_on_what_it_has() {
    let Some(namespace) = namespace("a machine without IPv6") else { return };
    let folder = scratch("no-ipv6");
    let mut command = vaxel_without_ipv6(namespace, &folder, &[]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let said = announcement(&mut child);
    assert!(said.contains("udp 127.0.0.1:5060") && said.contains("tcp 127.0.0.1:5060"), "{said}");
    assert!(!said.contains("[::1]"), "{said}");
    terminate(&child);
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    let warnings: Vec<_> = err.lines().filter(|line| line.contains("WARN")).collect();
    assert!(output.status.success() && warnings.len() == 1, "{err}");
    assert!(warnings[0].contains("not heard on udp [::1]:5060, tcp [::1]:5060"), "{err}");

    // Who asks for it is told that it is not there.
    let mut command = vaxel_without_ipv6(namespace, &folder, &[]);
    let output = command.env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:5060,tcp:[::1]:5060").output().expect("it starts");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        !output.status.success() && err.contains("cannot listen for SIP on tcp [::1]:5060 (`listen` in `[sip]`"),
        "{err}"
    );
}

#[test]
fn the_demonstration_makes_itself_a_certificate_and_the_service_does_not() {
    let Some(namespace) = namespace("the demonstration on the usual ports") else { return };
    let folder = scratch("demo-tls");
    let Output { status, stdout, .. } = vaxel_without_ipv6(namespace, &folder, &["demo"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&stdout);
    assert!(status.success() && said.contains("tls 127.0.0.1:5061"), "{said}");
    let made = |name: &str| std::fs::read_to_string(folder.join("data").join(name)).expect("a file was made");
    assert!(made("self-signed.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(made("self-signed.key").starts_with("-----BEGIN PRIVATE KEY-----"));

    let mut command = vaxel_without_ipv6(namespace, &folder, &[]);
    let output = command.env("VAXEL_SIP__LISTEN", "tls:127.0.0.1:5061").output().expect("it starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("tls needs a certificate"), "{err}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_found_before_it_is_served() {
    let folder = scratch("check-tls");
    let run = |key: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("own.pem"), made.cert.pem()).expect("a file");
        std::fs::write(folder.join("own.key"), made.signing_key.serialize_pem()).expect("a file");
        let mut command = vaxel(&folder, &["check"]);
        let listen = ("VAXEL_SIP__LISTEN", "tls:127.0.0.1:0");
        let files = [("VAXEL_SIP__TLS__CERTIFICATE", "own.pem"), ("VAXEL_SIP__TLS__KEY", key), listen];
        let output = command.envs(files).output().expect("it starts");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(run("own.key").0, "{:?}", run("own.key"));
    let (good, err) = run("own.pem");
    assert!(!good && err.contains("own.pem holds no private key"), "{err}");
}

#[test]
fn on_a_terminal_the_made_up_passwords_are_shown() {
    let folder = scratch("terminal");
    // Of bsdutils, which every Debian has: runs a command on a terminal of its own.
    let mut command = Command::new("script");
    // `exec`, and a shell that is everywhere: one that stays beside vaxel gets the Ctrl-C as well, and that is its exit code.
    command.args(["-qec", concat!("exec '", env!("CARGO_BIN_EXE_vaxel"), "'"), "/dev/null"]).current_dir(&folder);
    command.env("SHELL", "/bin/sh");
    command.env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0").env("VAXEL_HTTP__LISTEN", "127.0.0.1:0");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script of bsdutils starts");
    // The reader stays: what `script` cannot pass on ends it.
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("UTF-8"));
    let mut said: Vec<String> = Vec::new();
    while !said.last().is_some_and(|line| line.contains("records")) {
        said.push(lines.next().unwrap_or_else(|| panic!("it ended after saying: {said:?}")));
    }
    let said = said.join("\n");
    let made_up = std::fs::read_to_string(folder.join("data/agents.toml")).expect("made-up passwords");
    let passwords: Vec<&str> = made_up.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(passwords.len(), 2, "{made_up}");
    assert!(passwords.iter().all(|password| said.contains(&format!(", password {password}"))), "{said}");
    // Ctrl-C, as it is typed.
    child.stdin.take().expect("piped").write_all(b"\x03").expect("the terminal takes it");
    lines.for_each(drop);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    let folder = scratch("serve");
    let mut command = vaxel(&folder, &[]);
    command.env("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0,tcp:127.0.0.1:0").env("VAXEL_HTTP__LISTEN", "127.0.0.1:0");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("vaxel starts");
    let said = announcement(&mut child);
    for part in ["takes calls", "100 (flow main)", "anna", "bjorn", "/metrics"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    let made_up = std::fs::read_to_string(folder.join("data/agents.toml")).expect("made-up passwords");
    let passwords: Vec<&str> = made_up.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(!passwords.is_empty(), "{made_up}");
    assert!(passwords.iter().all(|password| !said.contains(password)), "a password went into a pipe:\n{said}");
    terminate(&child);
    assert!(child.wait().expect("it ends").success());
}

/// What the help says to begin with works, and tells the same with any number of threads.
#[test]
fn a_day_is_simulated_from_the_example() {
    let folder = scratch("simulate");
    let (good, example, _) = run(&folder, &["simulate", "--example"]);
    assert!(good);
    std::fs::write(folder.join("monday.toml"), &example).expect("a file");
    let (good, tables, said) = run(&folder, &["simulate", "monday.toml", "--seeds", "3"]);
    assert!(good, "{said}");
    for part in ["3 days from 08:00 to 17:00", "queue sales", "queue support", "sellers", "occupied %"] {
        assert!(tables.contains(part), "`{part}` is not in:\n{tables}");
    }
    assert!(said.starts_with("3 days, ") && said.contains("calls/s"), "{said}");
    let json = |threads| run(&folder, &["simulate", "monday.toml", "--seeds", "3", "--json", "--threads", threads]).1;
    assert_eq!(json("1"), json("3"));
    let report: serde_json::Value = serde_json::from_str(&json("1")).expect("JSON");
    let offered = &report["queues"][0]["day"]["offered"];
    assert!(offered["mean"].as_f64().is_some_and(|mean| mean > 200.0), "{offered}");
    assert_eq!((&offered["days"], &report["queues"][0]["name"]), (&3.into(), &"sales".into()));
}

#[test]
fn two_more_people_are_asked_for_by_name() {
    let folder = scratch("simulate-more");
    let (_, example, _) = run(&folder, &["simulate", "--example"]);
    std::fs::write(folder.join("monday.toml"), &example).expect("a file");
    let simulate = |more: &str| run(&folder, &["simulate", "monday.toml", "--seeds", "5", "--json", "--more", more]);
    let (good, json, said) = simulate("helpers=2@12:00-17:00");
    assert!(good, "{said}");
    let comparison: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let gained = &comparison["queues"][1]["day"]["service_level"]["mean"];
    assert!(gained.as_f64().is_some_and(|gained| gained > 0.01), "{gained}");
    assert_eq!(comparison["changed"]["groups"][2]["agents"], 2);
    let (good, _, said) = simulate("helper=2");
    assert!(!good && said.contains("there is no group `helper`; there is: sellers, helpers"), "{said}");
    let (good, _, said) = simulate("helpers=two");
    assert!(!good && said.contains("helpers=2@13:00-17:00"), "{said}");
}

#[test]
fn a_wrong_day_is_shown_with_its_place() {
    let folder = scratch("simulate-wrong");
    let (_, example, _) = run(&folder, &["simulate", "--example"]);
    let wrong = example.replacen("queue = \"sales\"", "queue = \"salse\"", 1);
    let line = wrong.lines().position(|line| line.contains("salse")).expect("the mistake") + 1;
    std::fs::write(folder.join("monday.toml"), wrong).expect("a file");
    let (good, out, said) = run(&folder, &["simulate", "monday.toml"]);
    assert!(!good && out.is_empty(), "{out}");
    assert!(said.contains("there is no queue `salse`") && said.contains("did you mean `sales`?"), "{said}");
    assert!(said.contains(&format!("--> monday.toml:{line}:9")), "{said}");
    let (good, _, said) = run(&folder, &["simulate", "sunday.toml"]);
    assert!(!good && said.contains("vaxel simulate --example"), "{said}");
    let (good, _, said) = run(&folder, &["simulate"]);
    assert!(!good && said.contains("DAY.toml"), "{said}");
    let (good, _, said) = run(&folder, &["simulate", "--journal", "."]);
    assert!(!good && said.contains("there is no journal in"), "{said}");
}

#[test]
fn a_report_that_cannot_be_says_what_to_do() {
    let folder = scratch("report");
    for (arguments, part) in [
        (&[][..], "there is no journal in data/journal; `--config FILE`"),
        (&["--interval", "20m"], "write 15m, 30m or 1h"),
        (&["--day", "yesterday"], "--day <YYYY-MM-DD>"),
        (&["--day", "2026-10-01", "--from", "09:07"], "write 2026-10-01 09:00:00 or 2026-10-01 09:15:00"),
        (&["--day", "2026-10-01", "--to", "noon"], "`noon` is no time; write it as 2026-11-23T14:05:00+01:00"),
        (&["--day", "2999-10-01"], "2999-10-01 00:00:00 is still to come"),
    ] {
        let (good, out, said) = run(&folder, &[&["report"], arguments].concat());
        assert!(!good && out.is_empty() && said.contains(part), "{arguments:?}: {said}");
    }
    let settings = changed("report-interval", "vaxel.toml", "# interval = \"15m\"", "interval = \"5m\"");
    let (good, _, said) = run(&settings, &["report"]);
    assert!(!good && said.contains(r#"expected "15m", "30m" or "1h""#) && said.contains("vaxel.toml:"), "{said}");
}

#[test]
fn why_and_rewind_say_what_to_do_where_there_is_no_journal() {
    let folder = scratch("no-journal");
    for asked in [&["why", "call-1"][..], &["why", "+46701234567"], &["why", "entry-1"], &["rewind", "--at", "00:00"]] {
        let (good, out, said) = run(&folder, asked);
        let part =
            "there is no journal in data/journal; `--config FILE` names other settings than those of this folder";
        assert!(!good && out.is_empty() && said.contains(part), "{asked:?}: {said}");
    }
}

/// Changes the text of each event in the journal of this data folder, and its checksum with it.
fn rewrite_journal(data: &Path, change: impl Fn(&str) -> String) {
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let files = std::fs::read_dir(data.join("journal")).expect("a journal").map(|file| file.expect("a file").path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "events")) {
        let text = std::fs::read_to_string(&path).expect("lines of JSON");
        let lines = text.lines().map(|line| change(&line[9..]));
        let sealed = lines.map(|line| format!("{:08x} {line}\n", checksum.checksum(line.as_bytes())));
        std::fs::write(&path, sealed.collect::<String>()).expect("it can be written");
    }
}

#[test]
fn a_journal_that_folds_to_other_decisions_is_told_by_the_exit_code() {
    let folder = scratch("journal");
    let output = demo(&folder).wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let data = folder.join("data");
    let replay = || {
        let output = vaxel(&folder, &["simulate", "--journal", "data", "--json"]).output().expect("vaxel runs");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), json["decided_otherwise"].as_u64())
    };
    rewrite_journal(&data, str::to_owned);
    assert_eq!(replay(), (Some(0), Some(0)), "as it was written");
    rewrite_journal(&data, |line| line.replace("\"outcome\":\"accepted\"", "\"outcome\":\"declined\""));
    let (code, otherwise) = replay();
    assert!(code == Some(1) && otherwise > Some(0), "{code:?} {otherwise:?}");
}
