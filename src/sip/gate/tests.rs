use super::*;
use crate::sip::digest::{self, Algorithm, Challenge, Login};

const START: Time = Time::from_secs(1_800_000_000);

fn gate(settings: Settings) -> Gate {
    Gate::new(settings, Authenticator::new("vaxel", [7; 32], Duration::from_secs(300)))
}

fn small() -> Settings {
    Settings { rate: 10, burst: 5, rate_of_all: 1_000_000, guesses: 3, pause: Duration::from_secs(60) }
}

fn from(remote: &str) -> Hop {
    let local = "192.0.2.1:5060".parse().unwrap();
    Hop { transport: Transport::Udp, local, remote: remote.parse().unwrap(), connection: None }
}

const ANNA: &str = "198.51.100.7:5060";

fn bytes(method: &str, to_tag: &str) -> String {
    format!(
        "{method} sip:vaxel.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;rport;branch=z9hG4bK1\r\n\
         From: <sip:anna@vaxel.example>;tag=1\r\nTo: <sip:anna@vaxel.example>{to_tag}\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\r\n"
    )
}

fn message(method: &str, to_tag: &str) -> Message {
    Message::parse(bytes(method, to_tag).as_bytes()).unwrap()
}

fn request(message: Message) -> Request {
    let Message::Request(request) = message else { panic!("no request") };
    request
}

/// A REGISTER that answers a challenge given at `asked` to Anna's address.
fn signed(gate: &Gate, asked: Time, user: &str) -> Message {
    signed_from(gate, asked, ANNA, user)
}

fn signed_from(gate: &Gate, asked: Time, remote: &str, user: &str) -> Message {
    let mut request = request(message("REGISTER", ""));
    let response = gate.auth.challenge(asked, from(remote).remote, &request, false);
    let challenge = Challenge::parse(response.headers.get("WWW-Authenticate").unwrap()).unwrap();
    let uri = "sip:vaxel.example";
    let login = Login { user, password: "any", method: &Method::Register, uri, cnonce: "c", nc: 1 };
    request.headers.push("Authorization", digest::answer(&challenge, &login));
    Message::Request(request)
}

#[test]
fn a_stranger_is_challenged_whatever_it_asks_and_the_rest_waits_its_turn() {
    let mut gate = gate(Settings::default());
    for method in ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "DANCE"] {
        let ruling = gate.judge(START, &from(ANNA), false, &message(method, ""));
        assert_eq!(ruling, Ruling::Challenge { stale: false }, "{method}");
    }
    for inside in [message("BYE", ";tag=2"), message("CANCEL", ""), message("ACK", "")] {
        assert_eq!(gate.judge(START, &from(ANNA), false, &inside), Ruling::Stranger);
    }
    let response = Message::parse(
        bytes("OPTIONS", "").replacen("OPTIONS sip:vaxel.example SIP/2.0", "SIP/2.0 200 OK", 1).as_bytes(),
    );
    assert_eq!(gate.judge(START, &from(ANNA), false, &response.unwrap()), Ruling::Stranger);
}

#[test]
fn a_trunk_passes_unless_it_speaks_as_a_phone() {
    let mut gate = gate(small());
    for _ in 0..100 {
        assert_eq!(gate.judge(START, &from(ANNA), true, &message("INVITE", "")), Ruling::Known);
    }
    assert_eq!(gate.judge(START, &from(ANNA), true, &message("REGISTER", "")), Ruling::Challenge { stale: false });
    let signed = signed(&gate, START, "anna");
    assert_eq!(gate.judge(START, &from(ANNA), true, &signed), Ruling::Stranger);
}

