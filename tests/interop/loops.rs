//! Calls that would go round for ever come to an end.

use crate::SOON;
use crate::carriers::END;
use crate::script::{Offer, Script};
use crate::server::{Folder, Server, free_port};
use crate::sipp::{Play, Sipp};

/// A house whose only number sends the caller on to a number of the other one.
fn sends_on(name: &str, number: &str, to: &str, other: u16, sip: u16) -> (Folder, Server) {
    let folder = Folder::new(name);
    std::fs::create_dir(folder.path().join("flows")).expect("a folder");
    let flow = format!(
        "flow: on\nlanguages: [en]\nstart: on\nsteps:\n  on:\n    transfer: {{ to: \"{to}\", failed: hangup }}\n"
    );
    std::fs::write(folder.path().join("flows/on.yaml"), flow).expect("a flow");
    let trunk =
        format!("[{{ name = \"other\", from = [\"127.0.0.1\"], to = \"udp:127.0.0.1:{other}\", takes = [\"{to}\"] }}]");
    let variables = [
        ("VAXEL_SIP__LISTEN", format!("udp:127.0.0.1:{sip}")),
        ("VAXEL_FLOWS__FOLDER", "flows".to_owned()),
        ("VAXEL_NUMBERS", format!("[{{ number = \"{number}\", flow = \"on\" }}]")),
        ("VAXEL_TRUNKS", trunk),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with(&folder, &variables);
    (folder, server)
}

#[test]
fn two_houses_that_send_a_caller_to_each_other_stop_when_the_hops_are_used_up() {
    let (here, there) = (free_port(), free_port());
    let (folder, first) = sends_on("loop-a", "+4681000001", "+4682000002", there, here);
    let (_other, second) = sends_on("loop-b", "+4682000002", "+4681000001", here, there);
    let home = Play::new("caller", std::net::SocketAddr::from(([127, 0, 0, 1], here)));
    let caller = Script::new("+46701234567", "+4681000001")
        .max_forwards(6)
        .invites(Offer::at(free_port()))
        .gets(200)
        .acknowledges()
        .waits_for_bye();
    Sipp::play(&folder, &home, &caller).finish(END);
    // 6, 4 and 2 came to the one, 5, 3 and 1 to the other; 0 was refused.
    for server in [&first, &second] {
        server.wait_for_metric("vaxel_calls_total{trunk=\"other\"}", 3.0, SOON);
        server.wait_for_metric("vaxel_calls", 0.0, SOON);
    }
}
