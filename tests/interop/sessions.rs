//! What keeps a call honest between phones of two makers: acknowledged ringing (RFC 3262) and sessions that are refreshed (RFC
//! 4028), each in both roles.

use crate::linphone::Linphone;
use crate::pjsua::Pjsua;
use crate::server::{Folder, Server, wait_for};
use crate::sound::Ear;
use crate::{ANNA, BJORN, SOON, list};
use std::time::Duration;

#[test]
fn two_makers_phones_acknowledge_hold_update_refresh_and_redirect() {
    let folder = Folder::new("sessions");
    let server = Server::start(&folder);
    let counted = |direction: &str, kind: &str| {
        let sample = format!("vaxel_sip_messages_total{{direction=\"{direction}\",kind=\"{kind}\"}}");
        server.metric(&sample).expect("it is counted from the start")
    };
    let mut anna = Pjsua::start_strict(&folder, server.sip, "anna", "anna-secret", ANNA);
    let linphone = |seconds: u32| {
        let sip =
            format!("session_expires_enabled=1\nsession_expires_value={seconds}\nsession_expires_min_value={seconds}");
        let phone = Linphone::start(&folder, server.sip, "bjorn", "udp", &sip, BJORN);
        server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
        phone
    };
    // A minute is too short for us.
    let mut bjorn = linphone(60);

    bjorn.does(&format!("call sip:201@{}", server.sip));
    bjorn.wait_for("Media streams established");
    bjorn.has_logged("SIP/2.0 422 Session Interval Too Small");
    bjorn.has_logged("Session-Expires: 90;refresher=uas");
    anna.wait_for("call 0 CONFIRMED");
    assert_eq!((counted("sent", "PRACK"), counted("received", "PRACK")), (1.0, 0.0));
    bjorn.wait_for_tone(ANNA, 500);
    // On hold until its UPDATE takes it back.
    anna.does("hold");
    let held = bjorn.now();
    bjorn.wait_for_music_since(held, 500, &[ANNA]);
    let resumed = bjorn.now();
    anna.does("update");
    wait_for("an offer by UPDATE", SOON, || (counted("received", "UPDATE") == 1.0).then_some(()));
    bjorn.wait_for_tone_since(resumed, ANNA, 500);
    bjorn.does("terminate");
    anna.wait_for("call 0 DISCONNECTED");

    bjorn.does("quit");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);

    // The other way round. Linphone refreshes sessions that we begin by itself, pjsua leaves it to us.
    let mut bjorn = linphone(90);
    anna.does("dial 202");
    bjorn.wait_for("Receiving new incoming call");
    anna.wait_for("call 1 EARLY 180");
    wait_for("a PRACK for our ringing", SOON, || (counted("received", "PRACK") == 1.0).then_some(()));
    bjorn.does("answer");
    bjorn.wait_for("Media streams established");
    anna.wait_for("call 1 CONFIRMED");
    let updates = || (counted("sent", "UPDATE"), counted("received", "UPDATE"));
    let before = updates();
    wait_for("both refreshes, after 45 seconds", Duration::from_secs(70), || {
        let now = updates();
        (now.0 > before.0 && now.1 > before.1).then_some(())
    });
    let heard = bjorn.now();
    bjorn.wait_for_tone_since(heard, ANNA, 1000);
    bjorn.does("terminate");
    anna.wait_for("call 1 DISCONNECTED");
    assert_eq!(counted("sent", "5xx"), 0.0, "a refresh was refused");

    // It sends a call of a colleague's to the queue (302), whose only agent it is.
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 2.0, SOON);
    anna.does("dial 202");
    bjorn.wait_for("Receiving new incoming call");
    bjorn.does(&format!("redirect all sip:101@{}", server.sip));
    bjorn.wait_for("Receiving new incoming call from \"sales: ");
    bjorn.does("answer");
    anna.wait_for("call 2 CONFIRMED");
    let heard = bjorn.now();
    bjorn.wait_for_tone_since(heard, ANNA, 500);
    bjorn.does("terminate");
    assert_eq!(server.metric("vaxel_redirects_total{result=\"followed\"}"), Some(1.0));
    for record in server.contacts(3) {
        assert_eq!(list(&record, "talks").len(), 1, "{record}");
        assert_ne!(record["ended_by"], "system", "{record}");
    }
}