#[test]
fn a_source_has_a_burst_and_then_its_rate() {
    let mut gate = gate(small());
    let invite = message("INVITE", "");
    let mut passed = |at: Time, remote: &str, n: usize| {
        (0..n).filter(|_| !matches!(gate.judge(at, &from(remote), false, &invite), Ruling::Drop(_))).count()
    };
    assert_eq!(passed(START, ANNA, 100), 5);
    // Another port is the same source, another address is not; of IPv6 a /64 is one.
    assert_eq!(passed(START, "198.51.100.7:9", 1), 0);
    assert_eq!(passed(START, "198.51.100.8:9", 100), 5);
    assert_eq!(passed(START, "[2001:db8::1]:5060", 100), 5);
    assert_eq!(passed(START, "[2001:db8::ffff:1]:5060", 100), 0);
    assert_eq!(passed(START, "[2001:db8:0:1::1]:5060", 100), 5);
    assert_eq!(passed(START + Duration::from_secs(1), ANNA, 100), 5, "the burst is whole again");
    let tenth = |n: u64| START + Duration::from_millis(1000 + 100 * n);
    assert_eq!((1..=10).map(|n| passed(tenth(n), ANNA, 3)).sum::<usize>(), 10, "one each tenth of a second");
    let mut is_shut = |at| gate.is_shut(at, Transport::Udp, from(ANNA).remote);
    assert!(is_shut(tenth(10)) && !is_shut(tenth(30)));
}

#[test]
fn all_strangers_together_are_limited_and_known_peers_are_not() {
    let mut gate = gate(Settings { rate_of_all: 100, ..small() });
    gate.vouch(START, from(ANNA).remote);
    let invite = message("INVITE", "");
    let hop = |n: u32| from(&format!("{}:5060", std::net::Ipv4Addr::from_bits(0x0a00_0000 + n)));
    let mut passed =
        |at, n| (0..n).filter(|n| gate.judge(at, &hop(*n), false, &invite) != Ruling::Drop(Reason::TooMany)).count();
    assert_eq!(passed(START, 1000), 101);
    assert_eq!(passed(START + Duration::from_millis(500), 1000), 50);
    assert!(gate.is_shut(START + Duration::from_millis(500), Transport::Udp, hop(5000).remote));
    assert_eq!(gate.judge(START, &from(ANNA), false, &invite), Ruling::Known);
}

#[test]
fn datagrams_with_somebody_elses_sender_cost_no_stream_its_turn() {
    // Of the source, and of all together.
    for settings in [small(), Settings { rate: 1_000_000, burst: 1_000_000, rate_of_all: 5, ..small() }] {
        let mut gate = gate(settings);
        let invite = message("INVITE", "");
        let mut passed = |transport, n| {
            let hop = Hop { transport, connection: (transport != Transport::Udp).then_some(1), ..from(ANNA) };
            (0..n).filter(|_| !matches!(gate.judge(START, &hop, false, &invite), Ruling::Drop(_))).count()
        };
        let most = passed(Transport::Udp, 100);
        assert!((5..=6).contains(&most), "{most}");
        assert_eq!(passed(Transport::Tcp, 3), 3);
        assert_eq!(passed(Transport::Wss, 100), most - 3, "all streams have one limit");
        assert_eq!((passed(Transport::Tls, 1), passed(Transport::Udp, 1)), (0, 0));
        let shut = [Transport::Udp, Transport::Tcp].map(|transport| gate.is_shut(START, transport, from(ANNA).remote));
        assert_eq!(shut, [true, true]);
        let unread = |gate: &mut Gate, transport| gate.judge_unread(START, transport, from(ANNA).remote, false);
        assert_eq!(unread(&mut gate, Transport::Tcp), Ruling::Drop(Reason::TooMany));
    }
}

#[test]
fn a_known_peer_is_not_limited_until_it_was_long_unheard() {
    let mut gate = gate(small());
    gate.judged(START, from(ANNA).remote, "anna", true);
    let invite = message("INVITE", "");
    let later = START + KNOWN_FOR - Duration::from_secs(1);
    for at in [START, later] {
        for _ in 0..1000 {
            assert_eq!(gate.judge(at, &from(ANNA), false, &invite), Ruling::Known);
        }
    }
    assert_eq!(gate.judge(START + KNOWN_FOR, &from(ANNA), false, &invite), Ruling::Challenge { stale: false });
}

