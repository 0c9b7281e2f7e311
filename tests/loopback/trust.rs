//! Who is let do what: strangers nothing, accounts what is theirs, and how much an answer may cost.

use crate::HERE;
use crate::asker::{Ask, Asker, signature};
use crate::house::{House, PATIENCE, carrier};
use crate::person::{Person, until};
use std::time::{Duration, Instant};
use vaxel::sim::phone::PhoneEvent;
use vaxel::sip::Transport::{self, Tcp, Udp};
use vaxel::sip::digest::{Algorithm, Challenge};
use vaxel::sip::{Message, Response};

fn asker(house: &House, transport: Transport) -> Asker {
    Asker::new(transport, HERE, house.sip(transport, true))
}

/// Nothing in it says what we are.
fn tells_nothing(response: &Response) {
    for name in ["Server", "User-Agent", "Allow", "Supported", "Organization", "Contact"] {
        assert!(!response.headers.has(name), "{name} in {}", String::from_utf8_lossy(&response.to_bytes()));
    }
    // The tests write `vaxel` into To and From themselves.
    let said = response.headers.iter().filter(|header| !matches!(header.name, "To" | "From"));
    for header in said {
        assert!(!header.value.to_lowercase().contains("vaxel"), "{}: {}", header.name, header.value);
    }
}

#[test]
fn every_method_is_denied_to_strangers_and_each_sender_gets_its_own() {
    let house = House::new();
    let password = house.password("anna");
    for transport in [Udp, Tcp] {
        let mut stranger = asker(&house, transport);
        let mut liar = asker(&house, transport);
        let mut trunk = Asker::new(transport, carrier(true), house.sip(transport, true));
        let mut agent = asker(&house, transport);
        let uri = "sip:999@vaxel";
        // Stranger, stranger who signs junk, trunk, agent.
        for (method, codes) in [
            ("OPTIONS", [401, 403, 404, 404]),
            ("REGISTER", [401, 403, 401, 200]),
            ("INVITE", [401, 403, 404, 404]),
            ("MESSAGE", [401, 403, 405, 405]),
            ("SUBSCRIBE", [401, 403, 405, 405]),
            ("NOTIFY", [401, 403, 481, 481]),
            ("PUBLISH", [401, 403, 405, 405]),
            ("DANCE", [401, 403, 405, 405]),
            // Outside a dialog there is nothing for these.
            ("REFER", [401, 403, 403, 403]),
            ("BYE", [401, 403, 481, 481]),
            ("INFO", [401, 403, 481, 481]),
            ("UPDATE", [401, 403, 481, 481]),
            ("PRACK", [401, 403, 481, 481]),
            ("CANCEL", [481, 481, 481, 481]),
        ] {
            let uri = if method == "REGISTER" { "sip:vaxel" } else { uri };
            let ask = Ask::new(method, uri, "anna");
            // CANCEL is never challenged (RFC 3261 §22.1).
            let is_cancel = method == "CANCEL";
            let plain = |who: &mut Asker| {
                let text = who.write(&ask);
                who.ask(&text)
            };
            let to_stranger = plain(&mut stranger);
            // Each with an account of its own, so that it is not cut for guessing.
            let to_liar = if is_cancel { plain(&mut liar) } else { liar.sign(&ask, &format!("a{method}"), "junk") };
            let to_trunk = plain(&mut trunk);
            let to_agent = match method {
                // Known since the first, and still asked by what must be sure.
                "OPTIONS" | "REGISTER" | "INVITE" => agent.sign(&ask, "anna", &password),
                _ => plain(&mut agent),
            };
            let answers = [&to_stranger, &to_liar, &to_trunk, &to_agent].map(|answer| answer.code);
            assert_eq!(answers, codes, "{method} over {}", transport.name());
            tells_nothing(&to_stranger);
            tells_nothing(&to_liar);
            assert!(matches!(to_liar.reason.as_str(), "Forbidden" | "Call/Transaction Does Not Exist"), "{to_liar:?}");
            // Who signs rightly is told as much as who need not.
            if !is_cancel {
                let signed = agent.sign_again(&ask, "anna", &password);
                assert_eq!(signed.code, to_agent.code, "{method} over {}", transport.name());
            }
        }
    }
}

