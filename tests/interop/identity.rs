//! Who calls, between a carrier, the agent's phone and another carrier: headers on the wire, and what is recorded.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port, wait_for};
use crate::sipp::{Play, Sipp};
use crate::{SOON, list};
use std::net::SocketAddr;
use std::time::Duration;

const END: Duration = Duration::from_secs(30);

/// What the carrier says of who calls.
const SAID: [(&str, &str); 6] = [
    ("P-Asserted-Identity", "\"Karin\" <sip:070-1234567@carrier.example;user=phone>"),
    ("Diversion", "<sip:08123200@carrier.example>;reason=user-busy;counter=1"),
    ("Diversion", "<sip:08123300@carrier.example>;reason=no-answer;privacy=full"),
    ("History-Info", "<sip:08123200@carrier.example>;index=1, <sip:300@vaxel.example;cause=486>;index=1.1;mp=1"),
    ("User-to-User", "cafe0042;encoding=hex"),
    ("Privacy", "none"),
];

const FORWARD: &str = "flow: forward
languages: [en]
start: on
steps:
  on:
    transfer: { to: '+4790000000', next: hangup, failed: hangup }
";

/// One house between a carrier that is trusted and one that is not, with the numbers 300 (sent on) and 201 (anna, by a flow).
struct House {
    folder: Folder,
    server: Server,
    carrier: SocketAddr,
    other: SocketAddr,
}

fn house(name: &str, more: &[(&str, &str)]) -> House {
    let folder = Folder::new(name);
    let at = |host: u8| SocketAddr::from(([127, 0, 0, host], free_port()));
    let (carrier, other) = (at(4), at(5));
    let flows = folder.path().join("flows");
    std::fs::create_dir_all(&flows).expect("a folder");
    let to_anna = FORWARD.replace("forward", "anna").replace("'+4790000000'", "anna");
    for (name, text) in [("forward", FORWARD), ("anna", &to_anna)] {
        std::fs::write(flows.join(format!("{name}.yaml")), text).expect("a flow can be written");
    }
    let trunks = format!(
        "[{{ name = \"carrier\", from = [\"127.0.0.4\"], trusted = true }}, \
          {{ name = \"other\", to = \"udp:{other}\", takes = [\"+\"], passes = [\"diversion\"], writes = \"international\" }}]"
    );
    let numbers = r#"[{ number = "300", flow = "forward" }, { number = "0812345XX", flow = "anna" }]"#;
    let folder_of_flows = flows.to_string_lossy().into_owned();
    let mut variables = vec![
        ("VAXEL_TRUNKS", trunks.as_str()),
        ("VAXEL_NUMBERS", numbers),
        ("VAXEL_NUMBERING__COUNTRY_CODE", "46"),
        ("VAXEL_FLOWS__FOLDER", &folder_of_flows),
    ];
    variables.extend(more);
    let server = Server::start_with(&folder, &variables);
    House { folder, server, carrier, other }
}

impl House {
    fn play(&self, name: &str, home: SocketAddr, script: &Script) -> Sipp {
        Sipp::play(&self.folder, &Play { name, server: self.server.sip, home, tcp: false }, script)
    }

    /// The carrier brings a call; the caller hangs up when somebody talks with them.
    fn calls(&self, name: &str, number: &str, said: &[(&str, &str)]) {
        let script = Script::new("0701", number)
            .invites_with(said, Offer::at(9))
            .gets(200)
            .acknowledges()
            .reaches("answered")
            .hangs_up()
            .gets(200);
        let mut caller = self.play(name, self.carrier, &script);
        caller.wait_until("answered", SOON);
        wait_for("the talk", SOON, || {
            let up = self.server.open_calls();
            up.iter().any(|record| !list(record, "talks").is_empty()).then_some(())
        });
        caller.go_on();
        caller.finish(END);
    }

    /// A phone that is called with these headers, and answers.
    fn answers(&self, name: &str, home: SocketAddr, headers: &[(&str, &str)]) -> Sipp {
        let script = Script::new("callee", "nobody")
            .gets_request_saying("INVITE", headers)
            .answers_early("180 Ringing")
            .accepts(Offer::at(9))
            .gets_request("ACK")
            .waits_for_bye();
        self.play(name, home, &script)
    }

