//! Trunks that are known by their certificates: openssl and baresip are the carrier.

use crate::baresip::{Baresip, Options};
use crate::server::{Folder, Server, free_port};
use crate::sound::Ear;
use crate::sound::tone_millis;
use crate::{ANNA, CALLER, SOON, agent, list, secure, server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::SocketAddr;

/// Certificates of one authority, each in a file with its key: `own.pem` for 127.0.0.1, and one for each of `names`.
pub fn certify(folder: &Folder, authority: &str, names: &[&str]) {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("authority {authority} of a test"));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    std::fs::write(folder.path().join(authority), ca.pem()).expect("a file can be written");
    for name in names {
        let params = CertificateParams::new([(*name).to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &ca).expect("a certificate");
        let both = format!("{}{}", certificate.pem(), key.serialize_pem());
        std::fs::write(folder.path().join(format!("{name}.pem")), both).expect("a file can be written");
    }
}

/// The first line of the answer to OPTIONS by TLS, if there is one; `shows`: a certificate.
fn ask(folder: &Folder, tls: SocketAddr, shows: Option<&str>) -> String {
    let shown: Vec<&str> = shows.into_iter().flat_map(|file| ["-cert", file, "-key", file]).collect();
    secure::ask(folder, tls, &shown).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn who_shows_the_carriers_certificate_is_the_carrier_and_who_does_not_is_a_stranger() {
    let folder = Folder::new("certified");
    certify(&folder, "ca.pem", &["127.0.0.1", "sbc.carrier.example", "other.example", "*.carrier.example"]);
    certify(&folder, "other-ca.pem", &["evil.example"]);
    let tls = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = format!("udp:127.0.0.1:{},tls:{tls}", free_port());
    let trunks = "[{ name = \"carrier\", certificate = \"SBC.carrier.example\" }]";
    let udp = listen.split([',', ':']).nth(2).and_then(|port| port.parse().ok()).expect("a port");
    let variables = [
        ("VAXEL_SIP__LISTEN", listen.as_str()),
        ("VAXEL_SIP__TLS__CERTIFICATE", "127.0.0.1.pem"),
        ("VAXEL_SIP__TLS__KEY", "127.0.0.1.pem"),
        ("VAXEL_SIP__TLS__CLIENT_CA", "ca.pem"),
        ("VAXEL_SIP__TLS__CLIENT_CERTIFICATE", "optional"),
        ("VAXEL_TRUNKS", trunks),
    ];
    let mut server = Server::start_with(&folder, &variables);
    server.sip.set_port(udp);

    for (shows, answer) in [
        (Some("sbc.carrier.example.pem"), "SIP/2.0 200 OK"),
        (None, "SIP/2.0 401 Unauthorized"),
        (Some("other.example.pem"), "SIP/2.0 401 Unauthorized"),
        // Who could be anybody is nobody (RFC 5922 §7.2).
        (Some("*.carrier.example.pem"), "SIP/2.0 401 Unauthorized"),
        // Nobody vouches for it.
        (Some("evil.example.pem"), ""),
    ] {
        assert_eq!(ask(&folder, tls, shows), answer, "{shows:?}");
    }

    // A whole call.
    let mut anna = agent(&folder, &server, "anna", "auto", "udp");
    server.wait_for_metric("vaxel_agents{state=\"ready\"}", 1.0, SOON);
    let options =
        Options { user: "carrier", password: "none", answers: "manual", tone: Some(CALLER), transport: "tls" };
    let mut carrier = Baresip::start_certified(&folder, tls, &options, "sbc.carrier.example.pem");
    carrier.dial("101");
    anna.wait_for("CALL_ESTABLISHED", SOON);
    server::wait_for("both to hear each other", SOON, || {
        let (a, c) = (tone_millis(&anna.heard(), CALLER), tone_millis(&carrier.heard(), ANNA));
        (a >= 1000 && c >= 1000).then_some(())
    });
    anna.command("hangup");
    carrier.wait_for("CALL_CLOSED", SOON);
    let record = &server.contacts(1)[0];
    assert_eq!((&record["trunk"], &list(record, "talks")[0]["with"]), (&"carrier".into(), &"anna".into()));
    server.wait_for_metric("vaxel_sip_errors_total{reason=\"untrusted_certificate\"}", 1.0, SOON);
}
