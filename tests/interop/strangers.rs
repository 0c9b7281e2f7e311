//! Who is neither a trunk nor an agent gets nothing, and nothing is sent anywhere for anybody.

use crate::script::{Offer, Script};
use crate::server::{Folder, Server};
use crate::sipp::{Play, Sipp};
use crate::{SOON, agent};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const END: Duration = Duration::from_secs(30);
/// An address that is no trunk's.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn strangers_are_challenged_or_refused_and_nothing_is_relayed_for_anybody() {
    let folder = Folder::new("strangers");
    let server = Server::start(&folder);
    // Where a relay would send to.
    let victim = UdpSocket::bind("127.0.0.3:0").expect("a free port");
    victim.set_nonblocking(true).expect("a socket option");
    let abroad = format!("sip:somebody@{}", victim.local_addr().expect("a bound socket"));
    let offer = Offer::at(9);
    let stranger = |name, script: Script| Sipp::play(&folder, &Play::at(ELSEWHERE, name, server.sip), &script);
    let refused = |who: &str, to: &str| Script::new(who, to).invites(offer).gets_challenge().acknowledges_refusal();
    let scripts = [
        ("number", refused("+46709999999", "100")),
        ("agent", refused("+46709999999", "201")),
        ("abroad", refused("+46709999999", &abroad)),
        ("message", Script::new("+46709999999", &abroad).asks("MESSAGE").gets_challenge()),
        ("options", Script::new("+46709999999", &abroad).asks("OPTIONS").gets_challenge()),
        ("register", Script::new("anna", "anna").registers().gets_challenge()),
        ("guess", Script::new("anna", "anna").registers_signed("guess").gets(403)),
        ("unknown", Script::new("carla", "carla").registers_signed("guess").gets(403)),
        ("thief", Script::new("anna", "201").invites_signed("guess", offer).gets(403).acknowledges_refusal()),
        // Agents and trunks call numbers, not the world.
        ("insider", Script::new("anna", &abroad).invites_signed("anna-secret", offer).gets(404).acknowledges_refusal()),
    ];
    let all: Vec<Sipp> = scripts.into_iter().map(|(name, script)| stranger(name, script)).collect();
    all.into_iter().for_each(|sipp| sipp.finish(END));
    let trunk = Script::new("+46701234567", &abroad).invites(offer).gets(404).acknowledges_refusal();
    Sipp::play(&folder, &Play::new("trunk", server.sip), &trunk).finish(END);

    assert_eq!(victim.recv(&mut [0; 100]).map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
    for method in ["INVITE", "MESSAGE", "OPTIONS", "REGISTER"] {
        let sent = format!("vaxel_sip_messages_total{{direction=\"sent\",kind=\"{method}\"}}");
        assert!(server.metric(&sent).is_none_or(|sent| sent == 0.0), "{method}");
    }
    // Each of the fifteen is counted, and so is what a slow phone asked for twice.
    assert!(server.metric("vaxel_sip_messages_total{direction=\"sent\",kind=\"4xx\"}") >= Some(15.0));
    let refused = |reason: &str| server.metric(&format!("vaxel_calls_refused_total{{reason=\"{reason}\"}}"));
    assert_eq!(refused("forbidden"), Some(1.0), "the wrong password");
    assert_eq!(refused("unknown_number"), Some(2.0), "abroad");
    assert_eq!(server.metric("vaxel_calls"), Some(0.0));
    for trunk in ["local", "agent"] {
        assert!(server.metric(&format!("vaxel_calls_total{{trunk=\"{trunk}\"}}")).is_none_or(|calls| calls == 0.0));
    }
    // And the house is open as before.
    let _anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
}
