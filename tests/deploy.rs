//! What `deploy/` ships is checked by the programs that will read it: systemd, promtool.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vaxel::acd::estimate::Estimate;
use vaxel::edge::clock::Clock;
use vaxel::edge::metrics::{Metrics, Names};
use vaxel::engine::QueueFigures;
use vaxel::sip::locate::{Located, Lookup};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap_or_else(|e| panic!("deploy/{file}: {e}"))
}

/// A folder of this test, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("deploy-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("an old folder of this test");
    }
    std::fs::create_dir_all(&folder).expect("a folder for this test");
    folder
}

/// Runs `program`; a failure shows what it said, a missing one how to get it.
fn run<A: AsRef<OsStr>>(program: &str, package: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(e) => panic!("{program} cannot be run ({e}): apt-get install {package}, or run tests/run"),
    };
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{program} found fault:\n{said}");
    said
}

#[test]
fn the_unit_is_valid_and_hardened() {
    // systemd insists that the program exists: here it is the one just built.
    let unit = text("vaxel.service").replace("/usr/local/bin/vaxel", env!("CARGO_BIN_EXE_vaxel"));
    let file = scratch("unit").join("vaxel.service");
    std::fs::write(&file, unit).expect("a copy of the unit");
    let said = run("systemd-analyze", "systemd", [OsStr::new("verify"), OsStr::new("--man=no"), file.as_os_str()]);
    assert_eq!(said.trim(), "", "systemd-analyze verify");
    // Exposure in tenths: a service without any hardening has 96.
    run(
        "systemd-analyze",
        "systemd",
        [
            OsStr::new("security"),
            OsStr::new("--offline=true"),
            OsStr::new("--no-pager"),
            OsStr::new("--threshold=15"),
            file.as_os_str(),
        ],
    );
}

#[test]
fn the_unit_gives_a_drain_its_time() {
    let unit = text("vaxel.service");
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("TimeoutStopSec");
    let minutes: u64 = stop.strip_suffix("min").and_then(|text| text.parse().ok()).expect("whole minutes");
    let settings = vaxel::config::load(None, [], &|_| unreachable!("no file is named")).expect("the built-in settings");
    assert!(Duration::from_secs(60 * minutes) > settings.config.limits.drain, "systemd would kill talks");
}

#[test]
fn prometheus_reads_the_scrape_file_and_the_rules() {
    let folder = deploy("prometheus");
    run(
        "promtool",
        "prometheus",
        [OsStr::new("check"), OsStr::new("config"), folder.join("prometheus.yml").as_os_str()],
    );
}

#[test]
fn the_rules_compute_and_alert_as_their_tests_say() {
    let file = deploy("prometheus/vaxel.rules.test.yml");
    run("promtool", "prometheus", [OsStr::new("test"), OsStr::new("rules"), file.as_os_str()]);
}

/// Every word of `text` that names a metric of ours, as it is scraped. Recorded series have a colon before or after.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names = text.split(|c| !part(c)).filter(|word| word.starts_with("vaxel_"));
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
}

/// What the program exposes.
fn scraped() -> String {
    let names = Names {
        queues: vec![("sales".into(), Duration::from_secs(20))],
        agents: vec!["anna".into()],
        trunks: vec!["carrier".into()],
        pauses: vec![("lunch".into(), None)],
        named: vec!["carrier".into()],
    };
    let metrics = Metrics::new(Clock::start(), &names);
    // There only when there is a certificate.
    metrics.certificates.expires(1);
    // … and an answer.
    let since = Some(vaxel::time::Time::from_secs(1));
    metrics.lookups.ended("carrier", &Lookup { result: Located::Found, moved: None, since });
    let figures = QueueFigures {
        name: "sales".into(),
        estimate: Some(Estimate { from_minutes: 2, to_minutes: Some(4) }),
        spoken: None,
        errors: [Some((1, 0.2)), None, None],
        counts: Default::default(),
    };
    metrics.text_with(Some(&[figures]))
}

/// The same, by name.
fn exposed() -> BTreeSet<String> {
    scraped().lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect()
}

/// The expressions of all panels, variables and annotations of the dashboard, by where they stand.
fn dashboard_expressions(value: &serde_json::Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(fields) => {
            let title = fields.get("title").and_then(|title| title.as_str()).unwrap_or(at);
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("expr", serde_json::Value::String(expression)) => found.push((title.into(), expression.clone())),
                    _ => dashboard_expressions(value, title, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| dashboard_expressions(item, at, found)),
        _ => {}
    }
}

fn dashboard() -> (serde_json::Value, Vec<(String, String)>) {
    let dashboard: serde_json::Value = serde_json::from_str(&text("grafana/vaxel.json")).expect("JSON");
    let mut expressions = Vec::new();
    dashboard_expressions(&dashboard, "", &mut expressions);
    (dashboard, expressions)
}

#[test]
fn the_dashboard_shows_what_a_supervisor_looks_for() {
    let (_, expressions) = dashboard();
    for (title, metric) in [
        ("Callers waiting", "vaxel_queue_waiting"),
        ("Longest wait", "vaxel_queue_longest_wait_seconds"),
        ("Waits by outcome", "vaxel_queue_wait_seconds"),
        ("Service level, $window", "vaxel_queue_answered_in_service_level_total"),
        ("Agents by state", "vaxel_agents"),
        ("What callers are told", "vaxel_queue_estimate_upper_seconds"),
        ("How true it was", "vaxel_queue_told_error_ratio"),
    ] {
        let shown = expressions.iter().any(|(at, expression)| at == title && expression.contains(metric));
        assert!(shown, "no panel `{title}` with {metric} in {expressions:?}");
    }
}

