//! What operators are not shown of a message: credentials, wherever they stand.
//!
//! In headers that carry them, whole; in URIs the password (RFC 3261 §19.1.1 wants none there, and some write one) and headers behind
//! `?` that carry credentials; in bodies the keys of SRTP (RFC 4568, RFC 4567, RFC 4566 §5.12), the passwords of ICE
//! (RFC 8839 §5.4) and headers quoted from other messages. A signed Identity (RFC 8224) is none: whoever is called may see it.

use super::headers::Headers;
use super::message::Message;
use super::uri::{SipUri, Uri};
use std::ops::Range;

/// Stands where credentials stood.
const HIDDEN: &str = "(not shown)";

/// The same within an URI.
const IN_URI: &str = "***";

/// Headers that carry credentials, or an answer to them (RFC 3261 §20.6, §20.7, §20.28, RFC 7615 §4).
const SECRET: [&str; 4] = ["Authorization", "Proxy-Authorization", "Authentication-Info", "Proxy-Authentication-Info"];

/// Takes all credentials out of `message`. What has none stays as it is to the byte.
pub fn conceal(message: &mut Message) {
    if let Message::Request(request) = message {
        match &mut request.uri {
            Uri::Sip(uri) => conceal_uri(uri),
            Uri::Other(text) => *text = without(text, &in_value(text.as_bytes())),
            Uri::Tel { .. } => {}
        }
    }
    let is_open = |name: &str, value: &str| is_secret(name) || !in_value(value.as_bytes()).is_empty();
    if message.headers().iter().any(|header| is_open(header.name, header.value)) {
        let mut shown = Headers::new();
        for header in message.headers().iter() {
            match is_secret(header.name) {
                true => shown.push(header.name, HIDDEN),
                false => shown.push(header.name, without(header.value, &in_value(header.value.as_bytes()))),
            }
        }
        *message.headers_mut() = shown;
    }
    // As long as before, and in as many lines: bodies tell lengths within themselves.
    let body = message.body_mut();
    for secret in in_body(body) {
        body[secret].iter_mut().filter(|b| !b.is_ascii_whitespace()).for_each(|b| *b = b'*');
    }
}

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

fn conceal_uri(uri: &mut SipUri) {
    if uri.password.is_some() {
        uri.password = Some(IN_URI.into());
    }
    uri.headers.iter_mut().filter(|(name, _)| is_secret(name)).for_each(|(_, value)| *value = IN_URI.into());
}

fn without(text: &str, secrets: &[Range<usize>]) -> String {
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for secret in secrets {
        shown.push_str(&text[at..secret.start]);
        shown.push_str(IN_URI);
        at = secret.end;
    }
    shown + &text[at..]
}

/// Where secrets are in what holds URIs, in order. Rather too much than too little, where a URI is not written as it should be.
fn in_value(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let secret = match bytes[at] {
            b':' if is_scheme(&bytes[..at]) => password(bytes, at + 1),
            b'?' | b'&' => header(bytes, at + 1),
            _ => None,
        };
        at = secret.as_ref().map_or(at + 1, |secret| secret.end);
        found.extend(secret);
    }
    found
}

