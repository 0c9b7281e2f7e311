//! Keys sent by SIP INFO: `application/dtmf-relay` (a line `Signal=5`) and `application/dtmf` (the key alone).
//! Neither has an RFC; these two forms are what phones and carriers send.

/// The key in the body of an INFO request; `None` if it carries none.
pub fn from_info(content_type: &str, body: &[u8]) -> Option<char> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let text = std::str::from_utf8(body).ok()?;
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    match signal {
        // Event codes of RFC 4733 §3.2, as some phones write them.
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut keys = signal.chars();
            let key = keys.next()?.to_ascii_uppercase();
            (keys.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::from_info;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(from_info("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(from_info("Application/DTMF-Relay; x=y", b"Duration=160\r\nsignal= # \r\n"), Some('#'));
        assert_eq!(from_info("application/dtmf-relay", b"Signal=11\r\n"), Some('#'));
        assert_eq!(from_info("application/dtmf", b"7"), Some('7'));
        assert_eq!(from_info("application/dtmf", b"*\r\n"), Some('*'));
    }

    #[test]
    fn anything_else_is_no_key() {
        for (kind, body) in [
            ("text/plain", &b"5"[..]),
            ("application/dtmf", b"55"),
            ("application/dtmf", b""),
            ("application/dtmf", b"x"),
            ("application/dtmf-relay", b"Duration=160"),
            ("application/dtmf-relay", b"Signal=\xff"),
        ] {
            assert_eq!(from_info(kind, body), None, "{kind} {body:?}");
        }
    }
}
