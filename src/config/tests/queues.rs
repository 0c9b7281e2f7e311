//! When queues are open, whom they take, and where they send callers on to.

use super::{load_with, problems, shown};
use crate::acd::{InVain, Overflow, QueueSettings, Rule, When};
use crate::hours::Opening;
use crate::ids::QueueId;
use crate::need::{Attributes, Need};
use crate::time::{Duration, Time};

fn known(name: &str, value: &str) -> Attributes {
    [(name.to_owned(), value.to_owned())].into_iter().collect()
}

/// What there is to say about these queues and one agent, who has `sales = 2` and a licence.
fn doubts(queues: &str) -> String {
    let numbers = "[[numbers]]\nnumber = \"1\"\nflow = \"main\"\n";
    let agent = "[[agents]]\nname = \"anna\"\nskills = { sales = 2 }\nlicences = [{ kind = \"bank\", jurisdiction = \"SE\" }]\n";
    shown(&load_with(Some(&format!("{numbers}{queues}{agent}")), &[], &[]).expect("it is right").warnings)
}

#[test]
fn an_agent_who_can_answer_once_the_need_is_relaxed_is_one() {
    let queue = |relax: &str| {
        let needs = r#"needs = 'sales >= 5 and licence(bank, "SE")'"#;
        doubts(&format!("[[queues]]\nname = \"sales\"\n{needs}\nrelax = [{{ after = \"20s\", needs = '{relax}' }}]\n"))
    };
    assert_eq!(queue("sales"), "");
    let nobody = "no agent can answer queue `sales`";
    assert!(queue("sales >= 3").contains(nobody));
    // No step takes a licence away, and one may ask for more.
    assert!(queue(r#"sales and licence(bank, "NO")"#).contains(nobody));
}

#[test]
fn who_goes_on_only_to_be_timed_out_is_told_of() {
    let queues = |after: &str, more: &str| {
        let overflow = format!("overflow = [{{ to = \"support\", when = [\"full\"], after = \"{after}\" }}]");
        doubts(&format!(
            "[[queues]]\nname = \"sales\"\n{overflow}\n[[queues]]\nname = \"support\"\nmax_wait = \"5m\"\n{more}\n"
        ))
    };
    for after in ["5m", "10m"] {
        let told = queues(after, "");
        let who = format!("who goes on to `support` after {after} and is not answered at once is timed out there");
        assert!(told.contains(&who) && told.contains("its `max_wait` is 5m"), "{told}");
    }
    assert_eq!(queues("299s", ""), "");
    assert_eq!(queues("10m", "rules = [{ when = { tier = \"gold\" }, max_wait = \"20m\" }]"), "");
}

#[test]
fn the_life_of_a_queue_is_read_as_it_is_written() {
    let text = r#"
[every_queue]
join_unless = ["no_agents"]
wait_estimate_max = "20m"
[[queues]]
name = "sales"
hours = { zone = "UTC", week = { "mon-fri" = "08:00-12:00, 13:00-17:00" }, holidays = ["2026-12-25"], special = { "2026-12-31" = "closed" } }
last_call = "5m"
after_closing = "10m"
leave_when = ["no_agents", "all_paused"]
join_estimate_max = "15m"
overflow = [{ to = "support", after = "2m", only = { language = "sv" } }, { to = "support", when = ["full", "closed"] }]
rules = [{ when = { tier = "gold" }, priority = 10, needs = "gold", max_wait = "5m" }]
[[queues]]
name = "support"
"#;
    let config = load_with(Some(text), &[], &[]).expect("it is right").config;
    let secs = Duration::from_secs;
    let overflow = |when, only| Overflow { to: QueueId(1), when, only };
    let expected = QueueSettings {
        name: "sales".into(),
        join_unless: InVain { no_agents: true, all_paused: false, estimate: Some(secs(900)) },
        leave_when: InVain { no_agents: true, all_paused: true, estimate: Some(secs(1_200)) },
        last_call: secs(300),
        after_closing: Some(secs(600)),
        overflow: vec![
            overflow(When::After(secs(120)), known("language", "sv")),
            overflow(When::Full, Attributes::new()),
            overflow(When::Closed, Attributes::new()),
        ],
        rules: vec![Rule {
            when: known("tier", "gold"),
            priority: 10,
            needs: Need::parse("gold").expect("a need").0,
            max_wait: Some(secs(300)),
        }],
        ..QueueSettings::default()
    };
    assert_eq!(config.queues[0], expected);
    let of_every = InVain { estimate: Some(secs(1_200)), ..InVain::default() };
    assert_eq!((config.queues[1].join_unless.no_agents, config.queues[1].leave_when), (true, of_every));
    assert_eq!(config.hours.len(), 1);
    let sales = &config.hours["sales"];
    // Monday 2026-11-23, and the last days of that year.
    let noon_of = |day: u64| Time::from_secs(1_795_435_200 + day * 86_400);
    let nine = |day: u64| noon_of(day) - secs(3 * 3_600);
    assert_eq!((sales.at(nine(0)), sales.at(noon_of(0))), (Opening::Open, Opening::Closed));
    assert_eq!((sales.at(nine(32)), sales.at(nine(38))), (Opening::Holiday, Opening::Closed));
}

#[test]
fn what_is_wrong_with_it_is_told_with_its_place_and_what_was_expected() {
    insta::assert_snapshot!(
        "wrong_queues",
        problems(
            r#"[[queues]]
name = "sales"
hours = { zone = "Europe/Stokholm", week = { "mon-fri" = "08:00-17:00" } }
join_unless = ["nobody"]
last_call = "soon"
overflow = [{ to = "suport", after = "2m" }, { to = "sales", after = "2m" }, { to = "support" }, { to = "support", when = ["late"] }, { to = "support", after = "2m", colour = "red" }]
rules = [{ when = { tier = "gold" }, priority = "high", needs = "gold and" }]
[[queues]]
name = "support"
hours = { zone = "UTC", week = { "mon-fry" = "08:00-17:00", tue = "8-17" }, holidays = ["13-01"], special = { "12-31" = "shut" } }
after_closing = "never""#
        )
    );
}