#[test]
fn credentials_are_good_once_for_their_realm_and_both_algorithms() {
    let house = House::with("");
    let password = house.password("anna");
    let ask = Ask::new("OPTIONS", "sip:vaxel", "anna");
    for transport in [Udp, Tcp] {
        let mut phone = asker(&house, transport);
        let challenge = phone.challenge(&ask);
        let with = |phone: &mut Asker, challenge: &Challenge, nc| {
            let more = signature(challenge, &ask, "anna", &password, nc);
            let text = phone.write(&Ask { more: &more, ..ask });
            phone.ask(&text)
        };
        assert_eq!(with(&mut phone, &challenge, 1).code, 200);
        let again = with(&mut phone, &challenge, 1);
        let stale = again.headers.get("WWW-Authenticate").expect("401 has it");
        assert_eq!((again.code, Challenge::parse(stale).map(|c| c.stale)), (401, Some(true)), "replayed");
        assert_eq!(with(&mut phone, &challenge, 2).code, 200);
        // Somebody else's nonce, one with another time, and one of another realm.
        let forged = Challenge { nonce: challenge.nonce.replace('0', "1"), ..challenge.clone() };
        let other = Challenge { realm: "elsewhere".into(), ..challenge.clone() };
        assert_eq!(with(&mut phone, &forged, 1).code, 401);
        assert_eq!(with(&mut phone, &other, 3).code, 401);
        // The phone is known now, so this one got as far as the switchboard; a stranger's does not.
        let mut stranger = asker(&house, transport);
        assert_eq!(with(&mut stranger, &forged, 1).code, 401);
        assert_eq!(with(&mut stranger, &other, 4).code, 401);
    }
}

#[test]
fn sha_256_is_asked_for_first_where_both_are_taken() {
    let house = House::with_sip("digest = [\"SHA-256\", \"MD5\"]");
    let mut phone = asker(&house, Udp);
    let ask = Ask::new("OPTIONS", "sip:vaxel", "anna");
    let text = phone.write(&ask);
    let response = phone.ask(&text);
    let challenges: Vec<_> =
        response.headers.get_all("WWW-Authenticate").map(|c| Challenge::parse(c).expect("readable")).collect();
    let algorithms: Vec<_> = challenges.iter().map(|c| c.algorithm).collect();
    assert_eq!(algorithms, [Algorithm::Sha256, Algorithm::Md5]);
    for (nc, challenge) in (1..).zip(&challenges) {
        let more = signature(challenge, &ask, "anna", &house.password("anna"), nc);
        let text = phone.write(&Ask { more: &more, ..ask });
        assert_eq!(phone.ask(&text).code, 200, "{:?}", challenge.algorithm);
    }
}

#[test]
fn an_account_registers_and_calls_as_itself_and_signs_what_it_asks() {
    let house = House::new();
    let password = house.password("anna");
    for transport in [Udp, Tcp] {
        let mut phone = asker(&house, transport);
        let mut code = |ask: &Ask| phone.sign(ask, "anna", &password).code;
        let register = Ask::new("REGISTER", "sip:vaxel", "anna");
        assert_eq!(code(&Ask { to: "bjorn", ..register }), 403, "another's place");
        assert_eq!(code(&Ask { from: "bjorn", ..register }), 403, "in another's name");
        assert_eq!(code(&register), 200);
        let invite = Ask::new("INVITE", "sip:999@vaxel", "anna");
        assert_eq!(code(&Ask { from: "bjorn", ..invite }), 403);
        assert_eq!(code(&Ask { from: "+4670", ..invite }), 403);
        assert_eq!(code(&invite), 404, "there is no 999, but she may ask");
        assert_eq!(code(&Ask { from: "201", ..invite }), 404, "her own number");
        assert_eq!(code(&Ask { from: "anonymous", ..invite }), 404);
        // Signed for one number, sent to another; and for another method.
        let challenge = phone.challenge(&invite);
        for (signed, code) in
            [(Ask { uri: "sip:201@vaxel", ..invite }, 400), (Ask { method: "OPTIONS", ..invite }, 403)]
        {
            let more = signature(&challenge, &signed, "anna", &password, 1);
            let text = phone.write(&Ask { more: &more, ..invite });
            assert_eq!(phone.ask(&text).code, code);
        }
        // Phones write the host that they know.
        let more =
            signature(&challenge, &Ask { uri: "sip:999@192.0.2.1:5066;transport=udp", ..invite }, "anna", &password, 1);
        let text = phone.write(&Ask { more: &more, ..invite });
        assert_eq!(phone.ask(&text).code, 404);
    }
}

