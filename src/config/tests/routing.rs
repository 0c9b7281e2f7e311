//! What queues and agents say about who is rung for whom.

use super::*;
use crate::acd::{HeldLicence, Relax, Strategy, Validity};
use crate::time::Time;

const HOUSE: &str = r#"
numbers = [{ number = "100", flow = "main" }]
[every_queue]
strategy = "most_skilled"
weight = 2
ring_time = "9s"
[[queues]]
name = "bank"
needs = 'bank >= 3 and licence(bank, "SE")'
relax = [{ after = "30s", needs = "bank >= 1" }, { after = "1m", needs = { bank = 2 } }]
members_only = true
strategy = "ring_all"
ring_all_max = 4
ring_time = "12s"
weight = 1000
[[queues]]
name = "rest"
[every_agent]
tasks = 2
calls_during_tasks = true
[[agents]]
name = "anna"
skills = { bank = 5, night = { level = 7, from = "2026-11-01T00:00:00Z", to = "2026-12-01T00:00:00Z" } }
licences = [{ kind = "bank", jurisdiction = "SE", to = "2027-01-01T00:00:00Z" }, { kind = "loans", jurisdiction = "NO" }]
teams = ["north", "nights"]
queues = ["bank"]
ring_time = "25s"
tasks = 0
[[agents]]
name = "bo"
calls_during_tasks = false
"#;