    /// Anna's phone registers, and is at that place.
    fn anna(&self) -> SocketAddr {
        let home = SocketAddr::from(([127, 0, 0, 6], free_port()));
        let script = Script::new("anna", "anna").registers_signed("anna-secret").gets(200);
        self.play("anna-registers", home, &script).finish(END);
        self.server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
        home
    }
}

#[test]
fn a_caller_who_is_sent_on_is_shown_and_what_is_private_is_not() {
    let house = house("identity-on", &[]);
    let callee = house.answers(
        "callee",
        house.other,
        &[
            ("From", "Karin.*sip:0046701234567@"),
            ("To", "sip:004790000000@"),
            ("Diversion", "sip:300@.*reason=unconditional"),
            ("P-Asserted-Identity", ""),
            ("History-Info", ""),
            ("User-to-User", ""),
        ],
    );
    house.calls("caller", "300", &SAID);
    callee.finish(END);
    let record = &house.server.contacts(1)[0];
    assert_eq!((&record["from"], &record["to"]), (&"+46701234567".into(), &"300".into()));
    let caller = &record["caller"];
    assert_eq!(
        (&caller["name"], &caller["asserted"], &caller["withheld"]),
        (&"Karin".into(), &true.into(), &false.into())
    );
    let diversions = list(caller, "diversions");
    assert_eq!((&diversions[0]["number"], &diversions[0]["reason"]), (&"+468123200".into(), &"user-busy".into()));
    assert_eq!(diversions[1]["number"], "anonymous");
    assert_eq!(
        (&list(caller, "history")[1]["index"], &list(caller, "history")[1]["cause"]),
        (&"1.1".into(), &486.into())
    );
    assert_eq!(list(caller, "user_to_user")[0], "cafe0042;encoding=hex");
    assert_eq!(list(record, "talks")[0]["with"], "+4790000000");
}

#[test]
fn an_agents_phone_shows_who_calls_and_whom_the_call_came_from() {
    let house = house("identity-agent", &[]);
    let home = house.anna();
    let headers = [
        ("From", "Karin.*sip:[+]46701234567@"),
        ("Diversion", "sip:08123200@"),
        ("User-to-User", "cafe0042;encoding=hex"),
        ("P-Asserted-Identity", ""),
    ];
    let anna = house.answers("anna", home, &headers);
    house.calls("caller", "0812345-07".replace('-', "").as_str(), &SAID);
    anna.finish(END);
    let record = &house.server.contacts(1)[0];
    assert_eq!(
        (&record["to"], &list(record, "talks")[0]["with"]),
        (&"+46812345 07".replace(' ', "").into(), &"anna".into())
    );
}

#[test]
fn who_stays_unknown_is_unknown_to_agents_and_carriers_and_in_the_record() {
    for keep in ["false", "true"] {
        let house = house(&format!("identity-{keep}"), &[("VAXEL_IDENTITY__KEEP_WITHHELD", keep)]);
        let home = house.anna();
        let hidden = [SAID[0], ("Privacy", "id;critical"), ("Diversion", "<no end"), SAID[4]];
        let nobody = [("From", "<sip:anonymous@anonymous.invalid>"), ("P-Asserted-Identity", ""), ("Diversion", "")];
        let anna = house.answers("anna", home, &nobody);
        house.calls("caller", "0812345XX".replace("XX", "42").as_str(), &hidden);
        anna.finish(END);
        let to_others =
            [("From", "Anonymous.*<sip:anonymous@anonymous.invalid>"), ("P-Asserted-Identity", ""), ("Privacy", "")];
        let callee = house.answers("callee", house.other, &to_others);
        house.calls("caller-2", "300", &hidden);
        callee.finish(END);
        let records = house.server.contacts(2);
        for record in &records {
            assert_eq!((&record["from"], &record["caller"]["withheld"]), (&"anonymous".into(), &true.into()));
            let number = record["caller"]["number"].as_str();
            assert_eq!(number, (keep == "true").then_some("+46701234567"));
        }
        let ignored = "vaxel_caller_headers_ignored_total{header=\"Diversion\",reason=\"unreadable\"}";
        house.server.wait_for_metric(ignored, 2.0, SOON);
        let log = std::fs::read_to_string(house.folder.path().join("log")).expect("a log");
        assert!(log.contains("something about the caller was left out") && !log.contains("46701234567"), "{log}");
    }
}
