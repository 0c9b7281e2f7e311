//! TLS on loopback, with certificates made for the occasion.

use super::super::tests::{Bench, bench_tls};
use super::super::{StreamLimits, stream::tests::OPTIONS};
use super::*;
use crate::edge::testing::Folder;
use crate::engine::Input;
use crate::sip::{Hop, Transmit, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// An authority with a folder for what it signs.
pub struct Authority {
    folder: Folder,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

type Peer = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub fn new() -> Authority {
        let folder = Folder::new();
        let mut params = CertificateParams::new([]).unwrap();
        // Two of the same name would be taken for one with two keys.
        params.distinguished_name.push(DnType::CommonName, folder.path().display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { folder, issuer };
        std::fs::write(authority.ca(), authority.issuer.pem()).unwrap();
        authority
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for `names`; good until the end of `year`.
    pub fn signs(&self, names: &[&str], year: i32) -> OwnFiles {
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        self.signs_with(params, names.first().copied().unwrap_or_default(), year)
    }

    fn signs_with(&self, mut params: CertificateParams, name: &str, year: i32) -> OwnFiles {
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files(name);
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn files(&self, name: &str) -> OwnFiles {
        let file = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        OwnFiles { certificate: file("pem"), key: file("key"), clients: Clients::Unasked }
    }

    /// A peer that believes this authority, and shows this certificate.
    pub fn client(&self, shows: Option<&OwnFiles>) -> Arc<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(authorities(&self.ca()).unwrap());
        Arc::new(match shows {
            None => client.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                client.with_client_auth_cert(certificates(&files.certificate).unwrap(), key).unwrap()
            }
        })
    }
}

const LISTEN: [(Transport, &str, Option<SocketAddr>); 1] = [(Transport::Tls, "127.0.0.1:0", None)];

fn server(own: OwnFiles, limits: StreamLimits) -> Bench {
    bench_tls(&LISTEN, 10, limits, TlsSettings { own: Some(own), ..TlsSettings::default() }).unwrap()
}

fn connect(to: SocketAddr, client: Arc<ClientConfig>) -> Peer {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let name = ServerName::IpAddress(to.ip().into());
    StreamOwned::new(ClientConnection::new(client, name).unwrap(), stream)
}

fn read_some(peer: &mut impl Read) -> Vec<u8> {
    let mut buffer = [0; 1000];
    let length = peer.read(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// True: the other side ended the connection, or refused it.
fn is_cut(peer: &mut impl Read) -> bool {
    let mut buffer = [0; 1000];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// One message and its answer.
fn talks(peer: &mut Peer, bench: &Bench) -> Hop {
    peer.write_all(OPTIONS).unwrap();
    let hop = loop {
        match bench.entrance.input() {
            Input::Sip { hop, .. } => break hop,
            // Of a connection that was dropped before.
            Input::HopFailed { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    bench.sip.send(Transmit::new(hop, b"SIP/2.0 200 OK\r\n\r\n".to_vec()));
    assert_eq!(read_some(peer), b"SIP/2.0 200 OK\r\n\r\n");
    hop
}

fn fault(bench: &Bench, fault: SipFault, count: u64) {
    bench.metrics.wait_for(&format!("vaxel_sip_errors_total{{reason=\"{}\"}} {count}", fault.name()));
}

#[test]
fn messages_come_and_answers_go_by_the_same_secured_connection() {
    let authority = Authority::new();
    let bench = server(authority.signs(&["127.0.0.1"], 2100), StreamLimits::default());
    let mut peer = connect(bench.sip.bound()[0].1, authority.client(None));
    let hop = talks(&mut peer, &bench);
    assert_eq!((hop.transport, hop.remote), (Transport::Tls, peer.sock.local_addr().unwrap()));
    peer.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(read_some(&mut peer), b"\r\n", "a ping is answered");
    drop(peer);
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
    bench.metrics.wait_for("vaxel_sip_connections 0");
}

#[test]
fn what_is_no_tls_is_cut_and_counted() {
    let authority = Authority::new();
    let bench = server(authority.signs(&["127.0.0.1"], 2100), StreamLimits::default());
    let mut peer = TcpStream::connect(bench.sip.bound()[0].1).unwrap();
    peer.write_all(OPTIONS).unwrap();
    assert!(is_cut(&mut peer));
    fault(&bench, SipFault::NotTls, 1);
    // Whoever does not believe us says so.
    let mut doubter = connect(bench.sip.bound()[0].1, Authority::new().client(None));
    assert!(doubter.write_all(OPTIONS).is_err());
    fault(&bench, SipFault::Untrusted, 1);
    assert!(bench.entrance.quiet(), "the engine never heard of them");
}

#[test]
fn handshakes_are_bounded_in_time_and_number() {
    let authority = Authority::new();
    let limits = StreamLimits { handshake: Duration::from_millis(400), handshakes: 1, ..StreamLimits::default() };
    let bench = server(authority.signs(&["127.0.0.1"], 2100), limits);
    let at = bench.sip.bound()[0].1;
    let mut silent = TcpStream::connect(at).unwrap();
    assert!(is_cut(&mut silent));
    fault(&bench, SipFault::HandshakeTimeout, 1);
    // One that has begun takes the only place; one that is silent does not.
    let silent = TcpStream::connect(at).unwrap();
    let half = || {
        let mut half = TcpStream::connect(at).unwrap();
        half.write_all(&[22, 3, 1, 1, 0]).unwrap();
        half
    };
    let began = std::time::Instant::now();
    while bench.metrics.text().contains("reason=\"too_many_handshakes\"} 0") {
        assert!([half(), half()].iter_mut().all(is_cut));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    drop(silent);
    bench.metrics.wait_for("vaxel_sip_connections 0");
    talks(&mut connect(at, authority.client(None)), &bench);
}

#[test]
fn bounds_of_connections_and_messages_hold_within_tls() {
    let authority = Authority::new();
    let limits = StreamLimits {
        per_source: 2,
        message: Duration::from_millis(300),
        write: Duration::from_millis(300),
        queued: 4,
        ..StreamLimits::default()
    };
    let bench = server(authority.signs(&["127.0.0.1"], 2100), limits);
    let at = bench.sip.bound()[0].1;
    let mut first = connect(at, authority.client(None));
    let hop = talks(&mut first, &bench);
    let mut second = connect(at, authority.client(None));
    second.write_all(&OPTIONS[..50]).unwrap();
    assert!(is_cut(&mut TcpStream::connect(at).unwrap()), "one more from the same address");
    fault(&bench, SipFault::TooManyFromOne, 1);
    assert!(is_cut(&mut second), "half a message");
    fault(&bench, SipFault::SlowSender, 1);
    // More than the system's buffers hold.
    for _ in 0..200 {
        bench.sip.send(Transmit::new(hop, vec![b'x'; 60_000]));
    }
    while !matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop) {}
    let text = bench.metrics.text();
    assert!(!text.contains(r#"vaxel_sip_errors_total{reason="slow_reader"} 0"#), "{text}");
}

#[test]
fn a_certificate_is_asked_of_clients_where_the_settings_say_so() {
    let authority = Authority::new();
    let own = authority.signs(&["127.0.0.1"], 2100);
    let known = authority.signs(&["trunk.example"], 2100);
    let with = |clients| server(OwnFiles { clients, ..own.clone() }, StreamLimits::default());
    let required = with(Clients::Required { ca: authority.ca() });
    let optional = with(Clients::Optional { ca: authority.ca() });
    talks(&mut connect(required.sip.bound()[0].1, authority.client(Some(&known))), &required);
    talks(&mut connect(optional.sip.bound()[0].1, authority.client(Some(&known))), &optional);
    talks(&mut connect(optional.sip.bound()[0].1, authority.client(None)), &optional);
    // With TLS 1.3 the refusal comes behind the handshake.
    let mut nobody = connect(required.sip.bound()[0].1, authority.client(None));
    drop(nobody.write_all(OPTIONS));
    assert!(is_cut(&mut nobody));
    fault(&required, SipFault::Untrusted, 1);
}

#[test]
fn a_client_certificate_of_another_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let own = authority.signs(&["127.0.0.1"], 2100);
    let stranger = other.signs(&["evil.example"], 2100);
    for clients in [Clients::Required { ca: authority.ca() }, Clients::Optional { ca: authority.ca() }] {
        let bench = server(OwnFiles { clients, ..own.clone() }, StreamLimits::default());
        let mut peer = connect(bench.sip.bound()[0].1, authority.client(Some(&stranger)));
        drop(peer.write_all(OPTIONS));
        assert!(is_cut(&mut peer));
        fault(&bench, SipFault::Untrusted, 1);
    }
}

#[test]
fn names_of_a_certificate_are_those_that_sip_knows() {
    let authority = Authority::new();
    let mut params =
        CertificateParams::new(["SBC.carrier.example", "*.carrier.example", "192.0.2.1"].map(String::from))
            .expect("names");
    params.distinguished_name.push(DnType::CommonName, "common.example");
    for uri in ["sip:Uri.example", "sip:user@uri.example", "sips:secure.example", "https://web.example"] {
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    }
    let files = authority.signs_with(params, "many", 2100);
    let certificate = &certificates(&files.certificate).unwrap()[0];
    assert_eq!(names(certificate), ["sbc.carrier.example", "uri.example", "secure.example"]);
    let none = authority.signs_with(CertificateParams::new([]).unwrap(), "none", 2100);
    assert!(names(&certificates(&none.certificate).unwrap()[0]).is_empty());
    assert!(names(&CertificateDer::from(vec![1, 2, 3])).is_empty());
}

#[test]
fn the_engine_hears_who_is_there_before_what_is_said_and_only_of_trunks() {
    let authority = Authority::new();
    let clients = Clients::Optional { ca: authority.ca() };
    let bench = server(OwnFiles { clients, ..authority.signs(&["127.0.0.1"], 2100) }, StreamLimits::default());
    let at = bench.sip.bound()[0].1;
    let trunk = authority.signs(&["other.example", "sbc.carrier.example"], 2100);
    let other = authority.signs(&["x.example"], 2100);
    for (shows, is_trunk) in [(Some(&trunk), true), (Some(&other), false), (None, false)] {
        let mut peer = connect(at, authority.client(shows));
        peer.write_all(OPTIONS).unwrap();
        let mut certified = None;
        let hop = loop {
            match bench.entrance.input() {
                Input::Certified { connection, names } => certified = Some((connection, names)),
                Input::Sip { hop, .. } => break hop,
                // Of the one before.
                Input::HopFailed { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        let expected = (hop.connection.unwrap(), vec!["sbc.carrier.example".to_owned()]);
        assert_eq!(certified, is_trunk.then_some(expected));
    }
}

#[test]
fn a_trunk_that_dns_found_must_have_its_name_wherever_it_is() {
    let authority = Authority::new();
    let own = authority.signs(&["127.0.0.1"], 2100);
    let (by_name, name) = trunk(&authority.signs(&["sbc.carrier.example"], 2100));
    let (evil, refused) = trunk(&own);
    let tls = TlsSettings { own: Some(own.clone()), ca: Some(authority.ca()), ..TlsSettings::default() };
    let bench = bench_tls(&LISTEN, 10, StreamLimits::default(), tls).unwrap();
    let hops = [by_name, evil].map(|to| bench.sip.towards(Transport::Tls, to, None).unwrap());
    bench.sip.locate(3, &hops, false, "sbc.carrier.example");
    hops.iter().for_each(|hop| bench.sip.send(Transmit::new(*hop, b"OPTIONS".to_vec())));
    assert_eq!(name.join().unwrap().unwrap(), b"OPTIONS");
    assert!(refused.join().unwrap().is_err(), "a certificate for the address is none for the name");
    fault(&bench, SipFault::Untrusted, 1);
    // Whom we have called by this name is known by it as well.
    let certified = loop {
        match bench.entrance.input() {
            Input::Certified { names, .. } => break names,
            Input::HopFailed { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(certified, ["sbc.carrier.example"]);
}

/// A trunk that takes one connection and says what it read.
fn trunk(own: &OwnFiles) -> (SocketAddr, std::thread::JoinHandle<io::Result<Vec<u8>>>) {
    let tls = TlsSettings { own: Some(own.clone()), ..TlsSettings::default() };
    let config = read(&tls).unwrap().0.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut bytes = [0; 100];
        let length = stream.read(&mut bytes)?;
        Ok(bytes[..length].to_vec())
    });
    (at, served)
}

#[test]
fn whom_we_connect_to_must_be_who_it_should_be() {
    let authority = Authority::new();
    let own = authority.signs(&["127.0.0.1"], 2100);
    let named = authority.signs(&["sip.carrier.example"], 2100);
    let (by_address, address) = trunk(&own);
    let (by_name, name) = trunk(&named);
    let (wrong_name, wrong) = trunk(&named);
    let tls = TlsSettings {
        own: Some(own.clone()),
        ca: Some(authority.ca()),
        names: [(by_name, "sip.carrier.example".to_owned())].into(),
    };
    let bench = bench_tls(&LISTEN, 10, StreamLimits::default(), tls).unwrap();
    let send = |bench: &Bench, to| {
        let hop = bench.sip.towards(Transport::Tls, to, None).unwrap();
        bench.sip.send(Transmit::new(hop, b"OPTIONS".to_vec()));
        hop
    };
    send(&bench, by_address);
    assert_eq!(address.join().unwrap().unwrap(), b"OPTIONS");
    send(&bench, by_name);
    assert_eq!(name.join().unwrap().unwrap(), b"OPTIONS");
    let hop = send(&bench, wrong_name);
    assert!(wrong.join().unwrap().is_err());
    while !matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop) {}
    fault(&bench, SipFault::Untrusted, 1);
    // An authority that the machine's browsers do not know either.
    let (unknown, doubted) = trunk(&own);
    let tls = TlsSettings { own: Some(own), ..TlsSettings::default() };
    let bench = bench_tls(&LISTEN, 10, StreamLimits::default(), tls).unwrap();
    let hop = send(&bench, unknown);
    assert!(doubted.join().unwrap().is_err());
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}

#[test]
fn a_stranger_that_connects_gets_nothing_that_was_meant_for_its_address() {
    let authority = Authority::new();
    let tls = TlsSettings {
        own: Some(authority.signs(&["127.0.0.1"], 2100)),
        ca: Some(authority.ca()),
        ..TlsSettings::default()
    };
    let bench = bench_tls(&LISTEN, 10, StreamLimits::default(), tls).unwrap();
    let mut stranger = connect(bench.sip.bound()[0].1, authority.client(None));
    let came_by = talks(&mut stranger, &bench);
    let hop = Hop { connection: None, ..came_by };
    bench.sip.send(Transmit::new(hop, OPTIONS.to_vec()));
    assert!(matches!(bench.entrance.input(), Input::HopFailed { hop: failed } if failed == hop));
}

#[test]
fn a_new_certificate_is_shown_to_who_comes_next_and_a_broken_one_to_nobody() {
    let (authority, next) = (Authority::new(), Authority::new());
    let own = authority.signs(&["127.0.0.1"], 2100);
    let bench = server(own.clone(), StreamLimits::default());
    let at = bench.sip.bound()[0].1;
    let expiry = |year: i16| {
        let end = jiff::civil::date(year, 12, 31).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        bench.metrics.wait_for(&format!("vaxel_tls_certificate_expiry_timestamp_seconds {end}"));
    };
    expiry(2100);
    let mut running = connect(at, authority.client(None));
    talks(&mut running, &bench);

    let new = next.signs(&["127.0.0.1"], 2099);
    std::fs::copy(&new.certificate, &own.certificate).unwrap();
    bench.sip.reload_certificates();
    bench.metrics.wait_for(r#"vaxel_tls_certificate_reloads_total{result="failed"} 1"#);
    talks(&mut connect(at, authority.client(None)), &bench);
    expiry(2100);

    std::fs::copy(&new.key, &own.key).unwrap();
    // Nobody says that they have changed: they are looked at.
    bench.metrics.wait_for(r#"vaxel_tls_certificate_reloads_total{result="ok"} 1"#);
    talks(&mut connect(at, next.client(None)), &bench);
    expiry(2099);
    talks(&mut running, &bench);
}

#[test]
fn what_files_lack_is_said_with_their_names() {
    let authority = Authority::new();
    let own = authority.signs(&["127.0.0.1"], 2100);
    let other = authority.signs(&["other"], 2100);
    let metrics = crate::edge::metrics::Metrics::new(crate::edge::Clock::start(), &Default::default());
    let said = |own: OwnFiles, ca: Option<PathBuf>| {
        let settings = TlsSettings { own: Some(own), ca, ..TlsSettings::default() };
        format!("{:#}", Tls::load(settings, metrics.certificates.clone()).map(|_| ()).unwrap_err())
    };
    let swapped = said(OwnFiles { certificate: own.key.clone(), ..own.clone() }, None);
    assert!(swapped.contains("127.0.0.1.key holds no certificates"), "{swapped}");
    let no_key = said(OwnFiles { key: own.certificate.clone(), ..own.clone() }, None);
    assert!(no_key.contains("127.0.0.1.pem holds no private key"), "{no_key}");
    let unfit = said(OwnFiles { key: other.key.clone(), ..own.clone() }, None);
    assert!(unfit.contains("127.0.0.1.pem and ") && unfit.contains("other.key cannot be used together"), "{unfit}");
    let gone = said(own, Some(authority.folder.path().join("gone.pem")));
    assert!(gone.contains("gone.pem holds no certificates"), "{gone}");
}

#[test]
fn a_certificate_that_signs_itself_is_made_once() {
    let folder = Folder::new();
    let files = self_signed(folder.path()).unwrap();
    let made = std::fs::read(&files.certificate).unwrap();
    assert_eq!(self_signed(folder.path()).unwrap(), files);
    assert_eq!(std::fs::read(&files.certificate).unwrap(), made);
    assert_eq!(files.key.metadata().unwrap().mode() & 0o777, 0o600);
    read(&TlsSettings { own: Some(files), ..TlsSettings::default() }).unwrap();
}