#[test]
fn what_queues_and_agents_say_about_routing_is_read() {
    let Loaded { config, warnings } = load_with(Some(HOUSE), &[], &[]).unwrap_or_else(|p| panic!("{}", shown(&p)));
    assert_eq!(shown(&warnings), "");
    let [bank, rest] = &config.queues[..] else { panic!("two queues") };
    assert_eq!((bank.strategy, bank.ring_all_max, bank.weight), (Strategy::RingAll, 4, 1000));
    assert_eq!(
        (rest.strategy, rest.weight, rest.ring_all_max),
        (Strategy::MostSkilled, 2, QueueSettings::default().ring_all_max)
    );
    assert_eq!((bank.ring_time, rest.ring_time), (Some(Duration::from_secs(12)), Some(Duration::from_secs(9))));
    assert_eq!((bank.members_only, rest.members_only), (true, false));
    let need = |text: &str| crate::need::Need::parse(text).expect("a need").0;
    assert_eq!(bank.needs, need(r#"bank >= 3 and licence(bank, "SE")"#));
    let step = |after, text| Relax { after: Duration::from_secs(after), need: need(text) };
    assert_eq!(bank.relax, [step(30, "bank >= 1"), step(60, "bank >= 2")]);
    assert_eq!(rest.relax, []);

    let [anna, bo] = &config.agents[..] else { panic!("two agents") };
    let at = |text: &str| text.parse::<jiff::Timestamp>().map(|at| Time::from_secs(at.as_second() as u64)).ok();
    let valid = Validity { from: at("2026-11-01T00:00:00Z"), to: at("2026-12-01T00:00:00Z") };
    assert_eq!((anna.settings.skills["bank"], anna.settings.skills["night"]), (5, 7));
    assert_eq!(anna.settings.skills_valid.iter().collect::<Vec<_>>(), [(&"night".to_owned(), &valid)]);
    let held = |kind: &str, jurisdiction: &str, to| HeldLicence {
        kind: kind.into(),
        jurisdiction: jurisdiction.into(),
        valid: Validity { from: None, to },
    };
    let licences = [held("bank", "SE", at("2027-01-01T00:00:00Z")), held("loans", "NO", None)];
    assert_eq!(anna.settings.licences, licences);
    assert_eq!(anna.settings.teams.iter().map(String::as_str).collect::<Vec<_>>(), ["nights", "north"]);
    assert_eq!(anna.queues, ["bank"]);
    assert_eq!(anna.settings.ring_time, Duration::from_secs(25));
    let tasks = |agent: &Agent| (agent.settings.tasks, agent.settings.calls_during_tasks);
    assert_eq!((tasks(anna), tasks(bo)), ((0, true), (2, false)));
}

#[test]
fn each_strategy_has_a_name() {
    use Strategy::*;
    for (name, strategy) in [
        ("longest_idle", LongestIdle),
        ("most_skilled", MostSkilled),
        ("least_skilled", LeastSkilled),
        ("fewest_calls", FewestCalls),
        ("round_robin", RoundRobin),
        ("random", Random),
        ("linear", Linear),
        ("ring_all", RingAll),
    ] {
        let file = format!("{CLEAN}\n[[queues]]\nname = 'q'\nstrategy = '{name}'");
        let config = load_with(Some(&file), &[], &[]).unwrap_or_else(|p| panic!("{}", shown(&p))).config;
        assert_eq!(config.queues[0].strategy, strategy);
    }
}

/// The setting, where it stands, and what was expected.
#[test]
fn what_is_wrong_about_routing_is_said_with_its_place_and_what_was_expected() {
    let queue = |line: &str| problems(&format!("[[queues]]\nname = \"q\"\n{line}"));
    let agent = |line: &str| problems_of_agent(&format!("[[agents]]\nname = \"bo\"\n{line}"));
    for (told, line, expected) in [
        (queue(r#"strategy = "loudest""#), "strategy", "longest_idle"),
        (queue("strategy = 1"), "strategy", "longest_idle"),
        (queue("ring_all_max = 0"), "ring_all_max", "from 1 to 100"),
        (queue("ring_all_max = 101"), "ring_all_max", "from 1 to 100"),
        (queue(r#"ring_time = "0s""#), "ring_time", "from 1s"),
        (queue("ring_time = 20"), "ring_time", "a length of time"),
        (queue("weight = 0"), "weight", "from 1 to 1000"),
        (queue("weight = 1001"), "weight", "from 1 to 1000"),
        (queue(r#"members_only = "yes""#), "members_only", "true"),
        (queue(r#"needs = "sales >>= 3""#), "needs", "expected"),
        (queue(r#"relax = [{ after = "30s" }]"#), "relax", "needs"),
        (queue(r#"relax = [{ needs = "sales" }]"#), "relax", "after"),
        (queue(r#"relax = [{ after = "soon", needs = "sales" }]"#), "relax", "a length of time"),
        (agent("skills = { sales = 11 }"), "skills", "from 1 to 10"),
        (agent("skills = { sales = { level = 0 } }"), "skills", "from 1 to 10"),
        (agent(r#"skills = { sales = { level = 3, from = "monday" } }"#), "skills", "from"),
        (
            agent(r#"skills = { sales = { level = 3, from = "2026-12-01T00:00:00Z", to = "2026-11-01T00:00:00Z" } }"#),
            "skills",
            "ends before it begins",
        ),
        (agent(r#"licences = [{ kind = "bank" }]"#), "licences", "jurisdiction"),
        (agent(r#"licences = [{ jurisdiction = "SE" }]"#), "licences", "kind"),
        (agent(r#"licences = [{ kind = "bank", jurisdiction = "SE", until = "2027" }]"#), "licences", "until"),
        (agent(r#"teams = "north""#), "teams", "list"),
        (agent(r#"teams = ["not a name"]"#), "teams", "not a name"),
        (agent(r#"queues = ["nowhere"]"#), "queues", "there is no queue `nowhere`"),
        (agent("tasks = -1"), "tasks", "from 0 to 1000"),
        (agent("calls_during_tasks = 1"), "calls_during_tasks", "true"),
    ] {
        let shows = told.lines().any(|shown| shown.contains(&format!("| {line} = ")));
        assert!(told.contains("error") && shows && told.contains("/etc/vaxel/vaxel.toml:"), "{line}: {told}");
        assert!(told.contains(expected), "{line}, expected {expected}: {told}");
    }
}

fn problems_of_agent(toml: &str) -> String {
    match load_with(Some(&format!("numbers = [{{ number = \"100\", flow = \"main\" }}]\n{toml}")), &[], &[]) {
        Ok(loaded) => shown(&loaded.warnings),
        Err(problems) => shown(&problems),
    }
}