#[test]
fn who_guesses_is_cut_and_let_go_and_its_neighbours_are_not_touched() {
    let mut gate = gate(Settings { burst: 1000, ..small() });
    // A phone behind the same NAT that answered rightly.
    let neighbour = from("198.51.100.7:40000");
    gate.judged(START, neighbour.remote, "bjorn", true);
    for _ in 0..3 {
        let guess = signed(&gate, START, "anna");
        assert_eq!(gate.judge(START, &from(ANNA), false, &guess), Ruling::Stranger);
        gate.judged(START, from(ANNA).remote, "anna", false);
    }
    let guess = signed(&gate, START, "anna");
    // One other peer is heard, as it may be the account's own phone.
    for (port, ruling) in
        [(5060, Ruling::Drop(Reason::Guessing)), (5061, Ruling::Stranger), (5062, Ruling::Drop(Reason::Guessing))]
    {
        assert_eq!(gate.judge(START, &from(&format!("198.51.100.7:{port}")), false, &guess), ruling, "{port}");
    }
    // Also a phone that is new there, and the same account from elsewhere.
    let other = signed(&gate, START, "carla");
    assert_eq!(gate.judge(START, &from("198.51.100.7:40001"), false, &other), Ruling::Stranger);
    let elsewhere = signed_from(&gate, START, "198.51.100.8:5060", "anna");
    assert_eq!(gate.judge(START, &from("198.51.100.8:5060"), false, &elsewhere), Ruling::Stranger);
    let own = signed(&gate, START, "bjorn");
    assert_eq!(gate.judge(START, &neighbour, false, &own), Ruling::Known);
    let later = START + Duration::from_secs(60);
    let guess = signed(&gate, later, "anna");
    assert_eq!(gate.judge(later, &from(ANNA), false, &guess), Ruling::Stranger);
}

#[test]
fn guesses_count_together_if_each_comes_within_the_pause_of_the_one_before() {
    let heard = |between: u64| {
        let mut gate = gate(small());
        let mut is_heard = |n: &u64| {
            let now = START + Duration::from_secs(n * between);
            let guess = signed(&gate, now, "anna");
            let is_heard = gate.judge(now, &from(ANNA), false, &guess) == Ruling::Stranger;
            if is_heard {
                gate.judged(now, from(ANNA).remote, "anna", false);
            }
            is_heard
        };
        (0..8).filter(|n| is_heard(n)).collect::<Vec<_>>()
    };
    assert_eq!(heard(59), [0, 1, 2, 4, 5, 6], "let go a minute after the third");
    assert_eq!(heard(60), [0, 1, 2, 3, 4, 5, 6, 7], "who is so slow is not called a guesser");
}

#[test]
fn what_is_kept_of_a_guess_is_as_short_for_the_longest_name() {
    fn has_no_more_than_its_own_bytes<T: Copy>() -> usize {
        size_of::<T>()
    }
    assert_eq!(has_no_more_than_its_own_bytes::<Guess>(), 40);
    let mut gate = gate(small());
    let name = "x".repeat(50_000);
    for _ in 0..3 {
        gate.judged(START, from(ANNA).remote, &name, false);
    }
    let again = |user: &str| signed(&gate, START, user);
    let (long, other) = (again(&name), again(&name[1..]));
    assert_eq!(gate.judge(START, &from(ANNA), false, &long), Ruling::Drop(Reason::Guessing));
    assert_eq!(gate.judge(START, &from(ANNA), false, &other), Ruling::Stranger);
}

#[test]
fn a_burst_is_no_way_to_more_guesses() {
    let mut gate = gate(Settings { burst: 1000, ..small() });
    gate.passes(START, Transport::Udp, from(ANNA).remote);
    let guess = signed(&gate, START, "anna");
    let mut rulings = |at| (0..9).map(|_| gate.judge(at, &from(ANNA), false, &guess)).collect::<Vec<_>>();
    let first = rulings(START);
    assert_eq!(first[..3], [Ruling::Stranger; 3]);
    assert_eq!(first[3..], [Ruling::Drop(Reason::Guessing); 6]);
    // Nothing was heard of them: they were retransmissions.
    assert_eq!(rulings(START + Duration::from_secs(1))[..3], [Ruling::Stranger; 3]);
    // An office that begins its day behind one address.
    let later = START + Duration::from_secs(2);
    for n in 0..300 {
        let phone = signed(&gate, later, &format!("user{n}"));
        assert_eq!(gate.judge(later, &from(ANNA), false, &phone), Ruling::Stranger);
    }
}