#[test]
fn prometheus_understands_every_expression_of_the_dashboard() {
    let (_, expressions) = dashboard();
    assert!(expressions.len() > 10);
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (i, (_, expression)) in expressions.iter().enumerate() {
        // What Grafana puts in before it asks.
        let mut filled = expression.replace("$__rate_interval", "1m").replace("$window", "30m");
        for variable in ["$instance", "$queue"] {
            filled = filled.replace(variable, ".*");
        }
        assert!(!filled.contains('$'), "a variable that the dashboard does not have: {expression}");
        rules += &format!("  - record: panel{i}\n    expr: {}\n", serde_json::json!(filled));
    }
    let file = scratch("dashboard").join("rules.yml");
    std::fs::write(&file, rules).expect("the expressions as rules");
    run("promtool", "prometheus", [OsStr::new("check"), OsStr::new("rules"), file.as_os_str()]);
}

#[test]
fn dashboard_panels_are_explained_and_do_not_overlap() {
    let (dashboard, _) = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title}: no description");
        let field = |name: &str| panel["gridPos"][name].as_u64().expect("a position");
        assert!(field("x") + field("w") <= 24, "{title}: Grafana has 24 columns");
        for x in field("x")..field("x") + field("w") {
            for y in field("y")..field("y") + field("h") {
                assert!(taken.insert((x, y)), "{title}: something else is there");
            }
        }
    }
}

#[test]
fn rules_dashboard_and_documentation_name_only_metrics_that_exist() {
    let exposed = exposed();
    let (_, expressions) = dashboard();
    let expressions: String = expressions.into_iter().map(|(_, expression)| expression + "\n").collect();
    for (file, text) in [
        ("vaxel.rules.yml", text("prometheus/vaxel.rules.yml")),
        ("vaxel.rules.test.yml", text("prometheus/vaxel.rules.test.yml")),
        ("vaxel.json", expressions),
        ("README.md", text("README.md")),
    ] {
        let named = metrics_in(&text);
        // `vaxel_store_*` in the README stands for all that begin so.
        let exists = |name: &&str| {
            exposed.contains(*name) || name.ends_with('_') && exposed.iter().any(|e| e.starts_with(*name))
        };
        let unknown: Vec<_> = named.iter().filter(|name| !exists(name)).collect();
        assert!(named.len() > 3 && unknown.is_empty(), "{file} names what vaxel does not expose: {unknown:?}");
    }
}

#[test]
fn every_metric_is_documented() {
    let readme = text("README.md");
    let named = metrics_in(&readme);
    let documented = |name: &String| named.iter().any(|n| n == name || n.ends_with('_') && name.starts_with(n));
    let missing: Vec<_> = exposed().into_iter().filter(|name| !documented(name)).collect();
    assert!(missing.is_empty(), "deploy/README.md does not say what these are: {missing:?}");
}

#[test]
fn every_reason_why_something_was_not_served_is_explained() {
    let page = text("TRUNKS.md");
    let section = page.split("\n## ").find(|section| section.starts_with("What is not served")).expect("the section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let explained: BTreeSet<&str> =
        rows.flat_map(|reasons| reasons.split(", ")).map(|reason| reason.trim_matches('`')).collect();
    let scraped = scraped();
    let reason = |line: &'_ str| -> Option<String> {
        Some(line.strip_prefix("vaxel_sip_errors_total{reason=\"")?.split('"').next()?.to_owned())
    };
    let counted: BTreeSet<String> = scraped.lines().filter_map(reason).collect();
    assert_eq!(explained, counted.iter().map(String::as_str).collect());
}

#[test]
fn the_container_is_not_root_and_copies_what_exists() {
    let text = text("Containerfile");
    let last = &text[text.rfind("\nFROM ").expect("stages")..];
    let user = last.lines().find_map(|line| line.strip_prefix("USER ")).expect("USER in the last stage");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "USER {user}");
    let copied = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    for line in copied {
        let words: Vec<_> = line.split(' ').collect();
        for source in &words[..words.len() - 1] {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists(), "COPY {source}");
        }
    }
    // What the build includes from outside src must be copied as well.
    for needed in ["Cargo.toml", "Cargo.lock", "src", "sounds", "ivr-flows"] {
        assert!(text.contains(&format!(" {needed} ")), "{needed} is not copied");
    }
}

/// Each example of the page about trunks, with the files that it names.
#[test]
fn examples_of_trunks_are_settings() {
    let page = text("TRUNKS.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 5, "{}", examples.len());
    for example in examples {
        let read = |path: &Path| match path.extension().and_then(OsStr::to_str) {
            Some("pem") => Ok("-----BEGIN CERTIFICATE-----\n".to_owned()),
            Some("toml") => Ok(format!("numbers = [{{ number = \"100\", flow = \"main\" }}]\n{example}")),
            _ => Ok("a long secret\n".to_owned()),
        };
        match vaxel::config::load(Some(Path::new("/etc/vaxel/vaxel.toml")), [], &read) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{example}\n{:?}", loaded.warnings),
            Err(problems) => panic!("{example}\n{problems:?}"),
        }
    }
}