/// Whether a URI begins here.
fn is_scheme(before: &[u8]) -> bool {
    let word = before.rsplit(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
    ["sip", "sips", "ws", "wss", "http", "https"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// So far is looked for the end of a user's name and password, in bytes; what is longer is none, and a text full of beginnings of
/// URIs is not gone through for each.
const USER_INFO_MAX: usize = 512;

/// The password of the URI whose scheme ends here.
fn password(bytes: &[u8], begin: usize) -> Option<Range<usize>> {
    let ends = |b: u8| b.is_ascii_whitespace() || matches!(b, b'<' | b'>' | b'"');
    let rest = &bytes[begin..bytes.len().min(begin + USER_INFO_MAX)];
    let rest = &rest[..rest.iter().position(|b| ends(*b)).unwrap_or(rest.len())];
    // Between < and > nothing but this URI can stand.
    let is_whole = is_bracketed(&bytes[..begin]) && bytes.get(begin + rest.len()) == Some(&b'>');
    let (is_url, rest, begin) = match rest.strip_prefix(b"//") {
        Some(rest) => (true, rest, begin + 2),
        None => (false, rest, begin),
    };
    let user = rest.iter().take_while(|b| !matches!(b, b':' | b'@')).count();
    if rest.get(user) != Some(&b':') {
        return None;
    }
    // Without an @ it was a host and its port. No password has these others in it, but some write them.
    let after = &rest[user + 1..];
    let first = after.iter().position(|b| matches!(b, b'@' | b';' | b'?' | b'/' | b'#'))?;
    let length = after.iter().position(|b| *b == b'@')?;
    let is_number = after[..first].iter().all(u8::is_ascii_digit);
    let between = &after[first..length];
    let is_user = is_whole && !after[length + 1..].contains(&b'@') && is_within_user(between);
    let is_port = is_number && is_behind_port(between, is_url) && !is_user;
    if first < length && (rest.starts_with(b"[") || is_port) {
        return None;
    }
    let start = begin + user + 1;
    Some(start..start + length)
}

/// Whether what stands between a number and an @ can be what follows a port, so that the number is one: no URI may have such an @, but
/// some have. Else the number is a password, or the beginning of one.
fn is_behind_port(text: &[u8], is_url: bool) -> bool {
    if is_url {
        // RFC 3986 §3.2: these end what could be a user.
        return matches!(text.first(), Some(b'/' | b'?' | b'#'));
    }
    // The @ is in the next URI of a list, or in the value of a parameter or header.
    let has = |start: &[u8]| text.windows(start.len()).any(|word| word.eq_ignore_ascii_case(start));
    let last = text.rsplit(|b| matches!(b, b';' | b'?' | b'&')).next().unwrap_or_default();
    has(b",sip:") || has(b",sips:") || last.iter().position(|b| *b == b'=').is_some_and(|at| at > 0)
}

/// Whether a scheme with its colon, with which this ends, stands right behind a <.
fn is_bracketed(before: &[u8]) -> bool {
    let scheme = before.strip_suffix(b":").unwrap_or(before);
    scheme.iter().rev().find(|b| !b.is_ascii_alphanumeric()) == Some(&b'<')
}

/// Parameters that a host and its port are known by, here (RFC 3261 §19.1.1).
const BEHIND_HOST: [&str; 6] = ["transport", "user", "method", "ttl", "maddr", "lr"];

/// Whether what stands between a number and the only @ of a URI belongs to a password, as who reads the URI splits it at its first @.
/// Not where a host shows itself: by a parameter that users do not have, by headers, or because the @ is in another URI.
fn is_within_user(text: &[u8]) -> bool {
    let names_host = |param: &[u8]| {
        let name = param.split(|b| *b == b'=').next().unwrap_or_default();
        BEHIND_HOST.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    let has = |part: &[u8]| text.windows(part.len()).any(|word| word.eq_ignore_ascii_case(part));
    let names_other = has(b"sip:") || has(b"sips:");
    text.starts_with(b";") && !text.contains(&b'?') && !names_other && !text.split(|b| *b == b';').any(names_host)
}

/// The value of the header of a URI whose name begins here, if it carries credentials.
fn header(bytes: &[u8], begin: usize) -> Option<Range<usize>> {
    let rest = &bytes[begin..];
    // No name goes on past these: a text full of them is gone through once.
    let at = rest.iter().position(|b| matches!(b, b'=' | b'&' | b'?'))?;
    let (name, value) = (str::from_utf8(&rest[..at]).ok()?, rest[at..].strip_prefix(b"=")?);
    is_secret(&super::lex::unescape(name)?).then(|| {
        let start = begin + name.len() + 1;
        start..start + value.iter().position(|b| matches!(b, b'&' | b'>')).unwrap_or(value.len())
    })
}

/// Where secrets are in a body, in order.
fn in_body(body: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let line = line(&body[at..]);
        let text = line.trim_ascii_end();
        let starts = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let begin = if starts(b"a=crypto:") {
            text.windows(7).position(|word| word.eq_ignore_ascii_case(b"inline:")).map(|at| at + 7)
        } else if starts(b"a=key-mgmt:") {
            // Behind the name of a protocol.
            text.iter().position(|b| *b == b' ').or(Some(b"a=key-mgmt:".len()))
        } else if starts(b"a=ice-pwd:") {
            Some(b"a=ice-pwd:".len())
        } else if starts(b"k=") {
            Some(2)
        } else {
            let name = text.iter().position(|b| *b == b':');
            let is_secret = |name: &[u8]| str::from_utf8(name.trim_ascii_end()).is_ok_and(is_secret);
            name.filter(|colon| is_secret(&text[..*colon])).map(|colon| colon + 1)
        };
        match begin {
            Some(begin) => found.push(at + begin..at + text.len()),
            None => found.extend(in_value(text).into_iter().map(|r| at + r.start..at + r.end)),
        }
        at += line.len();
    }
    found
}

/// The first line with those by which it goes on: they begin with a space or a tab (RFC 3261 §7.3.1).
fn line(body: &[u8]) -> &[u8] {
    let ends = |at: &usize| body[*at] == b'\n' && !matches!(body.get(at + 1), Some(b' ' | b'\t'));
    &body[..(0..body.len()).find(ends).map_or(body.len(), |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is shown.
    fn shown(start: &str, more: &str, body: &str) -> String {
        let method = start.split(' ').next().unwrap();
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:4711@a.example>;tag=1\r\n\
             To: <sip:100@b.example>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut message = Message::parse(text.as_bytes()).unwrap();
        conceal(&mut message);
        let shown = String::from_utf8(message.to_bytes()).unwrap();
        assert!(Message::parse(shown.as_bytes()).is_ok(), "{shown}");
        shown
    }

    #[test]
    fn headers_that_carry_credentials_are_hidden_at_their_place() {
        let text = shown(
            "REGISTER sip:b.example SIP/2.0",
            "Authorization: Digest username=\"anna\", response=\"s3cret\"\r\nproxy-authorization: Digest\r\n response=\"s3cret\"\r\n\
             Subject: x\r\nAuthorization: Basic s3cret\r\nAuthentication-Info: rspauth=\"s3cret\"\r\n\
             Proxy-Authentication-Info: rspauth=\"s3cret\"\r\nIdentity: eyJhbGciOi.eyJhdHQi.sig;info=<https://c.example/c>\r\n",
            "",
        );
        assert!(!text.contains("s3cret") && !text.contains("Digest"), "{text}");
        assert_eq!(text.matches(HIDDEN).count(), 5, "{text}");
        assert!(text.contains("Subject: x\r\nAuthorization: (not shown)\r\nAuthentication-Info: "), "{text}");
        assert!(text.contains("eyJhbGciOi.eyJhdHQi.sig"), "{text}");
    }

    #[test]
    fn passwords_in_uris_are_hidden_wherever_the_uri_stands() {
        let text = shown(
            "INVITE sip:anna:s3cret@b.example;user=phone SIP/2.0",
            "Contact: \"A: b@c\" <sip:anna:s3cret@192.0.2.7:5060;ob>, <sips:anna:s3:cret@h>\r\nRoute: <sip:p:s3cret@h;lr>,<SIP:h:5061;lr>\r\n\
             Refer-To: <sip:x@h?Replaces=a%40b%3Bto-tag%3D1&Authorization=Digest%20response%3D%22s3cret%22&Subject=sold>\r\n\
             Referred-By: <sip:x@h?proxy%2dauthorization=s3cret>\r\nAlert-Info: <https://u:s3cret@h:80/ring.wav>\r\n\
             P-Asserted-Identity: sip:u:s3cret@h\r\nX-Old: sip:h:5060 ; sip:u@h\r\n",
            "",
        );
        assert!(!text.contains("cret"), "{text}");
        for kept in [
            "INVITE sip:anna:***@b.example;user=phone SIP/2.0\r\n",
            "\"A: b@c\" <sip:anna:***@192.0.2.7:5060;ob>, <sips:anna:***@h>\r\n",
            "<sip:p:***@h;lr>,<SIP:h:5061;lr>\r\n",
            "<sip:x@h?Replaces=a%40b%3Bto-tag%3D1&Authorization=***&Subject=sold>\r\n",
            "<https://u:***@h:80/ring.wav>\r\n",
            "X-Old: sip:h:5060 ; sip:u@h\r\n",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        let text = shown(
            "REFER sip:x@h?Authorization=s3cret SIP/2.0",
            "Refer-To: <sip:x@h?Authorization=Digest a=\"s3cret\">\r\n",
            "",
        );
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!shown("OPTIONS http://u:s3cret@h/ SIP/2.0", "", "").contains("s3cret"));
    }

    #[test]
    fn keys_and_quoted_credentials_in_bodies_are_hidden_and_lengths_stay() {
        let body = "v=0\r\nk=clear:s3cret\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cret|2^20|1:4\r\na=x:y\r\n\
                    SIP/2.0 200 OK\r\nAuthorization: Digest response=\"s3cret\"\r\nContact: <sip:u:s3cret@h>\r\nöäk=s3en\n";
        let text = shown("MESSAGE sip:b.example SIP/2.0", "Content-Type: text/plain\r\n", body);
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("k=************\r\n") && text.contains(" inline:***************\r\na=x:y\r\n"), "{text}");
        assert!(
            text.contains("<sip:u:******@h>\r\nöäk=s3en\n")
                && text.contains(&format!("Content-Length: {}\r\n", body.len()))
        );
    }

    #[test]
    fn passwords_of_ice_are_hidden_and_the_rest_of_ice_is_not() {
        let body = "v=0\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=ice-options:trickle\r\n\
                    m=audio 9 RTP/AVP 0\r\nA=ICE-PWD: s3cret+/ \na=ice-pwd:\r\na=mid:0\r\n";
        let text = shown("INVITE sip:b.example SIP/2.0", "Content-Type: application/sdp\r\n", body);
        assert!(!text.contains("asd88") && !text.contains("s3cret"), "{text}");
        let kept = "v=0\r\na=ice-ufrag:8hhY\r\na=ice-pwd:**********************\r\na=ice-options:trickle\r\n\
                    m=audio 9 RTP/AVP 0\r\nA=ICE-PWD: ******** \na=ice-pwd:\r\na=mid:0\r\n";
        assert!(text.ends_with(kept), "{text}");
    }

    #[test]
    fn a_quoted_header_is_hidden_with_the_lines_by_which_it_goes_on() {
        let body = "INVITE sip:b.example SIP/2.0\r\nAuthorization:\r\n Digest\r\n\tresponse=\"s3cret\"\r\n  , cnonce=\"s3cret\"\r\n\
                    Refer-To: <sip:x@h?Authorization=Digest\r\n a=\"s3cret\">\r\nSubject: a\r\n b\r\n\
                    a=key-mgmt:mikey AQAFgM0XflABAAAAs3cret\r\na=key-mgmt:s3cret\r\n";
        let text = shown("MESSAGE sip:b.example SIP/2.0", "Content-Type: message/sipfrag\r\n", body);
        assert!(!text.contains("cret"), "{text}");
        let kept = ["Authorization:\r\n ******\r\n\t*****", "\r\nSubject: a\r\n b\r\na=key-mgmt:mikey *"];
        assert!(kept.iter().all(|kept| text.contains(kept)), "{text}");
        let mut body = b"Authorization: x\n s3cret \xff\nContact: \xff <sip:u:s3cret@h>".to_vec();
        let secrets = in_body(&body);
        secrets.into_iter().for_each(|secret| body[secret].fill(b'*'));
        assert!(!body.windows(6).any(|word| word == b"s3cret"), "{body:?}");
    }

    #[test]
    fn passwords_that_are_not_as_they_should_be_are_hidden_and_ports_are_not() {
        let hidden = |text: &str| without(text, &in_value(text.as_bytes()));
        for (text, shown) in [
            ("sip:a:x;s3cret@b", "sip:a:***@b"),
            ("sip:a:x?s3/cret@b;lr", "sip:a:***@b;lr"),
            ("wss://u:s3cret@h:443/a", "wss://u:***@h:443/a"),
            ("WS://u:s3cret@h", "WS://u:***@h"),
            ("sip:h:5060;a=b@c", "sip:h:5060;a=b@c"),
            ("https://h:80/a@b", "https://h:80/a@b"),
            ("sip:[2001:db8::1]:5060;a=b@c", "sip:[2001:db8::1]:5060;a=b@c"),
            // A password of digits alone.
            ("sip:anna:1234@b", "sip:anna:***@b"),
            ("sip:anna:1234;x@b", "sip:anna:***@b"),
            ("sips:anna:1234;a=b;x@b:5061", "sips:anna:***@b:5061"),
            ("<sip:anna:1234?x@b>;q=1", "<sip:anna:***@b>;q=1"),
            ("sip:anna:12/34@b", "sip:anna:***@b"),
            ("sip:anna:12#4@b;lr", "sip:anna:***@b;lr"),
            ("sip:anna:1234;=x@b", "sip:anna:***@b"),
            ("https://u:1234;a=b@h:80/", "https://u:***@h:80/"),
            // Also where it goes on like parameters, if it is sure where the URI ends and it has one @.
            ("<sip:anna:77;a=b@h>", "<sip:anna:***@h>"),
            ("\"A\" <SIPS:anna:77;a=b;c=d@h:5061;lr>;tag=1", "\"A\" <SIPS:anna:***@h:5061;lr>;tag=1"),
            ("<sip:h:5060;lr>, <sip:anna:77;a=b@h>", "<sip:h:5060;lr>, <sip:anna:***@h>"),
            ("<sip:h:77;a=b@c;d=e@f>", "<sip:h:77;a=b@c;d=e@f>"),
            ("<sip:h:5060;transport=tcp;a=b@c>", "<sip:h:5060;transport=tcp;a=b@c>"),
            ("<sip:h:5060;a=b;LR;c=d@e>", "<sip:h:5060;a=b;LR;c=d@e>"),
            ("<sip:h:5060;a=b?Replaces=c@d>", "<sip:h:5060;a=b?Replaces=c@d>"),
            ("<sip:h:5060;a=sip:u@c>", "<sip:h:5060;a=sip:u@c>"),
            ("<sip:[2001:db8::1]:5060;a=b@c>", "<sip:[2001:db8::1]:5060;a=b@c>"),
            ("<sip:h:5060>;a=b@c", "<sip:h:5060>;a=b@c"),
            // Ports, whatever follows them.
            ("sip:h:5060;lr,sip:u@h", "sip:h:5060;lr,sip:u@h"),
            ("sip:h:5060;lr,sips:u:12@h", "sip:h:5060;lr,sips:u:***@h"),
            ("sip:h:5060;x, <sip:u@h>", "sip:h:5060;x, <sip:u@h>"),
            ("<sip:h:5060;x>;a@b", "<sip:h:5060;x>;a@b"),
            ("<sip:h:5060;lr;ftag=a@b>", "<sip:h:5060;lr;ftag=a@b>"),
            ("<sip:h:5060?Replaces=a@b>", "<sip:h:5060?Replaces=a@b>"),
            ("<sip:h:5060?a=b&Replaces=a@b>", "<sip:h:5060?a=b&Replaces=a@b>"),
            ("<sip:u@h:5060;x@y>", "<sip:u@h:5060;x@y>"),
            ("ws://h:80?a@b", "ws://h:80?a@b"),
            ("https://h:80#a@b", "https://h:80#a@b"),
            ("https://[2001:db8::1]:80/a@b", "https://[2001:db8::1]:80/a@b"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn what_has_no_secret_stays_as_it_came() {
        let more =
            "Subject: 10:30 @ noon? a&b=c\r\nContact: <sip:anna@192.0.2.7:5060>\r\nX-A: sip:h:5060;a=b@c, ?&=\r\n";
        let sdp =
            "v=0\r\no=- 1 1 IN IP4 h\r\ns=at 10:30\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
        let text = shown("INVITE sip:anna@b.example:5060;transport=udp SIP/2.0", more, sdp);
        assert!(text.contains(more) && text.ends_with(sdp) && !text.contains('*'), "{text}");
    }

    #[test]
    fn nothing_that_comes_makes_it_fail() {
        for text in ["", ":", "sip:", "sip::", "sip::@", "?", "&", "?=", "?%", "sip:a:b", "sip:ä:ö@ü?%41uthorization=ß"]
        {
            let secrets = in_value(text.as_bytes());
            assert!(!without(text, &secrets).contains(['ß', 'ö']), "{text}");
            in_body(text.as_bytes());
        }
        in_body(b"\xff:\xff\nk=\xff\na=crypto:\xff inline:\xff");
    }
}