#[test]
fn one_source_cannot_try_every_account() {
    let mut gate = gate(Settings { burst: 1000, ..small() });
    for n in 0..ACCOUNTS_MAX {
        gate.judged(START, from(ANNA).remote, &format!("user{n}"), false);
    }
    let further = signed(&gate, START, "anna");
    gate.passes(START, Transport::Udp, from(ANNA).remote);
    assert_eq!(gate.judge(START, &from(ANNA), false, &further), Ruling::Drop(Reason::Guessing));
    let later = START + Duration::from_secs(60);
    let further = signed(&gate, later, "anna");
    assert_eq!(gate.judge(later, &from(ANNA), false, &further), Ruling::Stranger);
}

#[test]
fn a_known_peer_that_guesses_is_a_stranger_again() {
    let mut gate = gate(small());
    gate.vouch(START, from(ANNA).remote);
    for _ in 0..3 {
        assert!(gate.is_known(START, from(ANNA).remote));
        gate.judged(START, from(ANNA).remote, "anna", false);
    }
    assert!(!gate.is_known(START, from(ANNA).remote));
}

#[test]
fn a_known_peer_guesses_no_more_of_others_than_a_stranger_does() {
    let mut gate = gate(small());
    let hop = from(ANNA);
    let mut judged = 0;
    gate.vouch(START, hop.remote);
    for _ in 0..100 {
        // The right login of its own makes it known, and forgives nothing.
        assert_eq!(gate.judge(START, &hop, false, &signed(&gate, START, "bjorn")), Ruling::Known);
        gate.judged(START, hop.remote, "bjorn", true);
        for _ in 0..5 {
            let guess = signed(&gate, START, "anna");
            if gate.judge(START, &hop, false, &guess) == Ruling::Known {
                judged += 1;
                gate.judged(START, hop.remote, "anna", false);
                gate.vouch(START, hop.remote);
            }
        }
    }
    assert_eq!(judged, 3);
    // In a burst nothing is judged before all are there.
    gate.judged(START, hop.remote, "bjorn", true);
    let guess = signed(&gate, START, "carla");
    let passed = (0..9).filter(|_| gate.judge(START, &hop, false, &guess) == Ruling::Known).count();
    assert_eq!(passed, 3);
    // Inside a dialog nobody looks at credentials, and an old nonce proves nothing.
    let mut inside = request(guess);
    inside.headers.set("To", "<sip:anna@vaxel.example>;tag=2");
    assert_eq!(gate.judge(START, &hop, false, &Message::Request(inside)), Ruling::Known);
    let old = signed(&gate, START - Duration::from_secs(300), "carla");
    assert_eq!(gate.judge(START, &hop, false, &old), Ruling::Challenge { stale: true });
}

#[test]
fn a_peer_with_many_accounts_has_all_of_them_for_as_long_as_it_is_known() {
    let mut gate = gate(Settings { guesses: 1, ..small() });
    let line = |n: usize| format!("line{n}");
    // Somebody beside it guesses them, and a third has used the one more guess.
    let guess = |gate: &mut Gate, at, n| {
        gate.judged(at, from("198.51.100.7:9").remote, &line(n), false);
        gate.judge(at, &from("198.51.100.7:10"), false, &signed(gate, at, &line(n)));
    };
    (0..100).for_each(|n| gate.judged(START, from(ANNA).remote, &line(n), true));
    for n in 0..100 {
        guess(&mut gate, START, n);
        assert_eq!(gate.judge(START, &from(ANNA), false, &signed(&gate, START, &line(n))), Ruling::Known, "{n}");
    }
    let later = START + KNOWN_FOR;
    gate.vouch(later, from(ANNA).remote);
    guess(&mut gate, later, 5);
    let ruling = gate.judge(later, &from(ANNA), false, &signed(&gate, later, &line(5)));
    assert_eq!(ruling, Ruling::Drop(Reason::Guessing));
}