#[test]
fn known_and_unknown_accounts_get_the_same_answer() {
    let house = House::new();
    let mut stranger = asker(&house, Udp);
    let mut refusal = |user: &str| {
        let response = stranger.sign(&Ask::new("REGISTER", "sip:vaxel", "x"), user, "guess");
        tells_nothing(&response);
        let names: Vec<_> = response.headers.iter().map(|header| header.name.to_owned()).collect();
        (response.code, response.reason, names)
    };
    assert_eq!(refusal("anna"), refusal("nobody"));
    assert_eq!(refusal("anna").0, 403);
}

#[test]
fn who_guesses_passwords_is_not_heard_for_a_while_and_phones_beside_it_are() {
    let house = House::with("\n[limits]\nwrong_passwords = 5\nwrong_password_pause = \"6s\"\n");
    let mut thief = asker(&house, Udp);
    let mut neighbour = asker(&house, Udp);
    let register = Ask::new("REGISTER", "sip:vaxel", "anna");
    let own = Ask::new("REGISTER", "sip:vaxel", "bjorn");
    assert_eq!(neighbour.sign(&own, "bjorn", "correct horse").code, 200);
    let challenge = thief.challenge(&register);
    let began = Instant::now();
    let guess = |thief: &mut Asker, nc: u32, password: &str| {
        let more = signature(&challenge, &register, "anna", password, nc);
        let text = thief.write(&Ask { more: &more, ..register });
        thief.send(text.as_bytes());
    };
    // All at once, as a program does that guesses.
    (1..=40).for_each(|nc| guess(&mut thief, nc, &format!("guess {nc}")));
    let refused = heard(&mut thief);
    assert_eq!(refused, 5, "the others got no answer");
    let metrics = house.metrics();
    assert_eq!(metrics["vaxel_sip_authentication_failures_total"], refused as f64);
    assert_eq!(metrics[r#"vaxel_sip_errors_total{reason="password_guessing"}"#], 40.0 - refused as f64);
    // Behind the same address: a phone that is registered, one that is not yet, and another account.
    assert_eq!(neighbour.sign(&own, "bjorn", "correct horse").code, 200);
    assert_eq!(asker(&house, Udp).sign(&own, "bjorn", "correct horse").code, 200);
    // Even the right password is not heard now, so nobody can tell whether it was found.
    guess(&mut thief, 50, &house.password("anna"));
    assert!(thief.next(Duration::from_millis(300)).is_none());
    // And let go, from its last guess on.
    let challenge = loop {
        assert!(began.elapsed() < PATIENCE, "it is never let go");
        let challenge = thief.challenge(&register);
        let more = signature(&challenge, &register, "anna", &house.password("anna"), 1);
        let text = thief.write(&Ask { more: &more, ..register });
        thief.send(text.as_bytes());
        match thief.next(Duration::from_millis(200)) {
            Some(Message::Response(response)) if response.code == 200 => break challenge,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    };
    assert!(began.elapsed() >= Duration::from_secs(6), "{:?}, {challenge:?}", began.elapsed());
}

#[test]
fn who_has_an_account_guesses_no_more_of_its_colleagues_than_a_stranger() {
    let house = House::with("\n[limits]\nwrong_passwords = 5\nwrong_password_pause = \"60s\"\n");
    let mut thief = asker(&house, Udp);
    let own = Ask::new("REGISTER", "sip:vaxel", "bjorn");
    let others = Ask::new("REGISTER", "sip:vaxel", "anna");
    let mut judged = 0;
    for round in 0..10 {
        assert_eq!(thief.sign(&own, "bjorn", "correct horse").code, 200, "round {round}");
        let challenge = thief.challenge(&own);
        for nc in 1..=20 {
            let more = signature(&challenge, &others, "anna", &format!("guess {nc}"), nc);
            let text = thief.write(&Ask { more: &more, ..others });
            thief.send(text.as_bytes());
        }
        judged += std::iter::from_fn(|| thief.next(Duration::from_millis(200))).count();
    }
    assert_eq!(judged, 5);
    assert_eq!(house.metrics()["vaxel_sip_authentication_failures_total"], 5.0);
    // Nor is the right one heard there now; but from where it was never wrong, it is.
    let challenge = thief.challenge(&own);
    let more = signature(&challenge, &others, "anna", &house.password("anna"), 1);
    let text = thief.write(&Ask { more: &more, ..others });
    thief.send(text.as_bytes());
    assert!(thief.next(Duration::from_millis(300)).is_none());
    assert_eq!(asker(&house, Udp).sign(&others, "anna", &house.password("anna")).code, 200);
}

/// How many refusals come until none comes any more.
fn heard(thief: &mut Asker) -> usize {
    std::iter::from_fn(|| thief.next(Duration::from_millis(500))).count()
}

#[test]
fn a_stranger_gets_one_answer_to_each_datagram_and_never_three_times_its_bytes() {
    let house = House::new();
    let tiny =
        "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;rport\r\nf:sip:a\r\nt:sip:a\r\ni:NEW\r\nCSeq:1 OPTIONS\r\n\r\n";
    let broken = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;rport\r\ni:NEW\r\nCSeq:1 OPTIONS\r\n\r\n";
    let stranger = asker(&house, Udp);
    let plain = stranger.write(&Ask::new("INVITE", "sip:300@vaxel", "x"));
    let inside = plain.replace("To: <sip:x@vaxel>", "To: <sip:x@vaxel>;tag=1");
    let garbage = "\0".repeat(50);
    // All at the same time; the first retransmission of an INVITE's answer would come after half a second (Timer G).
    let asked = [(plain.as_str(), 1), (&inside, 1), (tiny, 0), (broken, 1), ("REGISTER", 0), (&garbage, 0)];
    let asked = asked.map(|(text, answers)| {
        let mut stranger = asker(&house, Udp);
        let text = text.replace("NEW", &crate::asker::fresh());
        stranger.send(text.as_bytes());
        (stranger, text, answers)
    });
    answers_are_few_and_short(asked.into(), Duration::from_millis(1200));
}

#[test]
fn a_stranger_who_signs_junk_gets_one_answer_and_it_says_no_more_than_that() {
    let house = House::new();
    let invite = Ask::new("INVITE", "sip:300@vaxel", "x");
    let sdp = "Content-Type: application/sdp\r\n";
    let asked: Vec<_> = [
        invite,
        Ask { more: "Require: foo\r\n", ..invite },
        Ask { more: "Accept: text/plain\r\n", ..invite },
        Ask { more: "Content-Type: text/plain\r\nContent-Disposition: session\r\n", ..invite },
        Ask { more: "Session-Expires: 1\r\nSupported: timer\r\n", ..invite },
        Ask { more: sdp, ..invite },
        Ask { uri: "tel:300", ..invite },
        Ask { uri: "urn:service:sos", ..invite },
        Ask { uri: "http://vaxel/", ..invite },
        Ask { uri: "sip:112@vaxel", ..invite },
        Ask { more: "Replaces: a;to-tag=b;from-tag=c\r\n", ..invite },
    ]
    .into_iter()
    .enumerate()
    .flat_map(|(n, ask)| {
        [70, 0].map(|hops| {
            let mut stranger = asker(&house, Udp);
            let challenge = stranger.challenge(&Ask::new("OPTIONS", "sip:vaxel", "x"));
            let user = format!("u{n}x{hops}");
            let more = format!("{}{}", ask.more, signature(&challenge, &ask, &user, "junk", 1));
            let text = stranger.write(&Ask { more: &more, ..ask });
            let text = text.replace("Max-Forwards: 70", &format!("Max-Forwards: {hops}"));
            stranger.send(text.as_bytes());
            (stranger, text, 1)
        })
    })
    .collect();
    // Past Timer H, after which a transaction that nobody acknowledges is given up.
    for answer in answers_are_few_and_short(asked, Duration::from_secs(33)) {
        let Ok(Message::Response(response)) = Message::parse(&answer) else { panic!("no response") };
        assert_eq!((response.code, response.reason.as_str()), (403, "Forbidden"));
        tells_nothing(&response);
    }
}

/// Hears each of these for so long; gives what they were told. Each with the text that it sent and whether an answer is due.
fn answers_are_few_and_short(asked: Vec<(Asker, String, usize)>, long: Duration) -> Vec<Vec<u8>> {
    let end = Instant::now() + long;
    let mut said = Vec::new();
    for (mut stranger, text, due) in asked {
        // What came while the others were heard is read without waiting.
        let wait = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let answers: Vec<_> = std::iter::from_fn(|| stranger.next_bytes(wait())).collect();
        let bytes: usize = answers.iter().map(Vec::len).sum();
        let count = answers.len();
        assert!(count <= 1 && bytes <= 3 * text.len(), "{count} answers of {bytes} bytes to {}: {text}", text.len());
        assert!(count >= due, "no answer to {text}");
        said.extend(answers);
    }
    said
}

#[test]
fn a_stranger_that_sends_too_much_is_dropped_and_a_trunk_and_a_phone_are_not() {
    let house = House::with("\n[limits]\nstrangers = 1\nstrangers_burst = 5\n");
    let options = Ask::new("OPTIONS", "sip:vaxel", "anna");
    let mut phone = asker(&house, Udp);
    assert_eq!(phone.sign(&options, "anna", &house.password("anna")).code, 200);
    let mut stranger = asker(&house, Udp);
    for _ in 0..50 {
        let text = stranger.write(&options);
        stranger.send(text.as_bytes());
    }
    let answered = heard(&mut stranger);
    assert!((1..=6).contains(&answered), "{answered}");
    assert!(house.metrics()[r#"vaxel_sip_errors_total{reason="too_many_requests"}"#] >= 40.0);
    let mut trunk = Asker::new(Udp, carrier(true), house.sip(Udp, true));
    for _ in 0..50 {
        let text = trunk.write(&options);
        assert_eq!(trunk.ask(&text).code, 200);
        let text = phone.write(&options);
        assert_eq!(phone.ask(&text).code, 401, "known, so the switchboard itself asks");
    }
    // A stream is cut.
    let mut stream = asker(&house, Tcp);
    let text = stream.write(&options);
    // It is cut meanwhile.
    let _all_went = (0..10).all(|_| stream.send(text.as_bytes()));
    let began = Instant::now();
    while stream.next(PATIENCE).is_some() {}
    assert!(began.elapsed() < PATIENCE, "it is cut");
}

#[test]
fn a_secure_uri_reaches_no_phone_without_tls_and_the_caller_is_told_why() {
    let house = House::new();
    let mut anna = Person::new(Udp, HERE, house.sip(Udp, true), "anna", Some(house.password("anna")));
    anna.does(|phone, now| phone.register(now, vaxel::time::Duration::from_secs(300)));
    until(&mut [&mut anna], 0, |event| *event == PhoneEvent::Registered);
    let mut bjorn = asker(&house, Tcp);
    let refused = bjorn.sign(&Ask::new("INVITE", "sips:201@vaxel", "bjorn"), "bjorn", "correct horse");
    assert_eq!((refused.code, refused.headers.get("Warning")), (480, Some("380 127.0.0.1 \"SIPS Not Allowed\"")));
    house.wait_for_metric(r#"vaxel_calls_refused_total{reason="sips_not_allowed"}"#, 1.0);
    // By any other URI it rings.
    let mut bjorn = Person::new(Udp, HERE, house.sip(Udp, true), "bjorn", Some("correct horse".into()));
    bjorn.does(|phone, now| phone.call(now, "201"));
    until(&mut [&mut anna, &mut bjorn], 0, |event| matches!(event, PhoneEvent::Rings { .. }));
}
