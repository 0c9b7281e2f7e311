mod queues;
mod routing;

use super::*;
use std::collections::HashMap;

/// Loads `toml` as `vaxel.toml` in `/etc/vaxel`, with these variables and other files.
fn load_with(toml: Option<&str>, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let mut all: HashMap<PathBuf, String> = files.iter().map(|(path, text)| (path.into(), (*text).into())).collect();
    let path = PathBuf::from("/etc/vaxel/vaxel.toml");
    let file = toml.map(|text| {
        all.insert(path.clone(), text.into());
        path.as_path()
    });
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(file, variables, &|path| all.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()))
}

/// A file that is clean but for what a test adds.
const CLEAN: &str = r#"
numbers = [{ number = "100", flow = "main" }]
agents = [{ name = "anna", skills = { sales = 8 } }]
"#;

fn problems(toml: &str) -> String {
    match load_with(Some(&format!("{CLEAN}\n{toml}")), &[], &[]) {
        Ok(loaded) => shown(&loaded.warnings),
        Err(problems) => shown(&problems),
    }
}

/// As [`problems`], with numbers of its own.
fn problems_of(toml: &str) -> String {
    match load_with(Some(&format!("agents = [{{ name = \"anna\" }}]\n{toml}")), &[], &[]) {
        Ok(loaded) => shown(&loaded.warnings),
        Err(problems) => shown(&problems),
    }
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_file_and_variables_it_is_the_sample_on_loopback() {
    let Loaded { config, warnings } = load_with(None, &[], &[]).unwrap();
    assert_eq!(shown(&warnings), "");
    assert!(config.sip.listen.iter().all(|listen| listen.address.ip().is_loopback()));
    assert!(config.http.listen.ip().is_loopback());
    assert_eq!(config.numbers[0].number.to_string(), "100");
    let queues: Vec<_> = config.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(queues, ["sales", "support"]);
    assert_eq!(config.queues[1].service_level, Duration::from_secs(30));
    assert_eq!(config.agents[0].settings.skills["lang_sv"], 10);
    assert!(config.agents.iter().all(|agent| agent.password.is_none()));
}

#[test]
fn built_in_values_of_queues_and_agents_are_those_of_the_acd() {
    let toml = "queues = [{ name = 'q' }]";
    let config = load_with(Some(&format!("{toml}\n{CLEAN}")), &[], &[]).unwrap().config;
    assert_eq!(config.queues[0], QueueSettings { name: "q".into(), ..QueueSettings::default() });
    let skills = [("sales".to_owned(), 8)].into();
    assert_eq!(config.agents[0].settings, AgentSettings { name: "anna".into(), skills, ..AgentSettings::default() });
    assert_eq!(config.estimate, Default::default());
}

#[test]
fn when_an_estimate_is_trusted_can_be_set_within_reason() {
    let toml = "[estimate]\nfloor = '1m'\nerror_percent_max = 40\nsamples_min = 5\nanswers_min = 2\n";
    let config = load_with(Some(&format!("{CLEAN}\n{toml}")), &[], &[]).unwrap().config;
    let floor = Duration::from_secs(60);
    let expected = crate::acd::estimate::Settings { floor, error_percent_max: 40, samples_min: 5, answers_min: 2 };
    assert_eq!(config.engine(Given::default()).estimate, expected);
    for (wrong, said) in [
        ("floor = '0s'", "`floor`"),
        ("error_percent_max = 4", "`error_percent_max`"),
        ("samples_min = 4", "`samples_min`"),
        ("answers_min = 1001", "`answers_min`"),
        ("error = 3", "`error`"),
    ] {
        let found = problems(&format!("[estimate]\n{wrong}\n"));
        assert!(found.contains(said), "{wrong}: {found}");
    }
}

#[test]
fn a_file_brings_its_own_people_and_none_of_the_sample() {
    let config = load_with(Some(CLEAN), &[], &[]).unwrap().config;
    assert_eq!((config.agents.len(), config.queues.len()), (1, 0));
    assert!(config.sip.listen[0].address.ip().is_loopback());
}

#[test]
fn a_variable_beats_the_file_and_the_file_the_built_in_value() {
    let toml = "[sip]\nrealm = 'file'\n[limits]\ncalls = 5\n[media]\nworkers = 2\n";
    let file = format!("{CLEAN}\n{toml}");
    let config = load_with(Some(&file), &[], &[]).unwrap().config;
    assert_eq!((config.sip.realm.as_str(), config.limits.calls, config.media.workers), ("file", 5, Some(2)));
    let variables = [
        ("VAXEL_SIP__REALM", "0123"),
        ("VAXEL_LIMITS__CALLS", "7"),
        ("VAXEL_LIMITS__DRAIN", "0s"),
        ("VAXEL_SIP__LISTEN", "udp:127.0.0.1:0, tcp:[::1]:0"),
        ("VAXEL_EVERY_QUEUE__LEAVE_WHEN", "no_agents"),
        ("VAXEL_EVERY_QUEUE__AGEING", "0.5"),
        ("VAXEL_QUEUES", r#"[{ name = "q", needs = { sales = 3 } }]"#),
    ];
    let config = load_with(Some(&file), &variables, &[]).unwrap().config;
    assert_eq!((config.sip.realm.as_str(), config.limits.calls), ("0123", 7));
    assert_eq!(config.limits.drain, Duration::ZERO);
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.queues[0].needs.to_string(), "sales >= 3");
    assert!(config.queues[0].leave_when.no_agents && !config.queues[0].join_unless.no_agents);
    assert_eq!(config.queues[0].ageing, 0.5);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place() {
    insta::assert_snapshot!(
        "wrong",
        problems(
            r#"[sip]
relm = "vaxel"
listen = ["udp:127.0.0.1:5060", "sctp:127.0.0.1:5061", 5060]
[media]
ports = "80-90"
silence_limit = 30
workers = "two"
[limits]
calls = -1
call_duration = "1s"
retry_after = 30
drain = "5 minutes"
[colours]
blue = 1
[[queues]]
name = "not a name"
needs = { sales = 11, "x y" = 1 }
[[queues]]
max_wait = "forever"
[[trunks]]
name = "carrier"
from = ["203.0.113.0/33", "203.0.113.7"]
takes = ["00"]
[every_queue]
priority = "high""#
        )
    );
}

#[test]
fn what_does_not_fit_together_is_an_error() {
    insta::assert_snapshot!(
        "unfit",
        problems(
            r#"[sip]
listen = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5060"]
[codes]
ready = "100"
wrap_up_done = "none"
pauses = { "*2" = "lunch", "100" = "break", "x" = "break", "*4" = 5 }
[[queues]]
name = "sales"
[[queues]]
name = "sales"
[[trunks]]
name = "a"
from = ["203.0.113.0/24"]
[[trunks]]
name = "b"
from = ["198.51.100.1", "203.0.113.7"]"#
        )
    );
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\n";

#[test]
fn certificates_are_named_by_files_that_can_be_read() {
    let files = [("/etc/vaxel/tls/a.pem", PEM), ("/keys/a.key", PEM), ("/etc/vaxel/ca.pem", PEM)];
    let toml = r#"
        [sip]
        listen = ["TLS:192.0.2.1:5061 as 203.0.113.7"]
        [sip.tls]
        certificate = "tls/a.pem"
        key = "/keys/a.key"
        client_ca = "ca.pem"
        client_certificate = "optional"
        [sip.websocket]
        origins = ["https://desk.example", "http://localhost:8000"]
        [[trunks]]
        name = "carrier"
        to = "tls:203.0.113.1:5061"
        domain = "sip.carrier.example"
    "#;
    let config = load_with(Some(&format!("{CLEAN}\n{toml}")), &[], &files).unwrap().config;
    assert_eq!(config.sip.listen[0].transport.word(), "tls");
    assert_eq!((config.sip.websocket.origins.len(), config.sip.connection_loss), (2, Duration::from_secs(4)));
    let tls = config.sip.tls;
    assert_eq!((tls.certificate, tls.key), (Some("/etc/vaxel/tls/a.pem".into()), Some("/keys/a.key".into())));
    assert_eq!((tls.ca, tls.client_ca), (None, Some("/etc/vaxel/ca.pem".into())));
    assert_eq!(tls.client_certificate, ClientCertificate::Optional);
}

#[test]
fn a_place_that_shows_a_certificate_has_one_name() {
    let trunk = |name: &str, more: &str| format!("[[trunks]]\nname = '{name}'\nto = 'tls:203.0.113.1:5061'\n{more}\n");
    let a = trunk("a", "domain = 'a.example'");
    for (other, place) in [("domain = 'b.example'", "14:10"), ("", "13:6")] {
        let said = problems(&format!("[emergency]\nnumbers = []\n{a}{}", trunk("b", other)));
        assert!(said.contains("error: trunk `a` is at the same place, by another name"), "{said}");
        assert!(said.contains(&format!("vaxel.toml:{place}")), "{said}");
    }
    let same = trunk("b", "domain = 'a.example'");
    assert_eq!(problems(&format!("[emergency]\nnumbers = []\n{a}{same}")), "");
    let plain =
        [trunk("a", "domain = 'a.example'"), trunk("b", "domain = 'b.example'")].concat().replace("tls:", "udp:");
    assert_eq!(problems(&format!("[emergency]\nnumbers = []\n{plain}")), "", "no certificate, no clash");
}

#[test]
fn a_certificate_that_is_missing_or_halved_is_an_error() {
    insta::assert_snapshot!(
        "no_certificate",
        problems("[sip]\nlisten = [\"udp:127.0.0.1:5060\", \"tls:127.0.0.1:5061\"]")
    );
    let files = [("/etc/vaxel/a.pem", PEM), ("/etc/vaxel/a.der", "0\u{1}"), ("/etc/vaxel/vaxel.toml", "")];
    let toml = r#"[sip.websocket]
origins = ["https://desk.example/page", "desk.example"]
[[trunks]]
name = "page"
to = "wss:192.0.2.1:443"
[sip.tls]
certificate = "a.pem"
ca = "a.der"
client_ca = "gone.pem"
client_certificate = "maybe""#;
    let problems = load_with(Some(&format!("{CLEAN}\n{toml}")), &[], &files).unwrap_err();
    insta::assert_snapshot!("half_a_certificate", shown(&problems));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let file = r#"
        [[queues]]
        name = "sales"
        needs = { sale = 1 }
        [[queues]]
        name = "deep"
        needs = { sales = 9 }
        [[queues]]
        name = "both"
        needs = { sales = 1, support = 1 }
        [[agents]]
        name = "anna"
        skills = { sales = 8 }
        password = "secret"
        [[agents]]
        name = "bo"
        skills = { support = 8 }
        [[trunks]]
        name = "all"
        from = ["0.0.0.0/0"]
        [[trunks]]
        name = "none"
    "#;
    let loaded = load_with(Some(file), &[("VAXEL_PORT_5060_TCP", "tcp://10.0.0.1")], &[]).unwrap();
    insta::assert_snapshot!("doubtful", shown(&loaded.warnings));
}

#[test]
fn a_wrong_variable_is_named() {
    let wrong = [
        ("VAXEL_SIP__RELM", "x"),
        ("VAXEL_SIP_REALM", "x"),
        ("VAXEL_SPI__REALM", "x"),
        ("VAXEL_LIMTS", "x"),
        ("VAXEL_LIMTS__CALLS", "7"),
        ("VAXEL_SERVICE_HOST", "10.0.0.1"),
        ("VAXEL_LIMITS__CALLS", "many"),
        ("VAXEL_MEDIA", "x"),
        ("VAXEL_AGENTS", r#"[{ name = "anna", skils = {} }]"#),
    ];
    insta::assert_snapshot!("variables", shown(&load_with(None, &wrong, &[]).unwrap_err()));
    let twice = [("VAXEL_SIP", "x"), ("VAXEL_SIP__REALM", "y")];
    insta::assert_snapshot!("whole_and_part", shown(&load_with(None, &twice, &[]).unwrap_err()));
    let broken = [("VAXEL_NUMBERS", "[{ number: 100 }]")];
    let single = [("VAXEL_SIP", "x"), ("VAXEL_SIP__REALM", "y"), ("VAXEL_SIP_REALM", "z")];
    assert!(shown(&load_with(None, &single, &[]).unwrap_err()).contains("did you mean VAXEL_SIP__REALM?"));
    insta::assert_snapshot!("broken_variable", shown(&load_with(None, &broken, &[]).unwrap_err()));
}

#[test]
fn a_variable_in_small_letters_is_warned_of() {
    let loaded = load_with(Some(CLEAN), &[("vaxel_sip__realm", "x")], &[]).unwrap();
    assert_ne!(loaded.config.sip.realm, "x");
    assert!(shown(&loaded.warnings).contains("did you mean VAXEL_SIP__REALM?"), "{}", shown(&loaded.warnings));
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    insta::assert_snapshot!("syntax", shown(&load_with(Some("[sip]\nrealm = vaxel\n"), &[], &[]).unwrap_err()));
    insta::assert_snapshot!(
        "duplicate_key",
        shown(&load_with(Some("[sip]\nrealm = 'a'\nrealm = 'b'\n"), &[], &[]).unwrap_err())
    );
}

#[test]
fn a_missing_file_is_an_error_that_says_what_to_do() {
    let problems = load(Some(Path::new("/no/such.toml")), [], &|_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
    assert!(shown(&problems).contains("/no/such.toml") && shown(&problems).contains("vaxel init"));
}

#[test]
fn passwords_come_from_files_and_are_never_shown() {
    let file = |agent: &str| format!("numbers = [{{ number = '1', flow = 'f' }}]\n[[agents]]\nname = 'anna'\n{agent}");
    let secrets = [("/etc/vaxel/anna.txt", "correct horse\n"), ("/etc/vaxel/empty", "\n")];
    let loaded = load_with(Some(&file("password_file = 'anna.txt'")), &[], &secrets).unwrap();
    assert_eq!(loaded.config.agents[0].password.as_ref().unwrap().expose(), "correct horse");
    assert!(!format!("{:?}", loaded.config).contains("horse"));
    for wrong in ["password_file = 'empty'", "password_file = 'gone'", "password_file = 'anna.txt'\npassword = 'x'"] {
        assert!(load_with(Some(&file(wrong)), &[], &secrets).is_err(), "{wrong}");
    }
    for line in [r#"password = "hunter2hunter2""#, r#"password= 'hunter2hunter2'"#, r#""password" = "hunter2hunter2""#]
    {
        let inline = format!("numbers = []\nagents = [{{ nam = 'anna', {line}, number = 5 }}]");
        let text = shown(&load_with(Some(&inline), &[], &[]).unwrap_err());
        assert!(text.contains("number = 5") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn paths_in_the_file_start_from_its_folder() {
    let file = format!("{CLEAN}\n[data]\nfolder = 'data'\n[flows]\nfolder = '/srv/flows'\n");
    let config = load_with(Some(&file), &[("VAXEL_SOUNDS__FOLDER", "own")], &[]).unwrap().config;
    assert_eq!(config.data.folder, Path::new("/etc/vaxel/data"));
    assert_eq!(config.flows.folder.as_deref(), Some(Path::new("/srv/flows")));
    assert_eq!(config.sounds.folder.as_deref(), Some(Path::new("own")));
    assert_eq!(load_with(Some(CLEAN), &[], &[]).unwrap().config.data.folder, Path::new("data"));
}

#[test]
fn an_unknown_flow_suggests_the_nearest() {
    let config = load_with(Some(&format!("{CLEAN}[sip]")), &[], &[]).unwrap().config;
    assert!(config.check_flows(["main", "night"]).is_empty());
    let text = shown(&config.check_flows(["mian", "night"]));
    assert!(text.contains("vaxel.toml:2:") && text.contains("did you mean `mian`?"), "{text}");
}

#[test]
fn pauses_of_the_file_replace_the_built_in_one() {
    let codes = |file: &str| load_with(Some(&format!("{CLEAN}{file}")), &[], &[]).unwrap().config.codes.pauses;
    assert_eq!(codes(""), [("*2".to_owned(), "break".to_owned())].into());
    assert_eq!(codes("[codes.pauses]\n'*21' = 'lunch'"), [("*21".to_owned(), "lunch".to_owned())].into());
}

#[test]
fn a_trunk_whose_place_is_misspelt_is_not_said_to_have_none() {
    let of = |line: &str| problems(&format!("[[trunks]]\nname = \"a\"\n{line}"));
    for wrong in ["from = [\"203.0.113.300\"]", "to = \"carrier\"", "certificate = \"*.example\""] {
        let said = of(wrong);
        assert!(said.contains("error: ") && !said.contains("neither brings nor takes calls"), "{said}");
    }
    assert!(of("from = []").contains("trunk `a` neither brings nor takes calls"));
}

#[test]
fn trunk_numbers_are_tried_longest_first() {
    let file = format!("{CLEAN}\n[[trunks]]\nname = 't'\nto = 'udp:203.0.113.1:5060'\ntakes = ['0', '0046', '00']");
    let config = load_with(Some(&file), &[], &[]).unwrap().config;
    assert_eq!(config.trunks[0].takes, ["0046", "00", "0"]);
}

#[test]
fn a_trunk_has_its_account_and_its_login() {
    let trunk = r#"
        [[trunks]]
        name = "carrier"
        from = ["203.0.113.1"]
        to = "udp:203.0.113.1:5060"
        domain = "SIP.carrier.example"
        account = { user = "46850000", password_file = "carrier", realm = "carrier.example" }
        register = "10m"
        priority = 2
        calls = 30
        calls_per_second = 0.5
        emergency = true
        out = { denied = ["+882"], minutes_per_day = 600 }
        probe = "30s"
        [[trunks]]
        name = "branch"
        login = { user = "branch", password = "open sesame" }
    "#;
    let loaded = load_with(Some(&format!("{CLEAN}{trunk}")), &[], &[("/etc/vaxel/carrier", "hidden here\n")]).unwrap();
    assert_eq!(shown(&loaded.warnings), "");
    let [carrier, branch] = &loaded.config.trunks[..] else { panic!("two trunks") };
    let account = carrier.account.as_ref().unwrap();
    assert_eq!((account.password.expose(), account.realm.as_str()), ("hidden here", "carrier.example"));
    assert_eq!((carrier.register, carrier.login.is_none()), (Some(Duration::from_secs(600)), true));
    assert_eq!(carrier.domain.as_ref().unwrap().0.to_string(), "sip.carrier.example");
    assert_eq!((carrier.priority, carrier.weight, carrier.calls), (2, 1, Some(30)));
    assert_eq!((carrier.calls_per_second, carrier.probe), (Some(0.5), Some(Duration::from_secs(30))));
    assert_eq!((carrier.emergency, carrier.out.denied.as_slice()), (true, ["+882".to_owned()].as_slice()));
    assert_eq!((branch.calls, branch.calls_per_second, branch.probe), (None, None, None));
    assert_eq!(branch.login.as_ref().unwrap().user, "branch");
    assert!(!format!("{:?}", loaded.config).contains("hidden"));
}

#[test]
fn a_trunk_is_called_by_a_listener_that_there_is_and_that_leads_there() {
    let listen = "[sip]\nlisten = ['udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060', 'udp:[2001:db8::1]:5060']\n";
    let trunk = |to: &str, by: &str| {
        let file = format!("{CLEAN}\n{listen}[[trunks]]\nname = 't'\n{to}\nemergency = true\nby = '{by}'\n");
        load_with(Some(&file), &[], &[])
    };
    let to = "to = 'udp:203.0.113.1:5060'";
    let loaded = trunk(to, "udp:192.0.2.1:5060").unwrap();
    assert_eq!(loaded.config.trunks[0].by.unwrap().to_string(), "udp:192.0.2.1:5060");
    assert!(trunk("to = 'sip:carrier.example'", "tcp:192.0.2.1:5060").is_ok(), "DNS may lead to TCP");
    for (to, by, said) in [
        (to, "udp:192.0.2.2:5060", "vaxel does not listen at udp:192.0.2.2:5060"),
        (to, "tcp:192.0.2.1:5060", "the trunk is not called by tcp"),
        (to, "udp:[2001:db8::1]:5060", "udp:[2001:db8::1]:5060 does not lead there"),
        ("", "udp:192.0.2.1:5060", "no call goes there, because `to` is missing"),
    ] {
        let told = shown(&trunk(to, by).unwrap_err());
        assert!(told.contains(said) && told.contains("by = "), "{told}");
    }
}

#[test]
fn what_a_trunk_lacks_is_said_where_it_is_missing() {
    insta::assert_snapshot!(
        "trunks",
        problems(
            r#"[[trunks]]
name = "nowhere"
account = { user = "a", password = "long enough", realm = "r" }
register = "10m"
[[trunks]]
name = "nobody"
to = "udp:203.0.113.1:5060"
register = "1s"
domain = "no name"
calls = 0
calls_per_second = 0
probe = "1s"
weight = 70000
[[trunks]]
name = "no-secret"
to = "udp:203.0.113.2:5060"
account = { user = "a", relm = "r" }
login = { user = "anna", password = "short" }"#
        )
    );
}

#[test]
fn a_trunk_by_name_is_called_by_it_and_known_by_what_the_settings_say() {
    let trunk = r#"
        [dns]
        servers = ["192.0.2.53", "127.0.0.1:5353"]
        [[trunks]]
        name = "a"
        to = "sip:Carrier.example"
        from_dns = true
        emergency = true
        [[trunks]]
        name = "b"
        to = "tls:sbc.carrier.example:5061"
        domain = "other.example"
        [[trunks]]
        name = "c"
        to = "udp:203.0.113.1:5060"
        account = { user = "c", password = "long enough", realm = "r" }
        register = "10m"
    "#;
    let loaded = load_with(Some(&format!("{CLEAN}{trunk}")), &[], &[]).unwrap();
    assert_eq!(shown(&loaded.warnings), "");
    let config = loaded.config;
    let shown: Vec<String> = config.dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.53:53", "127.0.0.1:5353"]);
    let domains: Vec<_> = config.trunks.iter().map(|t| t.domain.as_ref().map(|domain| domain.0.to_string())).collect();
    assert_eq!(domains, [Some("carrier.example".into()), Some("other.example".into()), None]);
    let trunks = config.engine(Given::default()).trunks;
    let known = trunks.iter().map(|trunk| (trunk.sends, trunk.from_targets)).collect::<Vec<_>>();
    assert_eq!(known, [(true, true), (true, false), (true, true)], "a name is proof only where that is written");
}

#[test]
fn what_does_not_fit_a_trunk_by_name_or_certificate_is_said() {
    insta::assert_snapshot!(
        "named_trunks",
        problems(
            r#"[dns]
servers = ["dns.example"]
[[trunks]]
name = "a"
to = "sip:carrier.example;transport=tcp"
[[trunks]]
name = "b"
to = "udp:203.0.113.1:5060"
from_dns = true
emergency = true
[[trunks]]
name = "c"
to = "sip:carrier.example"
account = { user = "a", password = "long enough", realm = "r" }
register = "10m"
[[trunks]]
name = "d"
certificate = "SBC.example"
[[trunks]]
name = "e"
certificate = "sbc.example"
[[trunks]]
name = "f"
certificate = "*.example""#
        )
    );
}

#[test]
fn an_agent_may_call_out_what_all_may_or_what_the_own_settings_say() {
    let file = r#"
        numbers = []
        [every_agent]
        out = { allowed = ["+46"], calls = 1 }
        [[agents]]
        name = "anna"
        [[agents]]
        name = "bo"
        calls = 3
        auto_answer = true
        out = { calls_per_hour = 5 }
    "#;
    let agents = load_with(Some(file), &[], &[]).unwrap().config.agents;
    assert_eq!((agents[0].out.allowed.len(), agents[0].out.calls), (1, Some(1)));
    assert_eq!((agents[0].auto_answer, agents[1].auto_answer), (false, true));
    assert_eq!((agents[0].calls, agents[1].calls), (crate::engine::settings::CALLS_OF_AGENT, 3));
    assert_eq!((agents[1].out.allowed.len(), agents[1].out.calls, agents[1].out.calls_per_hour), (0, None, Some(5)));
}

#[test]
fn variables_say_what_all_agents_may_call_out() {
    let file = "numbers = []\n[every_agent]\nout = { calls = 2, minutes_per_day = 9 }\n[[agents]]\nname = 'anna'";
    let with = |variables: &[(&str, &str)]| load_with(Some(file), variables, &[]);
    let [allowed, calls] = ["VAXEL_EVERY_AGENT__OUT__ALLOWED", "VAXEL_EVERY_AGENT__OUT__CALLS"];
    let out = with(&[(allowed, "+46, +47"), (calls, "1")]).unwrap().config.agents.remove(0).out;
    assert_eq!((out.allowed.as_slice(), out.calls), (["+46", "+47"].map(String::from).as_slice(), Some(1)));
    assert_eq!(out.minutes_per_day, Some(9), "the rest is the file's");
    for (variable, said) in [
        ((allowed, " , "), "`allowed` is empty"),
        (("VAXEL_EVERY_AGENT__OUT__CALL", "1"), "did you mean VAXEL_EVERY_AGENT__OUT__CALLS?"),
        (("VAXEL_EVERY_AGENT__OUT", "{ calls = 1 }"), "VAXEL_EVERY_AGENT__OUT__SETTING"),
    ] {
        let problems = shown(&with(&[variable]).expect_err(said));
        assert!(problems.contains(said), "{problems}");
    }
}

#[test]
fn a_list_of_nothing_that_may_be_called_is_no_leave_to_call_everything() {
    insta::assert_snapshot!(
        "allows_nothing",
        problems(
            r#"[[trunks]]
name = "t"
to = "udp:203.0.113.1:5060"
takes = ["+"]
out = { allowed = [], denied = [] }"#
        )
    );
    let file = "numbers = []\n[every_agent]\nout = { denied = [], calls = 0 }\n[[agents]]\nname = 'anna'";
    let out = load_with(Some(file), &[], &[]).unwrap().config.agents.remove(0).out;
    assert_eq!((out.allowed.len(), out.denied.len(), out.calls), (0, 0, Some(0)));
}

#[test]
fn an_emergency_number_means_nothing_else_and_reaches_somebody() {
    let text = problems("[[trunks]]\nname = 't'\nto = 'udp:203.0.113.1:5060'\n[emergency]\nnumbers = ['112', '100']");
    assert!(text.contains("`100` is there twice"), "{text}");
    assert!(text.contains("warning: an agent who dials 112 reaches nobody\n --> /etc/vaxel/vaxel.toml:7:6"), "{text}");
}

#[test]
fn a_number_means_one_thing_in_whatever_way_it_is_written() {
    let file = r#"
        numbers = [{ number = "0046812345X", flow = "main" }]
        [numbering]
        country_code = "46"
        [[agents]]
        name = "bo"
        number = "08123456"
        [[agents]]
        name = "eva"
        number = "0046 8"
        [[agents]]
        name = "ann"
        number = "+468123456"
    "#;
    let text = shown(&load_with(Some(file), &[], &[]).unwrap_err());
    assert!(
        text.contains("`+468123456` is there twice") && text.contains("first at /etc/vaxel/vaxel.toml:7"),
        "{text}"
    );
    assert!(text.contains("`number` must be a number as dialled"), "{text}");
}

#[test]
fn ranges_that_overlap_are_named_with_both_places() {
    insta::assert_snapshot!(
        "overlaps",
        problems_of(
            r#"[numbering]
country_code = "46"
[[numbers]]
number = "081234550-70"
flow = "main"
[[numbers]]
number = "+4681234565-90"
flow = "main"
[[numbers]]
number = "+46812345XX"
flow = "main"
[[numbers]]
number = "+468..."
flow = "main"
[[numbers]]
number = "+468..."
flow = "main"
trunk = "carier"
[[numbers]]
number = "112"
flow = "main"
trunk = "carrier"
[[numbers]]
number = "5X5"
flow = "main"
[[numbers]]
number = "90-10"
flow = "main"
[[trunks]]
name = "carrier"
from = ["203.0.113.1"]
numbering = { bare = "sometimes", national_prefix = "zero" }
[[trunks]]
name = "home"
from = ["203.0.113.2"]
writes = "national"
numbering = { country_code = "none", contry_code = "47" }
strip = "0 0"
"#
        )
    );
}

#[test]
fn a_trunk_writes_numbers_as_the_house_does_but_for_what_it_says() {
    let file = r#"
        numbers = []
        [numbering]
        country_code = "46"
        [[trunks]]
        name = "norway"
        to = "udp:203.0.113.1:5060"
        numbering = { country_code = "47", national_prefix = "none", bare = "national" }
        writes = "national"
        strip = "00"
        add = "9"
        [[trunks]]
        name = "plain"
        to = "udp:203.0.113.2:5060"
    "#;
    let config = load_with(Some(file), &[], &[]).unwrap().config;
    let [norway, plain] = &config.trunks[..] else { panic!("two trunks") };
    assert_eq!(norway.dialect.inner(&config.numbering, "22123456"), "+4722123456");
    assert_eq!(norway.dialect.inner(&config.numbering, "00468123456"), "+468123456");
    assert_eq!(norway.dialect.outer(&config.numbering, "+468123456"), "9468123456");
    assert_eq!(plain.dialect, Dialect::default());
}

#[test]
fn what_agents_hear_of_a_caller_is_said_by_queue_and_checked_against_the_prompts() {
    let file = r#"
        numbers = []
        [every_queue]
        announce_to_agent = ["caller"]
        [[queues]]
        name = "sales"
        announce_to_agent = ["sales/new", "{minutes}"]
        [[queues]]
        name = "support"
        [[queues]]
        name = "silent"
        announce_to_agent = []
    "#;
    let config = load_with(Some(file), &[], &[]).unwrap().config;
    use crate::engine::Said::{Minutes, Prompt};
    let of = |queue: &str| config.announcements.get(queue).map(|said| said.parts.clone());
    assert_eq!(of("sales"), Some(vec![Prompt("sales/new".into()), Minutes]));
    assert_eq!((of("support"), of("silent")), (Some(vec![Prompt("caller".into())]), None));
    let words = crate::flow::speech::words("en").expect("it has numbers");
    let numbers = || words.iter().map(String::as_str);
    assert!(config.check_announcements(numbers().chain(["caller", "sales/new"])).is_empty());
    let problems = config.check_announcements(["calller", "sales/new"]);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{texts:?}");
    assert!(texts[0].contains("no prompt `number/0` in `en`"), "{texts:?}");
    assert!(texts[1].contains("`caller`") && texts[1].contains("did you mean `calller`?"), "{texts:?}");
    let wrong = load_with(Some("[every_queue]\nannounce_to_agent = [\"a b\"]"), &[], &[]).unwrap_err();
    assert!(wrong.iter().any(|problem| problem.to_string().contains("the name of a prompt")), "{wrong:?}");
}

#[test]
fn agents_pause_for_the_reasons_that_are_listed_or_else_for_those_of_the_codes() {
    let of = |file: &str| load_with(Some(file), &[], &[]);
    let names = |file: &str| of(file).unwrap().config.reasons().into_keys().collect::<Vec<_>>();
    assert_eq!(names("[codes]\npauses = { \"*2\" = \"break\", \"*4\" = \"notes\" }"), ["break", "notes"]);
    let listed = "[[pause_reasons]]\nname = \"lunch\"\nlongest = \"45m\"\n[[pause_reasons]]\nname = \"break\"\n";
    assert_eq!(names(listed), ["break", "lunch"]);
    assert_eq!(of(listed).unwrap().config.reasons()["lunch"], Some(Duration::from_secs(45 * 60)));
    for (codes, says) in [("lnch", "did you mean `lunch`?"), ("golf", "for one of lunch, break, or add `golf`")] {
        let problems = of(&format!("{listed}[codes]\npauses = {{ \"*2\" = \"{codes}\" }}")).unwrap_err();
        let text = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains(&format!("there is no pause reason `{codes}`")) && text.contains(says), "{text}");
    }
    let lunch_only = of("[[pause_reasons]]\nname = \"lunch\"\n").unwrap_err();
    let text = lunch_only.iter().map(ToString::to_string).collect::<String>();
    assert!(text.contains(":2:8") && text.contains("`break`, for which the code *2 pauses"), "{text}");
    let twice = format!("{listed}[[pause_reasons]]\nname = \"lunch\"");
    assert!(of(&twice).unwrap_err().iter().any(|problem| problem.to_string().contains("`lunch` is there twice")));
}