#[test]
fn a_scanner_behind_a_proxy_of_ours_keeps_no_account_out_but_those_it_guesses() {
    let mut gate = gate(small());
    let proxy = from(ANNA);
    for n in 0..3 * PENDING_MAX {
        gate.judge(START, &proxy, true, &signed(&gate, START, &format!("user{n}")));
        gate.judged(START, proxy.remote, &format!("user{n}"), false);
    }
    assert!(gate.sources.get(&source(proxy.remote)).unwrap().guesses.len() <= PENDING_MAX);
    assert_eq!(gate.judge(START, &proxy, true, &signed(&gate, START, "anna")), Ruling::Stranger);
    gate.judged(START, proxy.remote, "anna", true);
    assert_eq!(gate.judge(START, &proxy, true, &signed(&gate, START, "anna")), Ruling::Known);
    assert_eq!(gate.judge(START, &proxy, true, &signed(&gate, START, "bjorn")), Ruling::Known);
}

#[test]
fn a_phone_gets_in_beside_somebody_who_guesses_its_password_without_end() {
    let mut gate = gate(Settings { burst: 1000, rate: 1000, ..small() });
    let (thief, phone) = (from(ANNA), from("198.51.100.7:40000"));
    let mut judged = 0;
    let mut guess = |gate: &mut Gate, at| {
        if gate.judge(at, &thief, false, &signed(gate, at, "anna")) == Ruling::Stranger {
            judged += 1;
            gate.judged(at, thief.remote, "anna", false);
        }
    };
    for second in 0..120 {
        (0..5).for_each(|_| guess(&mut gate, START + Duration::from_secs(second)));
    }
    let now = START + Duration::from_secs(120);
    (0..5).for_each(|_| guess(&mut gate, now));
    assert_eq!(gate.judge(now, &phone, false, &signed(&gate, now, "anna")), Ruling::Stranger);
    gate.judged(now, phone.remote, "anna", true);
    // From now on always, and the thief has nothing of it.
    for _ in 0..100 {
        guess(&mut gate, now);
        assert_eq!(gate.judge(now, &phone, false, &signed(&gate, now, "anna")), Ruling::Known);
        gate.judged(now, phone.remote, "anna", true);
    }
    assert_eq!(judged, 9, "three in each minute");
}

#[test]
fn who_writes_a_false_sender_guesses_in_nobodys_name() {
    let mut gate = gate(Settings { burst: 1000, ..small() });
    // Asked where the forger is heard, sent as if from where the phone is.
    let forged = signed_from(&gate, START, "203.0.113.66:5060", "anna");
    for _ in 0..100 {
        assert_eq!(gate.judge(START, &from(ANNA), false, &forged), Ruling::Challenge { stale: true });
    }
    assert_eq!(gate.judge(START, &from(ANNA), false, &signed(&gate, START, "anna")), Ruling::Stranger);
    gate.judged(START, from(ANNA).remote, "anna", true);
    assert_eq!(gate.judge(START, &from(ANNA), false, &forged), Ruling::Challenge { stale: true }, "nor of a known one");
    // Its router gives the phone another address: it is asked again. Another port: it is not.
    let answer = signed(&gate, START, "anna");
    assert_eq!(gate.judge(START, &from("198.51.100.8:5060"), false, &answer), Ruling::Challenge { stale: true });
    assert_eq!(gate.judge(START, &from("198.51.100.7:61000"), false, &answer), Ruling::Stranger);
}

#[test]
fn old_and_foreign_nonces_never_reach_the_switchboard() {
    let mut gate = gate(Settings::default());
    let old = signed(&gate, START - Duration::from_secs(300), "anna");
    assert_eq!(gate.judge(START, &from(ANNA), false, &old), Ruling::Challenge { stale: true });
    let foreign = Gate::new(small(), Authenticator::new("vaxel", [8; 32], Duration::from_secs(300)));
    let foreign = signed(&foreign, START, "anna");
    assert_eq!(gate.judge(START, &from(ANNA), false, &foreign), Ruling::Challenge { stale: true });
}

#[test]
fn a_challenge_over_udp_is_at_most_three_times_the_request_or_is_not_given() {
    let both = Gate::new(small(), Authenticator::new("vaxel", [7; 32], Duration::from_secs(300)));
    let mut shortest = None;
    for padding in (0..600).step_by(7) {
        let text = format!(
            "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\nf:sip:a\r\nt:sip:a\r\ni:1\r\nCSeq:1 OPTIONS\r\nx:{}\r\n\r\n",
            "y".repeat(padding)
        );
        let asked = request(Message::parse(text.as_bytes()).unwrap());
        let Some(transmit) = both.challenge(START, &from(ANNA), &asked, text.len(), false) else {
            assert_eq!(shortest, None, "longer requests are answered as well");
            continue;
        };
        shortest.get_or_insert(text.len());
        assert!(transmit.bytes.len() <= 3 * text.len());
        let Ok(Message::Response(response)) = Message::parse(&transmit.bytes) else { panic!("no response") };
        assert_eq!(response.code, 401);
        let challenges: Vec<_> =
            response.headers.get_all("WWW-Authenticate").map(|c| Challenge::parse(c).unwrap()).collect();
        assert_eq!(challenges.last().unwrap().algorithm, Algorithm::Md5);
        assert_eq!(response.headers.via().unwrap().received(), Some(from(ANNA).remote.ip()));
        assert!(response.headers.to().unwrap().tag().is_some() && !response.headers.has("Server"));
    }
    // A phone's smallest request has its branch, its tags and a Call-ID that is worth the name.
    assert!(shortest.unwrap() <= 120, "{shortest:?}");
    // A stream's sender is who it says.
    let tiny = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/TCP a\r\nf:sip:a\r\nt:sip:a\r\ni:1\r\nCSeq:1 OPTIONS\r\nl:0\r\n\r\n";
    let asked = request(Message::parse(tiny.as_bytes()).unwrap());
    let stream = Hop { transport: Transport::Tcp, connection: Some(1), ..from(ANNA) };
    assert!(both.challenge(START, &stream, &asked, tiny.len(), false).is_some());
}

#[test]
fn a_retransmission_gets_the_same_tag_and_another_request_another() {
    let gate = gate(Settings::default());
    let tag = |text: &str| {
        let asked = request(Message::parse(text.as_bytes()).unwrap());
        let bytes = gate.challenge(START, &from(ANNA), &asked, 1000, false).unwrap().bytes;
        Message::parse(&bytes).unwrap().headers().to().unwrap().tag().unwrap().to_owned()
    };
    assert_eq!(tag(&bytes("INVITE", "")), tag(&bytes("INVITE", "")));
    assert_ne!(tag(&bytes("INVITE", "")), tag(&bytes("INVITE", "").replace("z9hG4bK1", "z9hG4bK2")));
}

#[test]
fn tables_are_bounded_and_keep_what_is_used() {
    let mut gate = gate(small());
    let used = from(ANNA).remote;
    gate.vouch(START, used);
    for n in 0..3 * KNOWN_MAX as u32 {
        gate.vouch(START, SocketAddr::from((std::net::Ipv4Addr::from_bits(n), 5060)));
        gate.passes(START, Transport::Udp, SocketAddr::from((std::net::Ipv4Addr::from_bits(n), 5060)));
        if n % 1000 == 0 {
            assert!(gate.is_known(START, used));
        }
    }
    assert!(gate.known.len() <= KNOWN_MAX);
    assert!(gate.sources.len() <= SOURCES_MAX);
    assert!(gate.is_known(START, used));
}

#[test]
fn a_stranger_is_told_what_is_wrong_in_the_words_of_the_rfcs_where_the_answer_may_be_that_long() {
    let gate = gate(small());
    let text = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n";
    let bad = Message::parse(text.as_bytes()).unwrap_err();
    let said = |transport, size| {
        let answer = gate.answer_unread(&Hop { transport, ..from(ANNA) }, &bad, size)?;
        String::from_utf8(answer.bytes).unwrap().lines().next().map(str::to_owned)
    };
    let (long, short) = ("SIP/2.0 400 Bad Request", "SIP/2.0 400 ");
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        assert_eq!(said(transport, 0).as_deref(), Some(long));
    }
    let (size, first) = (1..1000).find_map(|size| Some((size, said(Transport::Udp, size)?))).unwrap();
    assert_eq!(first, short);
    assert_eq!(said(Transport::Udp, size + 100).as_deref(), Some(long));
}
